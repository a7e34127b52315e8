"""check and scrub look at the disks by one mechanism: list, compare sizes and hashes, read what they are told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from webraid.backend import hashes
from webraid.codec.levels import parse_level
from webraid.errors import (
    BackendError,
    ObjectNotFound,
    QuotaExceeded,
)
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, ShardFound
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import Bad
from webraid.jobs.care.findings import DiskCheck, Expected, Findings, expected_shards, listed_well
from webraid.jobs.care.margin import margin
from webraid.jobs.care.mend import DAMAGED
from webraid.model import PackKind, Stored
from webraid.table.gather import gather
from webraid.table.log import Verdict
from webraid.table.survey import LOG, digest_of
from webraid.table.table import View

LOG_SAMPLE = 16  # records read at least, and at a time
IN_FLIGHT = 4  # shards read at a time from one disk
PATIENCE = 4  # times the usual one: whole shards and long listings
GIVE_UP = 3  # times in a row that nothing asked for was given: a disk that does so has stopped answering


class Reading:
    """What is read and in which order; what a scrub overrides.  Called on the disks' own threads."""

    log_share = 1.0  # of the log's records that are read where reading costs something
    list_log = False  # whether the log's records are compared by the listing there, too

    def wanted(self, disk: bytes, item: Expected, *, free: bool, suspect: bool) -> bool:
        """Whether this shard is to be read.  ``free``: it costs nothing; ``suspect``: it was found bad before."""
        return True

    def order(self, items: list[Expected]) -> list[Expected]:
        """In which order they are read."""
        return items

    def least(self) -> bool:
        """Whether one shard is read in any case."""
        return True

    def begin(self, disk: bytes, items: list[Expected]) -> None:
        """These will be read."""

    def done(self, disk: bytes, items: list[Expected], good: set[int]) -> None:
        """A few more were; ``good``: which of them (by their place in ``items``) gave what they should."""

    def stopped(self) -> bool:
        """Whether to leave off here."""
        return False


def look(ctx: Context, result: Findings) -> View:
    """Open the table and take in what its comparison of the logs says."""
    view = ctx.open_table(spot=True)
    result.alarms = [f"{ctx.disk_name(disk)}: {a.verdict.value}" for disk, a in view.alarms().items()]
    result.alarms += [f"device {device.hex()} forked at {seq}" for device, seq in view.forks]
    result.alarms += [f"record {gap} is missing everywhere" for gap in view.gaps]
    load_index(ctx)
    return view


def inspect(
    ctx: Context, view: View, result: Findings, reading: Reading, on_disk: Callable[[int], None] = lambda done: None,
    *, only: Collection[str] = (),
) -> None:  # fmt: skip
    """All disks at once (``only``: those of these names).  What is found marks shards bad: they do not count until they
    are repaired."""
    expected, suspects = expected_shards(ctx), ctx.index.bad()
    workers = []
    for info in sorted(ctx.table.state.joined(), key=lambda item: item.name):
        if only and info.name not in only:
            continue
        answer = view.verdicts[info.id]
        report = DiskCheck(info.name, answer.verdict.value)
        result.disks.append(report)
        if answer.verdict in (Verdict.SILENT, Verdict.FOREIGN, Verdict.EMPTY):
            report.error = str(view.errors.get(info.id, view.notes.get(info.id, "no answer")))
        else:
            work = _Work(ctx, info.id, expected.get(info.id, []), suspects, report, reading)
            workers.append(_Worker(work))
    for done, worker in enumerate(workers, start=1):
        worker.finish()
        on_disk(done)
    ctx.note_findings()
    _settle_vanished(ctx, [worker.work for worker in workers])
    lying = {disk.name for disk in result.disks if disk.corrupt} - {alarm.partition(":")[0] for alarm in result.alarms}
    result.alarms += [f"{name}: serves damaged data" for name in sorted(lying)]


