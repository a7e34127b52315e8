"""This machine's own key and its own log records that are not yet on every disk: plain files under state/device.

They are kept apart from the SQLite cache, so that the cache can be deleted at any time without making this machine
write a number twice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webraid.codec.keys import DeviceKey, Root, open_device, seal_device
from webraid.codec.records import parse_name
from webraid.config import write_private
from webraid.env import Env
from webraid.errors import ConfigError, NotAPool, SealBroken


class _Card(msgspec.Struct):
    """What a device knows besides its slot: nothing secret."""

    pool: str
    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this machine is in the pool."""

    pool: bytes
    owner: bytes
    name: str
    root: Root = field(repr=False)
    key: DeviceKey = field(repr=False)


def save_identity(folder: Path, identity: Identity, env: Env) -> None:
    """Write the device's files, mode 0600, the card last: it marks the identity as complete."""
    (folder / "log").mkdir(parents=True, exist_ok=True, mode=0o700)
    kek = env.random(32)
    write_private(folder / "kek", kek.hex())
    write_private(folder / "slot", seal_device(identity.pool, kek, identity.root, identity.key, env).hex())
    card = _Card(identity.pool.hex(), identity.owner.hex(), identity.name)
    write_private(folder / "card.json", msgspec.json.encode(card).decode())


def load_identity(folder: Path) -> Identity:
    """This machine's identity.  Raises NotAPool when it has none, ConfigError when the files are damaged."""
    try:
        card = msgspec.json.decode((folder / "card.json").read_bytes(), type=_Card)
        pool = bytes.fromhex(card.pool)
        kek = bytes.fromhex((folder / "kek").read_text())
        opened = open_device(bytes.fromhex((folder / "slot").read_text()), pool, kek)
    except FileNotFoundError:
        raise NotAPool(
            "this machine has no key of the pool",
            hint="Run 'webraid recover' with the passphrase and any one disk; nothing on the disks is lost.",
        ) from None
    except (OSError, ValueError, msgspec.MsgspecError, SealBroken) as error:
        raise ConfigError(
            f"this machine's key in {folder} cannot be read: {error}",
            hint="Move that folder away and run 'webraid recover'.",
        ) from error
    return Identity(pool, bytes.fromhex(card.owner), card.name, opened.root, opened.device)


class OwnLog:
    """Own records that some disk may still lack, one file each, durable before they are sent anywhere."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "log"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def append(self, name: str, blob: bytes) -> None:
        """Keep a record.  Durable when this returns."""
        final = self._folder / name.replace("/", "_")
        temporary = final.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def records(self) -> dict[str, bytes]:
        """Name -> bytes of every record kept, oldest first."""
        files = sorted(path for path in self._folder.iterdir() if path.suffix != ".new")
        return {path.name.replace("_", "/"): path.read_bytes() for path in files}

    def prune(self, seq: int) -> None:
        """Records up to ``seq`` are on every disk; the newest is kept all the same."""
        names = sorted(path.name for path in self._folder.iterdir() if path.suffix != ".new")
        for name in names[:-1]:
            if parse_name(name.replace("_", "/"))[1] <= seq:
                (self._folder / name).unlink()
