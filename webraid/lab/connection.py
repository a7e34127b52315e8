"""A client's connection to one cloud: socket -> up lane -> session -> down lane -> socket."""

from __future__ import annotations

import asyncio
import socket

from webraid.lab.link import Link
from webraid.lab.session import Session
from webraid.lab.wire import READ, Lane

LINGER = 2.0  # seconds a client has to read our last words before the connection is reset


class Connection(asyncio.BufferedProtocol):
    """Reading stops while the up lane is full, sending while the down lane or the socket is: backpressure is real."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.up = Lane(link.up, link.spec.conn_up, self._arrived, self._resume_reading)
        self.down = Lane(link.down, link.spec.conn_down, self._departed, self._room)
        self._session = Session(link, self)
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._choked = False
        self._finishing = False  # our half is closed; waiting for the client's
        self._client_done = False
        self._total = 0
        self._timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------------- from the socket
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=256 * 1024)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.count["connections"] += 1
        self.link.connections.add(self)
        self.up.hold_until = self.link.loop.time() + self.link.spec.setup * self.link.spec.rtt

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._finishing:
            return
        self._tally(nbytes)
        self.up.push(bytes(self._view[:nbytes]))
        if self._transport and self._reading and not self.up.room() and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        if self._finishing or self.link.up.stalled:  # nobody is left who could read an answer
            self.abort()
        self._client_done = True
        self.up.push(None)
        return True

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        self._room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.connections.discard(self)
        if self._timer:
            self._timer.cancel()
        self.up.close()
        self.down.close()
        self._session.gone()

    # -------------------------------------------------------------------------------------------------- from the lanes
    def _arrived(self, data: bytes | None) -> None:
        self._session.data(data)

    def _room(self) -> None:
        self._session.room()

    def _departed(self, data: bytes | None) -> None:
        transport = self._transport
        self._tally(len(data) if data else 0)
        if transport is None or transport.is_closing():
            return
        if data is not None:
            transport.write(data)
            return
        if self._client_done:
            transport.close()
            return
        # Closing at once would reset the connection where the client still sends, and our last words would be lost.
        self._finishing = True
        transport.write_eof()
        self._resume_reading()
        self._timer = self.link.loop.call_later(LINGER, self.abort)

    def _resume_reading(self) -> None:
        if self._transport and not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _tally(self, count: int) -> None:
        self._total += count
        limit = self.link.spec.drop_after
        if limit and self._total > limit:
            self.link.count["dropped"] += 1
            self.abort()

    # ------------------------------------------------------------------------------------------------ from the session
    def may_send(self) -> bool:
        return self.down.room() and not self._choked and not self.down.closed

    def abort(self) -> None:
        """End at once, as a router that lost power does."""
        if self._transport:
            self._transport.abort()
