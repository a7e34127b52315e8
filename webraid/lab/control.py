"""The control channel, both ends: one JSON line each way over the loopback, with the token that lab.json holds."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from webraid.errors import ConfigError, Unavailable

HOST = "127.0.0.1"
MAX_LINE = 64 * 1024
PATIENCE = 10.0  # seconds
Command = Callable[[str, dict[str, Any]], Awaitable[Any]]


class Control(asyncio.Protocol):
    """The server's end.  ``command(name, arguments)`` does the work; its ConfigErrors go back to the caller.

    After 'quit' the connection stays open: that it breaks tells the caller that the process has ended.
    """

    def __init__(self, token: str, command: Command) -> None:
        self._token, self._command = token, command
        self._input = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._input += data
        line, end, _ = self._input.partition(b"\n")
        if self._task is None and end:
            self._task = asyncio.get_running_loop().create_task(self._run(line))
        elif len(self._input) > MAX_LINE and self._transport:
            self._transport.abort()

    async def _run(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            token, name, arguments = str(message["token"]), str(message["command"]), dict(message["arguments"])
        except (ValueError, KeyError, TypeError):
            self._say({"error": "not a command of the lab"}, last=True)
            return
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            self._say({"error": "the token is wrong"}, last=True)
            return
        try:
            answer = {"answer": await self._command(name, arguments)}
        except ConfigError as error:
            answer = {"error": str(error), "hint": error.hint}
        except OSError as error:
            answer = {"error": f"the lab's own disk failed: {error.strerror}", "hint": "Look at its folder."}
        self._say(answer, last=name != "quit")

    def _say(self, message: dict[str, Any], *, last: bool) -> None:
        if self._transport:
            self._transport.write(json.dumps(message).encode() + b"\n")
            if last:
                self._transport.close()


def call(port: int, token: str, command: str, **arguments: object) -> Any:
    """The client's end: what the running lab answers.  For 'quit': returns when the connection has broken.

    Raises ConfigError when the lab refuses (an unknown cloud, field...), Unavailable when it does not answer.
    """
    message = json.dumps({"token": token, "command": command, "arguments": arguments}).encode() + b"\n"
    data = b""
    try:
        with socket.create_connection((HOST, port), timeout=PATIENCE) as line:
            line.sendall(message)
            while piece := line.recv(1 << 16):
                data += piece
        reply = json.loads(data)
    except (OSError, ValueError) as error:
        raise Unavailable("the lab does not answer", hint="Take it down and start it again.") from error
    if "error" in reply:
        raise ConfigError(reply["error"], hint=reply.get("hint"))
    return reply["answer"]
