"""The owner's key, brought out for one command by the passphrase or the recovery code; it is kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from webraid.codec.keys import RECOVERY_SLOT, Opened, Owner, Root, is_recovery_code, join_roots, open_slot, slot_type
from webraid.errors import IntegrityError, SealBroken, SignatureInvalid, WrongPassphrase
from webraid.jobs.base.context import Context
from webraid.jobs.base.slots import slots
from webraid.table.table import Table


def open_owner(ctx: Context, secret: str) -> Opened:
    """Root and owner key, by a passphrase or recovery code of the pool.

    The slots are those that this machine keeps, else the disks'.  Raises WrongPassphrase when none opens, SealBroken
    when none opens and some are damaged, SignatureInvalid when a slot holds another owner's key.
    """
    _, opened = open_any(slots(ctx), ctx.pool, secret)
    if opened.owner.public != ctx.identity.owner:
        raise SignatureInvalid("a key slot opened, but the owner's key in it is not this pool's")
    return opened


def open_any(slots: Mapping[str, bytes], pool: bytes, secret: str) -> tuple[str, Opened]:
    """The first of these slots that ``secret`` opens, and what is in it.  Raises WrongPassphrase, SealBroken."""
    damaged = 0
    for slot in likely_first(slots, pool, secret):
        try:
            return slot, open_slot(slots[slot], pool, secret)
        except WrongPassphrase:
            continue
        except SealBroken:
            damaged += 1
    raise _none_opens(damaged, len(slots))


def _none_opens(damaged: int, count: int) -> IntegrityError | WrongPassphrase:
    if damaged or not count:
        what = f"{damaged} of {count} key slots are damaged and no other one opens"
        return SealBroken(what, hint="Try another disk of the pool.")
    return WrongPassphrase("no key slot opens with this passphrase or recovery code")


def likely_first(slots: Mapping[str, bytes], pool: bytes, secret: str) -> list[str]:
    """The slots in the order to be tried: what looks like a recovery code spares the slow try of the others."""
    code = is_recovery_code(secret)
    return sorted(slots, key=lambda slot: (_is_recovery(slots[slot], pool) != code, slot))


def _is_recovery(blob: bytes, pool: bytes) -> bool:
    try:
        return slot_type(blob, pool) == RECOVERY_SLOT
    except SealBroken:
        return False


@dataclass(slots=True)
class Tries:
    """What one secret opens, on a machine that knows nothing else yet; each slot is tried once, as that is slow.

    A slot that a disk shows may be one that was taken out, or one of an interrupted change: in the end the log decides.
    """

    pool: bytes
    secret: str = field(repr=False)
    _opened: dict[str, Opened | None] = field(default_factory=dict, repr=False)

    def first(self, found: Mapping[str, bytes]) -> None:
        """Try the slots of a disk.  Raises WrongPassphrase, SealBroken."""
        self._try(found)
        if not any(self._opened.values()):
            error = _none_opens(len(found.keys() - self._opened.keys()), len(found))
            if isinstance(error, WrongPassphrase):
                error.hint += " If it was changed while this disk was away, try another disk of the pool."
            raise error

    @property
    def owner(self) -> Owner:
        """The owner's key."""
        return next(opened.owner for opened in self._opened.values() if opened is not None)

    @property
    def root(self) -> Root:
        """Everything that the opened slots hold."""
        return _joined(opened.root for opened in self._opened.values() if opened is not None)

    def hold_to(self, table: Table) -> None:
        """Only slots that the log names count, those too that no disk showed.  ``table`` then has their roots.

        Raises WrongPassphrase when none of them opens.
        """
        while table.state.slots_known:
            known = {slot.hex(): op.sealed for slot, op in table.state.slots.items()}
            self._try(known)
            good = [opened.root for slot in known if (opened := self._opened.get(slot)) is not None]
            if not good:
                raise self._not_named(table)
            root = _joined(good)
            if set(root.every()) == set(table.identity.root.every()):
                break
            table.take_root(root, only=True)
            table.open()
        if table.state.epoch > table.identity.root.epoch:
            raise WrongPassphrase(
                "this passphrase or recovery code is of before the pool's keys were changed",
                hint="Use the one that came after it, or the code of a newer kit.",
            )

    def _not_named(self, table: Table) -> WrongPassphrase:
        mine = {bytes.fromhex(slot) for slot, opened in self._opened.items() if opened is not None}
        if mine & table.state.slots_dropped:
            return WrongPassphrase(
                "this passphrase or recovery code was taken out of the pool",
                hint="Use the one that came after it, or the code of a newer kit.",
            )
        return WrongPassphrase(
            "this passphrase or recovery code opens a key slot, but the log that is seen does not know of it",
            hint="Try another disk of the pool: this one may have been away. If that does not help, the change was "
            "interrupted: use the passphrase or code from before it.",
        )

    def _try(self, found: Mapping[str, bytes]) -> None:
        code = is_recovery_code(self.secret)
        for slot in likely_first(found, self.pool, self.secret):
            if slot in self._opened or (
                code and any(self._opened.values()) and not _is_recovery(found[slot], self.pool)
            ):
                continue
            try:
                self._opened[slot] = open_slot(found[slot], self.pool, self.secret)
            except WrongPassphrase:
                self._opened[slot] = None
            except SealBroken:  # another disk, or the log, has it whole
                continue


def _joined(roots: Iterable[Root]) -> Root:
    return reduce(join_roots, sorted(roots, key=lambda root: -root.epoch))
