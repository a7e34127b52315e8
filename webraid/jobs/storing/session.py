"""One writing session of this machine: the table opened with a quorum, what an interrupted run left taken over.

Several puts may share one session, and pay for opening and settling once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.idle import keep_alive
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.seats import used_by_name
from webraid.jobs.care.repair import repair_missing
from webraid.jobs.runs.run import Run, new_run
from webraid.jobs.runs.settle import abort, settle
from webraid.jobs.runs.spotcheck import spot_check
from webraid.table.records import Abort


class Session:
    """Made by ``session``.  ``alarms``: disks whose answers do not count."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._since = ctx.env.monotonic()
        view = ctx.open_table(spot=True)
        ctx.table.require_quorum()
        load_index(ctx)
        liars = spot_check(ctx) + [ctx.disk_name(disk) for disk in ctx.index.liars()]
        self.alarms = sorted({ctx.disk_name(disk) for disk in view.alarms()} | set(liars))
        self.repaired = 0
        self._settled = False
        self._sent = 0
        self._waiting: Run | None = None  # holds the pins of what an interrupted run left

    def run(self) -> Run:
        """A new run; the first one takes over what an interrupted run left."""
        if not self._settled:
            self._settle()
        run, self._waiting = self._waiting or new_run(self.ctx), None
        return run

    def _settle(self) -> None:
        run, left = new_run(self.ctx), settle(self.ctx)
        run.reuses |= set(left.packs)
        if left.packs:
            run.pin()
        abort(self.ctx, left)
        self.repaired = repair_missing(self.ctx)
        self._settled, self._waiting = True, run

    def give_up(self, run: Run) -> None:
        """A run that makes no snapshot after all.  Where shards lie that it mended or stored anew is kept."""
        if self.ctx.index.unrecorded():
            run.commit(None)
        elif run.pinned:
            self.ctx.table.append(Abort(run=run.id))

    def unsettle(self) -> None:
        """A put of this session failed: what it left is settled before the next one begins."""
        self._settled = False

    def sent(self) -> int:
        """Bytes that went to the disks since the last time it was asked."""
        before, self._sent = self._sent, sum(disk.meter.total().up for disk in self.ctx.disks.values())
        return self._sent - before

    def took(self) -> float:
        """Seconds since the last time it was asked, or since the session began."""
        before, self._since = self._since, self.ctx.env.monotonic()
        return self._since - before

    def end(self) -> None:
        """Everything that is still under way gets a last chance."""
        ctx = self.ctx
        if self._waiting is not None:
            self.give_up(self._waiting)
        ctx.manners.note_stored(lambda: used_by_name(ctx))
        keep_alive(ctx)
        ctx.table.flush(ctx.config.limits.patience)


@contextmanager
def session(ctx: Context) -> Iterator[Session]:
    """Under the machine's lock.  Raises PoolBusy, QuorumLost."""
    with locked(ctx.settings.places):
        one = Session(ctx)
        yield one
        one.end()
