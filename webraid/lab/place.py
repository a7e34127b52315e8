"""The folder of a lab: what is remembered in lab.json (0600), and the locks that tell whether a lab runs there.

- lab.json: profile, seed, ports, keys; process id, control port and token of the process that runs or last ran
- server.lock: held by the running process for its whole life, its id inside
- turn.lock: held for a moment by whoever starts, stops or destroys the lab
- lab.log: what the process had to complain about
- <cloud>/: the objects
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from webraid.errors import ConfigError
from webraid.lab.profiles import Profile

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Seat:
    """What a cloud keeps over restarts, so that a pool's config stays valid."""

    port: int
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = "lab"


@dataclass(frozen=True, slots=True)
class Record:
    """What lab.json says."""

    pid: int
    control: int
    token: str = field(repr=False)
    seed: int
    profile: Profile
    seats: dict[str, Seat]


class Place:
    """One lab's folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory).absolute()
        self.record_path = self.directory / "lab.json"
        self.log_path = self.directory / "lab.log"
        self._server_lock = self.directory / "server.lock"
        self._turn_lock = self.directory / "turn.lock"

    def read(self) -> Record | None:
        """None when there has never been a lab.  Raises ConfigError when the file is not ours."""
        try:
            raw = json.loads(self.record_path.read_text("utf-8"))
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']}")
            seats = {name: Seat(**seat) for name, seat in raw["clouds"].items()}
            profile = Profile.parse(raw["profile"])
            return Record(raw["pid"], raw["control"], raw["token"], raw["seed"], profile, seats)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"cannot read {self.record_path}", hint="Delete it and start the lab again.") from error

    def write(self, record: Record) -> None:
        """At once and whole, for this user only."""
        clouds = {name: asdict(seat) for name, seat in record.seats.items()}
        raw = {
            "format": FORMAT, "pid": record.pid, "control": record.control, "token": record.token,
            "seed": record.seed, "profile": record.profile.dump(), "clouds": clouds,
        }  # fmt: skip
        fresh = self.record_path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            json.dump(raw, out, indent=1)
        fresh.replace(self.record_path)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else starts, stops or destroys this lab meanwhile."""
        with self._turn_lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def occupy(self) -> contextlib.AbstractContextManager[object] | None:
        """The running process's claim, held until it ends (or closes it); None when another one holds it."""
        file = self._server_lock.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    def occupant(self) -> int | None:
        """The id of the process that runs the lab here, 0 while it is only just starting; None when none runs."""
        try:
            with self._server_lock.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    text = file.read()
                    return int(text) if text.isdigit() else 0
        except FileNotFoundError:
            pass
        return None

    def log_tail(self) -> str:
        """The last line of the log, '' when there is none."""
        try:
            lines = self.log_path.read_text("utf-8", "replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line for line in reversed(lines) if line.strip()), "")

    def clear(self) -> None:
        """Remove what is the lab's: its clouds with their objects, and its own files.  Anything else stays."""
        record = self.read()
        for name in record.seats if record else ():
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for path in (self.record_path, self.log_path, self._server_lock, self._turn_lock):
            path.unlink(missing_ok=True)
        if not any(self.directory.iterdir()):
            self.directory.rmdir()
