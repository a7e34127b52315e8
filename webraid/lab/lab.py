"""The lab's Python API: start simulated clouds, break them, mend them, take them down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from webraid.env import Env
from webraid.errors import ConfigError, Unavailable
from webraid.lab.account import HOST, CloudStats
from webraid.lab.control import call
from webraid.lab.place import Place, Record
from webraid.lab.profiles import Profile, find, rate

START_PATIENCE = 60.0  # seconds; a start takes a quarter of one
END_PATIENCE = 10.0
UNSHAPED = 10e6  # bytes/s; what slow() takes an unshaped cloud to have


@dataclass(frozen=True, slots=True)
class Cloud:
    """One simulated account as it is now.

    ``up``, ``down``: bytes/s, None when not limited.  ``rtt``: seconds.  ``state``: 'up', 'killed', 'hung', or what is
    wrong: 'slow', 'corrupting', 'throttled', 'failing', 'changed', joined by ', '.
    """

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str
    up: float | None
    down: float | None
    rtt: float
    state: str


class Lab:
    """A running lab.  Every method raises ConfigError for a name or field it does not know, and Unavailable when the
    lab has ended meanwhile.  As a context manager it is taken down at the end (its data stay)."""

    def __init__(self, directory: Path, env: Env) -> None:
        self._place = Place(directory)
        self._env = env
        self._record = _running_record(self._place)

    @property
    def directory(self) -> Path:
        return self._place.directory

    @property
    def profile(self) -> Profile:
        return self._record.profile

    @property
    def pid(self) -> int:
        return self._record.pid

    @property
    def clouds(self) -> list[Cloud]:
        """All clouds in the profile's order, as they are now."""
        now, seats = self._call("clouds"), self._record.seats
        return [
            Cloud(name, f"http://{HOST}:{seats[name].port}", seats[name].access_key, seats[name].secret_key,
                  seats[name].bucket, is_now["up"], is_now["down"], is_now["rtt"], is_now["state"])
            for name, is_now in now.items()
        ]  # fmt: skip

    def cloud(self, name: str) -> Cloud:
        self._known(name)
        return next(cloud for cloud in self.clouds if cloud.name == name)

    def object_dir(self, name: str) -> Path:
        """Where the cloud's objects lie as plain files, named by their percent-quoted keys."""
        self._known(name)
        return self.directory / name / self._record.seats[name].bucket

    # ------------------------------------------------------------------------------------------------ break and mend
    def kill(self, name: str) -> None:
        """Connections are refused, open ones reset."""
        self.tune(name, state="refuse")

    def hang(self, name: str) -> None:
        """Connections are accepted, then nothing comes any more."""
        self.tune(name, state="hang")

    def slow(self, name: str, factor: float = 10, *, rate: float | str | None = None) -> None:
        """One ``factor``-th of the profile's bandwidth, or ``rate`` (bytes/s or '500k') each way."""
        self._known(name)
        usual = self.profile.clouds[name]
        if rate is not None:
            up = down = _positive(rate)
        else:
            up, down = ((had or UNSHAPED) / _positive(factor) for had in (usual.up, usual.down))
        self.tune(name, up=up, down=down)

    def corrupt(self, name: str, rate: float = 1.0) -> None:
        """That share of the GETs comes with one flipped bit; what is stored stays right."""
        self.tune(name, corrupt_rate=rate)

    def throttle(self, name: str, per_second: float) -> None:
        """More requests a second are answered 429 with Retry-After."""
        self.tune(name, req_rate=per_second)

    def fail(self, name: str, rate: float) -> None:
        """That share of the requests is answered 503."""
        self.tune(name, error_rate=rate)

    def tune(self, name: str, **fields: object) -> None:
        """Set any field of a LinkSpec (see docs/lab.md), as a number or as text ('5M', '80ms')."""
        self._call("tune", name=name, fields=fields)

    def restore(self, name: str) -> None:
        """Back to what the profile says; its data are still there."""
        self._call("restore", name=name)

    def wipe(self, name: str) -> None:
        """The account is closed and opened again: same keys, an empty bucket.  Faults stay."""
        self._call("wipe", name=name)

    # ---------------------------------------------------------------------------------------------------------- count
    def stats(self) -> dict[str, CloudStats]:
        """Counters by cloud since the start or the last reset."""
        return cast("dict[str, CloudStats]", self._call("stats"))

    def reset_stats(self) -> None:
        self._call("reset")

    # ------------------------------------------------------------------------------------------------------------ end
    def down(self) -> None:
        """End the process and wait until it is gone.  Data, ports and keys stay for the next start.  Idempotent."""
        if not self.directory.exists():
            return
        with self._place.turn():
            _end(self._place, self._env)

    def destroy(self) -> None:
        """Take it down and remove its clouds, objects and files; the folder too when nothing else is in it."""
        if not self.directory.exists():
            return
        with self._place.turn():
            _end(self._place, self._env)
            self._place.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _known(self, name: str) -> None:
        if name not in self.profile.clouds:
            known = ", ".join(self.profile.clouds)
            raise ConfigError(f"this lab has no cloud {name!r}", hint=f"Its clouds: {known}.")

    def _call(self, command: str, **arguments: object) -> Any:
        if "name" in arguments:
            self._known(str(arguments["name"]))
        return call(self._record.control, self._record.token, command, **arguments)


