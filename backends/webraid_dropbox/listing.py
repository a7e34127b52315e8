"""A recursive listing as Dropbox tells it: pages of what is there and of what changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from webraid_dropbox.sdk import sdk


class Listing:
    """All files, by lower-case path; told what the SDK's list_folder says one must do with each entry."""

    def __init__(self) -> None:
        self._files: dict[str, Any] = {}
        self._folders: set[str] = set()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._files.items())

    def tell(self, entries: Iterable[Any]) -> None:
        """A page.  An entry without a path lies in a folder that is not mounted."""
        files = sdk().files
        for entry in entries:
            path = entry.path_lower
            if path is None:
                continue
            if isinstance(entry, files.FileMetadata):
                self._remove_below(path)
                self._files[path] = entry
                self._add_folders(path)
            elif isinstance(entry, files.DeletedMetadata):
                self._files.pop(path, None)
                self._remove_below(path)
            else:  # a folder
                self._files.pop(path, None)
                self._folders.add(path)

    def _add_folders(self, path: str) -> None:
        """Those that ``path`` lies in, as far up as none is known."""
        folder = path.rpartition("/")[0]
        while folder and folder not in self._folders:
            self._folders.add(folder)
            folder = folder.rpartition("/")[0]

    def _remove_below(self, path: str) -> None:
        if path in self._folders:
            start = f"{path}/"
            self._folders = {known for known in self._folders if known != path and not known.startswith(start)}
            self._files = {known: entry for known, entry in self._files.items() if not known.startswith(start)}
