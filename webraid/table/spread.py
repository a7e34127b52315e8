"""Records and other objects on their way to all disks: who holds what, who still lacks it, who has acknowledged.

Disk threads only put bytes and note what they put; everything else happens on the thread that owns the table.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.codec.records import parse_name
from webraid.env import Env
from webraid.errors import NoRoomForTable, QuorumLost, QuotaExceeded
from webraid.table.fold import Record
from webraid.table.gather import gather
from webraid.table.local import Local
from webraid.table.log import LogBook, contiguous
from webraid.table.quorum import Membership
from webraid.table.survey import HINT, digest_of

GRACE = 0.2  # seconds that late disks get once enough have acknowledged
FLUSH = 1.0  # ... and at the end of a run

OnHolder = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Acks:
    """The disks that hold a record (or another object that goes everywhere).  ``durable``: W of those that count do,
    and whichever of the others count one day."""

    disks: frozenset[bytes]
    durable: bool


class Spreader:
    """What each disk holds of the log, and the sending of what it lacks."""

    def __init__(self, disks: Mapping[bytes, Disk], book: LogBook, local: Local, env: Env, patience: float) -> None:
        self._disks = disks
        self._book = book
        self._local = local
        self._env = env
        self._patience = patience
        self._guard = threading.Lock()
        self._holds: dict[bytes, set[str]] = {}
        self._under_way: list[tuple[bytes, Future[None], OnHolder | None]] = []
        self.served = local.served()

    # ------------------------------------------------------------------------------------------------- who holds what
    def know(self, disk: bytes, names: Iterable[str]) -> None:
        """A listing, or an answer, shows that ``disk`` has these (besides those known before).  Names that are none of
        the known records' say nothing."""
        with self._guard:
            self._holds.setdefault(disk, set()).update(self._book.names.keys() & names)

    def forget(self, disk: bytes) -> None:
        """What was known of a disk does not hold any more."""
        with self._guard:
            self._holds.pop(disk, None)

    def holders(self, name: str) -> set[bytes]:
        """Disks known to have record ``name``."""
        with self._guard:
            return {disk for disk, names in self._holds.items() if name in names}

    def had(self, record: Record, acked: Mapping[bytes, Mapping[bytes, int]]) -> frozenset[bytes]:
        """Disks known to have, or to have had, ``record``: by a listing or an answer, now or some time, or by what
        devices say of their own logs (``acked``)."""
        known = self.holders(record.name)
        for heads in (acked, self.served):
            known |= {disk for disk, devices in heads.items() if devices.get(record.device, 0) >= record.seq}
        return frozenset(known)

    def note_served(self, disks: Iterable[bytes]) -> None:
        """Remember for good how far each disk holds every log without a gap."""
        risen: dict[bytes, dict[bytes, int]] = {}
        for disk in disks:
            known = self.served.setdefault(disk, {})
            with self._guard:
                heads = contiguous(self._holds.get(disk, set()), self._book, known)
            higher = {device: seq for device, seq in heads.items() if seq > known.get(device, 0)}
            if higher:
                risen[disk] = higher
        if risen:
            self._local.set_served(risen)
        for disk, higher in risen.items():
            self.served[disk].update(higher)

    # -------------------------------------------------------------------------------------------------------- sending
    def catch_up(self, disks: Iterable[bytes], hint: str = "") -> dict[bytes, Future[None]]:
        """Every record that each disk lacks goes to it, oldest first.

        ``hint``: the record that disks whose listings lag are to name as this device's newest: only then is it sure to
        be found there.
        """
        futures = {}
        for disk in disks:
            with self._guard:
                held = self._holds.setdefault(disk, set())
                lacking = _lacking(self._book, held)
            lags = self._disks[disk].caps.list_consistency == "eventual"
            futures[disk] = self._disks[disk].call(self._putting_records(disk, lacking, hint if lags else ""))
            self._under_way.append((disk, futures[disk], None))
        return futures

    def _putting_records(self, disk: bytes, names: Sequence[str], hint: str) -> Callable[[Backend], None]:
        records = [(name, self._book.names[name]) for name in names]

        def work(backend: Backend) -> None:
            for name, record in records:
                blob = self._local.blob(record.device, record.seq, record.digest)
                backend.put(name, blob, digest=digest_of(blob))
                self.know(disk, [name])
            if hint:
                _putting(HINT + parse_name(hint)[0].hex(), hint.encode())(backend)

        return work

    def put(
        self, disks: Iterable[bytes], name: str, data: bytes, on_holder: OnHolder | None = None
    ) -> dict[bytes, Future[None]]:
        """Another immutable object for all ``disks``.  ``on_holder(disk)``: called by ``flush`` for those that come
        late."""
        futures = {disk: self._disks[disk].call(_putting(name, data)) for disk in disks}
        self._under_way += [(disk, future, on_holder) for disk, future in futures.items()]
        return futures

    # -------------------------------------------------------------------------------------------------------- waiting
    def wait(self, futures: Mapping[bytes, Future[None]], now: Membership) -> Acks:
        """Until W disks have acknowledged, or nobody is left to wait for.  Raises QuorumLost when not even a majority
        has."""
        done, errors = gather(
            futures, self._env, enough=lambda answers: now.durable(answers.keys()),
            patience=self._patience, grace=GRACE, cancel=False,
        )  # fmt: skip
        self.note_served(done)
        acks = Acks(frozenset(done.keys() & (now.joined | now.joining)), now.durable(done.keys()))
        if not now.acceptable(done.keys()):
            reasons = "; ".join(sorted({str(error) for error in errors.values()}))
            lacking = len(now.joining - done.keys())
            coming = f" (and {lacking} that are being added or removed did not)" if lacking else ""
            full = {disk for disk, error in errors.items() if isinstance(error, QuotaExceeded)}
            why = NoRoomForTable if now.acceptable(done.keys() | full) else QuorumLost
            raise why(
                f"only {len(done.keys() & now.joined)} of {len(now.joined)} disks took the record{coming}"
                + (f": {reasons}" if reasons else "")
            )
        return acks

    def flush(self, patience: float) -> None:
        """Give what is still under way a last chance, and note what came late."""
        under_way, self._under_way = self._under_way, []
        futures = {i: future for i, (_, future, _) in enumerate(under_way)}
        done, _ = gather(
            futures, self._env, enough=lambda _: True, patience=patience, grace=min(patience, FLUSH), cancel=False
        )  # fmt: skip
        late = [under_way[i] for i in done]
        for disk, _, on_holder in late:
            if on_holder is not None:
                on_holder(disk)
        self.note_served(dict.fromkeys(disk for disk, _, _ in late))


def in_order(book: LogBook, held: Set[str]) -> list[str]:
    """Names of the records besides ``held``, each after those that its writer knew: who stops on the way leaves no disk
    with a record and without what came before it."""
    return _sorted(book, book.names.keys() - held)


def _lacking(book: LogBook, held: Set[str]) -> list[str]:
    """The same where ``held`` is part of the book: what a disk lacks came last, mostly, so the rest need not be looked
    at."""
    left = (name for name in reversed(book.names) if name not in held)
    return _sorted(book, islice(left, len(book.names) - len(held)))


def _sorted(book: LogBook, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: book.names[name].order)


def _putting(name: str, data: bytes) -> Callable[[Backend], None]:
    digest = digest_of(data)

    def work(backend: Backend) -> None:
        backend.put(name, data, digest=digest)

    return work
