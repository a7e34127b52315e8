"""From a record's bytes to a trusted record: seal, certificate of the device, signature, name, chain."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable

from webraid.codec.boxes import open_box
from webraid.codec.keys import DeviceKey, Root, join_roots
from webraid.codec.records import open_record, parse_name, peek, unverified_body
from webraid.codec.sign import verify
from webraid.errors import SealBroken, SignatureInvalid
from webraid.table.fold import Record
from webraid.table.records import AnyOp, Enroll, Rotate, certificate, decode_body
from webraid.table.rights import signed


class Verifier:
    """Opens records of one pool.  Devices are trusted because the owner certified them in their first record; this
    machine knows its own key (``me``) without.

    ``root``: the newest one, with all older ones.  Where a record begins an epoch, its root is taken in from the box
    for ``me``.  ``announced``: epochs that began, whether their root could be had or not.
    """

    def __init__(self, pool: bytes, root: Root, owner: bytes, me: DeviceKey | None = None) -> None:
        self._pool = pool
        self._owner = owner
        self._me = me
        self._public: dict[bytes, bytes] = {me.id: me.public} if me else {}
        self.root = root
        self.announced = {each.epoch for each in root.every()}

    def knows(self, name: str) -> bool:
        """Whether a record of that name can be checked now."""
        device, seq, _ = parse_name(name)
        return seq == 1 or device in self._public

    def lacks_root(self, blob: bytes, name: str) -> bool:
        """Whether the record, whole as its name has it, is of an epoch whose root is not known here (yet)."""
        return hashlib.sha256(blob).hexdigest()[:16] == parse_name(name)[2] and self.lacks_root_of(blob)

    def lacks_root_of(self, blob: bytes) -> bool:
        """The same of a record that is whole."""
        try:
            return not self.root.of(peek(blob).epoch)
        except SealBroken:
            return False

    def open(self, blob: bytes, name: str) -> Record:
        """The record in ``blob`` that a disk served under ``name``.  Raises SealBroken or SignatureInvalid."""
        device, seq, short = parse_name(name)
        digest = hashlib.sha256(blob).digest()
        if digest.hex()[:16] != short:
            raise SignatureInvalid("a log record does not have the hash that its name tells")
        return self.open_whole(device, seq, digest, blob)

    def open_whole(self, device: bytes, seq: int, digest: bytes, blob: bytes, *, before: bool = False) -> Record:
        """The same, of bytes that have this digest.

        ``before``: this machine has verified these very bytes before, and kept them beside its own key: only their hash
        is looked at again, as signatures are most of the work of opening a pool with a long log.
        """
        header = peek(blob)
        if (header.device, header.seq) != (device, seq):
            raise SignatureInvalid("a log record lies under another record's name")
        if seq == 1:  # each first record is held to the owner's certificate, also where a device wrote two
            self._enroll(device, blob)
        elif device not in self._public:
            raise SignatureInvalid("a log record's device is not known yet")
        meta = self._meta(blob, header.epoch)
        if before:
            plain = unverified_body(blob, meta, self._pool, header)
        else:
            plain = open_record(blob, meta, self._pool, self._public.__getitem__).body
        body = decode_body(plain)
        self.learn(body.ops)
        return Record(device, seq, digest, header.prev, header.time_ms, body)

    def learn(self, ops: Iterable[AnyOp]) -> None:
        """Take in the roots of epochs that begin here, where the owner signed it and there is a box for us."""
        for op in ops:
            if not isinstance(op, Rotate) or not signed(self._owner, op):
                continue
            self.announced.add(op.epoch)
            box = op.boxes.get(self._me.id) if self._me else None
            if self._me is None or box is None:
                continue
            with contextlib.suppress(SealBroken):  # a box that is none: as if it were not there
                root = open_box(box, self._pool, self._me)
                if (root.epoch, root.check) == (op.epoch, op.check):
                    self.root = join_roots(self.root, root)

    def _meta(self, blob: bytes, epoch: int) -> bytes:
        """The key that seals the record's body: of two roots of one epoch, the one that opens it."""
        roots = self.root.of(epoch)
        if not roots:
            raise SealBroken(f"a log record is sealed with keys (number {epoch}) that this machine does not have")
        for root in roots[:-1]:
            try:
                unverified_body(blob, root.meta, self._pool)
            except SealBroken:
                continue
            return root.meta
        return roots[-1].meta

    def _enroll(self, device: bytes, blob: bytes) -> None:
        body = decode_body(unverified_body(blob, self._meta(blob, peek(blob).epoch), self._pool))
        enroll = next((op for op in body.ops if isinstance(op, Enroll)), None)
        if enroll is None or hashlib.sha256(enroll.public).digest()[:8] != device:
            raise SignatureInvalid("a device's first record holds no certificate")
        signed_bytes = certificate(self._pool, enroll.public, enroll.name, enroll.rights)
        verify(self._owner, signed_bytes, enroll.signature)
        self._public[device] = enroll.public
