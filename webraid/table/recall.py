"""What this machine kept of the log: verified records from its cache, its own ones, and what it is handed besides."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence

from webraid.codec.records import parse_name
from webraid.errors import IntegrityError
from webraid.table.device import OwnLog
from webraid.table.local import Local, Row
from webraid.table.log import LogBook
from webraid.table.verify import Verifier


def recall(book: LogBook, verifier: Verifier, local: Local, own: OwnLog) -> None:
    """Everything that lies on this machine.  The cache gets back what it lost."""
    cached = local.records()
    admit(book, verifier, cached, before=local.guarded)
    mine = own.records()
    admit(book, verifier, whole({name: blob for name, blob in mine.items() if name not in book.names}))
    kept = {(device, seq, digest) for device, seq, digest, _ in cached}
    here = [(book.names[name], blob) for name, blob in mine.items() if name in book.names]
    lost = [(record, blob) for record, blob in here if (record.device, record.seq, record.digest) not in kept]
    if lost:  # the cache was deleted, or we stopped between the two
        local.add_records((record.device, record.seq, record.digest, blob) for record, blob in lost)


def whole(blobs: Mapping[str, bytes]) -> list[Row]:
    """Those that are what their names say."""
    rows = []
    for name, blob in blobs.items():
        device, seq, short = parse_name(name)
        digest = hashlib.sha256(blob).digest()
        if digest.hex()[:16] == short:
            rows.append((device, seq, digest, blob))
    return rows


def admit(book: LogBook, verifier: Verifier, rows: Sequence[Row], *, before: bool = False) -> None:
    """Take in the records, each of which has its digest, as far as they can be verified; those of new epochs after the
    ones that begin these.  ``before``: see ``Verifier.open_whole``."""
    left = sorted(rows, key=lambda row: row[1])  # a device's first record holds the key that the others are held to
    while left:
        now: list[Row] = []
        waiting: list[Row] = []
        for row in left:
            (waiting if verifier.lacks_root_of(row[3]) else now).append(row)
        for device, seq, digest, blob in now:
            with contextlib.suppress(IntegrityError):  # rot in a cache: the disks have it whole
                book.add(verifier.open_whole(device, seq, digest, blob, before=before))
        left = waiting if now else []
