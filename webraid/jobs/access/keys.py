"""key: passphrases and recovery codes that open the pool come, change and go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from webraid.codec.keys import (
    PASSPHRASE_SLOT,
    RECOVERY_SLOT,
    KdfParams,
    Opened,
    Owner,
    Root,
    new_recovery_code,
    seal_passphrase_slot,
    seal_recovery_slot,
    slot_type,
)
from webraid.codec.sign import sign
from webraid.errors import ConfigError, IntegrityError, NotInTable, PoolBusy, PoolError, SealBroken
from webraid.jobs.access.init import add_slot, check_passphrase
from webraid.jobs.access.kit import Kit, Place, command_for, today
from webraid.jobs.access.owner import open_any, open_owner
from webraid.jobs.base.connection import open_connection
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.slots import SLOT_PREFIX, settle_slots, slots
from webraid.table.records import AddSlot, AnyOp, DropSlot, drop_message

KINDS = {PASSPHRASE_SLOT: "passphrase", RECOVERY_SLOT: "recovery code"}


@dataclass(frozen=True, slots=True)
class Slot:
    """A key slot.  ``created``: seconds since 1970, None where the pool is older than such notes."""

    id: str
    kind: str
    label: str = ""
    created: float | None = None


@contextmanager
def owned(ctx: Context, secret: str) -> Iterator[Opened]:
    """The table opened for a change that only the owner may make.  Raises WrongPassphrase, QuorumLost, PoolBusy."""
    with locked(ctx.settings.places):
        ctx.open_table(spot=True)
        ctx.require_right("")
        ctx.table.require_quorum()
        yield open_owner(ctx, secret)
        ctx.table.flush(ctx.config.limits.patience)


def list_slots(ctx: Context) -> list[Slot]:
    """The slots that count, oldest first."""
    ctx.open_table()
    found = []
    for slot, blob in slots(ctx).items():
        op = ctx.table.state.slots.get(bytes.fromhex(slot))
        created = op.time_ms / 1000 if op is not None and op.time_ms else None
        found.append(Slot(slot, _kind(blob, ctx.pool), op.label if op else "", created))
    return sorted(found, key=lambda item: (item.created or 0, item.id))


def _kind(blob: bytes, pool: bytes) -> str:
    try:
        return KINDS.get(slot_type(blob, pool), "unknown")
    except SealBroken:
        return "damaged"


# ------------------------------------------------------------------------------------------------------------ changes
def add_passphrase(
    ctx: Context, secret: str, new: str, *, label: str = "", weak: bool = False, kdf: KdfParams | None = None
) -> Slot:  # fmt: skip
    """Another passphrase that opens everything; ``secret`` is one that does already, or the recovery code.

    Raises ConfigError for a weak one, WrongPassphrase, QuorumLost.
    """
    check_passphrase(new, weak)
    with owned(ctx, secret) as opened:
        added = passphrase_slot(ctx, new, opened.root, opened.owner, label=label, kdf=kdf)
        publish(ctx, opened.owner, [added])
    return _shown(ctx, added)


def change_passphrase(
    ctx: Context, secret: str, new: str, *, slot: str = "", weak: bool = False, kdf: KdfParams | None = None
) -> Slot:  # fmt: skip
    """A new passphrase in the place of the one that ``secret`` is, or of ``slot``.  First the new one is on W disks,
    then the old one is taken out.

    Raises ConfigError, WrongPassphrase, NotInTable, QuorumLost.
    """
    check_passphrase(new, weak)
    with owned(ctx, secret) as opened:
        old = find_slot(ctx, slot) if slot else _passphrase_of(ctx, secret)
        before = ctx.table.state.slots.get(bytes.fromhex(old))
        added = passphrase_slot(ctx, new, opened.root, opened.owner, label=before.label if before else "", kdf=kdf)
        publish(ctx, opened.owner, [added], [old])
    return _shown(ctx, added)


def _passphrase_of(ctx: Context, secret: str) -> str:
    """The passphrase slot that is meant: the one that ``secret`` opens; with the recovery code, the only one."""
    known = slots(ctx)
    slot, _ = open_any(known, ctx.pool, secret)
    if slot_type(known[slot], ctx.pool) == PASSPHRASE_SLOT:
        return slot
    others = [name for name, blob in known.items() if _kind(blob, ctx.pool) == KINDS[PASSPHRASE_SLOT]]
    if len(others) != 1:
        raise ConfigError(
            f"the pool has {len(others)} passphrases, and the recovery code does not say which one is meant",
            hint="Name it with --slot ID (see 'webraid key ls'), or add one with 'webraid key add'.",
        )
    return others[0]


def remove_slot(ctx: Context, secret: str, slot: str) -> Slot:
    """Take a slot out, on every disk, also on those that are away now.  ``secret`` must open another one.

    Raises NotInTable, WrongPassphrase, PoolError when it is the last one or ``secret`` opens no other, QuorumLost.
    """
    with owned(ctx, secret) as opened:
        gone = find_slot(ctx, slot)
        rest = {name: blob for name, blob in slots(ctx).items() if name != gone}
        shown = next(item for item in list_known(ctx) if item.id == gone)
        if not rest:
            raise PoolError("this is the last key slot", hint="Add another passphrase first: webraid key add")
        try:
            open_any(rest, ctx.pool, secret)
        except (PoolError, SealBroken):
            raise PoolError(
                "what you gave opens only the slot that is to go: nobody knows yet that another one can be opened",
                hint="Give the passphrase, or the recovery code, of a slot that stays.",
            ) from None
        publish(ctx, opened.owner, [], [gone])
    return shown


def list_known(ctx: Context) -> list[Slot]:
    """As list_slots, without asking the disks."""
    return [
        Slot(slot, _kind(blob, ctx.pool), op.label if (op := ctx.table.state.slots.get(bytes.fromhex(slot))) else "")
        for slot, blob in slots(ctx).items()
    ]


def new_kit(ctx: Context, secret: str, *, revoke_old: bool = False) -> Kit:
    """A recovery kit with a new code; the codes of older kits go on working unless ``revoke_old``.

    Raises WrongPassphrase (also when ``secret`` is a code that would be revoked and nothing else is known), QuorumLost.
    """
    with owned(ctx, secret) as opened:
        code = new_recovery_code(ctx.env)
        added = recovery_slot(ctx, code, opened.root, opened.owner)
        old = [item.id for item in list_known(ctx) if item.kind == KINDS[RECOVERY_SLOT]] if revoke_old else []
        publish(ctx, opened.owner, [added], old)
        return kit_of(ctx, code)


def kit_of(ctx: Context, code: str) -> Kit:
    """The kit of this pool with that code."""
    places = []
    for info in ctx.table.state.members():
        try:
            options: Mapping[str, object] = open_connection(info, ctx.identity.root, ctx.pool).options
        except IntegrityError:
            options = {}
        places.append(Place(info.name, info.kind, command_for(info.kind, options)))
    name = ctx.table.state.name or ctx.config.pool.name
    return Kit(name, ctx.pool.hex(), code, today(ctx.env.now()), tuple(places))


# -------------------------------------------------------------------------------------------------------------- slots
def find_slot(ctx: Context, text: str) -> str:
    """The slot whose id begins so.  Raises NotInTable."""
    found = [slot for slot in slots(ctx) if text and slot.startswith(text.lower())]
    if len(found) != 1:
        what = "is ambiguous" if found else "is none of the pool's key slots"
        raise NotInTable(f"{text!r} {what}", hint="See 'webraid key ls'.")
    return found[0]


def passphrase_slot(
    ctx: Context, passphrase: str, root: Root, owner: Owner, *, label: str = "", kdf: KdfParams | None = None
) -> AddSlot:  # fmt: skip
    """The operation that adds a passphrase."""
    sealed = seal_passphrase_slot(ctx.pool, passphrase, root, owner, ctx.env, kdf or KdfParams())
    return add_slot(ctx.env, ctx.env.random(8), sealed, owner, label)


def recovery_slot(ctx: Context, code: str, root: Root, owner: Owner) -> AddSlot:
    """The operation that adds a recovery code."""
    sealed = seal_recovery_slot(ctx.pool, code, root, owner, ctx.env)
    return add_slot(ctx.env, ctx.env.random(8), sealed, owner, f"kit of {today(ctx.env.now())}")


def publish(ctx: Context, owner: Owner, added: list[AddSlot], dropped: list[str] | None = None) -> None:
    """New slots first on W disks, then in the log; then, and only then, old ones go.  Raises QuorumLost."""
    put_slots(ctx, added)
    announce = [*adopted(ctx, owner), *added]
    if announce:
        ctx.table.fence(ctx.table.append(*announce))
    if dropped:
        drop_slots(ctx, owner, dropped)
    settle_slots(ctx)


def put_slots(ctx: Context, added: list[AddSlot]) -> None:
    """The slots as objects on W disks.  Raises QuorumLost."""
    for op in added:
        ctx.table.everywhere(SLOT_PREFIX + op.slot.hex(), op.sealed)


def adopted(ctx: Context, owner: Owner) -> list[AddSlot]:
    """The slots of a pool that is older than notes of them: as soon as the log names one it must name all."""
    if ctx.table.state.slots_known:
        return []
    return [add_slot(ctx.env, bytes.fromhex(slot), blob, owner, now=0) for slot, blob in slots(ctx).items()]


def drop_slots(ctx: Context, owner: Owner, gone: list[str]) -> None:
    """Out of the log on W disks; the objects themselves go where the disk is there, else when it comes back.

    Raises PoolBusy where another machine took the other ones out at the same moment: then these come back, under new
    ids, as the pool would be closed for ever."""
    before = slots(ctx)
    ids = tuple(bytes.fromhex(slot) for slot in gone)
    ops: list[AnyOp] = [DropSlot(slots=ids, signature=sign(owner.private, drop_message(ids)))]
    ctx.table.fence(ctx.table.append(*ops))
    if slots(ctx):
        return
    back = [add_slot(ctx.env, ctx.env.random(8), before[slot], owner, "kept") for slot in gone if slot in before]
    put_slots(ctx, back)
    ctx.table.fence(ctx.table.append(*back))
    raise PoolBusy(
        "another machine removed the other passphrases and codes at the same moment, so these were kept",
        hint="See 'webraid key ls', and run the command again if it is still right.",
    )


def _shown(ctx: Context, op: AddSlot) -> Slot:
    return Slot(op.slot.hex(), _kind(op.sealed, ctx.pool), op.label, op.time_ms / 1000)
