"""One FTP connection of one thread: opened when it is first needed, and anew after it broke."""

from __future__ import annotations

import contextlib
import ftplib
from collections.abc import Iterator

from webraid.backend.base import Bytes
from webraid.backend.mapping import mapped
from webraid.errors import BackendError
from webraid_nas.errors import ERRORS
from webraid_nas.options import NasOptions

BLOCK = 1 << 18  # bytes read and written at once


class Connection:
    """Hands out the connection.  Inside of ``open`` ftplib's errors are its own, outside they are BackendErrors."""

    def __init__(self, options: NasOptions) -> None:
        self._options = options
        self._ftp: ftplib.FTP | None = None

    @contextlib.contextmanager
    def open(self, name: str = "") -> Iterator[ftplib.FTP]:
        """The connection, logged in.  After any error but a plain refusal nobody knows what still comes: it is
        dropped, and the next call opens another one."""
        with mapped(ERRORS, name):
            if self._ftp is None:
                self._ftp = self._opened()
            try:
                yield self._ftp
            except (ftplib.error_perm, ftplib.error_temp, BackendError) as error:
                if str(error).startswith("421"):
                    self.drop()
                raise
            except BaseException:
                self.drop()
                raise

    def _opened(self) -> ftplib.FTP:
        ftp = ftplib.FTP(timeout=self._options.timeout)
        try:
            ftp.connect(self._options.host, self._options.port)
            ftp.login(self._options.user, self._options.password)
        except BaseException:
            ftp.close()
            raise
        return ftp

    def drop(self) -> None:
        """Close it at once, without a word to the server."""
        if self._ftp is not None:
            self._ftp.close()
            self._ftp = None


def send(ftp: ftplib.FTP, path: str, data: Bytes) -> None:
    """STOR: all of it, and the server's word that it came."""
    view = memoryview(data).cast("B")
    ftp.voidcmd("TYPE I")  # a listing has left it at text, where line ends are translated
    with ftp.transfercmd(f"STOR {path}") as line:
        for place in range(0, len(view), BLOCK):
            line.sendall(view[place : place + BLOCK])
    ftp.voidresp()


def receive(ftp: ftplib.FTP, path: str, offset: int, size: int | None) -> bytes:
    """RETR from ``offset``: ``size`` bytes, fewer only where the file ends; None: to the end, by the server's word."""
    parts: list[bytes] = []
    left = size
    ftp.voidcmd("TYPE I")
    with ftp.transfercmd(f"RETR {path}", rest=offset or None) as line:
        while left is None or left > 0:
            part = line.recv(BLOCK if left is None else min(BLOCK, left))
            if not part:
                break
            parts.append(part)
            left = None if left is None else left - len(part)
    if left == 0:
        with contextlib.suppress(ftplib.error_temp, ftplib.error_perm):  # we hung up, and it may complain
            ftp.voidresp()
    else:
        ftp.voidresp()
    return b"".join(parts)
