"""Sessions: each instance has a channel of its own, and all of a place share a few connections.

Small hosters take five to ten connections of a login, OpenSSH drops new ones when ten log in at once (MaxStartups),
and a connection costs a tenth of a second; but ten channels of one connection are fine (MaxSessions), and no slower.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import threading
from typing import TYPE_CHECKING

from webraid.backend.mapping import mapped
from webraid.errors import BackendError, Misconfigured, Unavailable
from webraid_sftp.dialling import WINDOW, dial, hang_up, within
from webraid_sftp.errors import ERRORS
from webraid_sftp.library import load
from webraid_sftp.options import SftpOptions
from webraid_sftp.wire import Wire

if TYPE_CHECKING:
    from paramiko.channel import Channel
    from paramiko.transport import Transport

CHANNELS = 8  # of one connection; OpenSSH allows ten unless told otherwise

_LOCK = threading.Lock()
_PLACES: dict[tuple[object, ...], Place] = {}


class Link:
    """A connection.  ``room``: how many channels it takes; ``users``: how many it has, those being opened included.
    ``opening``: held while one is opened, since the library has one place only for what goes wrong with that."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.room = CHANNELS
        self.users = 0
        self.opening = threading.Lock()


class Place:
    """All connections of this process to one login at one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held while connecting: whoever comes meanwhile shares what comes of it
        self._links: list[Link] = []
        self._failures = 0
        self._failure: BackendError | None = None
        self._first: dict[str, object] = {}  # folder -> who put there first

    def join(self, options: SftpOptions) -> Link:
        """A connection with room for one more channel.  Raises BackendError.

        Whoever waits while another one's attempt fails hears of that failure: attempts that are refused in numbers
        get an address banned.
        """
        seen = self._failures
        with self._lock:
            if self._failure is not None and self._failures != seen:
                raise copy.copy(self._failure)
            link = next((link for link in self._links if link.users < link.room and link.transport.is_active()), None)
            if link is None:
                try:
                    with mapped(ERRORS):
                        link = Link(dial(options))
                except BackendError as error:
                    self._failures += 1
                    self._failure = copy.copy(error)
                    raise
                self._links.append(link)
            link.users += 1
            return link

    def first_put(self, path: str) -> bool:
        """True once for each folder."""
        me = object()
        return self._first.setdefault(path, me) is me  # not by the lock: that may be held by somebody who connects

    def refuse(self, link: Link) -> bool:
        """The server takes no more channels on ``link``; whether that is so because it has others."""
        with self._lock:
            link.room = min(link.room, link.users - 1)
            return link.room > 0

    def leave(self, link: Link, *, spoilt: bool) -> None:
        """Give a channel's seat back; the last one ends the connection.  ``spoilt``: nobody else shall join it."""
        with self._lock:
            if spoilt:
                link.room = 0
            link.users -= 1
            last = link.users == 0
            if last:
                self._links.remove(link)
        if last:
            hang_up(link.transport)


class Session:
    """An SFTP channel of one instance, with the protocol on it."""

    def __init__(self, options: SftpOptions) -> None:
        """Raises BackendErrors, and the library's."""
        self._place = _place(options)
        self._link, self._channel, self.wire = self._opened(options)

    @property
    def alive(self) -> bool:
        return not self.wire.broken and not self._channel.closed and self._link.transport.is_active()

    def first_put(self, path: str) -> bool:
        """Whether no instance of this process has put anything into that folder yet."""
        return self._place.first_put(path)

    def close(self) -> None:
        """Never raises.  Where it is broken, nothing more is sent: that might hang."""
        alive = self.alive
        if alive:
            with contextlib.suppress(OSError, EOFError, load().SSHException):  # gone meanwhile: that will do, too
                self._channel.close()
        self._place.leave(self._link, spoilt=not alive)

    def _opened(self, options: SftpOptions) -> tuple[Link, Channel, Wire]:
        while True:
            link = self._place.join(options)
            try:
                with link.opening, within(link.transport, options.timeout):
                    channel, wire = _channel(link.transport, options.timeout)
            except load().ChannelException:
                crowded = self._place.refuse(link)
                self._place.leave(link, spoilt=False)
                if not crowded:
                    raise
            except BaseException:
                self._place.leave(link, spoilt=True)
                raise
            else:
                return link, channel, wire


def _channel(transport: Transport, timeout: float) -> tuple[Channel, Wire]:
    channel = transport.open_session(window_size=WINDOW, timeout=timeout)
    channel.settimeout(timeout)
    try:
        channel.invoke_subsystem("sftp")
    except load().SSHException:
        if not transport.is_active():
            raise Unavailable("the server ended the connection") from None
        raise Misconfigured(
            "the login works, but the server offers no SFTP", provider_code="subsystem",
            hint="Ask the server's owner to switch SFTP on for this login.",
        ) from None  # fmt: skip
    return channel, Wire(channel)


def _place(options: SftpOptions) -> Place:
    """By process, too: a fork must not share connections."""
    secrets = (options.key, options.key_passphrase, options.password)
    digest = hashlib.sha256(repr(secrets).encode()).digest()
    key = (os.getpid(), options.host, options.port, options.user, options.known_host_key, options.timeout, digest)
    with _LOCK:
        return _PLACES.setdefault(key, Place())
