"""A pool whose disks are dicts, whose threads are none, and which can be killed before and after every single step.

A step is a request to a disk or a local write.  Disks do their jobs at once, on the thread that asks, so a run's steps
have one order; that in truth several disks are busy at once is made up for by ghosts: requests that were (in truth)
under way when the machine died and that may, by the seed, take effect all the same.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

import pytest

from tests.crash.localwrites import local_writes
from webraid import pool as webraid
from webraid.array import layout as array_layout
from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.backend.memory import Memory, Store
from webraid.backend.wrapper import Call, Op, Wrapper
from webraid.codec import footer
from webraid.codec import layout as codec_layout
from webraid.codec.keys import KdfParams
from webraid.env import seeded
from webraid.errors import Unavailable
from webraid.jobs.base import connection, seats
from webraid.jobs.base.settings import Settings

T = TypeVar("T")
PASSPHRASE = "correct horse battery staple winter"
QUICK = KdfParams(1024, 1, 1)


class Killed(BaseException):
    """The process has died."""


class AtOnce(Disk):
    """A disk without threads: every job is done by whoever asks, at once."""

    def _enqueue(self, job: Any, urgent: bool) -> bool:
        if self._closed:
            return False
        if job.future.set_running_or_notify_cancel():
            self._running[threading.get_ident()] = 0.0
            self._do(job, None)
        return True


@dataclass
class Steps:
    """Counts steps, by thread; kills at one of them.  ``journal``: (thread, number, what) of every step."""

    kill: tuple[str, int, str] | None = None  # thread, number, 'before' or 'after'
    ghosts: Random | None = None
    dead: bool = False
    armed: bool = False
    journal: list[tuple[str, int, str]] = field(default_factory=list)
    sent: list[tuple[str, str, int]] = field(default_factory=list)  # disk, name, bytes of every put
    repeated: list[tuple[str, str]] = field(default_factory=list)  # disk, name of puts of what was there already
    replaced: list[tuple[str, str]] = field(default_factory=list)  # ... that changed what was there
    _numbers: dict[str, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.RLock)

    def __call__(self, what: str, go: Callable[[], T], ghost: bool = False) -> T:
        if not self.armed:
            return go()
        with self._lock:
            if self.dead:
                if ghost and self.ghosts is not None and self.ghosts.random() < 0.5:
                    go()
                raise Killed
            thread = threading.current_thread().name.partition("-")[0]
            number = self._numbers[thread] = self._numbers.get(thread, 0) + 1
            self.journal.append((thread, number, what))
            self._die(thread, number, "before")
            try:
                return go()
            finally:
                self._die(thread, number, "after")

    def note_put(self, disk: str, call: Call, before: bytes | None, after: bytes) -> None:
        self.sent.append((disk, call.name, call.up))
        if before is not None:
            (self.repeated if before == after else self.replaced).append((disk, call.name))

    def _die(self, thread: str, number: int, when: str) -> None:
        if self.kill == (thread, number, when):
            self.dead = True
            raise Killed


class Stepping(Wrapper):
    """A disk's requests, each a step."""

    kind: ClassVar[str] = "stepping"

    def __init__(self, inner: Backend, disk: str, world: World) -> None:
        super().__init__(inner)
        self.disk = disk
        self.world = world

    def around(self, call: Call, go: Callable[[], T]) -> T:
        if self.disk in self.world.down:
            raise Unavailable("no answer", key=call.name)

        def effect() -> T:
            before = self.world.stores[self.disk].snapshot().get(call.name) if call.op is Op.PUT else None
            answer = go()
            if call.op is Op.PUT:
                self.world.steps.note_put(self.disk, call, before, self.world.stores[self.disk].get(call.name)[0])
            return answer

        return self.world.steps(f"{self.disk} {call.op} {call.name}", effect, ghost=call.op in (Op.PUT, Op.DELETE))


@dataclass(frozen=True)
class Frozen:
    """A world at rest: what lies on its disks, and its machine's files."""

    disks: Mapping[str, Mapping[str, bytes]]
    files: Mapping[str, bytes]
    seed: int


class World:
    """Disks and one machine in ``folder``."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.stores: dict[str, Store] = {}
        self.down: set[str] = set()
        self.steps = Steps()
        self.seed = seed
        self._processes = 0
        self.machine = self._settings("here")

    def _settings(self, machine: str) -> Settings:
        self._processes += 1  # no two processes draw the same randomness
        environ = self._environ(machine)
        env = seeded(self.seed * 1_000 + self._processes)
        return Settings(webraid.settings(environ=environ).places, environ, env, self._wrap)

    def _environ(self, machine: str) -> dict[str, str]:
        return {
            "WEBRAID_CONFIG": str(self.folder / machine / "config.toml"),
            "WEBRAID_STATE_DIR": str(self.folder / machine / "state"),
            "WEBRAID_LIMITS_MEMORY": "48 KiB",
        }

    def other_machine(self, name: str = "elsewhere") -> Settings:
        """Another machine, which may have nothing yet."""
        return self._settings(name)

    def _wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        disk = Path(opener.options["path"]).name  # type: ignore[attr-defined]
        store = self.stores.setdefault(disk, Store())
        return lambda: Stepping(Memory(store), disk, self)

    def path(self, disk: str) -> dict[str, str]:
        """The options of a disk."""
        return {"path": f"/nowhere/{disk}"}

    # ------------------------------------------------------------------------------------------------- freeze and thaw
    def freeze(self) -> Frozen:
        files = {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }
        return Frozen(self.objects(), files, self.seed)

    def objects(self) -> dict[str, dict[str, bytes]]:
        """Everything on all disks."""
        return {disk: store.snapshot() for disk, store in self.stores.items()}

    @classmethod
    def thaw(cls, folder: Path, frozen: Frozen, seed: int) -> World:
        """A copy of a world, to be killed."""
        world = cls(folder, seed)
        for disk, objects in frozen.disks.items():
            world.stores[disk] = Store()
            world.stores[disk].restore(objects)
        for name, data in frozen.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)
            path.chmod(0o600)
        return world

    def discard(self) -> None:
        """Remove the machine's files."""
        shutil.rmtree(self.folder)


UNIT = 1024


@contextlib.contextmanager
def small_and_threadless() -> Iterator[None]:
    """Disks do their jobs at once, and a pack is dealt in units so small that tiny packs have k data shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "Disk", AtOnce)
        for module in (codec_layout, footer, array_layout):
            patch.setattr(module, "UNIT", UNIT)
        seats._sizes.cache_clear()  # other tests' packs of these lengths were dealt in larger units
        yield
    seats._sizes.cache_clear()


@contextlib.contextmanager
def stepping(world: World, kill: tuple[str, int, str] | None = None, ghosts: Random | None = None) -> Iterator[Steps]:
    """What happens in here is counted, and ends at ``kill``.  Killed does not come out; ``steps.dead`` tells."""
    steps = world.steps = Steps(kill, ghosts, armed=True)
    try:
        with local_writes(steps):
            yield steps
    except Killed:
        assert steps.dead
    finally:
        steps.armed = False
