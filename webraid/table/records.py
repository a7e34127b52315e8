"""What a log record says: operations and the body around them.  The wire format around a body is codec/records.py."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from webraid.codec.pack import ChunkKind, Place
from webraid.errors import SealBroken

FORMAT = 1


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all table structures: msgpack maps with short, stable keys; unknown keys are ignored on reading.  What is
    frozen is in no cycle: the garbage collector need not go over a long log again and again."""


class Op(Struct, frozen=True, kw_only=True, tag_field="op"):
    """One operation of a record."""


class Genesis(Op, frozen=True, kw_only=True, tag="genesis"):
    """The first operation of a pool.  ``owner``: public key that certifies devices."""

    name: str
    level: str
    owner: bytes
    format: int = FORMAT


class Enroll(Op, frozen=True, kw_only=True, tag="enroll"):
    """The first operation of a device: its key and rights, certified by the owner (see ``certificate``)."""

    public: bytes
    name: str
    rights: tuple[str, ...]
    signature: bytes


class AddDisk(Op, frozen=True, kw_only=True, tag="add-disk"):
    """A disk takes a seat; it counts only after Joined.  ``connection``: sealed with root.creds."""

    disk: bytes
    name: str
    kind: str
    domain: str
    identity: str
    capacity: int | None = None
    connection: bytes = b""


class Joined(Op, frozen=True, kw_only=True, tag="joined"):
    """The disk holds all metadata: from now on its answers count."""

    disk: bytes


class RemoveDisk(Op, frozen=True, kw_only=True, tag="remove-disk"):
    """The disk is no longer part of the pool.  Its shards do not count."""

    disk: bytes


class Prepare(Op, frozen=True, kw_only=True, tag="prepare"):
    """Pins: the run may create the packs ``creates`` and use chunks of the packs ``reuses``."""

    run: bytes
    creates: tuple[bytes, ...] = ()
    reuses: tuple[bytes, ...] = ()


class TablePack(Struct, frozen=True, kw_only=True):
    """A table pack: an identical object on every disk.  ``sha256`` of the object, ``length`` of the sealed pack."""

    id: bytes
    length: int
    sha256: bytes


class ChunkAt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a chunk of a table pack lies: ``pack`` is an index into the commit's ``packs``."""

    id: bytes
    kind: int
    pack: int
    number: int
    offset: int
    stored: int
    plain: int
    compressed: bool

    def place(self) -> Place:
        """As codec/pack.py wants it."""
        return Place(
            self.id, ChunkKind(self.kind), self.number, self.offset, self.stored, self.plain, self.compressed
        )  # fmt: skip


def chunk_at(place: Place, pack: int) -> ChunkAt:
    """The reverse of ``ChunkAt.place``."""
    return ChunkAt(
        place.id, int(place.kind), pack, place.number, place.offset, place.stored, place.plain, place.compressed
    )  # fmt: skip


class RootDir(Struct, frozen=True, kw_only=True):
    """One PATH of a put: stored under ``name``; ``origin`` is where it was, absolute.  ``listed``: of what lies there
    only what a list named was stored."""

    name: bytes
    origin: bytes
    listed: bool = False


class Snapshot(Struct, frozen=True, kw_only=True):
    """The tree of files at one moment.  ``root``: id of the root page; ``partial``: a checkpoint of a longer run.
    ``source``: the config's name for what was stored, '' if it was named on the command line.  ``replaces``: runs of
    this device whose partial snapshots this one makes superfluous."""

    root: bytes
    time_ms: int
    host: str
    level: str
    roots: tuple[RootDir, ...]
    tags: tuple[str, ...] = ()
    files: int = 0
    size: int = 0
    partial: bool = False
    problems: int = 0
    source: str = ""
    replaces: tuple[bytes, ...] = ()


class Commit(Op, frozen=True, kw_only=True, tag="commit"):
    """The one commit point of a run.  ``places``: all chunks of its table packs; ``segments``: ids of the new index
    segments among them; ``supersedes``: ids of segments whose content the new ones repeat."""

    run: bytes
    packs: tuple[TablePack, ...] = ()
    places: tuple[ChunkAt, ...] = ()
    segments: tuple[bytes, ...] = ()
    supersedes: tuple[bytes, ...] = ()
    snapshot: Snapshot | None = None