def judge(ctx: Context, result: Findings) -> None:
    """What the pool survives after what was found."""
    usable = {disk: domain for disk, domain in ctx.domains().items() if disk in ctx.table.usable()}
    safe = margin(ctx, usable)
    result.survives = min(safe.survives, len(set(usable.values())) - 1)
    result.missing_shards, result.unreadable_packs = safe.missing, safe.unreadable
    result.lost_packs = margin(ctx, ctx.domains()).unreadable if safe.unreadable else 0
    result.among = len(ctx.domains())
    spec = parse_level(ctx.table.state.level)
    result.still_needed = max(0, spec.least - len(ctx.domains()))
    if not result.still_needed:
        result.promised = spec.losses(ctx.span(spec))
        if (
            next(ctx.index.packs(PackKind.DATA), None) is None
        ):  # nothing is stored yet: what the level will give is what counts
            result.survives = min(result.survives, result.promised)


@dataclass(slots=True)
class _Work:
    """One disk's part.  ``vanished``: listed, and gone when it was to be read."""

    ctx: Context
    disk: bytes
    expected: list[Expected]
    suspects: Bad
    report: DiskCheck
    reading: Reading
    vanished: list[Expected] = field(default_factory=list)

    def run(self) -> None:
        free = self.ctx.disks[self.disk].caps.egress_free
        there = self._listing("shards/")
        self.report.listed = len(there)
        self._log(free)
        to_read = []
        for item in self._present(there):
            suspect = (item.index, self.disk) in self.suspects.get(item.pack.id, ())
            if self.reading.wanted(self.disk, item, free=free, suspect=suspect):
                to_read.append(item)
        if self.expected and not to_read and self.reading.least():
            to_read.append(self.ctx.env.rng.choice(self.expected))
        self._read(self.reading.order(to_read))

    def _listing(self, prefix: str) -> dict[str, Stored]:
        listing, errors = gather(
            {0: self.ctx.disks[self.disk].list(prefix)}, self.ctx.env, enough=lambda _: False,
            patience=self.ctx.config.limits.patience * PATIENCE,
        )  # fmt: skip
        for error in errors.values():
            raise error
        return {stored.name: stored for stored in listing[0]}

    def _present(self, there: dict[str, Stored]) -> Iterable[Expected]:
        """What is listed as it should be; the rest is noted."""
        missing = [item for item in self.expected if item.name not in there]
        if missing and self.ctx.disks[self.disk].caps.list_consistency == "eventual":
            there |= self._by_name(missing)
        for item in self.expected:
            stored = there.get(item.name)
            if stored is None:
                self._bad(item, "missing")
            elif not listed_well(item, stored, self.report):
                self._bad(item, "corrupt")
            else:
                yield item

    def _by_name(self, items: list[Expected]) -> dict[str, Stored]:
        """Listings may lag: what one lacks is asked for by name before the disk is accused."""
        found: dict[str, Stored] = {}
        for start in range(0, len(items), LOG_SAMPLE):
            part = items[start : start + LOG_SAMPLE]
            asked = {item.name: self.ctx.disks[self.disk].stat(item.name, locator=item.locator) for item in part}
            answers, errors = self._gather(asked)
            found |= answers
            for error in errors.values():
                if not isinstance(error, ObjectNotFound):
                    raise error
        return found

    def _gather(self, futures: dict) -> tuple[dict, dict]:  # type: ignore[type-arg]
        patience = self.ctx.config.limits.patience * PATIENCE
        return gather(futures, self.ctx.env, enough=lambda _: False, patience=patience)

    # -- the log -----------------------------------------------------------------------------------------------------
    def _log(self, free: bool) -> None:
        """The disk's copies of the log's records: read where that is free, else compared by the listing's hashes, and
        a share of them read."""
        book = self.ctx.table.book.names
        names = sorted(book)
        if not free:
            if self.reading.list_log:
                self._listed_log()
            names = self.ctx.env.rng.sample(names, min(len(names), self._log_share(len(names))))
        for start in range(0, len(names), LOG_SAMPLE):
            disk = self.ctx.disks[self.disk]
            answers, _ = self._gather({name: disk.get(name) for name in names[start : start + LOG_SAMPLE]})
            for name, data in answers.items():
                self.report.records += 1
                self.report.bytes_read += len(data)
                if hashlib.sha256(data).digest() != book[name].digest:
                    self._bad_record()
            if self.reading.stopped():
                return

    def _listed_log(self) -> None:
        """By the hashes that the listing tells.  What is missing is for the comparison of the logs to say."""
        book = self.ctx.table.book.names
        for stored in self._listing(LOG).values():
            record = book.get(stored.name)
            if record is None or not stored.hashes:
                continue
            blob = self.ctx.local.blob(record.device, record.seq, record.digest)
            digest = digest_of(blob)
            told = {
                value: hashes.expected(name, sha256=digest.sha256, md5=digest.md5, size=len(blob))
                for name, value in stored.hashes
            }
            if stored.size != len(blob) or any(ours not in (None, theirs) for theirs, ours in told.items()):
                self._bad_record()

    def _log_share(self, count: int) -> int:
        share = self.reading.log_share
        return max(LOG_SAMPLE, int(share * count)) if share else 0

    def _bad_record(self) -> None:
        self.report.corrupt += 1
        self.ctx.local.set(DAMAGED + self.disk.hex(), b"1")  # repair puts the log right

    # -- shards ------------------------------------------------------------------------------------------------------
    def _read(self, items: list[Expected]) -> None:
        self.reading.begin(self.disk, items)
        disk, vain = self.ctx.disks[self.disk], 0
        for start in range(0, len(items), IN_FLIGHT):
            if vain == GIVE_UP or self.reading.stopped():
                return
            part = items[start : start + IN_FLIGHT]
            answers, errors = self._gather(
                {i: disk.get(item.name, locator=item.locator) for i, item in enumerate(part)}
            )
            good = {i for i, data in answers.items() if self._verify(part[i], data)}
            self.reading.done(self.disk, part, good)
            silent = not answers and not any(isinstance(error, ObjectNotFound) for error in errors.values())
            vain = vain + 1 if silent else 0
            for i, error in errors.items():
                if isinstance(error, ObjectNotFound):
                    self.vanished.append(part[i])
                    continue
                self.report.error = str(error)
                if isinstance(error, QuotaExceeded):  # the others would say the same
                    self.report.spent = True
                    return
                text = f"shard {part[i].name} could not be read: {error}"
                self.ctx.event(Notice(text, warning=True))

    def _verify(self, item: Expected, data: bytes) -> bool:
        self.report.read += 1
        self.report.bytes_read += len(data)
        if hashlib.sha256(data).digest() != item.sha256:
            self._bad(item, "corrupt")
            return False
        self.ctx.index.mark_good(item.pack.id, item.index, self.disk)
        return True

    def _bad(self, item: Expected, problem: str) -> None:
        self.ctx.index.mark_bad(item.pack.id, item.index, self.disk, problem)
        if problem == "missing":
            self.report.missing += 1
        else:
            self.report.corrupt += 1
        self.ctx.event(ShardFound(self.report.name, item.pack.id.hex(), item.index, problem))

    def settle_vanished(self) -> None:
        """What is gone although the pool still counts on it."""
        for item in self.vanished:
            if self.ctx.index.pack(item.pack.id) is not None:
                self._bad(item, "missing")


class _Worker:
    """Inspects one disk while others are inspected; a daemon, as it may wait for a disk that hangs."""

    def __init__(self, work: _Work) -> None:
        self.work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"inspect-{work.report.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.work.run()
        except BackendError as error:
            self.work.report.error = str(error)
        except BaseException as error:  # noqa: BLE001 - raised again by finish
            self._error = error

    def finish(self) -> None:
        """Wait for it.  Raises what went wrong besides the disk itself."""
        while self._thread.is_alive():
            self._thread.join(0.5)  # so that Ctrl-C is heard
        if self._error is not None:
            raise self._error


def _settle_vanished(ctx: Context, works: list[_Work]) -> None:
    """A pack may have been deleted on purpose while we were reading: the newest state decides."""
    if any(work.vanished for work in works):
        ctx.open_table()
        load_index(ctx)
        for work in works:
            work.settle_vanished()
