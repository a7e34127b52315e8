"""The body of a request as it comes in: to a file or to memory, hashed on the way, checked against what was said."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

from webraid.lab.http import Answer, Chunked, Request, refuse

MAX_DOCUMENT = 4 << 20  # bytes of a body that is no object (lists of keys or parts)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc32:
    """zlib's CRC-32 in hashlib's shape."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _checksum(name: str) -> _Hash | None:
    """For 'x-amz-checksum-NAME'; CRC-32C and CRC-64 are not in the standard library and are believed unchecked."""
    if name == "crc32":
        return _Crc32()
    return hashlib.new(name, usedforsecurity=False) if name in ("sha1", "sha256") else None


class Body:
    """Takes the decoded bytes of one request.  ``file``: where an object goes; None keeps them in ``data``."""

    def __init__(self, request: Request, file: Path | None) -> None:
        self.file = file
        self.size = 0
        self.data = bytearray()
        self.checksums: dict[str, str] = {}  # 'x-amz-checksum-...' headers that were checked (or believed)
        self._request = request
        self._out: BinaryIO | None = file.open("wb", buffering=0) if file else None
        self._framing = Chunked() if request.aws_chunked else None
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sums = {name: _checksum(name) for name in self._promised()}
        told = request.headers.get("x-amz-content-sha256", "")
        self._sha256 = hashlib.sha256() if _SHA256.fullmatch(told) else None

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    def feed(self, data: bytes) -> None:
        if self._sha256:
            self._sha256.update(data)
        if self._framing:
            data = self._framing.feed(data)
        self.size += len(data)
        self._md5.update(data)
        for running in self._sums.values():
            if running:
                running.update(data)
        if self._out:
            self._out.write(data)
        elif self.size <= MAX_DOCUMENT:
            self.data += data

    def finish(self) -> Answer | None:
        """The refusal when what came is not what was promised, else None."""
        if self._out:
            self._out.close()
        elif self.size > MAX_DOCUMENT:
            return refuse(400, "MaxMessageLengthExceeded")
        headers = self._request.headers
        promised = headers.get("x-amz-decoded-content-length")
        if self._framing and (self._framing.broken or not self._framing.done):
            return refuse(400, "IncompleteBody", "The chunked body is malformed or cut short.")
        if promised is not None and int(promised) != self.size:
            return refuse(400, "IncompleteBody", "The body has another length than announced.")
        if self._sha256 and self._sha256.hexdigest() != headers["x-amz-content-sha256"]:
            return refuse(400, "XAmzContentSHA256Mismatch", "The body does not match x-amz-content-sha256.")
        if "content-md5" in headers:
            return self._check_md5(headers["content-md5"]) or self._check_sums()
        return self._check_sums()

    def discard(self) -> None:
        """Give up: what was written is removed (unless it has become an object)."""
        if self._out:
            self._out.close()
        if self.file:
            self.file.unlink(missing_ok=True)

    def _promised(self) -> list[str]:
        trailers = self._request.headers.get("x-amz-trailer", "").lower().split(",")
        names = [name.strip() for name in (*self._request.headers, *trailers)]
        found = [name.removeprefix("x-amz-checksum-") for name in names if name.startswith("x-amz-checksum-")]
        return [name for name in found if name not in ("type", "algorithm", "mode")]

    def _check_md5(self, told: str) -> Answer | None:
        try:
            wanted = base64.b64decode(told, validate=True)
        except ValueError:
            wanted = b""
        if len(wanted) != 16:
            return refuse(400, "InvalidDigest", "Content-MD5 is not an MD5 in base64.")
        if wanted != self._md5.digest():
            return refuse(400, "BadDigest", "The body does not match Content-MD5.")
        return None

    def _check_sums(self) -> Answer | None:
        trailers = self._framing.trailers if self._framing else {}
        for name, running in self._sums.items():
            header = f"x-amz-checksum-{name}"
            told = self._request.headers.get(header) or trailers.get(header, "")
            if running and told != base64.b64encode(running.digest()).decode():
                return refuse(400, "BadDigest", f"The {name.upper()} you specified did not match the calculated one.")
            if told:
                self.checksums[header] = told
        return None
