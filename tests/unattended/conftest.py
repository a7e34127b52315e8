"""A machine with a pool on folders and a source, whose nights the tests let pass; made once, copied for every test."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest

from tests.pool.machine import Home
from webraid.env import Env
from webraid.jobs.base.settings import Settings
from webraid.pool import open_pool
from webraid.unattended.machine import POWER
from webraid.unattended.record import LastRun, last_run
from webraid.unattended.run import Finished, run_schedule

MIDNIGHT = 1_800_000_000.0 - 1_800_000_000 % 86400  # of UTC
SOURCE = """
[[source]]
name = "photos"
paths = ["{photos}"]
"""


class Clock:
    """Time goes on as it does, and jumps where a test says so; nobody sleeps really."""

    def __init__(self, now: float = MIDNIGHT) -> None:
        self._began = time.monotonic()
        self._now, self._ahead = now, 0.0
        self.naps: list[float] = []

    def now(self) -> float:
        return self._now + time.monotonic() - self._began

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.suspend(seconds)
        self._ahead += seconds

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: the clock on the wall goes on, the other one stands."""
        self._now += seconds

    def at(self, hour: float, day: int = 0) -> None:
        """It is that hour of that day."""
        self._now += MIDNIGHT + day * 86400 + hour * 3600 - self.now()

    @property
    def env(self) -> Env:
        return Env(now=self.now, monotonic=self.monotonic, sleep=self.sleep, rng=Random(1))


@dataclass
class Night:
    """One machine."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = {"WEBRAID_CONFIG": self.config, "WEBRAID_STATE_DIR": self.state}
        self.environ = {**os.environ, **{name: str(path) for name, path in names.items()}, **self.environ}

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def settings(self) -> Settings:
        home = Home(self.root).settings
        return Settings(home.places, self.environ, self.clock.env)

    def says(self, text: str) -> Night:
        """More of the config."""
        with self.config.open("a") as file:
            file.write(text + "\n")
        return self

    def run(self, *jobs: str, timer: bool = False, jitter: bool = False, power: Path = POWER) -> Finished:
        return run_schedule(self.settings, jobs=jobs, timer=timer, jitter=jitter, power=power)

    @property
    def log(self) -> str:
        return (self.state / "webraid.log").read_text()

    @property
    def last(self) -> LastRun:
        found = last_run(self.settings.places)
        assert found is not None
        return found

    def snapshots(self) -> int:
        with open_pool(self.settings) as pool:
            return len(pool.snapshots())

    def lose(self, *names: str) -> None:
        for name in names:
            (self.root / name).rename(self.root / f"{name}.gone")

    def bring_back(self, *names: str) -> None:
        for name in names:
            (self.root / f"{name}.gone").rename(self.root / name)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("night") / "model"
    Home(root).make("raid6", 4)
    (root / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (root / "photos" / name).write_bytes(random.Random(name).randbytes(20_000))
    return root


@pytest.fixture
def night(model: Path, tmp_path: Path) -> Night:
    """A pool on four folders with one source; its jobs are put and check, without jitter."""
    root = tmp_path / "night"
    shutil.copytree(model, root)
    config = root / "config.toml"
    config.write_text(config.read_text().replace(str(model), str(root)) + SOURCE.format(photos=root / "photos"))
    return Night(root, environ={"TZ": "UTC"})


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock on the wall shows UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# ------------------------------------------------------------------------------------------------------ a web server
@dataclass
class Server:
    """What it was sent, and what it answers: a status for each request in turn, the last one for ever."""

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [200])
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.requests]


@pytest.fixture
def server() -> Iterator[Server]:
    """Takes whatever it is sent."""
    kept = Server()

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.requests.append((self.command, self.path, body))
            self.send_response(kept.answers.pop(0) if len(kept.answers) > 1 else kept.answers[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    kept.port = listening.server_address[1]
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield kept
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """A program of our own before all others in PATH."""

    def make(name: str, script: str) -> Path:
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        if str(folder) not in os.environ["PATH"]:
            monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return folder / name

    return make
