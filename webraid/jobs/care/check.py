"""check: is everything there, is it what was stored, and can every snapshot be walked.  Quick; changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from webraid.array.tolerance import pack_tolerance
from webraid.errors import BackendError, ConfigError, NotEnoughShards, WebRAIDError
from webraid.jobs.base.context import Context, refuse_unknown
from webraid.jobs.base.events import Notice, Progress, Started
from webraid.jobs.base.pages import Pages
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.snapshots import ordered
from webraid.jobs.care.findings import DiskCheck, Expected, Findings, expected_shards
from webraid.jobs.care.inspection import Reading, inspect, judge, look
from webraid.jobs.care.ring import BUCKETS, Arc, bucket_of, parse_subset
from webraid.model import PackKind
from webraid.table.tree import walk

__all__ = ["CheckResult", "DiskCheck", "Expected", "check", "parse_sample"]


@dataclass(slots=True)
class CheckResult(Findings):
    """What a check found.  ``chunks`` that the snapshots name, ``lost_chunks`` of them in no pack that can be read.
    ``unwalked``: snapshots whose tree is out of reach."""

    snapshots: int = 0
    unwalked: int = 0
    chunks: int = 0
    lost_chunks: int = 0

    @property
    def damaged(self) -> bool:
        """Whether something cannot be read."""
        return bool(self.unreadable_packs or self.lost_chunks or self.unwalked)


def parse_sample(text: str) -> float:
    """'2%' or '0.02' -> 0.02.  Raises ConfigError."""
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ConfigError(f"[check] sample: {text!r} is not a share", hint="Write 2% or 0.02.") from None
    return min(1.0, max(0.0, value))


class _Sample(Reading):
    """Table packs, what costs nothing, what was bad before; of the rest a share, by chance, or a part of the ring."""

    def __init__(self, ctx: Context, share: float, arc: Arc | None) -> None:
        self._ctx = ctx
        self._share = share
        self._arc = arc
        self.log_share = share or 1e-9

    def wanted(self, disk: bytes, item: Expected, *, free: bool, suspect: bool) -> bool:
        """Cheap ones first: chance is only asked where it decides."""
        if item.pack.kind is PackKind.TABLE or free or suspect:
            return True
        if self._arc is not None:
            return bucket_of(item.pack.id) in self._arc
        return self._ctx.env.rng.random() < self._share


def check(
    ctx: Context, *, read_data: bool = False, sample: float | None = None, subset: str = "",
    disks: Collection[str] = (),
) -> CheckResult:  # fmt: skip
    """Compare logs, list every disk, compare names, sizes and the provider's hashes; read table packs whole, of data
    shards those on disks that cost nothing to read, a ``sample`` of the others, a ``subset`` ('1/7', '5%', '2GiB': the
    latter two anywhere), or all with ``read_data``.  ``disks``: only those of these names are listed and read."""
    started = ctx.env.monotonic()
    share = 1.0 if read_data else sample if sample is not None else parse_sample(ctx.config.check.sample)
    result = CheckResult()
    view = look(ctx, result)
    refuse_unknown(disks, ctx.config, ctx.table.state)
    arc = _arc(ctx, subset) if subset else None
    ctx.event(Started("check", len(set(disks)) or len(view.verdicts)))

    def on_disk(done: int) -> None:
        ctx.event(Progress(done, sum(disk.bytes_read for disk in result.disks)))

    inspect(ctx, view, result, _Sample(ctx, share, arc), on_disk, only=disks)
    _check_trees(ctx, result)
    judge(ctx, result)
    result.seconds = ctx.env.monotonic() - started
    return result


def _arc(ctx: Context, subset: str) -> Arc:
    items = (item for items in expected_shards(ctx).values() for item in items)
    weights = ((bucket_of(item.pack.id), item.size) for item in items if item.pack.kind is PackKind.DATA)
    return parse_subset(subset).arc(ctx.env.rng.randrange(BUCKETS), weights)


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
        except (NotEnoughShards, BackendError) as error:  # its disks are away; that alone is no sign of a lie
            result.unwalked += 1
            result.snapshots -= 1
            ctx.event(Notice(f"snapshot {shot.name} cannot be walked now: {error}", warning=True))
            continue
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
