"""RcloneProcess: the one rclone of this process that stays, shared by all disks; started when needed, also again."""

from __future__ import annotations

import atexit
import base64
import contextlib
import http.client
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from webraid.env import Env
from webraid.errors import ProtocolError, Unavailable
from webraid_rclone.binary import SERVES, environment, milliseconds, numbers, version
from webraid_rclone.child import Child
from webraid_rclone.log import Log
from webraid_rclone.section import Sections
from webraid_rclone.texts import refusal
from webraid_rclone.wire import UnixConnection

_START = 15.0  # seconds; it takes a twentieth of one
_STEP = 0.005
_GRACE = 0.25
_PREFIX = "webraid-rclone-"
_LONGEST = 80  # a socket's name has room for about 107 bytes (104 on a Mac)
_MARGIN = 30.0  # rclone notices the provider's silence first, and says so
_LONG = 3600.0  # a listing may take long, and nothing comes before its end

Key = tuple[int, str, str, float]
_LOCK = threading.Lock()
_SHARED: dict[Key, RcloneProcess] = {}


class TooOld(Exception):
    """This rclone cannot serve."""


class Running:
    """One run of rclone.  ``served``: what it serves: remote -> socket."""

    def __init__(
        self, binary: str, folder: str, config: Path, timeout: float, notice: Callable[[str], None] | None, env: Env
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="run-", dir=folder)
        self.socket = f"{self._folder}/rc"
        self.timeout = timeout
        user, password = env.random(8).hex(), env.random(24).hex()
        self.login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.served: dict[str, str] = {}
        self.serving = threading.Lock()
        self._sockets = 0
        quick = milliseconds(timeout)
        command = [
            binary, "rcd", "--rc-addr", f"unix://{self.socket}", "--config", str(config),
            # Debug, as only that tells why a get failed.  The lines go to a pipe which only we read.
            "--use-json-log", "-vv", "--retries", "1", "--low-level-retries", "1",
            "--timeout", quick, "--contimeout", quick, "--fast-list", "--fs-cache-expire-duration", "24h",
            # A move goes over what is there, in one step, instead of deleting that first.
            "--no-check-dest", "--ask-password=false",
        ]  # fmt: skip
        self.child = Child(command, environment(RCLONE_RC_USER=user, RCLONE_RC_PASS=password), folder=folder)
        self.log = Log(self.child.stderr, notice)

    def data_socket(self) -> str:
        """Where a remote's new server shall listen.  Under ``serving``."""
        self._sockets += 1
        return f"{self._folder}/{self._sockets}"

    def alive(self, *, after_failure: bool = False) -> bool:
        """``after_failure``: a connection just broke, which may be the first that is heard of its end."""
        return not self.child.gone(_GRACE if after_failure else 0.0)

    def end(self) -> None:
        """It and its sockets are gone afterwards.  By SIGKILL: nothing is under way, and it would take two seconds."""
        self.child.kill()
        self.log.join()
        self.child.end()
        shutil.rmtree(self._folder, ignore_errors=True)


class RcloneProcess:
    """Shared by all instances of the same program, folder and timeout; ends when the last one lets go."""

    def __init__(
        self, binary: str, lasting: Path | None, timeout: float, notice: Callable[[str], None] | None = None
    ) -> None:
        self.binary = binary
        self.timeout = timeout
        # mkdtemp makes it 0700: nobody else gets at the sockets in it.  In the folder for temporary things, as the
        # names of sockets may not be long.
        self._folder = _short_folder()
        self.sections = Sections(lasting or Path(self._folder))
        self._notice = notice
        self._env = Env()
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._users = 0
        self._old = False
        atexit.register(self.close)

    @classmethod
    def shared(cls, binary: str, lasting: Path | None, timeout: float) -> RcloneProcess:
        """The one for these, made if need be.  ``let_go`` belongs to it."""
        key = (os.getpid(), binary, str(lasting or ""), timeout)
        with _LOCK:
            if key not in _SHARED:
                _SHARED[key] = cls(binary, lasting, timeout)
            _SHARED[key]._users += 1
            return _SHARED[key]

    def let_go(self) -> None:
        """One user less; the last one ends it."""
        with _LOCK:
            self._users -= 1
            if self._users:
                return
            for key in [key for key, process in _SHARED.items() if process is self]:
                del _SHARED[key]
        self.close()

    def forget(self, address: str) -> None:
        """The remote has a new login: what was opened with the old one is not used again."""
        with self._lock:
            running = self._running
        if running is not None and running.alive():
            with running.serving, contextlib.closing(Control(running)) as control:
                running.served.pop(address, None)
                control.call("fscache/clear")

    def running(self) -> Running:
        """It, started when it is not there.  Raises TooOld, BackendError."""
        with self._lock:
            if self._old:
                raise TooOld
            if self._running is not None and not self._running.alive():
                self._running.end()
                self._running = None
            if self._running is None:
                try:
                    self._running = self._started()
                except TooOld:
                    self._old = True
                    raise
            return self._running

    def _started(self) -> Running:
        self.sections.create()
        made = Running(self.binary, self._folder, self.sections.file, self.timeout, self._notice, self._env)
        try:
            told = self._await(made)
        except BaseException:
            made.end()
            raise
        if told < SERVES:
            made.end()
            raise TooOld
        return made

    def _await(self, made: Running) -> tuple[int, ...]:
        """Its version, once it answers."""
        began = self._env.monotonic()
        with contextlib.closing(Control(made)) as control:
            while made.alive() and self._env.monotonic() - began < _START:
                with contextlib.suppress(OSError):
                    return numbers(str(control.call("core/version").get("version", "")))
                self._env.sleep(_STEP)
        if (0,) < version(self.binary) < SERVES:
            raise TooOld
        raise Unavailable("rclone does not start", hint=f"Try it by hand: {Path(self.binary).name} version.")

    def close(self) -> None:
        """End it, whoever still uses it."""
        atexit.unregister(self.close)
        with self._lock:
            if self._running is not None:
                self._running.end()
                self._running = None
        shutil.rmtree(self._folder, ignore_errors=True)


def _short_folder() -> str:
    made = tempfile.mkdtemp(prefix=_PREFIX)
    if len(made) <= _LONGEST:
        return made
    os.rmdir(made)
    return tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp")


class Control:
    """rclone's remote control over one connection."""

    def __init__(self, running: Running) -> None:
        self._headers = {"Authorization": running.login, "Content-Type": "application/json"}
        self._connection = UnixConnection(running.socket, running.timeout + _MARGIN)

    def call(self, command: str, *, long: bool = False, reading: bool = False, **parameters: Any) -> dict[str, Any]:
        """The answer.  ``long``: it may take an hour.  ``reading``: see texts.refusal.

        Raises BackendError for what rclone refuses, OSError, HTTPException, ValueError.
        """
        status, body = self.raw(command, long=long, **parameters)
        if status != http.client.OK:
            raise refusal(str(body.get("error", "")), reading=reading)
        return body

    def raw(self, command: str, *, long: bool = False, **parameters: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer, refused or not."""
        said = json.dumps(parameters).encode()
        answer = self._connection.ask("POST", f"/{command}", said, self._headers, _LONG if long else None)
        body = json.loads(answer.read())
        if not isinstance(body, dict):
            raise ProtocolError("rclone's answer is not what it should be")
        return answer.status, body

    def close(self) -> None:
        self._connection.close()
