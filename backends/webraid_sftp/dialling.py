"""Connections: made, proven to lead to the right server, logged in, and ended without a thread left behind."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from webraid.errors import Misconfigured
from webraid_sftp.errors import host_key_changed
from webraid_sftp.hostkeys import SIGNATURES, HostKey, signatures
from webraid_sftp.keys import log_in
from webraid_sftp.library import load
from webraid_sftp.options import SftpOptions

if TYPE_CHECKING:
    from paramiko.transport import Transport

CONNECT_TIMEOUT = 10.0
KEEPALIVE = 30  # seconds; home routers forget a silent connection after a few minutes
WINDOW = 4 << 20  # bytes a server may send ahead on one channel: a whole shard, so that distance costs one round trip
_GRACE = 5.0  # seconds a connection's thread gets to end; it looks ten times a second whether it should
_CIPHERS = ("aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")


def dial(options: SftpOptions) -> Transport:
    """A connection that is logged in, to the server whose key is pinned.  Raises BackendErrors, and the library's."""
    pinned = options.host_key
    if pinned is None:
        raise Misconfigured(
            "no host key is pinned for this disk", provider_code="HostKey",
            hint=f"Put known_host_key into the config: the line that 'ssh-keyscan {options.host}' prints.",
        )  # fmt: skip
    with _connected(options, signatures([pinned])) as transport:
        if _shown(transport).blob != pinned.blob:
            raise host_key_changed()
        log_in(transport, options)
        transport.set_keepalive(KEEPALIVE)
    return transport


def shown_key(options: SftpOptions, types: tuple[str, ...] = ()) -> HostKey:
    """The key that the server shows, of one of ``types`` (signatures) where any are given; nobody logs in."""
    with _connected(options, types) as transport:
        key = _shown(transport)
    hang_up(transport)
    return key


@contextlib.contextmanager
def _connected(options: SftpOptions, types: tuple[str, ...]) -> Iterator[Transport]:
    """A connection that is encrypted and nothing else.  It stays open, except where the block raises."""
    paramiko = load()
    timeout = min(CONNECT_TIMEOUT, options.timeout)
    sock = socket.create_connection((options.host, options.port), timeout)
    try:
        _tune(sock, options.timeout)
        transport: Transport = paramiko.Transport(sock, default_window_size=WINDOW)
    except BaseException:
        sock.close()
        raise
    try:
        security = transport.get_security_options()
        security.ciphers, security.digests = _CIPHERS, _DIGESTS
        if types:
            security.key_types = types
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = options.timeout
        with within(transport, options.timeout):
            try:
                transport.start_client(timeout=options.timeout)
            except paramiko.IncompatiblePeer as error:
                if types and "host key" in str(error):
                    raise host_key_changed() from error
                raise
            yield transport
    except BaseException:
        hang_up(transport)
        raise


def _tune(sock: socket.socket, timeout: float) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: the library itself would wait for ever on a server that hangs
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(timeout * 1000)))


def _shown(transport: Transport) -> HostKey:
    key = transport.get_remote_server_key()
    name = key.get_name()
    if name not in SIGNATURES:
        raise Misconfigured("the server's host key is of a type that is not known here", provider_code="HostKey")
    return HostKey(name, key.asbytes())


@contextlib.contextmanager
def within(transport: Transport, seconds: float) -> Iterator[None]:
    """Close the connection when the block takes longer: some waits of the library have no end of their own."""
    timer = threading.Timer(seconds, transport.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def hang_up(transport: Transport) -> None:
    """End a connection and its threads."""
    with contextlib.suppress(OSError):  # it is broken already; else its thread would notice a tenth of a second later
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(_GRACE)
    transport.packetizer.complete_handshake()  # ends the timer that a failed handshake leaves running
