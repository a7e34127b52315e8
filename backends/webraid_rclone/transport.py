"""The two ways to talk to rclone have one shape, which is said here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from webraid.backend.base import Bytes


@dataclass(frozen=True, slots=True)
class Remote:
    """What rclone tells of a remote: ``features`` and ``hashes`` as it names them."""

    features: Mapping[str, bool]
    hashes: tuple[str, ...]

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Remote:
        """From operations/fsinfo or 'rclone backend features'."""
        features = {str(name): bool(value) for name, value in (told.get("Features") or {}).items()}
        return cls(features, tuple(str(name).lower() for name in told.get("Hashes") or ()))

    def can(self, feature: str) -> bool:
        return self.features.get(feature, False)


@dataclass(frozen=True, slots=True)
class Item:
    """A file that a remote has.  ``hash``: hex, '' where it told none."""

    name: str
    size: int
    hash: str = ""

    @classmethod
    def from_json(cls, told: Mapping[str, Any], algorithm: str) -> Item:
        """From operations/list, operations/stat or lsjson."""
        hashes = {str(name).lower(): str(value).lower() for name, value in (told.get("Hashes") or {}).items()}
        return cls(str(told["Path"]), int(told["Size"]), hashes.get(algorithm, "") if algorithm else "")


class Transport(Protocol):
    """One remote folder, used by one thread.  Names are relative to it.  ``algorithm``: the hash that is wanted, '' for
    none.  Everything raises BackendError, OSError, HTTPException, ValueError."""

    def about_remote(self) -> Remote:
        """What it can do."""

    def upload(self, name: str, data: Bytes) -> None:
        """Whole, or an error; where the remote shows what is half there, so does this."""

    def download(self, name: str, offset: int, size: int | None) -> bytes:
        """``size`` bytes from ``offset``; None (with offset 0): all.  ObjectNotFound."""

    def stat(self, name: str, algorithm: str) -> Item | None:
        """None when it is not there."""

    def list(self, folder: str, algorithm: str) -> Iterator[Item]:
        """Every file below a folder, with its path from the root.  Misconfigured with the code FOLDER when that is not
        there."""

    def move(self, name: str, to: str) -> None:
        """Over what is there."""

    def delete(self, name: str) -> None:
        """ObjectNotFound where there is none."""

    def sweep(self, folder: str, age: str) -> None:
        """Delete what is below a folder and older than ``age`` ('24h'); a missing folder is no error."""

    def usage(self) -> Mapping[str, Any]:
        """'total', 'used', 'free' in bytes, as far as it tells."""

    def make_root(self) -> None:
        """Make the folder itself."""

    def root_is_there(self) -> bool:
        """Whether it is there."""

    def close(self) -> None:
        """Of the child process, too, if this was its last user.  May be called again."""
