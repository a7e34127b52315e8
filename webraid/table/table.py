"""The file table's log as this machine works with it: open, compare, append, catch disks up.

What records mean is fold.py's business, which disks lack what is log.py's; this file does the writing order.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from webraid.backend.base import Backend, Digest
from webraid.backend.disk import Disk
from webraid.codec.records import Header, record_name, seal_record
from webraid.env import Env
from webraid.errors import BackendError, Forked, QuorumLost
from webraid.table.device import Identity, OwnLog
from webraid.table.fold import DiskInfo, Record, State, fold
from webraid.table.gather import gather
from webraid.table.local import Local
from webraid.table.log import Comparison, LogBook, Verdict, compare, contiguous
from webraid.table.quorum import majority, read_quorum, write_quorum
from webraid.table.records import AnyOp, Body, encode_body
from webraid.table.survey import HINT, Fetcher, Survey, digest_of, survey
from webraid.table.verify import Verifier

MAX_RECHECKED = 50  # records that a disk seems to have lost and that are asked for by name before the alarm


@dataclass(slots=True)
class View:
    """What opening found.  ``fresh``: R disks whose answers count have answered, so nothing acknowledged is unseen."""

    fresh: bool
    counted: int
    needed: int
    verdicts: dict[bytes, Comparison] = field(default_factory=dict)
    errors: dict[bytes, BackendError] = field(default_factory=dict)
    notes: dict[bytes, str] = field(default_factory=dict)
    forks: list[tuple[bytes, int]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def alarms(self) -> dict[bytes, Comparison]:
        """Disks that were rolled back or serve damaged bytes."""
        return {disk: answer for disk, answer in self.verdicts.items() if answer.verdict.alarming}


@dataclass(frozen=True, slots=True)
class Acks:
    """Who holds a record (or another object that goes everywhere)."""

    disks: frozenset[bytes]
    needed: int

    @property
    def durable(self) -> bool:
        """Whether W disks have it."""
        return len(self.disks) >= self.needed


class Table:
    """The log of one pool, opened with this machine's identity.  Not for use by several threads at once."""

    def __init__(
        self, identity: Identity, local: Local, own: OwnLog, disks: Mapping[bytes, Disk], env: Env, *, patience: float
    ) -> None:
        self.identity = identity
        self.local = local
        self.own = own
        self.disks = disks
        self.env = env
        self.patience = patience
        self.book = LogBook()
        self.state = State()
        self.view = View(False, 0, 0)
        self._verifier = Verifier(identity.pool, identity.root, identity.owner)
        self._lacks: dict[bytes, set[str]] = {}
        self._guard = threading.Lock()
        self._sending: list[Future[None]] = []
        self.on_member: Callable[[DiskInfo], None] = lambda info: None  # asked to connect a disk not seen before
        self._load()

    def _load(self) -> None:
        known = [(record_name(device, seq, digest), bytes(blob)) for device, seq, digest, blob in self.local.records()]
        for name, blob in [*known, *self.own.records().items()]:
            if name not in self.book.names:
                self.book.add(self._verifier.open(blob, name))
        self._refold()

    def _refold(self) -> None:
        self.state = fold(self.book.records())

    def meet_members(self) -> None:
        """Connect member disks that are not connected yet."""
        for info in self.state.members():
            if info.id not in self.disks:
                self.on_member(info)

    # ------------------------------------------------------------------------------------------------------- reading
    def open(self, *, spot: bool = False) -> View:
        """Ask all member disks, take in what is new, compare.  Never raises because disks are missing."""
        view = View(False, 0, 0)
        answers: dict[bytes, Survey] = {}
        liars: dict[bytes, str] = {}
        for _ in range(3):  # once more when new records name disks that were not asked
            members = [self.disks[disk.id] for disk in self.state.members() if disk.id in self.disks]
            members = members or list(self.disks.values())
            need = read_quorum(len(members))
            answers, view.errors = survey(
                members, self.env, book=self.book, need=need, patience=self.patience, spot=spot
            )  # fmt: skip
            liars = self._take_in(answers)
            self.meet_members()
            asked = {disk.id for disk in members}
            if all(disk.id in asked or disk.id not in self.disks for disk in self.state.members()):
                break
        self._judge(view, answers, liars)
        self.view = view
        return view

    def _take_in(self, answers: Mapping[bytes, Survey]) -> dict[bytes, str]:
        fetcher = Fetcher(self.disks, self.env, self._verifier, self.patience)
        good = {disk: answer for disk, answer in answers.items() if self._ours(disk, answer)}
        wanted: dict[str, list[bytes]] = {}
        for disk, answer in good.items():
            for name in (*answer.names, *answer.hints.values()):
                if name not in self.book.names:
                    wanted.setdefault(name, []).append(disk)
        while wanted:
            fetcher.fetch(wanted, self.book)
            tried = set(wanted)
            wanted = {name: list(good) for name in self.book.wanted() if name not in tried}
        for disk, answer in good.items():
            if answer.spot is not None and self._spoiled(answer.spot):
                fetcher.liars[disk] = "a record read back is not what was stored"
        records = [(self.book.names[name], blob) for name, blob in fetcher.blobs.items()]
        self.local.add_records((rec.device, rec.seq, rec.digest, blob) for rec, blob in records)
        self._refold()
        return fetcher.liars

    def _ours(self, disk: bytes, answer: Survey) -> bool:
        marker = answer.marker
        return marker is not None and marker.pool == self.identity.pool and marker.disk == disk

    def _spoiled(self, blob: bytes) -> bool:
        digest = hashlib.sha256(blob).digest()
        return not any(record.digest == digest for record in self.book.records())

    def _judge(self, view: View, answers: Mapping[bytes, Survey], liars: Mapping[bytes, str]) -> None:
        served = self.local.served()
        joined = {disk.id for disk in self.state.joined()}
        for disk in self.state.members():
            answer = answers.get(disk.id)
            if answer is None:
                view.verdicts[disk.id] = Comparison(Verdict.SILENT)
            elif not self._ours(disk.id, answer):
                view.verdicts[disk.id] = Comparison(Verdict.FOREIGN, tuple(sorted(self.book.names)))
                view.notes[disk.id] = (
                    "it is empty: the pool's marker is missing" if answer.marker is None else "it is another disk"
                )
            else:
                view.verdicts[disk.id] = self._compare(disk.id, answer, served.get(disk.id, {}))
            if disk.id in liars:
                view.verdicts[disk.id] = Comparison(Verdict.CORRUPT, view.verdicts[disk.id].missing)
                view.notes[disk.id] = liars[disk.id]
        with self._guard:
            self._lacks = {
                disk: set(answer.missing) for disk, answer in view.verdicts.items() if answer.verdict.counts
            }
        view.counted = sum(view.verdicts[disk].verdict.counts for disk in joined)
        view.needed = read_quorum(len(joined))
        view.fresh = view.counted >= view.needed
        view.forks, view.gaps = self.book.forks(), self.book.gaps()

    def _compare(self, disk: bytes, answer: Survey, remembered: Mapping[bytes, int]) -> Comparison:
        acked = self.state.acked.get(disk, {})
        result = compare(answer.names, self.book, acked, remembered)
        if result.lost:
            found = self._there_after_all(disk, result.lost[:MAX_RECHECKED])
            if found:
                answer.names |= found
                result = compare(answer.names, self.book, acked, remembered)
        if result.verdict.counts:
            self.local.set_served(disk, contiguous(answer.names, self.book))
        return result

    def _there_after_all(self, disk: bytes, names: Iterable[str]) -> set[str]:
        """Listings may lag: what was acknowledged is asked for by name before a disk is accused."""
        futures = {name: self.disks[disk].stat(name, urgent=True) for name in names}
        found, _ = gather(futures, self.env, enough=lambda _: False, patience=self.patience)
        return set(found)

    # ------------------------------------------------------------------------------------------------------- quorums
    @property
    def write_quorum(self) -> int:
        """W for the joined disks and the levels in use."""
        return write_quorum(len(self.state.joined()), self.state.losses())

    def usable(self) -> list[bytes]:
        """Member disks (joining ones too) whose answers were good when the table was opened."""
        return [disk for disk, answer in self.view.verdicts.items() if answer.verdict.counts]

    def require_quorum(self) -> None:
        """Raise QuorumLost unless the newest state is certain and a change could be recorded."""
        joined = [disk.id for disk in self.state.joined()]
        good = sum(disk in self.usable() for disk in joined)
        need = max(read_quorum(len(joined)), majority(len(joined)))
        if good < need:
            raise QuorumLost(
                f"{good} of {len(joined)} disks answer as they should, and {need} are needed to change the pool safely"
            )

    # ------------------------------------------------------------------------------------------------------- writing
    def append(self, *ops: AnyOp, wait: bool = True) -> Acks:
        """Write one record of this device: durable here first, then on the disks.

        ``wait``: until W disks have it (or all have answered); raises QuorumLost when not even a majority has.
        """
        self._refuse_fork()
        blob, record = self._seal(ops)
        name = record_name(record.device, record.seq, record.digest)
        self.own.append(name, blob)
        self.local.add_records([(record.device, record.seq, record.digest, blob)])
        self.book.add(record)
        self._refold()
        return self.spread(name, wait=wait)

    def _refuse_fork(self) -> None:
        me = self.identity.key.id
        kept = self.own.records()
        head = self.book.head(me)
        newest = list(kept)[-1] if kept else None
        here = self.book.names.get(newest) if newest else None
        forked = any(device == me for device, _ in self.book.forks())
        if forked or (head is not None and (here is None or here.seq < head.seq)):
            raise Forked("this machine's log goes on elsewhere: its state was copied or restored from a backup")

    def _seal(self, ops: Iterable[AnyOp]) -> tuple[bytes, Record]:
        me, root = self.identity.key, self.identity.root
        head = self.book.head(me.id)
        vector = {device: seq for device, seq in self.state.heads.items() if device != me.id}
        served = self.local.served()
        acked = {disk.id: served.get(disk.id, {}).get(me.id, 0) for disk in self.state.joined()}
        body = Body(lamport=self.state.lamport + 1, ops=tuple(ops), vector=vector, acked=acked)
        now = int(self.env.now() * 1000)
        seq, prev = (head.seq + 1, head.digest) if head else (1, bytes(32))
        header = Header(self.identity.pool, me.id, root.epoch, seq, prev, now)
        blob = seal_record(root.meta, header, encode_body(body), me.private, self.env)
        return blob, Record(me.id, seq, hashlib.sha256(blob).digest(), prev, now, body)

    def spread(self, name: str, *, wait: bool = True) -> Acks:
        """Send record ``name``, and before it all records that a disk lacks, to every usable member."""
        with self._guard:
            for disk in self.usable():
                self._lacks.setdefault(disk, set()).add(name)
        return self._settle(self._send_all(), wait=wait)

    def spread_head(self) -> Acks:
        """Send this device's newest record again to whoever lacks it (the membership has changed)."""
        head = self.book.head(self.identity.key.id)
        if head is None:
            return Acks(frozenset(), self.write_quorum)
        return self.spread(record_name(head.device, head.seq, head.digest))

    def everywhere(self, name: str, data: bytes) -> Acks:
        """Put another immutable object on every usable member and wait for W of the joined ones."""
        digest = digest_of(data)
        futures: dict[bytes, Future[None]] = {}
        for disk in self.usable():
            put = self.disks[disk].call(_putting(name, data, digest))
            futures[disk] = put
        return self._settle(futures, wait=True)

    def _send_all(self) -> dict[bytes, Future[None]]:
        futures = {}
        for disk in self.usable():
            futures[disk] = self.disks[disk].call(self._catching_up(disk))
            self._sending.append(futures[disk])
        return futures

    def _catching_up(self, disk: bytes) -> Callable[[Backend], None]:
        def work(backend: Backend) -> None:
            with self._guard:
                names = sorted(self._lacks.get(disk, ()))
            for name in names:
                record = self.book.names[name]
                blob = self.local.blob(record.device, record.seq, record.digest)
                backend.put(name, blob, digest=digest_of(blob))
                with self._guard:
                    self._lacks[disk].discard(name)
            self._note_served(disk)

        return work

    def _note_served(self, disk: bytes) -> None:
        with self._guard:
            if self._lacks.get(disk):
                return
            names = set(self.book.names)
        self.local.set_served(disk, contiguous(names, self.book))

    def _settle(self, futures: Mapping[bytes, Future[None]], *, wait: bool) -> Acks:
        joined = {disk.id for disk in self.state.joined()}
        need = self.write_quorum
        if not wait:
            return Acks(frozenset(), need)
        counting = {disk: future for disk, future in futures.items() if disk in joined}
        done, errors = gather(
            counting, self.env, enough=lambda answers: len(answers) >= need, patience=self.patience, grace=0.2, cancel=False,
        )  # fmt: skip
        acks = Acks(frozenset(done), need)
        if len(done) < majority(len(joined)):
            reasons = "; ".join(sorted({str(error) for error in errors.values()}))
            raise QuorumLost(f"only {len(done)} of {len(joined)} disks took the record: {reasons}")
        return acks

    def copies(self, name: str) -> int:
        """How many joined disks are known to hold record ``name``."""
        joined = {disk.id for disk in self.state.joined()}
        with self._guard:
            return sum(disk in joined and name not in self._lacks.get(disk, {name}) for disk in self.usable())

    def refresh_hints(self) -> None:
        """Tell listings that lag where the log ends.  Nobody waits for it, nothing depends on it."""
        me = self.identity.key.id
        head = self.book.head(me)
        if head is None:
            return
        data = record_name(me, head.seq, head.digest).encode()
        for disk in self.usable():
            if self.disks[disk].caps.list_consistency == "eventual":
                put = self.disks[disk].call(_putting(HINT + me.hex(), data, digest_of(data)))
                self._sending.append(put)

    def flush(self, patience: float) -> None:
        """Give records that are still under way a last chance, then keep only those that some disk lacks."""
        futures = dict(enumerate(self._sending))
        gather(futures, self.env, enough=lambda _: True, patience=patience, grace=min(patience, 1.0), cancel=False)
        self._sending = []
        served = self.local.served()
        members = [disk.id for disk in self.state.members()]
        if members:
            me = self.identity.key.id
            self.own.prune(min(served.get(disk, {}).get(me, 0) for disk in members))


def _putting(name: str, data: bytes, digest: Digest) -> Callable[[Backend], None]:
    def work(backend: Backend) -> None:
        backend.put(name, data, digest=digest)

    return work
