"""A laptop falls asleep in a run, the network goes, a disk is full: the run ends clearly, and the next one mends."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from tests.conformance import servers
from tests.pool.gate import Gate, gate
from tests.pool.machine import PASSPHRASE, QUICK
from tests.unattended.conftest import SOURCE, Clock, Night
from webraid.backend.base import Backend
from webraid.backend.wrapper import Call, Op, Wrapper
from webraid.env import Env
from webraid.errors import EXIT_ERROR, EXIT_OK, EXIT_TEMPORARY
from webraid.files.compare import compare_trees
from webraid.jobs.base.settings import Settings
from webraid.pool import init_pool, open_pool
from webraid.unattended.run import AFTER_WAKING

T = TypeVar("T")
HOUR = 3600.0


class Telling(Wrapper):
    """Says when a shard sets out."""

    kind: ClassVar[str] = "telling"

    def __init__(self, inner: Backend, tell: Callable[[], None]) -> None:
        super().__init__(inner)
        self.tell = tell

    def around(self, call: Call, go: Callable[[], T]) -> T:
        if call.op is Op.PUT and call.name.startswith("shards/"):
            self.tell()
        return go()


@dataclass
class Laptop(Night):
    """A pool on four buckets of a server, with the network between them."""

    line: Gate | None = None
    at_first_shard: Callable[[], None] | None = None

    @property
    def settings(self) -> Settings:
        plain = super().settings
        return Settings(plain.places, plain.environ, self.clock.env, self._wrap)

    def _wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return lambda: Telling(opener(), self._first)

    def _first(self) -> None:
        found, self.at_first_shard = self.at_first_shard, None
        if found:
            found()

    def fall_asleep(self) -> None:
        """Nothing comes through any more, an hour passes, and every connection is dead."""
        assert self.line is not None
        self.line.state = "hung"
        self.clock.suspend(HOUR)
        self.line.cut()

    def restored(self) -> list[str]:
        """How what comes back differs from what was stored."""
        with open_pool(self.settings) as pool:
            pool.get(to=self.root / "back")
        return compare_trees(self.photos, self.root / "back" / "photos")


class Waking(Clock):
    """The network is there again after the pause that a run makes when the machine has slept."""

    laptop: Laptop | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if seconds == AFTER_WAKING and self.laptop is not None and self.laptop.line is not None:
            self.laptop.line.state = "open"


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    with servers.moto() as s3, gate(s3.port) as line:
        made = Laptop(tmp_path / "laptop", line=line)
        made.photos.mkdir(parents=True)
        for number in range(4):
            (made.photos / f"{number}.jpg").write_bytes(os.urandom(150_000))
        real = Settings(made.settings.places, made.environ, Env())
        init_pool(real, name="home", level="raid6", passphrase=PASSPHRASE, kdf=QUICK)
        with open_pool(real) as pool:
            for name in ("d1", "d2", "d3", "d4"):
                options = {
                    "endpoint": f"http://127.0.0.1:{line.port}", "bucket": f"bucket-{name}",
                    "access_key": s3.access_key, "secret_key": s3.secret_key,
                }  # fmt: skip
                pool.add_backend("s3", name, options, domain=name)
        made.says(SOURCE.format(photos=made.photos))
        yield made


def test_a_laptop_that_sleeps_in_a_run_goes_on_when_it_wakes(laptop: Laptop) -> None:
    laptop.clock = waking = Waking()
    waking.laptop = laptop
    laptop.at_first_shard = laptop.fall_asleep
    finished = laptop.run("put", "check")
    assert (finished.code, finished.quiet) == (EXIT_OK, True), laptop.log
    assert "this machine has slept for 36" in laptop.log
    assert laptop.last.asleep >= HOUR
    assert laptop.restored() == []


def test_a_network_that_stays_away_ends_the_run_clearly_and_the_next_one_mends(laptop: Laptop) -> None:
    laptop.at_first_shard = laptop.fall_asleep
    finished = laptop.run("put", "forget")
    assert finished.code == EXIT_TEMPORARY
    assert not finished.quiet
    assert laptop.last.jobs[1].left_out
    assert laptop.line is not None
    laptop.line.state = "open"
    laptop.clock.at(5)
    assert laptop.run("put", "check", timer=True).code == EXIT_OK
    assert laptop.restored() == []


def test_a_network_that_changes_without_sleep_is_no_reason_to_try_twice(laptop: Laptop) -> None:
    assert laptop.line is not None
    laptop.at_first_shard = laptop.line.cut
    assert laptop.run("put").code == EXIT_TEMPORARY
    assert "slept" not in laptop.log
    assert AFTER_WAKING not in laptop.clock.naps


# --------------------------------------------------------------------------------------------------------- full disk
RUN = f"{sys.executable} -m webraid schedule run --job put --job check"
STORY = f"""
set -u
cp -a "$FULL_STATE" "$FULL_STATE.kept"
mount -t tmpfs -o size=1536k tmpfs "$FULL_STATE" || exit 99
cp -a "$FULL_STATE.kept/." "$FULL_STATE/" || exit 98
cat /dev/zero > "$FULL_STATE/filler" 2>/dev/null
{RUN}; echo "full: $?"
rm "$FULL_STATE/filler"
{RUN}; echo "mended: $?"
rm -rf "$FULL_STATE.kept"; cp -a "$FULL_STATE" "$FULL_STATE.kept"
"""


def run_full(night: Night) -> tuple[int, str, int]:
    """Exit code and complaint of a run whose state folder takes no byte more, and the exit code of the next run.

    A small tmpfs that is full where we may mount one, seen by that run alone; else a limit on the size of files.
    """
    environ = night.environ | {"FULL_STATE": str(night.state)}
    command = ["unshare", "--mount", "sh", "-c", STORY]
    if os.geteuid() == 0 and shutil.which("unshare"):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
        codes = dict(line.split(": ") for line in done.stdout.splitlines())
        if "full" in codes:
            shutil.rmtree(night.state)
            night.state.with_name("state.kept").rename(night.state)
            return int(codes["full"]), done.stderr, int(codes["mended"])
        shutil.rmtree(night.state.with_name("state.kept"), ignore_errors=True)
    code, said = run_limited(night, 24 << 10)
    return code, said, run_limited(night, resource.RLIM_INFINITY)[0]


def run_limited(night: Night, most: int) -> tuple[int, str]:
    done = subprocess.run(
        RUN.split(), env=night.environ, capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY)),
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.parametrize("way", ["full", "limited"])
def test_a_full_disk_ends_the_run_clearly_and_the_next_one_mends(night: Night, way: str) -> None:
    assert night.run("put").code == EXIT_OK
    for number in range(40):
        (night.photos / f"more {number}").write_bytes(os.urandom(2000))
    if way == "full":
        code, said, mended = run_full(night)
    else:
        code, said = run_limited(night, 24 << 10)
        mended = run_limited(night, resource.RLIM_INFINITY)[0]
    assert code == EXIT_ERROR
    assert "Traceback" not in said
    assert "unexpected" not in said
    assert said.startswith("webraid: ")
    assert mended == EXIT_OK
    assert night.last.sources["photos"].files == 42
    with open_pool(night.settings) as pool:
        pool.get(to=night.root / "back")
    assert compare_trees(night.photos, night.root / "back" / "photos") == []
