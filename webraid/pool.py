"""The public Python API: one class over the jobs.  Everything the command line can do with a pool goes through it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from webraid import config
from webraid.env import Env
from webraid.jobs import events
from webraid.jobs.context import Context, open_context
from webraid.jobs.settings import Settings

NONE: Mapping[str, str] = {}

if TYPE_CHECKING:  # jobs are imported when they run: starting up stays quick
    from webraid.backend.conformance import Result
    from webraid.backend.login import Dialogue
    from webraid.backend.probe import Speed
    from webraid.codec.keys import KdfParams
    from webraid.entry import Entry
    from webraid.jobs.add_backend import Added
    from webraid.jobs.check import CheckResult
    from webraid.jobs.get import GetResult
    from webraid.jobs.init import Made
    from webraid.jobs.login import Reached
    from webraid.jobs.put import PutResult
    from webraid.jobs.recover import Recovered
    from webraid.jobs.repair import Repaired
    from webraid.jobs.status import Status
    from webraid.table.fold import Shot


def settings(
    *, config_file: str | None = None, environ: Mapping[str, str] | None = None, env: Env | None = None,
    on_event: events.OnEvent = events.ignore,
) -> Settings:  # fmt: skip
    """Where the pool's files are: the argument, WEBRAID_CONFIG and WEBRAID_STATE_DIR, or the default."""
    given = os.environ if environ is None else environ
    return Settings(config.places(given, config=config_file), given, env or Env(), on_event=on_event)


def init_pool(
    where: Settings, *, name: str, level: str, passphrase: str, weak: bool = False, kit: Path | None = None,
    kdf: KdfParams | None = None,
) -> Made:  # fmt: skip
    """Make a pool on this machine.  Raises ConfigError."""
    from webraid.jobs.init import init

    return init(where, name=name, level=level, passphrase=passphrase, weak=weak, kit=kit, kdf=kdf)


def open_pool(where: Settings | None = None, *, on_event: events.OnEvent | None = None) -> Pool:
    """Open this machine's pool.  No disk is asked before something needs it.  Raises NotAPool, ConfigError."""
    where = where or settings()
    if on_event is not None:
        where.on_event = on_event
    return Pool(open_context(where))


def recover_login(
    where: Settings, *, kind: str, options: Mapping[str, object], secrets: Mapping[str, str] = NONE,
    dialogue: Dialogue | None = None,
) -> Reached:  # fmt: skip
    """The first half of recover_pool: log in to the one disk.  ``dialogue`` is who can be asked."""
    from webraid.jobs.login import Nobody, reach
    from webraid.jobs.recover import refuse_second

    refuse_second(where)
    asked = dialogue or Nobody(where.env)
    return reach(where, kind=kind, name="recovery", options=options, secrets=secrets, dialogue=asked)


def recover_from(where: Settings, reached: Reached, *, secret: str) -> tuple[Recovered, Pool]:
    """The second half of recover_pool.  ``secret``: the passphrase or the recovery code."""
    from webraid.jobs.recover import recover

    recovered, ctx = recover(where, reached, secret=secret)
    return recovered, Pool(ctx)


def recover_pool(where: Settings, *, kind: str, options: Mapping[str, object], secret: str) -> tuple[Recovered, Pool]:
    """Bring a pool back from any one of its disks with the passphrase or the recovery code."""
    return recover_from(where, recover_login(where, kind=kind, options=options), secret=secret)


