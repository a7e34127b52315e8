"""durability: what is survived now, by level, with what fails together named; and what a stated model says of it.

Rates are assumptions, a year and a disk, rounded up; docs/guide/health.md says where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from webraid.array.durability import Chain, years_of
from webraid.array.tolerance import pack_tolerance
from webraid.codec.levels import parse_level
from webraid.jobs.base.caps import kept_caps
from webraid.jobs.base.context import Context
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes, stored_bytes
from webraid.jobs.base.snapshots import open_for_reading
from webraid.jobs.care.rescue import superseded
from webraid.model import Code, Geometry, PackKind
from webraid.table.records import SPARE

DAY = 86400.0
YEAR = 365.25 * DAY
PROVIDER_ENDS = 0.011  # a company ends the service, or throws one out with all accounts
# kind -> losses a year of one account or device: closed, hijacked, not paid for, forgotten; broken, stolen, burnt
LOST: Mapping[str, float] = {
    "gdrive": 0.03, "dropbox": 0.03, "rclone": 0.03, "s3": 0.02, "webdav": 0.03, "sftp": 0.05, "local": 0.05,
}  # fmt: skip
UNKNOWN = 0.05
COMMON = 0.002  # what takes everything at once: passphrase and kit lost, all credentials stolen and used
NOTICED = 7 * DAY  # until somebody has seen that a disk is gone and has put another one in its place
NOTICED_SPARE = 1 * DAY  # the next scheduled run, where a hot spare waits
RATE = 1e6  # bytes a second, where nothing was measured
RAREST = 10_000  # years: beyond that no figure of this model means anything


@dataclass(frozen=True, slots=True)
class LevelStanding:
    """Stripes of one shape.  ``survives``: domains that may go now, -1: something is unreadable; ``promised``: m."""

    shape: str
    packs: int
    bytes: int
    survives: int
    promised: int


@dataclass(frozen=True, slots=True)
class Together:
    """A failure domain with several disks, and what the pool survives once it is lost (-1: data is lost with it)."""

    domain: str
    disks: tuple[str, ...]
    survives: int


@dataclass(frozen=True, slots=True)
class DomainRate:
    """What the model takes a domain for.  ``rate``: losses a year."""

    domain: str
    disks: tuple[str, ...]
    rate: float


@dataclass(slots=True)
class Durability:
    """``loss``: chance a year by the chain alone, ``common``: that of what takes everything, ``years``: about 1 in so
    many years for both together.  ``repair``: seconds until a lost domain is rebuilt.  ``still_needed``: disks that the
    pool lacks for its level."""

    survives: int
    disks: int
    domains: int
    levels: list[LevelStanding] = field(default_factory=list)
    together: list[Together] = field(default_factory=list)
    rates: list[DomainRate] = field(default_factory=list)
    repair: float = 0.0
    spare: bool = False
    loss: float = 0.0
    loss_never_repaired: float = 0.0
    common: float = COMMON
    still_needed: int = 0

    @property
    def years(self) -> float:
        """By the chain alone; math.inf when it says never."""
        return years_of(self.loss)

    @property
    def total_years(self) -> float:
        """With what takes everything at once."""
        return years_of(1 - (1 - self.loss) * (1 - self.common))


def durability(ctx: Context) -> Durability:
    """Ask all disks, then say what is survived and what the model makes of it.  Changes nothing."""
    open_for_reading(ctx)
    usable = {disk: domain for disk, domain in ctx.domains().items() if disk in ctx.table.usable()}
    levels = standings(ctx, usable)
    table = len(set(usable.values())) - 1
    survives = min([table, *(level.survives for level in levels)])
    spec = parse_level(ctx.table.state.level)
    lacking = max(0, spec.least - len(ctx.domains()))
    if not levels and not lacking:  # nothing is stored yet: what the level will give is what counts
        survives = min(survives, spec.losses(ctx.span(spec)))
    result = Durability(survives, len(ctx.domains()), len(set(usable.values())), levels, still_needed=lacking)
    result.together = _together(ctx, usable)
    result.rates = _rates(ctx, usable)
    result.spare = any(info.role == SPARE for info in ctx.table.state.joined())
    result.repair = _repair_time(ctx, usable, spare=result.spare)
    rates = [domain.rate for domain in result.rates]
    result.loss = Chain(rates, survives, result.repair / YEAR).loss()
    result.loss_never_repaired = Chain(rates, survives, math.inf).loss()
    return result


def standings(ctx: Context, domains: Mapping[bytes, str]) -> list[LevelStanding]:
    """By shape of the stripes, the most stored first."""
    bad, found = ctx.index.bad(), dict[str, list[int]]()
    pending = {pack for pack, _ in ctx.index.pending()}
    for pack in ctx.index.named(PackKind.DATA):
        good = with_good_homes(ctx, pack, bad)
        held = pack_tolerance(good, domains)
        if held < 0 and superseded(ctx, pack, bad, pending):
            continue
        row = found.setdefault(shape_of(pack.geometry), [0, 0, 1 << 30, pack.geometry.m])
        row[0] += 1
        row[1] += sum(object_sizes(pack)[home.index] for home in good.homes)
        row[2] = min(row[2], held)
    return [
        LevelStanding(shape, packs, size, held, promised)
        for shape, (packs, size, held, promised) in sorted(found.items(), key=lambda item: -item[1][1])
    ]


def shape_of(geometry: Geometry) -> str:
    """'4+2', '3 copies', '6+0'."""
    if geometry.code is Code.COPIES:
        return f"{geometry.n} copies"
    return f"{geometry.k}+{geometry.m}"


def _together(ctx: Context, usable: Mapping[bytes, str]) -> list[Together]:
    """Domains with more than one disk, and what would be left without them."""
    by_domain: dict[str, list[str]] = {}
    for disk, domain in ctx.domains().items():
        by_domain.setdefault(domain, []).append(ctx.disk_name(disk))
    result = []
    for domain, names in sorted(by_domain.items()):
        if len(names) > 1:
            rest = {disk: other for disk, other in usable.items() if other != domain}
            left = [len(set(rest.values())) - 1, *(level.survives for level in standings(ctx, rest))]
            result.append(Together(domain, tuple(sorted(names)), min(left)))
    return result


def _rates(ctx: Context, usable: Mapping[bytes, str]) -> list[DomainRate]:
    """A domain is lost with its company or with any disk of it (a loss of a part counts as one of the whole)."""
    result: dict[str, tuple[list[str], float]] = {}
    for info in ctx.table.state.joined():
        if info.id in usable:
            names, rate = result.get(info.domain, ([], 0.0))
            company = 0.0 if info.kind == "local" or names else PROVIDER_ENDS
            result[info.domain] = [*names, info.name], rate + company + LOST.get(info.kind, UNKNOWN)
    return [DomainRate(domain, tuple(sorted(names)), rate) for domain, (names, rate) in sorted(result.items())]


def _repair_time(ctx: Context, usable: Mapping[bytes, str], *, spare: bool) -> float:
    """Seconds from the loss of the fullest domain to its rebuilt end: somebody notices, k times as much is read and
    once as much is written, at the rates that were measured."""
    stored = stored_bytes(ctx)
    held: dict[str, int] = {}
    for disk, domain in usable.items():
        held[domain] = held.get(domain, 0) + stored.get(disk, 0)
    most = max(held.values(), default=0)
    kept = [found for disk in usable if (found := kept_caps(ctx.local, disk))]
    down = sum(found.down for found in kept) or RATE * max(1, len(usable))
    up = min((found.up for found in kept if found.up), default=RATE)
    k = max((pack.geometry.k for pack in ctx.index.packs(PackKind.DATA)), default=1)
    return (NOTICED_SPARE if spare else NOTICED) + most * k / down + most / up
