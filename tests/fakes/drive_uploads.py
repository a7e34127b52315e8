"""Upload bodies of the fake Drive: multipart/related, resumable sessions ('Upload file data' of the Drive guides)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.drive_store import File, Refusal

STEP = 256 << 10  # 'create chunks in multiples of 256 KB', all but the last
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


def multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The metadata part and the media part (RFC 2387; 'Perform a multipart upload')."""
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if not content_type.startswith("multipart/related") or not found:
        raise Refusal(400, "badContent", "Unsupported content with type: " + content_type.partition(";")[0])
    line = b"--" + found[1].encode()
    first, second = body.find(line), body.find(b"\r\n" + line, 1)
    # The SDK's generator ends lines with LF alone, which Google takes as well.
    crlf = second >= 0
    end_of_line = b"\r\n" if crlf else b"\n"
    second = second if crlf else body.find(b"\n" + line, 1)
    last = body.rfind(end_of_line + line + b"--")
    if first != 0 or second < 0 or last <= second:
        raise Refusal(400, "badRequest", "Malformed multipart body.")
    meta = _content(body, len(line), second, end_of_line)
    media = _content(body, second + len(end_of_line) + len(line), last, end_of_line)
    return parsed(meta), media


def parsed(text: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty one."""
    try:
        told = json.loads(text or b"{}")
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Refusal(400, "parseError", "Parse Error")
    return told


def _content(body: bytes, begin: int, end: int, end_of_line: bytes) -> bytes:
    gap = body.find(end_of_line * 2, begin, end)
    if gap < 0:
        raise Refusal(400, "badRequest", "Malformed multipart body.")
    return body[gap + 2 * len(end_of_line) : end]


@dataclass
class Session:
    """A resumable upload that has begun.  ``finish``: makes the file of the whole content."""

    app: str
    finish: Callable[[bytes], File]
    fields: str
    received: bytearray = field(default_factory=bytearray)
    file: File | None = None

    def take(self, headers: Mapping[str, str], body: bytes) -> File | None:
        """One PUT: the file when it is whole, else None (answer 308 with ``range``)."""
        if self.file is not None:
            return self.file
        text = headers.get("content-range", "")
        found = _RANGE.fullmatch(text) if text else None
        if text and not found:
            raise Refusal(400, "badRequest", "Failed to parse Content-Range header.")
        total = int(found[3]) if found and found[3] != "*" else None if found else len(body)
        if not found or found[1] is not None:
            begin = int(found[1]) if found else 0
            if begin != len(self.received) or (found and int(found[2]) - begin + 1 != len(body)):
                raise Refusal(400, "badRequest", "Invalid request. The range does not follow what was received.")
            if begin + len(body) != total and len(body) % STEP:
                raise Refusal(400, "badRequest", "Invalid request. The chunk is no multiple of 262144.")
            self.received += body
        if total is not None and len(self.received) == total:
            self.file = self.finish(bytes(self.received))
        return self.file

    @property
    def range(self) -> dict[str, str]:
        """The header that says how much has come; none where nothing has."""
        return {"Range": f"bytes=0-{len(self.received) - 1}"} if self.received else {}