class Pool:
    """An opened pool; a context manager."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the disks' threads; hung ones are not waited for."""
        self._ctx.close()

    @property
    def name(self) -> str:
        """The pool's name."""
        return self._ctx.config.pool.name

    def add_backend(
        self, kind: str, name: str, options: Mapping[str, object], *, secrets: Mapping[str, str] = NONE,
        dialogue: Dialogue | None = None, domain: str = "", capacity: int | None = None,
        reserve: int | None = None,
    ) -> Added:  # fmt: skip
        """Add a disk: log in, claim the place, fill it with the table, let it count."""
        reached = self.log_in(kind, name, options, secrets=secrets, dialogue=dialogue)
        return self.join(reached, domain=domain, capacity=capacity, reserve=reserve)

    def log_in(
        self, kind: str, name: str, options: Mapping[str, object], *, secrets: Mapping[str, str] = NONE,
        dialogue: Dialogue | None = None,
    ) -> Reached:  # fmt: skip
        """The first half of add_backend: nothing is kept yet.  Options may hold '${NAME}', ``secrets`` are literal."""
        from webraid.jobs.add_backend import check_name
        from webraid.jobs.login import Nobody, reach

        check_name(self._ctx, name)
        asked = dialogue or Nobody(self._ctx.env)
        return reach(self._ctx.settings, kind=kind, name=name, options=options, secrets=secrets, dialogue=asked)

    def join(
        self, reached: Reached, *, domain: str = "", capacity: int | None = None, reserve: int | None = None
    ) -> Added:  # fmt: skip
        """The second half of add_backend."""
        from webraid.jobs.add_backend import add_backend
        from webraid.jobs.context import locked

        with locked(self._ctx.settings.places):
            return add_backend(self._ctx, reached, domain=domain, capacity=capacity, reserve=reserve)

    def kind_of(self, name: str) -> str:
        """The kind of a disk.  Raises NotInTable."""
        from webraid.jobs.backends import find_disk

        return find_disk(self._ctx, name).kind

    def log_in_again(
        self, name: str, options: Mapping[str, object] = NONE, *, secrets: Mapping[str, str] = NONE,
        dialogue: Dialogue | None = None,
    ) -> Reached:  # fmt: skip
        """Renew the login of a disk; ``keep_login`` keeps it.  What is given goes before what was known."""
        from webraid.jobs.login import Nobody, reach_again

        asked = dialogue or Nobody(self._ctx.env)
        return reach_again(self._ctx, name, options=options, secrets=secrets, dialogue=asked)

    def keep_login(self, reached: Reached) -> None:
        """Try a renewed login out, then keep it here and, sealed, on the disks."""
        from webraid.jobs.login import keep_login

        keep_login(self._ctx, reached)

    def remove_backend(self, name: str, *, force: bool = False, lost: bool = False) -> int:
        """Take a disk out; returns what the pool survives without it."""
        from webraid.jobs.backends import remove_disk

        return remove_disk(self._ctx, name, force=force, lost=lost)

    def test_backend(self, name: str, on_result: Callable[[Result], None] = lambda result: None) -> list[Result]:
        """Run the conformance checks on a disk."""
        from webraid.jobs.backends import test_backend

        return test_backend(self._ctx, name, on_result)

    def measure_backend(self, name: str) -> Speed:
        """Measure how fast a disk is, with a few MiB."""
        from webraid.jobs.backends import measure_disk

        return measure_disk(self._ctx, name)

    def put(
        self, paths: Sequence[str], *, level: str = "", tags: Sequence[str] = (), one_file_system: bool = False,
        exclude: Callable[[bytes, bool], bool] | None = None,
    ) -> PutResult:  # fmt: skip
        """Store files and folders as a snapshot.  ``exclude(path as stored, is a folder)`` leaves things out."""
        from webraid.jobs.put import put

        return put(
            self._ctx, paths, level=level, tags=tags, one_file_system=one_file_system, exclude=exclude
        )  # fmt: skip

    def get(
        self, snapshot: str = "latest", paths: Sequence[str] = (), *, to: str | Path | None = None,
        overwrite: bool = False, numeric_ids: bool = False,
    ) -> GetResult:  # fmt: skip
        """Restore a snapshot (or some paths of it) below ``to``."""
        from webraid.jobs.get import get

        raw = [os.fsencode(path) for path in paths]
        target = Path(to) if to is not None else None
        return get(self._ctx, snapshot, raw, target=target, overwrite=overwrite, numeric_ids=numeric_ids)

    def cat(self, what: str) -> Iterator[bytes]:
        """The content of 'SNAP:path' in pieces."""
        from webraid.jobs.cat import cat

        return cat(self._ctx, what)

    def ls(self, what: str = "latest", paths: Sequence[str] = ()) -> Iterator[Entry]:
        """The entries of a snapshot in path order."""
        from webraid.jobs.snapshots import entries, open_for_reading, select

        open_for_reading(self._ctx)
        return entries(self._ctx, select(self._ctx, what), [os.fsencode(path) for path in paths])

    def snapshots(self) -> list[Shot]:
        """All snapshots, oldest first."""
        from webraid.jobs.snapshots import open_for_reading, ordered

        open_for_reading(self._ctx)
        return ordered(self._ctx)

    def conflicts(self, shot: Shot) -> list[Shot]:
        """Snapshots of the same folder made elsewhere at the same time."""
        return self._ctx.table.state.conflicts(shot)

    def is_snapshot(self, word: str) -> bool:
        """Whether a command-line word names a snapshot (after ``snapshots``)."""
        from webraid.jobs.snapshots import is_selection

        return is_selection(word, self._ctx)

    def status(self) -> Status:
        """Where the pool stands."""
        from webraid.jobs.status import status

        return status(self._ctx)

    def check(self, *, read_data: bool = False, sample: float | None = None) -> CheckResult:
        """Verify what lies on the disks."""
        from webraid.jobs.check import check

        return check(self._ctx, read_data=read_data, sample=sample)

    def repair(self) -> Repaired:
        """Make missing and damaged shards again."""
        from webraid.jobs.repair import repair

        return repair(self._ctx)
