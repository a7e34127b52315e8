"""prune: what no kept snapshot needs is condemned, and deleted when it has lain in the trash for long enough.

The order of the steps is that of docs/spec/protocol.md, section Deletion; what may go is decided by table/garbage.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext

from webraid.config import parse_duration
from webraid.errors import ConfigError, IntegrityError, QuorumLost, RightMissing
from webraid.jobs.access.owner import open_owner
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.events import Started
from webraid.jobs.base.idle import keep_alive
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.care.repair import repair_missing
from webraid.jobs.runs.settle import Leftovers, abort, settle
from webraid.jobs.space.dropped import free_dropped
from webraid.jobs.space.live import Liveness
from webraid.jobs.space.plan import Plan, Terms, clock_of, halves, make_plan, surges
from webraid.jobs.space.pruned import DiskSpace, Pruned
from webraid.jobs.space.repack import repack, stale_segments
from webraid.jobs.space.sweep import Listing, list_shards, shard_of, sweep
from webraid.model import Stored, shard_name
from webraid.table import garbage
from webraid.table.fold import SWEEP
from webraid.table.records import Abort, Condemn, Swept
from webraid.table.table import View

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")
IN_RECORD = 10_000  # packs that one record names


Confirm = Callable[[Pruned], bool]


def prune(
    ctx: Context, *, dry_run: bool = False, now: bool = False, secret: str = "", repack_too: bool = True,
    max_repack: int | None = None, max_unused: float | None = None, confirm: Confirm = lambda pruned: True,
) -> Pruned:  # fmt: skip
    """Condemn what nobody needs; delete what was condemned long enough ago.

    ``secret``: the owner's passphrase or recovery code: then brake, retention lock and the first drill do not hold it
    up.  ``now``: nor does the trash time.  ``confirm(what would be done)`` is asked before anything is.
    ``max_repack``: bytes moved at most; ``max_unused``: share of all bytes that may stay unused.

    Raises RightMissing, WrongPassphrase, QuorumLost, NotInTable (a kept snapshot is not whole), IntegrityError.
    """
    if now and not secret and not dry_run:
        raise RightMissing("deleting at once is for the owner to say", hint="Give the passphrase or the recovery code.")
    with nullcontext() if dry_run else locked(ctx.settings.places):
        job = _Prune(ctx, dry_run, now, secret, confirm)
        job.limits = (repack_too, max_repack, max_unused)
        try:
            return job.run()
        finally:
            job.live.marks.close()


def refuse(ctx: Context, view: View) -> None:
    """Raises QuorumLost or IntegrityError unless it is certain that nothing is unseen and nobody is suspect."""
    ctx.table.require_quorum()
    if not view.fresh:
        raise QuorumLost("too few disks answered to know what is needed, so nothing is deleted")
    suspects = sorted(ctx.disk_name(disk) for disk in view.alarms())
    ends = ctx.table.state.ends
    forks = [device for device, seq in view.forks if seq <= ends.get(device, seq)]
    if suspects or forks or view.gaps:
        names = ", ".join(suspects) or "the log"
        raise IntegrityError(
            f"nothing is deleted while something is wrong with {names}",
            hint="Run 'webraid check' and put it right first.",
        )


class _Prune:
    def __init__(self, ctx: Context, dry_run: bool, now: bool, secret: str, confirm: Confirm) -> None:
        self.ctx = ctx
        self.dry_run = dry_run
        self.now = now
        self.secret = secret
        self.confirm = confirm
        self.limits: tuple[bool, int | None, float | None] = (True, None, None)
        self.result = Pruned(dry_run, now)
        self.live = Liveness(ctx)
        self.listing: Listing = {}
        self.unlisted: dict[bytes, str] = {}
        section = ctx.config.prune
        owner = bool(secret) or (dry_run and now)
        self.terms = Terms(
            0 if now else int(parse_duration(section.trash) * 1000),
            None if owner else int(parse_duration(section.retention_lock) * 1000),
        )

    @property
    def owner(self) -> bool:
        """Whether the owner is asked (or would be)."""
        return self.terms.lock_ms is None

    def run(self) -> Pruned:
        ctx, started = self.ctx, self.ctx.env.monotonic()
        refuse(ctx, ctx.open_table(spot=True))
        self._rights()
        load_index(ctx)
        left = Leftovers() if self.dry_run else settle(ctx)
        if left.packs:  # a commit of ours would name what an interrupted run has stored: it must be whole
            repair_missing(ctx)
        else:
            abort(ctx, left)
        ctx.event(Started("prune"))
        self._list()
        plan = self._plan()
        self.result.stored = plan.stored
        surge = self._hold(plan)
        self._tell(plan)
        if not self.dry_run:
            if self.confirm(self.result):
                self._work(plan, surge, left)
                self._free_dropped()
            else:
                self.result.declined = True
                self.result.condemned = self.result.repacked = 0, 0
                self._swept(0, 0)
            keep_alive(ctx)
            ctx.table.flush(ctx.config.limits.patience)
        else:
            self._free_dropped()
        self.result.seconds = ctx.env.monotonic() - started
        return self.result

    def _rights(self) -> None:
        if self.secret:
            open_owner(self.ctx, self.secret)
        if self.dry_run:
            return
        self.ctx.require_right(SWEEP)
        if not self.owner and not self.ctx.table.state.drilled:
            raise RightMissing(
                "deleting is switched off until a restore was tried: no drill has brought files back yet",
                hint="Either try one: webraid check --drill 5; or confirm with the passphrase: webraid prune --owner",
            )

    # -- looking -----------------------------------------------------------------------------------------------------
    def _list(self) -> None:
        ctx = self.ctx
        self.listing, errors = list_shards(ctx, ctx.table.usable())
        self.unlisted = {disk: str(error) for disk, error in errors.items()}
        for disk in ctx.domains().keys() - self.listing.keys() - self.unlisted.keys():
            self.unlisted[disk] = str(ctx.table.view.errors.get(disk, "it does not count just now"))
        self.listing = {disk: names for disk, names in self.listing.items() if disk in ctx.domains()}

    def _plan(self) -> Plan:
        self.live.update(self.terms.lock_ms)
        return make_plan(self.ctx, self.live, self.listing, self.terms)

    def _hold(self, plan: Plan) -> bool:
        """Notes what needs the owner.  True for a surge: then nothing at all goes."""
        ctx, held = self.ctx, self.result.held
        if self.owner:
            return False
        if not ctx.table.state.drilled:
            held.append("no restore drill has brought files back yet: run 'webraid check --drill 5'")
        found = surges(ctx, self.live) if plan.garbage or plan.due else []
        held += found
        share, before = self._brake(), garbage.recently(ctx.table.state, clock_of(ctx))
        if garbage.brakes(plan.stored, plan.lost, before, share):
            percent = 100 * (plan.lost + before) / max(1, plan.stored)
            held.append(
                f"{percent:.0f} % of all that is stored would be condemned within a week, and the brake is {share:.0%}"
                " ([prune] brake)"
            )
        return bool(found)

    def _brake(self) -> float:
        return share_of(self.ctx.config.prune.brake, "brake")

    def _tell(self, plan: Plan) -> None:
        result, state = self.result, self.ctx.table.state
        result.snapshots = len(state.shots)
        gone = [shot for shot in state.former if shot.id in state.forgotten]
        there = self.ctx.index.find([shot.info.root for shot in gone])
        result.forgotten = [shot.name for shot in gone if shot.info.root in there]
        if self.terms.lock_ms is not None:
            clock = clock_of(self.ctx)
            young = [shot for shot in gone if garbage.locked(shot, clock, self.terms.lock_ms)]
            young = [shot for shot in young if shot.info.root in there]
            result.young = [shot.name for shot in young]
            made = (clock.at(shot.order, shot.info.time_ms) for shot in young)
            result.young_until_ms = max(made, default=-self.terms.lock_ms) + self.terms.lock_ms
        result.condemned = len(plan.garbage), plan.size(plan.garbage)
        result.waiting = len(plan.waiting), plan.size(plan.waiting)
        result.until_ms = max(plan.waiting.values(), default=0)
        going = plan.due | (plan.garbage if not self.terms.trash_ms else set())
        left = self._there(self._targets(state.swept))  # of packs whose deleting was interrupted, or refused
        result.swept = len(going | left.keys()), plan.size(going) + sum(left.values())
        result.pinned = len(plan.pinned), plan.size(plan.pinned)
        result.unfinished = self._unfinished(plan.pinned)
        result.locked = len(plan.locked), plan.size(plan.locked)
        result.spared, result.orphans = len(plan.spared), len(plan.orphans & going)
        result.unused = sum(plan.facts[pack].total - used for pack, used in plan.used.items() if pack in plan.facts)
        result.disks = self._spaces(going | state.swept, plan.waiting.keys() | (plan.garbage - going))
        chosen = self._chosen(plan)
        result.repacked = len(chosen), sum(plan.used[pack] for pack in chosen)
        facts = [plan.facts[pack] for pack in chosen]
        result.repack_frees = sum(pack.stored * (pack.total - plan.used[pack.id]) // pack.total for pack in facts)

    def _unfinished(self, pinned: Collection[bytes]) -> list[str]:
        state = self.ctx.table.state
        runs = [
            run for run in state.runs.values() if not run.settled and not (run.creates | run.reuses).isdisjoint(pinned)
        ]
        return sorted({state.devices[run.device].name for run in runs if run.device in state.devices})

    def _spaces(self, going: Collection[bytes], later: Collection[bytes]) -> list[DiskSpace]:
        result = []
        for disk in sorted(self.ctx.domains(), key=self.ctx.disk_name):
            space = DiskSpace(self.ctx.disk_name(disk), problem=self.unlisted.get(disk, ""))
            for name, stored in self.listing.get(disk, {}).items():
                pack = (shard_of(name) or (b"",))[0]
                space.stored += stored.size
                space.freed += stored.size if pack in going else 0
                space.later += stored.size if pack in later else 0
            result.append(space)
        return result

    def _chosen(self, plan: Plan) -> list[bytes]:
        wanted, max_size, max_unused = self.limits
        if not wanted or self.unlisted or self.result.held:
            return []
        threshold = share_of(self.ctx.config.prune.repack, "repack")
        return garbage.to_repack(
            halves(self.ctx, plan), threshold=threshold, max_unused=max_unused, max_size=max_size
        )  # fmt: skip

    # -- doing -------------------------------------------------------------------------------------------------------
    def _work(self, plan: Plan, surge: bool, left: Leftovers) -> None:
        if surge:
            self.result.condemned = 0, 0
            self._later(plan.waiting)
            self._swept(0, 0)
            return
        if self._repack(plan) | self._settle_rest(left):
            plan = self._plan()
        fresh = set() if self.result.held else plan.garbage
        self.result.condemned = len(fresh), plan.size(fresh)
        self._later(plan.waiting)
        renewed = self._to_renew(plan)
        leftovers = self._targets(self.ctx.table.state.swept)
        if not (fresh or renewed or plan.due or any(leftovers.values())):
            self._swept(0, 0)
            return
        self._condemn(plan, fresh, renewed)
        self._sweep()

    def _repack(self, plan: Plan) -> bool:
        chosen = self._chosen(plan)
        self.result.repacked = 0, 0
        if self.result.held or not (chosen or (self.limits[0] and stale_segments(self.ctx))):
            return False
        done = repack(self.ctx, self.live, plan, chosen)
        self.result.repacked = done.packs, done.size
        self._note_new(done.created)
        return True

    def _note_new(self, packs: Iterable[bytes]) -> None:
        """What this run stored and verified lies on its disks, without another listing."""
        bad = self.ctx.index.bad()
        for pack_id in packs:
            pack = self.ctx.index.pack(pack_id)
            for home in with_good_homes(self.ctx, pack, bad).homes if pack is not None else ():
                name = shard_name(pack_id, home.index)
                size = object_sizes(pack)[home.index] if pack is not None else 0
                self.listing.get(home.disk, {}).setdefault(name, Stored(name, size))

    def _to_renew(self, plan: Plan) -> set[bytes]:
        """Packs whose time in the trash begins anew."""
        clock, trash, condemned = clock_of(self.ctx), self.terms.trash_ms, self.ctx.table.state.condemned
        packs = plan.spared | plan.waiting.keys()
        return {p for p in packs if garbage.to_renew(condemned[p], clock, trash, spared=p in plan.spared)}

    def _condemn(self, plan: Plan, fresh: set[bytes], renewed: set[bytes]) -> None:
        """Whatever is condemned, by anybody, is on W disks when this returns; then the log is read with R."""
        table = self.ctx.table
        lost = plan.lost
        for part in _parts(sorted(fresh)):
            table.append(Condemn(packs=part, size=lost, agreed=self.owner))
            lost = 0
        for part in _parts(sorted(renewed)):
            table.append(Condemn(packs=part))
        self.known = set(table.state.condemned), set(table.state.swept)
        acks = table.fence(table.spread_head())
        if not acks.durable:
            raise QuorumLost("too few disks took what is condemned: nothing was deleted")
        refuse(self.ctx, table.view)

    def _sweep(self) -> None:
        ctx = self.ctx
        load_index(ctx)
        condemned, swept = self.known
        plan = self._plan()
        self.result.waiting = len(plan.waiting), plan.size(plan.waiting)
        self.result.until_ms = max(plan.waiting.values(), default=0)
        self._later(plan.waiting)
        ready = garbage.may_sweep(
            condemned & plan.due, used=plan.used, pinned=ctx.table.state.pins(), swept=ctx.table.state.swept
        )
        for part in _parts(sorted(ready)):
            ctx.table.append(Swept(packs=part))
        if ready:
            acks = ctx.table.fence(ctx.table.spread_head())
            if not acks.durable:
                raise QuorumLost("too few disks took what is to be deleted: nothing was deleted yet")
            ctx.require_right(SWEEP)  # an owner who has evicted this device meanwhile does not heed what it says
            load_index(ctx)
        targets = self._targets(swept | ready)
        readable = sorted(pack for pack in plan.used if plan.facts[pack].margin >= 0)
        done = sweep(ctx, targets, self.listing, readable)
        self._swept(len(ready | self._there(targets).keys()), sum(done.freed.values()))
        self.result.objects = done.objects
        disks = {ctx.disk_name(disk): disk for disk in ctx.domains()}
        for space in self.result.disks:
            disk = disks.get(space.name, b"")  # none: it was removed meanwhile
            space.freed = done.freed.get(disk, 0)
            space.problem = space.problem or done.failed.get(disk, "")
            space.refused = disk in done.failed

    def _swept(self, packs: int, size: int) -> None:
        self.result.swept = packs, size
        for space in self.result.disks:
            space.freed = 0

    def _free_dropped(self) -> None:
        """Shards that moved to other disks: their old objects go as well."""
        freed = free_dropped(self.ctx, now=self.now, dry_run=self.dry_run)
        self.result.objects += 0 if self.dry_run else freed.shards
        self.result.moved = freed.shards, freed.size
        for space in self.result.disks:
            space.freed += freed.per_disk.get(space.name, 0)

    def _targets(self, packs: Collection[bytes]) -> dict[bytes, dict[str, Stored]]:
        return {
            disk: {name: stored for name, stored in names.items() if (shard_of(name) or (b"",))[0] in packs}
            for disk, names in self.listing.items()
        }

    def _later(self, packs: Collection[bytes]) -> None:
        """What goes when its time in the trash is over."""
        sizes = {self.ctx.disk_name(d): sum(s.size for s in o.values()) for d, o in self._targets(packs).items()}
        for space in self.result.disks:
            space.later = sizes.get(space.name, 0)

    @staticmethod
    def _there(targets: Mapping[bytes, Mapping[str, Stored]]) -> dict[bytes, int]:
        """Pack -> bytes of it on all disks."""
        found: dict[bytes, int] = {}
        for objects in targets.values():
            for name, stored in objects.items():
                pack = (shard_of(name) or (b"",))[0]
                found[pack] = found.get(pack, 0) + stored.size
        return found

    def _settle_rest(self, left: Leftovers) -> bool:
        """Own interrupted runs that left nothing but what is in use by now.  What an interrupted put has stored waits
        for the next one."""
        state = self.ctx.table.state
        unused = set(self.live.marks.packs()) - {
            pack for pack in self.live.marks.packs() if self.live.marks.live_in(pack)
        }
        over = [
            run.id
            for run in state.runs.values()
            if run.id in left.runs and not run.settled and not run.creates & unused
        ]
        if not over or self.ctx.index.pending():
            return False
        self.ctx.table.append(*[Abort(run=run) for run in over])
        return True


def share_of(text: str, key: str) -> float:
    """'10%' or '0.1' -> 0.1.  Raises ConfigError, naming the ``key``."""
    match = _SHARE.fullmatch(text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else math.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"[prune] {key}: {text!r} is not a share", hint="Write 10% or 0.1.")
    return value


def _parts(packs: Sequence[bytes]) -> Iterable[tuple[bytes, ...]]:
    return (tuple(packs[start : start + IN_RECORD]) for start in range(0, len(packs), IN_RECORD))