class Close(Op, frozen=True, kw_only=True, tag="close"):
    """The run is settled: its pins go, its commit stands."""

    run: bytes


class Abort(Op, frozen=True, kw_only=True, tag="abort"):
    """The run never happened: its pins go.  Means nothing beside a commit of the same run."""

    run: bytes


class Condemn(Op, frozen=True, kw_only=True, tag="condemn"):
    """These packs will be deleted: nobody may use them anew.  ``size``: bytes of their shards that hold what is nowhere
    else.  ``agreed``: the owner was asked, so that neither the brake nor the retention lock holds them up."""

    packs: tuple[bytes, ...]
    size: int = 0
    agreed: bool = False


class Swept(Op, frozen=True, kw_only=True, tag="swept"):
    """These packs are being deleted, or are deleted: they are no part of the pool any more.  Their ids never return."""

    packs: tuple[bytes, ...]


class Forget(Op, frozen=True, kw_only=True, tag="forget"):
    """These snapshots (by their runs' ids) are no longer kept.  What only they need becomes garbage."""

    snapshots: tuple[bytes, ...]


class Retag(Op, frozen=True, kw_only=True, tag="retag"):
    """The tags of a snapshot from now on.  The last one counts."""

    snapshot: bytes
    tags: tuple[str, ...]


class SetRole(Op, frozen=True, kw_only=True, tag="set-role"):
    """What a disk is for: one of ROLES, or LEAVING or LOST.  Only an active one gets new shards of data; all hold the
    table.
    ``deadline_ms``: when a draining one must be empty, milliseconds since 1970; 0: there is no hurry."""

    disk: bytes
    role: str
    deadline_ms: int = 0


SHARD_REF = 17  # bytes that name a shard in Dropped: the pack's id, then the shard's index


class Dropped(Op, frozen=True, kw_only=True, tag="dropped"):
    """These shards lie on other disks as well: on this one they do not count any more, and will be deleted there.
    Their names never return to it.  ``shards``: SHARD_REF bytes each."""

    disk: bytes
    shards: bytes


class Relevel(Op, frozen=True, kw_only=True, tag="relevel"):
    """What the snapshot needs lies at this level from now on.  The last one counts."""

    snapshot: bytes
    level: str


class Drilled(Op, frozen=True, kw_only=True, tag="drilled"):
    """A restore drill brought ``files`` files back and compared them; nothing was wrong."""

    time_ms: int
    files: int
    size: int


class Grant(Op, frozen=True, kw_only=True, tag="grant"):
    """The owner gives a device these rights and no others, for its records numbered above ``after`` (see
    ``grant_message``).  The highest ``serial`` counts.  ``after`` -1: announced, and not yet decided from where on.
    ``heads``: as in Evict."""

    device: bytes
    rights: tuple[str, ...]
    serial: int
    signature: bytes
    after: int = 0
    heads: tuple[bytes, ...] = ()


class Evict(Op, frozen=True, kw_only=True, tag="evict"):
    """The owner ends a device's part in the pool (see ``evict_message``): what it wrote after number ``seq`` is ignored
    for ever.  ``seq`` -1: announced, and not yet decided where its log ends.  ``heads``: SHA-256 of those records up to
    ``seq`` that no other one follows: what does not lead there was written later under an old number."""

    device: bytes
    seq: int
    signature: bytes
    heads: tuple[bytes, ...] = ()


class AddSlot(Op, frozen=True, kw_only=True, tag="add-slot"):
    """The owner makes a key slot part of the pool (see ``slot_message``).  ``sealed``: the slot itself, so that
    everybody can put it where it is missing; ``label``: for people; ``time_ms``: milliseconds since 1970."""

    slot: bytes
    sealed: bytes
    signature: bytes
    label: str = ""
    time_ms: int = 0


class DropSlot(Op, frozen=True, kw_only=True, tag="drop-slot"):
    """The owner takes key slots out for good (see ``drop_message``).  Their ids never return."""

    slots: tuple[bytes, ...]
    signature: bytes