def start(directory: Path, profile: str | Profile, *, seed: int = 0, env: Env | None = None) -> Lab:
    """Start a lab in ``directory`` (made if missing), in a process of its own that outlives this one, and wait until
    every cloud listens.  A lab that runs there already is returned.  Ports, keys and data of an earlier one are used
    again.  ``profile``: a name of PROFILES, the path of a .json file, or a Profile.

    Raises ConfigError: unknown profile, another profile runs there, a remembered port is taken.
    """
    chosen = profile if isinstance(profile, Profile) else find(profile)
    place = Place(directory)
    place.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with place.turn():
        if place.occupant() is None:
            _spawn(place, chosen, seed)
        lab = Lab(place.directory, env or Env())
    if lab.profile != chosen:
        raise ConfigError(
            f"a lab with profile {lab.profile.name} runs in {place.directory}, not {chosen.name}",
            hint="Take it down first, or use another directory.",
        )
    return lab


def open_lab(directory: Path, *, env: Env | None = None) -> Lab:
    """The lab that runs in ``directory``.  Raises ConfigError when none does."""
    return Lab(directory, env or Env())


def _running_record(place: Place) -> Record:
    record = place.read() if place.occupant() is not None else None
    if record is None:
        raise ConfigError(f"no lab runs in {place.directory}", hint="Start one with 'webraid lab up'.")
    return record


def _spawn(place: Place, profile: Profile, seed: int) -> None:
    """Run webraid.lab.server and wait for its word."""
    package = Path(__file__).resolve().parents[2]
    wish = json.dumps({"profile": profile.dump(), "seed": seed})
    command = [sys.executable, "-P", "-m", "webraid.lab.server", str(place.directory)]
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("WEBRAID_")
    }  # passwords go no further
    log = os.open(place.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        done = subprocess.run(
            command, input=wish.encode(), stdout=subprocess.PIPE, stderr=log, cwd="/", timeout=START_PATIENCE,
            env={**kept, "PYTHONPATH": os.pathsep.join(paths)}, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Unavailable("the lab did not start in time", hint=f"Look into {place.log_path}.") from error
    finally:
        os.close(log)
    try:
        said = json.loads(done.stdout)
    except ValueError as error:
        raise Unavailable(f"the lab did not start: {place.log_tail()}", hint=f"See {place.log_path}.") from error
    if "error" in said:
        raise ConfigError(said["error"], hint=said["hint"])


def _end(place: Place, env: Env) -> None:
    """Ask the process to end; when it does not listen, make it.  Its lock proves that the id is its own."""
    record = place.read()
    if record and place.occupant() is not None:
        with contextlib.suppress(Unavailable):  # it hangs, or ended just now: the lock tells
            call(record.control, record.token, "quit")
            _wait_for_end(place, env)
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = place.occupant()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            _wait_for_end(place, env)
    if place.occupant() is not None:
        raise Unavailable(f"the lab in {place.directory} does not end", hint="End its process yourself.")


def _wait_for_end(place: Place, env: Env) -> None:
    """Usually a millisecond; END_PATIENCE at most."""
    deadline = env.monotonic() + END_PATIENCE
    while place.occupant() is not None and env.monotonic() < deadline:
        env.sleep(0.002)


def _positive(value: float | str) -> float:
    number = rate(value)
    if not number:
        raise ConfigError(f"{value!r} is not above 0", hint="A factor like 10, or a rate like '500k'.")
    return number
