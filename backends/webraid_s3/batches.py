"""DeleteObjects: up to a thousand names in one request, where the server knows it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import md5
from typing import Any

from webraid.errors import AuthExpired, BackendError

SIZE = 1000  # names in a request, S3's limit
Call = Callable[..., dict[str, Any]]  # S3Backend._call


class Batches:
    """One instance's knowledge of it: whether the server takes such requests."""

    def __init__(self, call: Call, client: Any, prefix: str) -> None:
        self._call = call
        self._prefix = prefix
        self._taken = True  # as far as we know
        client.meta.events.register_last("before-call.s3.DeleteObjects", _with_md5)

    def delete(self, names: list[str]) -> list[str]:
        """Names that are not known to be gone for good: the server named an error, hid them, or takes no batches.

        Raises what may pass when it is tried again.
        """
        left: list[str] = []
        for start in range(0, len(names), SIZE):
            left += self._delete(names[start : start + SIZE])
        return left

    def _delete(self, names: list[str]) -> list[str]:
        if not self._taken:
            return names
        wish = {"Objects": [{"Key": self._prefix + name} for name in names], "Quiet": False}
        try:
            answer = self._call("delete_objects", Delete=wish)
        except AuthExpired:
            raise
        except BackendError as error:
            if error.retryable:
                raise
            self._taken = False
            return names
        gone = {str(one.get("Key")) for one in answer.get("Deleted", ()) if not _hidden(one)}
        return [name for name in names if self._prefix + name not in gone]


def _hidden(entry: dict[str, Any]) -> bool:
    """The bucket keeps versions: there is a marker now, and the bytes are there still."""
    return bool(entry.get("DeleteMarker") or entry.get("DeleteMarkerVersionId"))


def _with_md5(params: dict[str, Any], **_: Any) -> None:
    """botocore sends a CRC32; some of S3's clones know Content-MD5 alone, which the first S3 asked for."""
    body = params.get("body") or b""
    data = body if isinstance(body, bytes) else bytes(body)
    params["headers"]["Content-MD5"] = b64encode(md5(data, usedforsecurity=False).digest()).decode()
