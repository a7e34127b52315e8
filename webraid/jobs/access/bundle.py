"""key export, import: slots and the whole signed log in one file.  Everything in it is sealed; with the passphrase or a
recovery code it leads to all disks, also when no disk has a slot or a log any more."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from webraid import config
from webraid.codec.records import parse_name, record_name
from webraid.errors import ConfigError, IntegrityError
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.slots import settle_slots, slots, unsettle

VERSION = 1


class Bundle(msgspec.Struct, frozen=True):
    """What the file holds as JSON: the pool's id (hex), its slots and log records by name (base64 each)."""

    webraid_keys: int
    pool: str
    slots: dict[str, bytes]
    records: dict[str, bytes]
    sha256: str = ""  # over the JSON of all others, so that damage is noticed before it is in the way

    def __repr__(self) -> str:
        return f"Bundle({self.pool}, {len(self.slots)} slots, {len(self.records)} records)"

    def digest(self) -> str:
        """What ``sha256`` must be."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, sha256=""), order="sorted")).hexdigest()


def export_bundle(ctx: Context, path: Path) -> int:
    """Write the file, mode 0600; returns its bytes.  Raises ConfigError when it exists."""
    if path.expanduser().exists():
        raise ConfigError(f"{path} exists already", hint="Choose a new name.")
    ctx.open_table()
    records = {
        record_name(record.device, record.seq, record.digest): ctx.local.blob(record.device, record.seq, record.digest)
        for record in ctx.table.book.records()
    }
    bundle = Bundle(VERSION, ctx.pool.hex(), slots(ctx), records)
    text = msgspec.json.encode(msgspec.structs.replace(bundle, sha256=bundle.digest())).decode()
    config.write_private(path.expanduser().absolute(), text + "\n")
    return len(text) + 1


def read_bundle(path: Path) -> Bundle:
    """Raises ConfigError when the file is none, or is damaged."""
    try:
        bundle = msgspec.json.decode(path.expanduser().read_bytes(), type=Bundle)
        pool = bytes.fromhex(bundle.pool)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no file of 'webraid key export'"
        raise ConfigError(f"{path} cannot be read: {why}", hint="Give the file that it wrote.") from None
    if bundle.webraid_keys != VERSION:
        raise ConfigError(f"{path} is of version {bundle.webraid_keys}, not known here", hint="Use a newer webraid.")
    if bundle.digest() != bundle.sha256 or len(pool) != 16:
        raise ConfigError(f"{path} is damaged", hint="Use another copy of it.")
    return bundle


def import_bundle(ctx: Context, path: Path) -> int:
    """Records that no disk showed come back, and slots to where they are missing.  Returns how many records were new.

    Raises ConfigError when the file is another pool's.  Only what the owner or a device signed is believed.
    """
    bundle = read_bundle(path)
    if bundle.pool != ctx.pool.hex():
        raise ConfigError(f"{path} is of another pool ({bundle.pool[:8]})", hint="Use this pool's file.")
    with locked(ctx.settings.places):
        ctx.open_table(spot=True)
        ctx.require_right("")
        new = ctx.table.take_in(record_blobs(bundle.records))
        for disk in ctx.table.usable():
            unsettle(ctx, disk)
        ctx.table.spread_head(wait=False)
        settle_slots(ctx)
        ctx.table.flush(ctx.config.limits.patience)
    return new


def record_blobs(records: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those whose names are records' names."""
    found = {}
    for name, blob in records.items():
        try:
            parse_name(name)
        except IntegrityError:
            continue
        found[name] = blob
    return found
