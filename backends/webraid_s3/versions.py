"""Buckets that keep versions: what a put replaced and a delete hid is taken away, where the key may do that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webraid.errors import ObjectNotFound, PermissionDenied, ProtocolError, Unsupported

KEEPS = "This bucket keeps old versions of what is replaced or deleted"
LIFECYCLE = "Give the bucket the lifecycle rule 'keep only the last version', else they cost space for ever."
PAGE = 100  # versions asked for at once; a name of ours has one or two

Call = Callable[..., dict[str, Any]]  # S3Backend._call


@dataclass(frozen=True, slots=True)
class _Version:
    id: str
    latest: bool
    marker: bool  # says 'deleted' and holds no bytes


class Versions:
    """One instance's knowledge of it: whether the bucket keeps versions (its answers show that) and whether the key
    may list and delete them.  ``keep``: leave them alone.

    Safe beside others: a put takes away only what is older than what it put, so the newest always stays.
    """

    def __init__(self, call: Call, prefix: str, *, keep: bool) -> None:
        self._call = call
        self._prefix = prefix
        self._keep = keep
        self._kept = False  # by the bucket, as far as we know

    def replaced(self, name: str, version: str) -> None:
        """A put was answered with ``version`` ('' where the bucket keeps none): what is older goes."""
        self._kept = self._kept or bool(version)
        if not version or self._keep:
            return
        with self._as_far_as_allowed():
            there = self._of(name)
            mine = next((place for place, one in enumerate(there) if one.id == version and not one.marker), None)
            if mine is not None:  # else a newer put has taken it away already, and all below it
                older = [one for one in there[mine + 1 :] if not one.marker]
                self._remove(name, [*reversed(older), *(one for one in there if one.marker and not one.latest)])

    def hidden(self, name: str, answer: dict[str, Any]) -> None:
        """A delete was answered: where it only hid the object, all of it goes."""
        self._kept = self._kept or bool(answer.get("VersionId") or answer.get("DeleteMarker"))
        self.remove_all(name)

    @property
    def takes_away(self) -> bool:
        """Whether the bucket is known to keep versions that are ours to delete."""
        return self._kept and not self._keep

    def remove_all(self, name: str) -> bool:
        """Every version of ``name``; False where the bucket keeps none, or it is not for us to do."""
        if self._kept and not self._keep:
            with self._as_far_as_allowed():
                there = self._of(name)
                # From the oldest to the newest, markers last: nothing older ever comes to light.
                stored = [one for one in reversed(there) if not one.marker]
                self._remove(name, [*stored, *(one for one in there if one.marker)])
                return True
        return False

    def notice(self) -> str:
        """What the user should know before the bucket is filled; '' when there is nothing.  Raises BackendError."""
        if self._call("get_bucket_versioning").get("Status") != "Enabled":
            return ""
        if self._keep:
            return f"{KEEPS}, and webraid leaves them there, as you asked. {LIFECYCLE}"
        with self._as_far_as_allowed():
            self._call("list_object_versions", Prefix=self._prefix, MaxKeys=1)
            return ""
        return f"{KEEPS}, and this key may not list them: they will pile up. {LIFECYCLE}"

    @contextlib.contextmanager
    def _as_far_as_allowed(self) -> Iterator[None]:
        """A key that may not do it is no reason to fail: the object is stored, or hidden.  add-backend tells of it."""
        try:
            yield
        except (PermissionDenied, Unsupported):
            self._keep = True

    def _remove(self, name: str, versions: list[_Version]) -> None:
        for one in versions:
            with contextlib.suppress(ObjectNotFound):
                self._call("delete_object", name, VersionId=one.id)

    def _of(self, name: str) -> list[_Version]:
        """All versions of exactly this name, the newest first, markers after the others."""
        key, versions, markers = self._prefix + name, list[_Version](), list[_Version]()
        place: dict[str, str] = {}
        while True:
            page = self._call("list_object_versions", Prefix=key, MaxKeys=PAGE, **place)
            check_listing(page, name)
            for kind, found in (("Versions", versions), ("DeleteMarkers", markers)):
                found += [
                    _Version(str(one.get("VersionId") or ""), bool(one.get("IsLatest")), kind == "DeleteMarkers")
                    for one in page.get(kind, ())
                    if one.get("Key") == key
                ]
            following = str(page.get("NextKeyMarker") or "")
            if not page.get("IsTruncated") or following != key:
                return [*versions, *markers]
            place = {"KeyMarker": following, "VersionIdMarker": str(page.get("NextVersionIdMarker") or "")}


def check_listing(page: Mapping[str, Any], prefix: str) -> None:
    """botocore takes any XML or HTML page for an empty listing; but silence is not absence."""
    if "IsTruncated" not in page and "Name" not in page:
        raise ProtocolError("the answer is no listing: this is no S3 server", key=prefix)
