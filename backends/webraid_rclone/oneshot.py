"""A process a request: for a rclone that is too old to serve.  Ten to twenty times slower, and the same in all else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from subprocess import PIPE
from typing import Any

from webraid.backend.base import Bytes
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, ProtocolError, Unavailable
from webraid_rclone.binary import environment, milliseconds
from webraid_rclone.child import Child
from webraid_rclone.process import RcloneProcess
from webraid_rclone.texts import FOLDER, none_if_absent, refusal
from webraid_rclone.transport import Item, Remote

_FOLDER_MISSING, _FILE_MISSING = 3, 4  # rclone's exit codes
_SHORT = ("--files-only", "--no-modtime", "--no-mimetype")


class OneShot:
    """Holds a share of the process, which lends its rclone.conf and never runs, until closed."""

    def __init__(self, process: RcloneProcess, address: str) -> None:
        process.sections.create()
        self._process = process
        self._address = address
        self._closed = False
        quick = milliseconds(process.timeout)
        self._flags = [
            "--config", str(process.sections.file), "--retries", "1", "--low-level-retries", "1", "--timeout", quick,
            "--contimeout", quick, "--no-check-dest", "--ask-password=false", "--use-json-log",
        ]  # fmt: skip

    def about_remote(self) -> Remote:
        return Remote.from_json(_object(self._run(["backend", "features", self._address])))

    def upload(self, name: str, data: Bytes) -> None:
        view = memoryview(data).cast("B")
        self._run(["rcat", "--size", str(len(view)), self._at(name)], view, name=name, reading=False)

    def download(self, name: str, offset: int, size: int | None) -> bytes:
        part = [] if size is None else ["--offset", str(offset), "--count", str(size)]
        # 'cat' of a folder gives all that is in it.  A list of files to take has files only, and no error when there is
        # no such file.
        data = self._run(["cat", *part, "--files-from-raw", "-", self._address], f"{name}\n".encode(), name=name)
        if len(data) == size or (data and size is None):
            return data
        there = self.stat(name, "")
        if size is None and there is not None and there.size == 0:
            return b""
        if there is None or (not data and there.size >= offset + (size or 0)):  # it came only after it was asked for
            raise ObjectNotFound("not there", key=name)
        raise ProtocolError(f"{size} bytes from {offset} were asked for, {len(data)} came", key=name)

    def stat(self, name: str, algorithm: str) -> Item | None:
        try:
            told = json.loads(self._run(["lsjson", "--stat", *_SHORT, *_hashed(algorithm), self._at(name)], name=name))
        except BackendError as error:
            none_if_absent(error)
            return None
        if not isinstance(told, dict) or told.get("IsDir"):
            return None
        return Item.from_json({**told, "Path": name}, algorithm)

    def list(self, folder: str, algorithm: str) -> Iterator[Item]:
        where = self._at(folder) if folder else self._address
        flags = ["--recursive", "--fast-list", *_SHORT, *_hashed(algorithm)]
        said = self._run(["lsjson", *flags, where])
        start = f"{folder}/" if folder else ""
        return (Item.from_json({**entry, "Path": start + entry["Path"]}, algorithm) for entry in json.loads(said))

    def move(self, name: str, to: str) -> None:
        self._run(["moveto", self._at(name), self._at(to)], name=to)

    def delete(self, name: str) -> None:
        self._run(["deletefile", self._at(name)], name=name)

    def sweep(self, folder: str, age: str) -> None:
        try:
            self._run(["delete", "--min-age", age, self._at(folder)])
        except Misconfigured as error:
            if error.provider_code != FOLDER:
                raise

    def usage(self) -> Mapping[str, Any]:
        return _object(self._run(["about", "--json", self._address]))

    def make_root(self) -> None:
        self._run(["mkdir", self._address])

    def root_is_there(self) -> bool:
        try:
            self._run(["lsjson", "--no-modtime", "--no-mimetype", self._address])
        except Misconfigured as error:
            if error.provider_code == FOLDER:
                return False
            raise
        return True

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._process.let_go()

    # -------------------------------------------------------------------------------------------------------- inside
    def _at(self, name: str) -> str:
        return f"{self._address}{'' if self._address.endswith((':', '/')) else '/'}{name}"

    def _run(
        self, arguments: Sequence[str], data: bytes | memoryview | None = None, *, name: str = "", reading: bool = True
    ) -> bytes:
        """What it says on standard output."""
        child = Child(
            [self._process.binary, *arguments, *self._flags], environment(),
            stdin=None if data is None else PIPE, stdout=PIPE,
        )  # fmt: skip
        try:
            said, log = child.communicate(data)
        finally:
            code = child.end()
        if code:
            raise _failed(code, log.decode(errors="replace"), name, reading=reading)
        return said


def _failed(code: int, log: str, name: str, *, reading: bool) -> BackendError:
    """The error for an exit code and the lines of a log; the last error in it is the reason, those before led to it."""
    if code < 0:
        return Unavailable("rclone ended while it worked on this", key=name, hint="Try again.")
    words = [_words(line) for line in log.splitlines() if '"level":"debug"' not in line]
    reason = words[-1] if words else ""
    if code == _FILE_MISSING:
        reason = "object not found"
    elif code == _FOLDER_MISSING:
        reason = "directory not found"
    return refusal(reason, name, reading=reading)


def _words(line: str) -> str:
    try:
        told = json.loads(line)
    except ValueError:
        return line
    return str(told.get("msg", "")) if isinstance(told, dict) else line


def _object(said: bytes) -> dict[str, Any]:
    told = json.loads(said)
    if not isinstance(told, dict):
        raise ProtocolError("rclone's answer is not what it should be")
    return told


def _hashed(algorithm: str) -> list[str]:
    return ["--hash", "--hash-type", algorithm] if algorithm else []
