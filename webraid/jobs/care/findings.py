"""What the table says that lies on each disk, and what an inspection has found there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from webraid.array.tolerance import pack_tolerance
from webraid.backend import hashes
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, worst
from webraid.jobs.base.context import Context
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.care.rescue import superseded
from webraid.model import Code, Pack, PackKind, Stored, shard_name
from webraid.table.log import Verdict


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
    """What was found on one disk.  ``verdict`` is that of its log; ``hashed``: by the provider's own hash.  ``read``:
    shards, ``records``: of the log, ``bytes_read``: of both.  ``error``: why not all of it was looked at; ``spent``:
    because there is no budget or quota for more just now."""

    name: str
    verdict: str
    listed: int = 0
    hashed: int = 0
    read: int = 0
    bytes_read: int = 0
    missing: int = 0
    corrupt: int = 0
    error: str = ""
    spent: bool = False
    records: int = 0

    @property
    def cut_short(self) -> bool:
        """Whether it answered, and then not all of it could be looked at."""
        return bool(self.error) and self.verdict not in (Verdict.SILENT, Verdict.FOREIGN, Verdict.EMPTY)


@dataclass(slots=True)
class Findings:
    """``survives``: as status says it, after what was found.  ``lost_packs``: those of the unreadable ones that would
    stay so if every disk answered; ``still_needed``: disks that the pool lacks for its level; ``among``: disks that it
    has, looked at or not."""

    disks: list[DiskCheck] = field(default_factory=list)
    survives: int = 0
    promised: int = 0
    missing_shards: int = 0
    unreadable_packs: int = 0
    lost_packs: int = 0
    still_needed: int = 0
    among: int = 0
    alarms: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def damaged(self) -> bool:
        """Whether something cannot be read."""
        return bool(self.unreadable_packs)

    @property
    def silent(self) -> list[str]:
        """Disks that did not answer."""
        return [disk.name for disk in self.disks if disk.verdict == Verdict.SILENT]

    @property
    def exit_code(self) -> int:
        """Alarm, unreadable, degraded or fine."""
        return self.found

    @property
    def found(self) -> int:
        """The same of what lies on the disks alone."""
        corrupt = any(disk.corrupt for disk in self.disks)
        return worst(
            EXIT_ALARM if self.alarms or corrupt else EXIT_OK,
            EXIT_UNREADABLE if self.damaged else EXIT_OK,
            EXIT_DEGRADED if self.missing_shards or self.survives < self.promised else EXIT_OK,
        )


def expected_shards(ctx: Context) -> dict[bytes, list[Expected]]:
    """What each disk should have, bad ones included: they are looked at again.  What is left of a pack that is lost,
    and on which nothing depends any more, is of no interest: a prune takes it away.  Neither is what an unfinished run
    has stored so far."""
    result: dict[bytes, list[Expected]] = {}
    bad, domains = ctx.index.bad(), ctx.domains()
    pending = {pack for pack, _ in ctx.index.pending()}
    for pack in ctx.index.packs():
        if pack.id in pending:
            continue
        sizes = object_sizes(pack)
        good = with_good_homes(ctx, pack, bad).homes
        unreadable = pack.id in bad and pack_tolerance(replace(pack, homes=good), domains) < 0
        if unreadable and superseded(ctx, pack, bad, pending):
            continue
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


def listed_well(item: Expected, stored: Stored, report: DiskCheck) -> bool:
    """By size and by every hash that the provider tells and we can know."""
    sha256, md5 = item.sha256.hex(), item.md5.hex()
    told = {value: hashes.expected(name, sha256=sha256, md5=md5, size=item.size) for name, value in stored.hashes}
    report.hashed += any(told.values())
    return stored.size == item.size and all(ours in (None, theirs) for theirs, ours in told.items())
