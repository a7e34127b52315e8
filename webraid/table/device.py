"""This machine's own key and its own log records that are not yet on every disk: plain files under state/device.

They are kept apart from the SQLite cache, so that the cache can be deleted at any time without making this machine
write a number twice.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import json

from webraid.codec.keys import DeviceKey, Root, open_device, seal_device
from webraid.codec.records import parse_name
from webraid.config import write_private
from webraid.env import Env
from webraid.errors import ConfigError, NotAPool, SealBroken, WrongPassphrase
from webraid.table.log import is_name

CARD = "card.json"
NEW = ".new"  # what is being written


class _Card(msgspec.Struct):
    """What a device knows besides its slot: nothing secret."""

    pool: str
    owner: str
    name: str


@dataclass(slots=True)
class Identity:
    """Who this machine is in the pool.  ``root``: the newest that it knows, with all older ones: those that came after
    it was enrolled follow from the log, where each is sealed for this machine's key."""

    pool: bytes
    owner: bytes
    name: str
    root: Root = field(repr=False)
    key: DeviceKey = field(repr=False)


def has_identity(folder: Path) -> bool:
    """Whether this machine's key is complete."""
    return (folder / CARD).exists()


def forget_identity(folder: Path) -> None:
    """Begin anew: without its card an identity is none, whatever else is written or left half-way."""
    (folder / CARD).unlink(missing_ok=True)
    if folder.exists():
        _sync(folder)
    for record in folder.glob("log/*"):
        record.unlink()


def save_identity(folder: Path, identity: Identity, env: Env) -> None:
    """Write the device's files, mode 0600, the card last: it marks the identity as complete."""
    (folder / "log").mkdir(parents=True, exist_ok=True, mode=0o700)
    kek = env.random(32)
    write_private(folder / "kek", kek.hex())
    write_private(folder / "slot", seal_device(identity.pool, kek, identity.root, identity.key, env).hex())
    card = _Card(identity.pool.hex(), identity.owner.hex(), identity.name)
    _sync(folder)
    write_private(folder / CARD, json.encode(card).decode())
    _sync(folder)


def load_slots(folder: Path) -> dict[str, bytes]:
    """Key slots that a machine kept which made its pool before the log named slots; {} anywhere else."""
    try:
        kept = json.decode((folder / "slots.json").read_bytes(), type=dict[str, str])
        return {name: bytes.fromhex(text) for name, text in kept.items()}
    except (FileNotFoundError, ValueError, msgspec.MsgspecError):
        return {}


def _sync(folder: Path) -> None:
    """The names in ``folder`` survive a power cut when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_identity(folder: Path) -> Identity:
    """This machine's identity.  Raises NotAPool when it has none, ConfigError when the files are damaged."""
    try:
        card = json.decode((folder / CARD).read_bytes(), type=_Card)
        pool = bytes.fromhex(card.pool)
        kek = bytes.fromhex((folder / "kek").read_text())
        opened = open_device(bytes.fromhex((folder / "slot").read_text()), pool, kek)
    except FileNotFoundError:
        raise NotAPool(
            "this machine has no key of the pool",
            hint="Run 'webraid recover' with the passphrase and any one disk; nothing on the disks is lost.",
        ) from None
    except (OSError, ValueError, msgspec.MsgspecError, SealBroken, WrongPassphrase) as error:
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
        temporary = final.with_suffix(NEW)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
        _sync(self._folder)

    def records(self) -> dict[str, bytes]:
        """Name -> bytes of every record kept, oldest first.  Another process may prune meanwhile."""
        found = {}
        for name, path in self._files().items():
            with contextlib.suppress(FileNotFoundError):
                found[name] = path.read_bytes()
        return found

    def newest(self) -> str:
        """Name of the newest record kept, '' if there is none."""
        return max(self._files(), default="")

    def prune(self, seq: int) -> None:
        """Records up to ``seq`` are on every disk; the newest is kept all the same."""
        files = self._files()
        for name, path in list(files.items())[:-1]:
            if parse_name(name)[1] <= seq:
                path.unlink()
        for leftover in self._folder.glob("*" + NEW):  # of a run that was killed
            leftover.unlink()

    def _files(self) -> dict[str, Path]:
        names = {path.name.replace("_", "/"): path for path in self._folder.iterdir()}
        return {name: names[name] for name in sorted(names) if is_name(name)}
