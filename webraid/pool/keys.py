"""The public API: keys, machines and their rights.

``secret`` is always a passphrase of the pool or the recovery code of a kit: these changes need the owner's key, which
no machine keeps.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.codec.keys import KdfParams
    from webraid.jobs.access.devices import Machine
    from webraid.jobs.access.evict import Removed
    from webraid.jobs.access.keys import Slot
    from webraid.jobs.access.kit import Kit
    from webraid.jobs.access.rotate import Revoked, Rotated


class Keys(Opened):
    """Key slots, devices, the recovery kit."""

    def key_slots(self) -> list[Slot]:
        """The passphrases and recovery codes that open the pool, as far as one can tell without them."""
        from webraid.jobs.access.keys import list_slots

        return list_slots(self._ctx)

    def add_passphrase(
        self, secret: str, new: str, *, label: str = "", weak: bool = False, kdf: KdfParams | None = None
    ) -> Slot:  # fmt: skip
        """Another passphrase that opens everything.  Raises WrongPassphrase, ConfigError (a weak one), QuorumLost."""
        from webraid.jobs.access.keys import add_passphrase

        return add_passphrase(self._ctx, secret, new, label=label, weak=weak, kdf=kdf)

    def change_passphrase(
        self, secret: str, new: str, *, slot: str = "", weak: bool = False, kdf: KdfParams | None = None
    ) -> Slot:  # fmt: skip
        """A new passphrase in the place of the one that ``secret`` is, or of ``slot``.  Raises as add_passphrase."""
        from webraid.jobs.access.keys import change_passphrase

        return change_passphrase(self._ctx, secret, new, slot=slot, weak=weak, kdf=kdf)

    def remove_key(self, secret: str, slot: str) -> Slot:
        """Take a passphrase or recovery code out; ``secret`` must open another one.  Raises PoolError, NotInTable."""
        from webraid.jobs.access.keys import remove_slot

        return remove_slot(self._ctx, secret, slot)

    def new_kit(self, secret: str, *, revoke_old: bool = False) -> Kit:
        """A recovery kit with a new code.  ``revoke_old``: the codes of older kits open nothing any more."""
        from webraid.jobs.access.keys import new_kit

        return new_kit(self._ctx, secret, revoke_old=revoke_old)

    def rotate_keys(
        self, secret: str, new: str = "", *, weak: bool = False, kdf: KdfParams | None = None
    ) -> Rotated:  # fmt: skip
        """New keys for everything that is stored from now on; all older passphrases and codes count no more.  ``new``:
        the passphrase from now on ('': ``secret`` stays it).  The result has a new kit."""
        from webraid.jobs.access.rotate import rotate

        return rotate(self._ctx, secret, new, weak=weak, kdf=kdf)

    def export_keys(self, path: Path) -> int:
        """Write all key slots and the whole signed log, sealed as they are, into one file; returns its bytes."""
        from webraid.jobs.access.bundle import export_bundle

        return export_bundle(self._ctx, path)

    def import_keys(self, path: Path) -> int:
        """Take slots and log records out of such a file and put them where they are missing; returns how many records
        were new."""
        from webraid.jobs.access.bundle import import_bundle

        return import_bundle(self._ctx, path)

    def devices(self) -> list[Machine]:
        """The machines of the pool and their rights; those that were removed come last."""
        from webraid.jobs.access.devices import list_devices

        return list_devices(self._ctx)

    def set_rights(self, secret: str, device: str, rights: list[str]) -> Machine:
        """What a machine (by name, or the beginning of its id) may do: 'append', 'forget', 'sweep'."""
        from webraid.jobs.access.devices import set_rights

        return set_rights(self._ctx, secret, device, rights)

    def remove_device(self, secret: str, device: str) -> Removed:
        """End a machine's part in the pool.  What it stored stays; whatever it writes later is ignored for ever."""
        from webraid.jobs.access.evict import evict

        return evict(self._ctx, secret, device)

    def revoke_device(
        self, secret: str, device: str, new: str = "", *, weak: bool = False, kdf: KdfParams | None = None
    ) -> Revoked:  # fmt: skip
        """remove_device, then rotate_keys, and the list of logins that the machine may still have."""
        from webraid.jobs.access.rotate import revoke

        return revoke(self._ctx, secret, device, new, weak=weak, kdf=kdf)