class Rotate(Op, frozen=True, kw_only=True, tag="rotate"):
    """The owner begins a new epoch (see ``rotate_message``).  ``check``: tells its root from others; ``boxes``: device
    -> that root, sealed for the device's key."""

    epoch: int
    check: bytes
    boxes: dict[bytes, bytes]
    signature: bytes


ACTIVE, DRAINING, SPARE = "active", "draining", "spare"
ROLES = (ACTIVE, DRAINING, SPARE)
LEAVING, LOST = "leaving", "lost"  # announce RemoveDisk; LOST: the user's word that nobody will read the disk again
AnyOp = (
    Genesis | Enroll | AddDisk | Joined | RemoveDisk | Prepare | Commit | Close | Abort | Condemn
    | Swept | Forget | Retag | SetRole | Drilled | Grant | Evict | Dropped | Relevel | AddSlot
    | DropSlot | Rotate
)  # fmt: skip


class Body(Struct, frozen=True, kw_only=True):
    """``lamport`` orders records of different devices; ``vector``: device -> seq seen of its log; ``acked``: disk ->
    seq of this device's log which that disk has acknowledged without a gap (so that anybody can tell later whether
    the disk was rolled back)."""

    lamport: int
    ops: tuple[AnyOp, ...]
    vector: dict[bytes, int] = {}
    acked: dict[bytes, int] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Body)


def encode_body(body: Body) -> bytes:
    """msgpack of ``body``."""
    return _encoder.encode(body)


def decode_body(data: bytes) -> Body:
    """The body in ``data``; raises SealBroken when it does not fit the format."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SealBroken(f"a log record does not follow the format: {error}") from error


def certificate(pool: bytes, public: bytes, name: str, rights: tuple[str, ...]) -> bytes:
    """The bytes that the owner signs to enroll a device."""
    return b"WRCERT\0\1" + msgspec.msgpack.encode([pool, public, name, list(rights)])


def grant_message(
    device: bytes, rights: tuple[str, ...], serial: int, after: int, heads: tuple[bytes, ...] = ()
) -> bytes:  # fmt: skip
    """The bytes that the owner signs to give a device rights.  The owner's key is this pool's alone."""
    more = [list(heads)] if heads else []
    return b"WRGRANT\0\1" + msgspec.msgpack.encode([device, list(rights), serial, after, *more])


def evict_message(device: bytes, seq: int, heads: tuple[bytes, ...] = ()) -> bytes:
    """The bytes that the owner signs to evict a device."""
    return b"WREVICT\0\1" + msgspec.msgpack.encode([device, seq, *([list(heads)] if heads else [])])


def slot_message(slot: bytes, sealed: bytes, label: str, time_ms: int) -> bytes:
    """The bytes that the owner signs to make a key slot part of the pool."""
    return b"WRSLOTIN\0\1" + msgspec.msgpack.encode([slot, sealed, label, time_ms])


def drop_message(slots: tuple[bytes, ...]) -> bytes:
    """The bytes that the owner signs to take key slots out."""
    return b"WRSLOTEX\0\1" + msgspec.msgpack.encode(list(slots))


def rotate_message(epoch: int, check: bytes, boxes: Mapping[bytes, bytes]) -> bytes:
    """The bytes that the owner signs to begin an epoch; the boxes in the order of their devices' ids."""
    in_order = [[device, boxes[device]] for device in sorted(boxes)]
    return b"WRROTATE\0\1" + msgspec.msgpack.encode([epoch, check, in_order])


OwnersWord = Grant | Evict | AddSlot | DropSlot | Rotate


def owners_message(op: OwnersWord) -> bytes:
    """The bytes that the owner signs for any of his operations."""
    match op:
        case Grant():
            return grant_message(op.device, op.rights, op.serial, op.after, op.heads)
        case Evict():
            return evict_message(op.device, op.seq, op.heads)
        case AddSlot():
            return slot_message(op.slot, op.sealed, op.label, op.time_ms)
        case DropSlot():
            return drop_message(op.slots)
        case Rotate():
            return rotate_message(op.epoch, op.check, op.boxes)
