"""check: is everything there, is it what was stored, and which disk is not what it should be.  Changes nothing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.backend import hashes
from webraid.codec.levels import parse_level
from webraid.errors import (
    EXIT_ALARM,
    EXIT_DEGRADED,
    EXIT_OK,
    EXIT_UNREADABLE,
    BackendError,
    QuotaExceeded,
    WebRAIDError,
    worst,
)
from webraid.jobs.context import Context
from webraid.jobs.events import Notice, Progress, ShardFound, Started
from webraid.jobs.pages import Pages, load_index
from webraid.jobs.reading import Bad, with_good_homes
from webraid.jobs.seats import object_sizes
from webraid.jobs.snapshots import ordered
from webraid.jobs.status import margin
from webraid.model import Code, Pack, PackKind, Stored, shard_name
from webraid.table.gather import gather
from webraid.table.log import Verdict
from webraid.table.tree import walk

LOG_SAMPLE = 16  # records read at least, and at a time
IN_FLIGHT = 4  # shards read at a time from one disk


@dataclass(frozen=True, slots=True)
class Expected:
    """A shard that the table says is on a disk."""

    pack: Pack
    index: int
    size: int
    sha256: bytes
    md5: bytes
    locator: str

    @property
    def name(self) -> str:
        """Its object's name."""
        return shard_name(self.pack.id, self.index)


@dataclass(slots=True)
class DiskCheck:
    """What was found on one disk."""

    name: str
    verdict: str
    listed: int = 0
    hashed: int = 0
    read: int = 0
    bytes_read: int = 0
    missing: int = 0
    corrupt: int = 0
    error: str = ""


@dataclass(slots=True)
class CheckResult:
    """``survives``: as status says it, after what was found."""

    disks: list[DiskCheck] = field(default_factory=list)
    snapshots: int = 0
    chunks: int = 0
    lost_chunks: int = 0
    survives: int = 0
    promised: int = 0
    missing_shards: int = 0
    unreadable_packs: int = 0
    alarms: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """Alarm, unreadable, degraded or fine."""
        corrupt = any(disk.corrupt for disk in self.disks)
        return worst(
            EXIT_ALARM if self.alarms or corrupt else EXIT_OK,
            EXIT_UNREADABLE if self.unreadable_packs or self.lost_chunks else EXIT_OK,
            EXIT_DEGRADED if self.missing_shards or self.survives < self.promised else EXIT_OK,
        )


def parse_sample(text: str) -> float:
    """'2%' or '0.02' -> 0.02."""
    value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    return min(1.0, max(0.0, value))


def check(ctx: Context, *, read_data: bool = False, sample: float | None = None) -> CheckResult:
    """Compare logs, list every disk, compare names, sizes and the provider's hashes; read table packs whole, of data
    shards those on disks that cost nothing to read, a ``sample`` of the others, or all with ``read_data``."""
    started = ctx.env.monotonic()
    share = 1.0 if read_data else sample if sample is not None else parse_sample(ctx.config.check.sample)
    view = ctx.open_table(spot=True)
    result = CheckResult(alarms=[f"{ctx.disk_name(disk)}: {a.verdict.value}" for disk, a in view.alarms().items()])
    result.alarms += [f"device {device.hex()} forked at {seq}" for device, seq in view.forks]
    result.alarms += [f"record {gap} is missing everywhere" for gap in view.gaps]
    load_index(ctx)
    ctx.event(Started("check", len(view.verdicts)))
    expected, suspects = _expected(ctx), ctx.index.bad()
    workers = []
    for info in sorted(ctx.table.state.joined(), key=lambda item: item.name):
        answer = view.verdicts[info.id]
        report = DiskCheck(info.name, answer.verdict.value)
        result.disks.append(report)
        if answer.verdict in (Verdict.SILENT, Verdict.FOREIGN, Verdict.EMPTY):
            report.error = str(view.errors.get(info.id, view.notes.get(info.id, "no answer")))
        else:
            workers.append(_Worker(ctx, info.id, expected.get(info.id, []), suspects, report, share))
    for done, worker in enumerate(workers, start=1):
        worker.finish()
        ctx.event(Progress(done, sum(disk.bytes_read for disk in result.disks)))
    ctx.note_findings()
    lying = {disk.name for disk in result.disks if disk.corrupt} - {alarm.partition(":")[0] for alarm in result.alarms}
    result.alarms += [f"{name}: serves damaged data" for name in sorted(lying)]
    _check_trees(ctx, result)
    usable = {disk: domain for disk, domain in ctx.domains().items() if disk in ctx.table.usable()}
    safe = margin(ctx, usable)
    result.survives = min(safe.survives, len(set(usable.values())) - 1)
    result.missing_shards, result.unreadable_packs = safe.missing, safe.unreadable
    spec = parse_level(ctx.table.state.level)
    result.promised = spec.losses(ctx.span(spec)) if len(ctx.domains()) >= spec.least else 0
    result.seconds = ctx.env.monotonic() - started
    return result


