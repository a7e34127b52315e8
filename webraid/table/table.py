"""The file table's log as this machine works with it: open, compare, append, catch disks up.

What records mean is fold.py's business, which disks lack what is log.py's; this file does the writing order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webraid.backend.disk import Disk
from webraid.codec.keys import Root, join_roots
from webraid.codec.records import Header, parse_name, seal_record
from webraid.env import Env
from webraid.errors import (
    BackendError,
    Evicted,
    Forked,
    KeysChanged,
    ObjectNotFound,
    QuorumLost,
    RightMissing,
)
from webraid.table.device import Identity, OwnLog
from webraid.table.fold import APPEND, FORGET, SWEEP, DiskInfo, Folding, Record, State, needed_right
from webraid.table.gather import gather
from webraid.table.lag import lags_long
from webraid.table.local import Local
from webraid.table.log import Comparison, LogBook, Verdict, compare
from webraid.table.quorum import Membership, majority, read_quorum
from webraid.table.recall import admit, recall, whole
from webraid.table.records import AddDisk, AnyOp, Body, RemoveDisk, encode_body
from webraid.table.spread import Acks, OnHolder, Spreader
from webraid.table.standing import grown
from webraid.table.survey import Fetcher, Survey, survey
from webraid.table.verify import Verifier

MAX_RECHECKED = 50  # records that a disk seems to have lost and that are asked for by name before the alarm
_RIGHTS = {APPEND: "add to the pool", FORGET: "forget snapshots", SWEEP: "delete data or change the disks"}
FENCES = 5  # times that the membership may change under a commit before the run gives up

__all__ = ["Acks", "Table", "View"]


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
        """Disks that were rolled back or exchanged, or that serve damaged bytes."""
        return {disk: answer for disk, answer in self.verdicts.items() if answer.verdict.alarming}


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
        self._folding = Folding(identity.owner)
        self._folded = 0  # records that ``state`` follows from
        self.view = View(False, 0, 0)
        self._verifier = Verifier(identity.pool, identity.root, identity.owner, identity.key)
        self._spreader = Spreader(disks, self.book, local, env, patience)
        self.on_member: Callable[[DiskInfo], None] = lambda info: None  # asked to connect a disk not seen before
        recall(self.book, self._verifier, local, own)
        self._refold()

    def take_in(self, blobs: Mapping[str, bytes]) -> int:
        """Records by name that come from no disk, believed as far as they verify; returns how many were new."""
        fresh = {name: blob for name, blob in blobs.items() if name not in self.book.names}
        admit(self.book, self._verifier, whole(fresh))
        new = [name for name in fresh if name in self.book.names]
        self._keep((self.book.names[name], fresh[name]) for name in new)
        self._refold()
        self.meet_members()
        return len(new)

    def _keep(self, records: Iterable[tuple[Record, bytes]]) -> None:
        self.local.add_records((record.device, record.seq, record.digest, blob) for record, blob in records)

    def _refold(self) -> None:
        new = self.book.since(self._folded)
        self._folding.add(new, self.book.records)
        self._folded += len(new)
        self.identity.root = self._verifier.root

    @property
    def state(self) -> State:
        """What the records say.  It never changes: once there are more records there is another one."""
        return self._folding.state

    def meet_members(self) -> None:
        """Connect member disks that are not connected yet."""
        for info in self._asked():
            if info.id not in self.disks:
                self.on_member(info)

    # ------------------------------------------------------------------------------------------------------- reading
    def open(self, *, spot: bool = False) -> View:
        """Ask all member disks, take in what is new, compare.  Never raises because disks are missing."""
        view = View(False, 0, 0)
        answers: dict[bytes, Survey] = {}
        for _ in range(3):  # once more when new records name disks that were not asked, or what nobody showed
            members = [self.disks[disk.id] for disk in self._asked() if disk.id in self.disks]
            members = members or list(self.disks.values())
            need = read_quorum(len(members))
            answers, view.errors = survey(
                members, self.env, book=self.book, need=need, patience=self.patience, spot=spot
            )  # fmt: skip
            fetcher = self._take_in(answers)
            self.meet_members()
            asked = {disk.id for disk in members}
            if all(disk.id in asked or disk.id not in self.disks for disk in self._asked()) and not self._unseen():
                break
        self._judge(view, answers, fetcher)
        self.view = view
        return view

    def _take_in(self, answers: Mapping[bytes, Survey]) -> Fetcher:
        fetcher = Fetcher(self.disks, self.env, self._verifier, self.patience)
        good = {disk: answer for disk, answer in answers.items() if self._ours(disk, answer)}
        wanted: dict[str, list[bytes]] = {}
        for disk, answer in good.items():
            for name in (answer.names | answer.hints).difference(self.book.names):
                wanted.setdefault(name, []).append(disk)
        tried: set[str] = set()
        while wanted:
            fetcher.fetch(wanted, self.book)
            tried |= wanted.keys()
            wanted = {name: list(good) for name in self.book.wanted() if name not in tried}
        for disk, answer in good.items():
            if any(_spoiled(name, blob) for name, blob in answer.spots.items()):
                fetcher.liars[disk] = "a record read back is not what was stored"
        self._keep((self.book.names[name], blob) for name, blob in fetcher.blobs.items())
        self._refold()
        return fetcher

    def _ours(self, disk: bytes, answer: Survey) -> bool:
        marker = answer.marker
        return marker is not None and marker.pool == self.identity.pool and marker.disk == disk

    def _strange(self, answer: Survey) -> Verdict:
        """What a disk without this disk's marker is: damaged, another one, or nothing at all."""
        marker = answer.marker
        if marker is None:
            return Verdict.CORRUPT if answer.problem else Verdict.EMPTY
        if marker.disk not in self.state.disks and answer.names & self.book.names.keys():
            answer.problem = "its marker is damaged"
            return Verdict.CORRUPT
        return Verdict.FOREIGN

    def _judge(self, view: View, answers: Mapping[bytes, Survey], fetcher: Fetcher) -> None:
        liars, unread = fetcher.liars, fetcher.unread
        for disk in self._asked():
            answer = answers.get(disk.id)
            if answer is None:
                view.verdicts[disk.id] = Comparison(Verdict.SILENT)
            elif not self._ours(disk.id, answer):
                verdict = self._strange(answer)
                view.verdicts[disk.id] = Comparison(verdict, tuple(sorted(self.book.names)))
                emptied = "it is empty: is the drive mounted? was the account closed?"
                view.notes[disk.id] = answer.problem or ("it is another disk" if answer.marker else emptied)
            else:
                view.verdicts[disk.id] = self._compare(disk.id, answer, view)
                withheld = sorted(answer.names & unread.keys())
                if withheld:  # it shows that there is something newer, and nobody delivered it
                    view.verdicts[disk.id] = Comparison(Verdict.SILENT)
                    view.errors[disk.id] = unread[withheld[0]]
            if disk.id in liars:
                view.verdicts[disk.id] = Comparison(Verdict.CORRUPT, view.verdicts[disk.id].missing)
                view.notes[disk.id] = liars[disk.id]
        counting = [disk for disk, answer in view.verdicts.items() if answer.verdict.counts]
        for other in view.verdicts.keys() - set(counting):
            self._spreader.forget(other)
        for good in counting:
            self._spreader.know(good, answers[good].names)
        self._spreader.note_served(counting)
        joined = {disk.id for disk in self.state.joined()}
        view.counted = len(joined & set(counting))
        view.needed = read_quorum(len(joined))
        view.fresh = view.counted >= view.needed and not self._unseen()
        ends, strays = self.state.ends, self.state.strays
        view.forks, view.gaps = self.book.forks(ends, strays), self.book.gaps(ends, strays)

    def _compare(self, disk: bytes, answer: Survey, view: View) -> Comparison:
        acked, remembered = self.state.acked.get(disk, {}), self._spreader.served.get(disk, {})
        result = compare(answer.names, self.book, acked, remembered)
        if result.lost:
            if not self._found_by_name(disk, answer, result.lost, view):
                return Comparison(Verdict.SILENT)
            result = compare(answer.names, self.book, acked, remembered)
        if self.disks[disk].caps.list_consistency != "eventual":
            return result
        # A hint whose record nobody finds: others wrote what cannot be seen yet, so this is not the newest state.
        unseen = (*result.lost, *sorted(answer.hints - self.book.names.keys()))
        if not lags_long(self.local, self.env.now(), disk, unseen):
            return Comparison(Verdict.LAGGING, result.missing, unseen) if unseen else result
        return result

    def _found_by_name(self, disk: bytes, answer: Survey, lost: Sequence[str], view: View) -> bool:
        """Listings may lag: what was acknowledged is asked for by name before a disk is accused.  False: it stopped
        answering meanwhile, which says nothing about what it has."""
        futures = {name: self.disks[disk].stat(name, urgent=True) for name in lost[:MAX_RECHECKED]}
        found, errors = gather(futures, self.env, enough=lambda _: False, patience=self.patience)
        answer.names.update(found)
        broken = [error for error in errors.values() if not isinstance(error, ObjectNotFound)]
        if broken:
            view.errors[disk] = broken[0]
        return not broken

    # ------------------------------------------------------------------------------------------------------- quorums
    def membership(self) -> Membership:
        """Whose acknowledgements count, as far as this machine knows: disks that do for everybody, and those that some
        may count and others not."""
        state = self.state
        return state.changes.membership(
            state.disks, state.losses(), lambda record: self._spreader.had(record, state.acked)
        )  # fmt: skip

    def _asked(self) -> list[DiskInfo]:
        """Members, and disks of which not everybody knows yet that they were taken out."""
        open_still = self.membership().joining
        return [info for info in self.state.disks.values() if not info.removed or info.id in open_still]

    def _unseen(self) -> bool:
        """Whether whoever changed the disks knew records that no disk showed: a listing is no snapshot."""
        return bool(self.state.changes.unseen(self.book.newest))

    def trust(self, disk: bytes, names: Iterable[str]) -> None:
        """A disk that is being filled (it joins, or is mended) has these records; from now on it gets all others."""
        self.view.verdicts[disk] = Comparison(Verdict.BEHIND)
        self._spreader.forget(disk)
        self._spreader.know(disk, names)

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
        if self._unseen():
            raise QuorumLost("disks came or went, and what was stored before that is not shown by any disk yet")

    # ------------------------------------------------------------------------------------------------------- writing
    def append(self, *ops: AnyOp, wait: bool = True) -> Acks:
        """Write one record of this device: durable here first, then on the disks.

        ``wait``: until W disks have it (or all have answered); raises QuorumLost when not even a majority has.
        """
        self._refuse_fork()
        for op in ops:
            self.require_right(needed_right(op))
        before = self.membership()
        blob, record = self._seal(ops)
        name = record.name
        self.own.append(name, blob)
        self._keep([(record, blob)])
        self.book.add(record)
        self._verifier.learn(ops)
        self._refold()
        adds = any(isinstance(op, AddDisk) for op in ops)  # the new disk is not filled yet: it neither helps nor counts
        return self._spread(name if wait else "", before if adds else self.membership(), wait=wait)

    def require_right(self, right: str) -> None:
        """Raise RightMissing unless this device may do that ('': whoever has the owner's word may).  Others would not
        heed the record.  Raises Evicted and KeysChanged whatever the right."""
        me = self.state.devices.get(self.identity.key.id)
        if me is not None and me.evicted:
            raise Evicted(f"this machine ({me.name}) was removed from the pool: it can no longer change it")
        if self.state.epoch > self.identity.root.epoch:
            raise KeysChanged("the pool's keys were changed, and this machine was not given the new ones")
        if right and me is not None and right not in me.rights:
            raise RightMissing(
                f"this machine ({me.name}) has no right to {_RIGHTS.get(right, right)}",
                hint=f"Run it on a machine that has, or give this one the right: webraid device rights {me.name} ...",
            )

    def take_root(self, root: Root, *, only: bool = False) -> None:
        """A key slot has brought newer or other roots than this machine knew.  ``only``: forget all others."""
        self._verifier.root = root if only else join_roots(self._verifier.root, root)
        self.identity.root = self._verifier.root

    def _refuse_fork(self) -> None:
        me = self.identity.key.id
        head = self.book.head(me)
        here = self.book.names.get(self.own.newest())
        forked = any(device == me for device, _ in self.book.forks())
        if forked or (head is not None and (here is None or here.seq < head.seq)):
            raise Forked("this machine's log goes on elsewhere: its state was copied or restored from a backup")

    def _seal(self, ops: Iterable[AnyOp]) -> tuple[bytes, Record]:
        me, root = self.identity.key, self.identity.root
        head = self.book.head(me.id)
        vector = {device: seq for device, seq in self.state.heads.items() if device != me.id}
        served = self._spreader.served
        told = [disk.id for disk in self.state.joined()]
        if head:  # whether a disk knows that it was taken out: nobody asks it again
            told += [op.disk for op in head.body.ops if isinstance(op, RemoveDisk)]
        acked = {disk: served.get(disk, {}).get(me.id, 0) for disk in told}
        body = Body(lamport=self.state.lamport + 1, ops=tuple(ops), vector=vector, acked=acked)
        now = int(self.env.now() * 1000)
        seq, prev = (head.seq + 1, head.digest) if head else (1, bytes(32))
        header = Header(self.identity.pool, me.id, root.epoch, seq, prev, now)
        blob = seal_record(root.meta, header, encode_body(body), me.private, self.env)
        return blob, Record(me.id, seq, hashlib.sha256(blob).digest(), prev, now, body)

    def _spread(self, hint: str, membership: Membership, *, wait: bool) -> Acks:
        futures = self._spreader.catch_up(self.usable(), hint)
        return self._spreader.wait(futures, membership) if wait else Acks(frozenset(), durable=False)

    def spread_head(self, *, wait: bool = True) -> Acks:
        """Send everything that usable disks lack, up to this device's newest record; count who has it now."""
        head = self.book.head(self.identity.key.id)
        if head is None:
            return Acks(frozenset(), durable=False)
        name = head.name
        return self._spread(name if wait else "", self.membership(), wait=wait)

    def fence(
        self, acks: Acks, again: Callable[[], None] = lambda: None, ready: Callable[[], None] | None = None
    ) -> Acks:
        """After a commit, or an announcement: read the membership with R.  Where it has changed meanwhile, everything
        is sent again (``again``: what goes everywhere besides the record), until it stays.

        ``ready``: what must answer, if not R.  Raises QuorumLost when R disks do not answer any more, or too few
        present members have the record.
        """
        for _ in range(FENCES):
            before, seats = self.membership(), self._seats()
            self.open()
            (ready or self.require_quorum)()
            self.require_right(APPEND)  # announced to be evicted: what was just written may be cut off
            if self._seats() == seats and not grown(before, self.membership()):
                return acks
            again()
            acks = self.spread_head()
        raise QuorumLost("disks are added or removed all the time: the commit cannot be acknowledged")

    def _seats(self) -> set[tuple[bytes, bool]]:
        return {(disk.id, disk.joined) for disk in self.state.members()}

    def everywhere(self, name: str, data: bytes, on_holder: OnHolder | None = None) -> Acks:
        """Put another immutable object on every usable member and wait for W of the joined ones.

        ``on_holder(disk)``: called by ``flush`` for disks that have it after all.
        """
        futures = self._spreader.put(self.usable(), name, data, on_holder)
        return self._spreader.wait(futures, self.membership())

    def flush(self, patience: float) -> None:
        """Give what is still under way a last chance, then keep only those own records that some disk lacks."""
        self._spreader.flush(patience)
        members = [disk.id for disk in self.state.members()]
        if members:
            me = self.identity.key.id
            self.own.prune(min(self._spreader.served.get(disk, {}).get(me, 0) for disk in members))


def _spoiled(name: str, blob: bytes) -> bool:
    return parse_name(name)[2] != hashlib.sha256(blob).hexdigest()[:16]
