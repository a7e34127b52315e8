"""What the measurements on simulated clouds share: the lab, a pool over all of it, other tools on the best cloud."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.bounds import Link
from bench.contenders import PASSPHRASE, QUICK, RcloneCrypt, Restic, clear
from bench.process import BenchError, Run, environment, run
from bench.report import Rows, Sample, say
from webraid.lab import Cloud, Lab
from webraid.pool import init_pool, open_pool, settings

ROOT = Path(__file__).parents[1]
Peer = Restic | RcloneCrypt


@dataclass
class Stage:
    """A lab with contenders on it.  ``kept``: whether figures count now (not in the first round)."""

    part: str
    lab: Lab
    folder: Path
    rows: Rows
    level: str
    env: dict[str, str] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)
    kept: bool = False

    def set_up(self, restic: str | None, rclone: str | None) -> None:
        """A pool over all clouds, and the other tools, each alone on the best one."""
        self._make_pool()
        cloud = self.best
        if rclone is not None:
            self.peers.append(_rclone(rclone, cloud, self.fresh("rclone")))
        if restic is not None:
            self.peers.append(_restic(restic, cloud, self.fresh("restic")))

    def _make_pool(self) -> None:
        home = self.fresh("home")
        self.env = environment(WEBRAID_CONFIG=str(home / "config.toml"), WEBRAID_STATE_DIR=str(home / "state"))
        where = settings(environ=self.env)
        init_pool(where, name="bench", level=self.level, passphrase=PASSPHRASE, kdf=QUICK)
        with open_pool(where) as pool:
            for cloud in self.lab.clouds:
                options = {
                    "endpoint": cloud.endpoint, "bucket": cloud.bucket, "access_key": cloud.access_key,
                    "secret_key": cloud.secret_key,
                }  # fmt: skip
                pool.add_backend("s3", cloud.name, options, domain=cloud.name)

    @property
    def best(self) -> Cloud:
        """The cloud that somebody with a single one would choose."""
        return max(self.lab.clouds, key=lambda cloud: cloud.down or 0)

    def links(self, *, without: str = "") -> list[Link]:
        """The lines as the profile has them."""
        clouds = self.lab.profile.clouds.items()
        return [Link(spec.up or 1e12, spec.down or 1e12, spec.rtt, spec.setup) for n, spec in clouds if n != without]

    def fresh(self, name: str) -> Path:
        """An empty folder."""
        clear(self.folder / name)
        return self.folder / name

    def absent(self, name: str) -> Path:
        """A path where nothing is."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / name

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """Connections to that cloud are refused meanwhile."""
        self.lab.kill(name)
        try:
            yield
        finally:
            self.lab.restore(name)

    @contextmanager
    def hung(self, name: str) -> Iterator[None]:
        """That cloud takes connections and says nothing meanwhile."""
        self.lab.hang(name)
        try:
            yield
        finally:
            self.lab.restore(name)

    def once(self, job: str, argument: str, codes: Sequence[int] = (0,)) -> tuple[Run, dict[str, Any]]:
        """A job of bench/once.py in a process of its own, and what it told."""
        self.lab.reset_stats()
        done = run([sys.executable, "-m", "bench.once", job, argument], env=self.env, cwd=ROOT)
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        if told["code"] not in codes:
            raise BenchError(f"webraid's {job} ended with code {told['code']} where {codes[0]} was expected: {told}")
        return done, told

    def note(
        self, case: str, who: str, size: int, done: Run, *, bound: float | None = None,
        told: dict[str, Any] | None = None, note: str = "",
    ) -> None:  # fmt: skip
        """One more figure; its requests are all that the lab has seen since its counters were reset."""
        told = told or {}
        seconds, first = told.get("seconds"), told.get("first")
        say(f"  {'' if self.kept else '(dropped) '}{case}: {who}: {seconds or done.seconds:.2f} s")
        if self.kept:
            requests = sum(found["requests"] for found in self.lab.stats().values())
            sample = Sample(done, seconds, first, requests, note=note)
            self.rows.row(self.part, case, who, size=size, bound=bound).add(sample)


def _rclone(program: str, cloud: Cloud, home: Path) -> RcloneCrypt:
    one = RcloneCrypt(program)
    one.connect(home, {
        "type": "s3", "provider": "Other", "endpoint": cloud.endpoint, "access_key_id": cloud.access_key,
        "secret_access_key": cloud.secret_key, "prefix": f"{cloud.bucket}/rclone",
    })  # fmt: skip
    return one


def _restic(program: str, cloud: Cloud, home: Path) -> Restic:
    one = Restic(program)
    one.connect(
        home, f"s3:{cloud.endpoint}/{cloud.bucket}/restic", "-o", "s3.bucket-lookup=path",
        AWS_ACCESS_KEY_ID=cloud.access_key, AWS_SECRET_ACCESS_KEY=cloud.secret_key,
    )  # fmt: skip
    return one
