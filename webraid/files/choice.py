"""Which entries of a snapshot a restore is about: --include and --exclude, in the patterns of .gitignore files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webraid.files.safepath import split
from webraid.files.select import Line, Rules, Spec

KEPT = 4096  # folders whose answer is remembered


@dataclass(frozen=True, slots=True)
class _Standing:
    """What holds for a folder, and for all below it of which no pattern says otherwise."""

    included: bool
    excluded: bool

    @property
    def wanted(self) -> bool:
        return self.included and not self.excluded


class Choice:
    """Answers for paths of a snapshot.  What lies below a matched folder is matched with it; of several patterns the
    last one that matches counts, and '!pattern' takes back.  An excluded folder is excluded with all that is in it."""

    def __init__(self, include: Sequence[Line] = (), exclude: Sequence[Line] = ()) -> None:
        """Raises ConfigError when a pattern can never match."""
        Rules((*include, *exclude)).check()
        self._include, self._exclude = Spec(include), Spec(exclude)
        self._top = _Standing(included=not include, excluded=False)
        self._folders: dict[bytes, _Standing] = {}

    def __bool__(self) -> bool:
        """Whether there is any pattern."""
        return bool(self._include or self._exclude)

    @property
    def narrow(self) -> bool:
        """Whether only what is included is wanted."""
        return not self._top.included

    def __call__(self, path: bytes, is_dir: bool) -> bool:
        """Whether this path is restored.  A folder that is not may hold things that are."""
        return not self or self._standing(path, is_dir).wanted

    def _standing(self, path: bytes, is_dir: bool) -> _Standing:
        known = self._folders.get(path) if is_dir else None
        if known is not None:
            return known
        parts = path.split(b"/")
        standing, at = self._top, len(parts)
        while at > 1 and b"/".join(parts[: at - 1]) not in self._folders:
            at -= 1
        if at > 1:
            standing = self._folders[b"/".join(parts[: at - 1])]
        for count in range(at, len(parts) + 1):
            here, folder = b"/".join(parts[:count]), count < len(parts) or is_dir
            standing = self._below(standing, here, folder)
            if folder:
                self._remember(here, standing)
        return standing

    def _below(self, above: _Standing, path: bytes, is_dir: bool) -> _Standing:
        if above.excluded:
            return above
        text, name = path.decode("utf-8", "surrogateescape"), split(path)[1].decode("utf-8", "surrogateescape")
        included = self._include.verdict(text, name, is_dir)
        excluded = self._exclude.verdict(text, name, is_dir)
        return _Standing(above.included if included is None else included, bool(excluded))

    def _remember(self, path: bytes, standing: _Standing) -> None:
        if len(self._folders) >= KEPT:
            self._folders.clear()
        self._folders[path] = standing


EVERYTHING = Choice()
