"""From a record's bytes to a trusted record: seal, certificate of the device, signature, name, chain."""

from __future__ import annotations

import hashlib

from webraid.codec.keys import DeviceKey, Root
from webraid.codec.records import open_record, parse_name, peek, unverified_body
from webraid.codec.sign import verify
from webraid.errors import SignatureInvalid
from webraid.table.fold import Record
from webraid.table.records import Enroll, certificate, decode_body


class Verifier:
    """Opens records of one pool.  Devices are trusted because the owner certified them in their first record; this
    machine knows its own key (``me``) without."""

    def __init__(self, pool: bytes, root: Root, owner: bytes, me: DeviceKey | None = None) -> None:
        self._pool = pool
        self._root = root
        self._owner = owner
        self._public: dict[bytes, bytes] = {me.id: me.public} if me else {}

    def knows(self, name: str) -> bool:
        """Whether a record of that name can be checked now."""
        device, seq, _ = parse_name(name)
        return seq == 1 or device in self._public

    def open(self, blob: bytes, name: str) -> Record:
        """The record in ``blob`` that a disk served under ``name``.  Raises SealBroken or SignatureInvalid."""
        device, seq, short = parse_name(name)
        if hashlib.sha256(blob).hexdigest()[:16] != short:
            raise SignatureInvalid("a log record does not have the hash that its name tells")
        header = peek(blob)
        if (header.device, header.seq) != (device, seq):
            raise SignatureInvalid("a log record lies under another record's name")
        if seq == 1:  # each first record is held to the owner's certificate, also where a device wrote two
            self._enroll(device, blob)
        elif device not in self._public:
            raise SignatureInvalid("a log record's device is not known yet")
        opened = open_record(blob, self._root.meta, self._pool, self._public.__getitem__)
        return Record(device, seq, opened.digest, header.prev, header.time_ms, decode_body(opened.body))

    def _enroll(self, device: bytes, blob: bytes) -> None:
        body = decode_body(unverified_body(blob, self._root.meta, self._pool))
        enroll = next((op for op in body.ops if isinstance(op, Enroll)), None)
        if enroll is None or hashlib.sha256(enroll.public).digest()[:8] != device:
            raise SignatureInvalid("a device's first record holds no certificate")
        signed = certificate(self._pool, enroll.public, enroll.name, enroll.rights)
        verify(self._owner, signed, enroll.signature)
        self._public[device] = enroll.public
