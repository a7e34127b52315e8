"""Where the entries of a snapshot go: below a target, or each root back to where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webraid.entry import Entry, EntryType
from webraid.errors import ConfigError
from webraid.files.problem import display
from webraid.jobs.base.context import Context
from webraid.jobs.base.snapshots import Selection, below, entries


@dataclass(frozen=True, slots=True)
class Destination:
    """``cut``: the folder of the snapshot that becomes ``put`` below ``target`` (b'': the target itself).  ``under``:
    what of the snapshot is wanted."""

    target: Path
    cut: bytes = field(repr=False)
    put: bytes = field(repr=False)
    under: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def is_folder(self) -> bool:
        """Whether the target itself stands for a folder of the snapshot."""
        return bool(self.cut) and not self.put

    def place(self, path: bytes) -> bytes:
        """Where a path of the snapshot is put; b'' for the target itself."""
        rest = path[len(self.cut) + 1 :] if self.cut else path
        return b"/".join(part for part in (self.put, rest) if part)

    def asked(self, path: bytes) -> bytes:
        """The path that --include and --exclude see: as the snapshot has it, or as it is below the target where this
        stands for a folder of the snapshot."""
        return self.cut + path[len(self.put) :] if self.put else path

    def moved(self, entry: Entry) -> Entry | None:
        """The entry as it is restored; None for the folder that the target stands for."""
        path = self.place(entry.path)
        if not path:
            if entry.type is EntryType.DIR:
                return None
            path = entry.path.rpartition(b"/")[2]
        if path == entry.path and not self.cut:
            return entry
        inside = below(entry.hardlink, self.cut)
        hardlink = self.place(entry.hardlink) if inside else entry.hardlink and b"/" + entry.hardlink
        return msgspec.structs.replace(entry, path=path, hardlink=hardlink)

    def entries(self, ctx: Context, selection: Selection) -> Iterator[tuple[Entry, Entry | None]]:
        """(as the snapshot has it, as it is restored) in path order."""
        whole = Selection(selection.shot)
        return ((entry, self.moved(entry)) for entry in entries(ctx, whole, self.under))


def at_target(selection: Selection, paths: Sequence[bytes], target: Path) -> list[Destination]:
    """All below one folder; of 'SNAP:folder' what is in that folder."""
    return [Destination(target, selection.sub, b"", _under(selection, paths))]


def in_place(selection: Selection, paths: Sequence[bytes]) -> list[Destination]:
    """Every root, as far as it is wanted, back to where it was stored from.  Raises ConfigError where it has no such
    place."""
    found = []
    under = _under(selection, paths)
    for root in selection.shot.info.roots:
        wanted = tuple(root.name if below(root.name, path) else path for path in under if _meet(root.name, path))
        if under and not wanted:
            continue
        if not root.origin.startswith(b"/") or b"/../" in root.origin + b"/":
            raise ConfigError(
                f"{display(root.name)} was not stored from a folder or file: it has no place to go back to",
                hint="Give a target with -t.",
            )
        folder, _, name = root.origin.rstrip(b"/").rpartition(b"/")
        target = Path("/" if not folder else folder.decode("utf-8", "surrogateescape"))
        found.append(Destination(target, root.name, name, wanted or (root.name,)))
    return found


def _meet(root: bytes, path: bytes) -> bool:
    return below(path, root) or below(root, path)


def _under(selection: Selection, paths: Sequence[bytes]) -> tuple[bytes, ...]:
    parts = [path.strip(b"/") for path in paths] or [b""]
    under = [b"/".join(part for part in (selection.sub, path) if part) for path in parts]
    return tuple(under) if all(under) else ()
