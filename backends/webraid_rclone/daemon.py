"""Over the one rclone that stays: bytes through its 'serve restic', everything else through its remote control.

That server is a plain object store over HTTP: POST puts, GET gets, also ranges; straight to the remote, no cache.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from webraid.backend import ranges
from webraid.backend.base import Bytes
from webraid.errors import BackendError, Misconfigured, ProtocolError, Unavailable
from webraid_rclone.process import Control, RcloneProcess, Running
from webraid_rclone.texts import FOLDER, none_if_absent, refusal
from webraid_rclone.transport import Item, Remote
from webraid_rclone.wire import UnixConnection

T = TypeVar("T")

_MARGIN = 30.0  # seconds; rclone's own timeout comes first
_LISTED = {"recurse": True, "filesOnly": True, "noModTime": True, "noMimeType": True}
_ONE = {"filesOnly": True, "noModTime": True, "noMimeType": True}
# The restic server moves 'data/x' to another place; we have no such names, but must never be misunderstood.
_DATA = re.compile(r"(?:^|/)data/[^/]{2,}$")


class Daemon:
    """Holds a share of the process until closed."""

    def __init__(self, process: RcloneProcess, address: str) -> None:
        self._process = process
        self._address = address
        self._running: Running | None = None
        self._control: Control | None = None
        self._data: UnixConnection | None = None
        self._closed = False

    # ---------------------------------------------------------------------------------------------------- operations
    def about_remote(self) -> Remote:
        return Remote.from_json(self._ask("operations/fsinfo"))

    def upload(self, name: str, data: Bytes) -> None:
        def go(connection: UnixConnection, reason: Callable[[], str]) -> None:
            answer = connection.ask("POST", _path(name), data)
            answer.read()
            if answer.status != http.client.OK:
                raise refusal(reason() or self._asked(name), name)

        self._transfer(name, go)

    def download(self, name: str, offset: int, size: int | None) -> bytes:
        def go(connection: UnixConnection, reason: Callable[[], str]) -> bytes:
            answer = connection.ask("GET", _path(name), headers=ranges.header(offset, size))
            if answer.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
                answer.read()
                raise refusal(reason() or self._asked(name), name, reading=True)
            length = answer.length
            try:
                begin = ranges.begin(
                    name, offset, size, status=answer.status, content_range=answer.header("Content-Range"),
                    length=length,
                )  # fmt: skip
            except ProtocolError:
                answer.drop()
                raise
            body = answer.read()
            return body if size is None else body[begin : begin + size]

        return self._transfer(name, go)

    def stat(self, name: str, algorithm: str) -> Item | None:
        try:
            told = self._ask("operations/stat", reading=True, remote=name, opt={**_ONE, **_hashed(algorithm)})["item"]
        except BackendError as error:
            none_if_absent(error)
            return None
        return None if told is None else Item.from_json(told, algorithm)

    def list(self, folder: str, algorithm: str) -> Iterator[Item]:
        told = self._ask("operations/list", long=True, remote=folder, opt={**_LISTED, **_hashed(algorithm)})
        return (Item.from_json(entry, algorithm) for entry in told["list"])

    def move(self, name: str, to: str) -> None:
        self._ask(
            "operations/movefile", named=False,
            srcFs=self._address, srcRemote=name, dstFs=self._address, dstRemote=to,
        )  # fmt: skip

    def delete(self, name: str) -> None:
        self._ask("operations/deletefile", reading=True, remote=name)

    def sweep(self, folder: str, age: str) -> None:
        where = self._address + ("" if self._address.endswith((":", "/")) else "/") + folder
        try:
            self._ask("operations/delete", long=True, named=False, fs=where, _filter={"MinAge": age})
        except Misconfigured as error:
            if error.provider_code != FOLDER:
                raise

    def usage(self) -> Mapping[str, Any]:
        return self._ask("operations/about")

    def make_root(self) -> None:
        self._ask("operations/mkdir", remote="")

    def root_is_there(self) -> bool:
        try:
            self._ask("operations/list", remote="", opt={"noModTime": True, "noMimeType": True})
        except Misconfigured as error:
            if error.provider_code == FOLDER:
                return False
            raise
        return True

    def close(self) -> None:
        self._hang_up()
        if not self._closed:
            self._closed = True
            self._process.let_go()

    # -------------------------------------------------------------------------------------------------------- inside
    def _ask(
        self, command: str, *, long: bool = False, reading: bool = False, named: bool = True, **parameters: Any
    ) -> dict[str, Any]:
        where = {"fs": self._address} if named else {}

        def work(running: Running) -> dict[str, Any]:
            return self._remote_control(running).call(command, long=long, reading=reading, **where, **parameters)

        return self._alive(work)

    def _asked(self, name: str) -> str:
        """The log did not tell why: ask.  '' when all seems well."""
        try:
            _, told = self._remote_control(self._connected()).raw(
                "operations/stat", fs=self._address, remote=name, opt=_ONE
            )
        except (OSError, http.client.HTTPException):
            return ""
        return "object not found" if told.get("item", ...) is None else str(told.get("error") or "")

    def _transfer(self, name: str, go: Callable[[UnixConnection, Callable[[], str]], T]) -> T:
        if _DATA.search(name):
            raise ProtocolError("rclone's server would store this name elsewhere", key=name)

        def work(running: Running) -> T:
            if self._data is None:
                self._data = UnixConnection(self._served(running), running.timeout + _MARGIN)
            with running.log.request(name, self._address) as reason:
                return go(self._data, reason)

        return self._alive(work)

    def _alive(self, work: Callable[[Running], T]) -> T:
        """``work`` with a rclone that runs; Unavailable when it dies of it."""
        running = self._connected()
        try:
            return work(running)
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            if running.alive(after_failure=True):
                raise
            raise Unavailable(
                "rclone ended while it worked on this", hint="It is started again by itself; try again."
            ) from error

    def _connected(self) -> Running:
        running = self._process.running()
        if running is not self._running:
            self._hang_up()
            self._running = running
        return running

    def _remote_control(self, running: Running) -> Control:
        if self._control is None:
            self._control = Control(running)
        return self._control

    def _served(self, running: Running) -> str:
        """The socket of the server for our remote, started by the first who asks."""
        with running.serving:
            if self._address not in running.served:
                socket = running.data_socket()
                # Its cache of what it saw would not notice what was moved or deleted over the remote control.
                self._remote_control(running).call(
                    "serve/start", type="restic", fs=self._address, addr=f"unix://{socket}", cache_objects=False
                )
                running.served[self._address] = socket
            return running.served[self._address]

    def _hang_up(self) -> None:
        for connection in (self._control, self._data):
            if connection is not None:
                connection.close()
        self._control = self._data = self._running = None


def _path(name: str) -> str:
    return f"/{name}"


def _hashed(algorithm: str) -> dict[str, Any]:
    return {"showHash": True, "hashTypes": [algorithm]} if algorithm else {}