class _Worker:
    """Checks one disk while others are checked; a daemon, as it may wait for a disk that hangs."""

    def __init__(
        self, ctx: Context, disk: bytes, expected: list[Expected], suspects: Bad, report: DiskCheck, share: float
    ) -> None:  # fmt: skip
        self._error: BaseException | None = None
        self._work = (ctx, disk, expected, suspects, report, share)
        self._thread = threading.Thread(target=self._run, name=f"check-{report.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            _check_disk(*self._work)
        except BackendError as error:
            self._work[4].error = str(error)
        except BaseException as error:  # noqa: BLE001 - raised again by finish
            self._error = error

    def finish(self) -> None:
        """Wait for it.  Raises what went wrong besides the disk itself."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def _expected(ctx: Context) -> dict[bytes, list[Expected]]:
    """What each disk should have, bad ones included: they are looked at again."""
    result: dict[bytes, list[Expected]] = {}
    bad = ctx.index.bad()
    for pack in ctx.index.packs():
        sizes = object_sizes(pack)
        good = with_good_homes(ctx, pack, bad).homes
        copies = pack.geometry.code is Code.COPIES
        held = {home.index for home in good} if not copies or len(good) >= pack.geometry.n else set()
        for home in with_good_homes(ctx, pack, {}).homes:
            spoiled = (home.index, home.disk) in bad.get(pack.id, ())
            if spoiled and home.index in held and pack.kind is PackKind.DATA:
                continue  # another disk has taken this shard over
            digest = pack.shards[0 if len(pack.shards) == 1 else home.index]
            item = Expected(pack, home.index, sizes[home.index], digest, home.md5, home.locator)
            result.setdefault(home.disk, []).append(item)
    return result


def _check_disk(
    ctx: Context, disk: bytes, expected: list[Expected], suspects: Bad, report: DiskCheck, share: float
) -> None:  # fmt: skip
    caps = ctx.disks[disk].caps
    listing, errors = gather(
        {disk: ctx.disks[disk].list("shards/")}, ctx.env, enough=lambda _: False,
        patience=ctx.config.limits.patience * 4,
    )  # fmt: skip
    for error in errors.values():
        raise error
    _check_log(ctx, disk, report, share)
    there = {stored.name: stored for stored in listing[disk]}
    report.listed = len(there)
    to_read = []
    for item in expected:
        stored = there.get(item.name)
        if stored is None:
            _bad(ctx, disk, item, "missing", report)
        elif not _listed_well(item, stored, report):
            _bad(ctx, disk, item, "corrupt", report)
        elif (
            item.pack.kind is PackKind.TABLE or caps.egress_free or (item.index, disk) in suspects.get(item.pack.id, ())
            or ctx.env.rng.random() < share
        ):  # fmt: skip
            to_read.append(item)
    if expected and not to_read:
        to_read.append(ctx.env.rng.choice(expected))
    _read(ctx, disk, to_read, report)


def _check_log(ctx: Context, disk: bytes, report: DiskCheck, share: float) -> None:
    """Read the disk's copies of the log's records: all where reading is free, else a sample."""
    names = sorted(ctx.table.book.names)
    if not ctx.disks[disk].caps.egress_free:
        names = ctx.env.rng.sample(names, min(len(names), max(LOG_SAMPLE, int(share * len(names)))))
    for start in range(0, len(names), LOG_SAMPLE):
        futures = {name: ctx.disks[disk].get(name) for name in names[start : start + LOG_SAMPLE]}
        answers, _ = gather(futures, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * 4)
        for name, data in answers.items():
            report.read += 1
            report.bytes_read += len(data)
            if hashlib.sha256(data).digest() != ctx.table.book.names[name].digest:
                report.corrupt += 1


def _listed_well(item: Expected, stored: Stored, report: DiskCheck) -> bool:
    """By size and by every hash that the provider tells and we can know."""
    sha256, md5 = item.sha256.hex(), item.md5.hex()
    told = {value: hashes.expected(name, sha256=sha256, md5=md5, size=item.size) for name, value in stored.hashes}
    report.hashed += any(told.values())
    return stored.size == item.size and all(ours in (None, theirs) for theirs, ours in told.items())


def _read(ctx: Context, disk: bytes, items: list[Expected], report: DiskCheck) -> None:
    for start in range(0, len(items), IN_FLIGHT):
        part = dict(enumerate(items[start : start + IN_FLIGHT]))
        futures = {i: ctx.disks[disk].get(item.name, locator=item.locator) for i, item in part.items()}
        answers, errors = gather(
            futures, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * 4
        )  # fmt: skip
        for i, data in answers.items():
            report.read += 1
            report.bytes_read += len(data)
            if hashlib.sha256(data).digest() == part[i].sha256:
                ctx.index.mark_good(part[i].pack.id, part[i].index, disk)
            else:
                _bad(ctx, disk, part[i], "corrupt", report)
        for i, error in errors.items():
            report.error = str(error)
            if isinstance(error, QuotaExceeded):  # the others would say the same
                return
            ctx.event(Notice(f"shard {part[i].name} could not be read: {error}", warning=True))


def _bad(ctx: Context, disk: bytes, item: Expected, problem: str, report: DiskCheck) -> None:
    ctx.index.mark_bad(item.pack.id, item.index, disk, problem)
    if problem == "missing":
        report.missing += 1
    else:
        report.corrupt += 1
    ctx.event(ShardFound(report.name, item.pack.id.hex(), item.index, problem))


def _check_trees(ctx: Context, result: CheckResult) -> None:
    """Every snapshot's tree can be walked, and every chunk it names lies in a pack that can be read."""
    bad, domains = ctx.index.bad(), ctx.domains()
    readable: dict[bytes, bool] = {}
    done: set[bytes] = set()

    def can_read(pack_id: bytes) -> bool:
        if pack_id not in readable:
            pack = ctx.index.pack(pack_id)
            readable[pack_id] = pack is not None and pack_tolerance(with_good_homes(ctx, pack, bad), domains) >= 0
        return readable[pack_id]

    pages = Pages(ctx)
    for shot in ordered(ctx):
        result.snapshots += 1
        try:
            for batch in _batches(walk(shot.info.root, pages), done):
                for chunk, found in _places(ctx, batch):
                    result.lost_chunks += not any(can_read(pack) for pack in found)
                    done.add(chunk)
        except WebRAIDError as error:
            result.alarms.append(f"snapshot {shot.name}: {error}")
        ctx.event(Notice(f"snapshot {shot.name} walked"))
    result.chunks = len(done)


def _batches(entries: Iterator[object], done: set[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for entry in entries:
        batch += [chunk for chunk in entry.chunk_ids() if chunk not in done]  # type: ignore[attr-defined]
        if len(batch) >= 5000:
            yield batch
            batch = []
    yield batch


def _places(ctx: Context, ids: list[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    unique = list(dict.fromkeys(ids))
    found = ctx.index.find(unique)
    for chunk in unique:
        yield chunk, [pack for pack, _ in found.get(chunk, [])]
