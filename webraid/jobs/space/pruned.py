"""What prune tells of its work."""

from __future__ import annotations

from dataclasses import dataclass, field

from webraid.errors import EXIT_DEGRADED, EXIT_ERROR, EXIT_OK, worst


@dataclass(slots=True)
class DiskSpace:
    """Bytes of shards on a disk: ``stored`` before; ``freed``: deleted now (or would be); ``later``: condemned, deleted
    when their time has come.  ``problem``: why nothing, or not everything, was deleted there; ``refused``: the disk was
    asked to, and would not."""

    name: str
    stored: int = 0
    freed: int = 0
    later: int = 0
    problem: str = ""
    refused: bool = False


@dataclass(slots=True)
class Pruned:
    """What a prune did, or would do.  Each pair: packs, and bytes of their shards on all disks.

    ``condemned``: now; ``waiting``: condemned before and not due (``until_ms``: when all of it is); ``swept``: deleted
    for good; ``moved``: old copies of shards that lie elsewhere by now (shards, bytes); ``repacked``: packs whose used
    part was stored anew (bytes of that part; ``repack_frees``: of the rest, about); ``pinned``: unfinished runs of the
    machines ``unfinished`` may need them; ``locked``: only forgotten snapshots need them that are too ``young`` (all
    of them until ``young_until_ms``);
    ``unused``: bytes in packs that stay.  ``forgotten``: snapshots that are struck off and whose data is there still.
    ``held``: what only the owner can let pass.
    """

    dry_run: bool = False
    now: bool = False
    snapshots: int = 0
    forgotten: list[str] = field(default_factory=list)
    young: list[str] = field(default_factory=list)
    young_until_ms: int = 0
    stored: int = 0
    unused: int = 0
    condemned: tuple[int, int] = (0, 0)
    waiting: tuple[int, int] = (0, 0)
    until_ms: int = 0
    swept: tuple[int, int] = (0, 0)
    moved: tuple[int, int] = (0, 0)
    repacked: tuple[int, int] = (0, 0)
    repack_frees: int = 0
    pinned: tuple[int, int] = (0, 0)
    unfinished: list[str] = field(default_factory=list)
    locked: tuple[int, int] = (0, 0)
    spared: int = 0
    orphans: int = 0
    objects: int = 0
    disks: list[DiskSpace] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    declined: bool = False
    seconds: float = 0.0

    @property
    def freed(self) -> int:
        """Bytes on all disks."""
        return sum(disk.freed for disk in self.disks)

    @property
    def exit_code(self) -> int:
        """Not 0 where the owner is needed, or a disk would not delete."""
        held = bool(self.held) and not self.dry_run
        refused = any(disk.refused for disk in self.disks)
        return worst(EXIT_ERROR if held or self.declined else EXIT_OK, EXIT_DEGRADED if refused else EXIT_OK)
