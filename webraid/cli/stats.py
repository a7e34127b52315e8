"""stats: how much is stored, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import many
from webraid.errors import ConfigError
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.space.stats import Measured, Space


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "stats")(stats)


def stats(
    call: Invocation,
    snapshots: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SNAP...]", help="Measure only these.", show_default=False),
    ] = None,
    mode: Annotated[
        str, typer.Option(metavar="MODE", help="restore-size, raw-data or files-by-contents.")
    ] = "restore-size",
) -> None:
    """Tell how much the snapshots hold, and what takes space.

    restore-size counts every file of every snapshot; files-by-contents each content once; raw-data each chunk once, as
    it is stored, before parity.

    \b
    Examples:
      webraid stats
      webraid stats latest --mode raw-data
    """
    from webraid.jobs.space.stats import MODES

    if mode not in MODES:
        raise ConfigError(f"{mode!r} is no mode", hint=f"Choose one of {', '.join(MODES)}.")
    with call.pool() as pool, call.hush(people=False):
        measured, space = pool.stats(snapshots or [], mode=mode)
    call.show(lambda: document(measured, space), lambda screen: page(screen, measured, space))


def document(measured: Measured, space: Space) -> dict[str, Any]:
    """For programs: restic's fields, then the pool's.  Sizes in bytes."""
    raw: dict[str, Any] = {}
    if measured.mode == "raw-data":
        raw = {
            "total_uncompressed_size": measured.plain,
            "compression_ratio": measured.plain / measured.size if measured.size else 1.0,
            "total_blob_count": measured.chunks,
        }
    return documents.summary(
        "stats",
        mode=measured.mode,
        snapshots_count=measured.snapshots,
        total_file_count=measured.files,
        total_size=measured.size,
        **raw,
        pool={
            "stored": space.stored,
            "payload": space.payload,
            "sealed": space.sealed,
            "plain": space.plain,
            "table": space.table,
            "overhead": space.overhead,
            "data_packs": space.data_packs,
            "table_packs": space.table_packs,
            "chunks": space.chunks,
            "index_segments": space.segments,
            "free_now": space.free_now,
            "free_later": space.free_later,
            "condemned": space.condemned,
            "unused": space.unused,
            "duplicate": space.duplicate,
            "problem": space.problem,
        },
        disks=[{"name": name, "stored": size} for name, size in space.disks.items()],
    )


def page(screen: Screen, measured: Measured, space: Space) -> None:
    """For people."""
    screen.line(f"{many(measured.snapshots, 'snapshot')}, {measured.mode}: {show_size(measured.size)}")
    rows = [("files", f"{measured.files:,}")]
    if measured.mode == "raw-data":
        rows = [("chunks", f"{measured.chunks:,}"), ("before compression", show_size(measured.plain))]
    screen.pairs(rows)
    screen.line()
    screen.line(f"The pool: {show_size(space.stored)} on {many(len(space.disks), 'disk')}")
    ratio = space.plain / space.sealed if space.sealed else 1.0
    screen.pairs(
        [
            ("contents", f"{many(space.chunks, 'chunk')}, {show_size(space.plain)}"),
            ("compressed to", f"{show_size(space.sealed)} ({ratio:.2f} to 1)"),
            ("parity and copies", f"{space.overhead:.2f} bytes for each byte of a pack"),
            ("packs", f"{space.data_packs:,} of data, {space.table_packs:,} of the table ({show_size(space.table)})"),
            *_needless(space),
        ]
    )
    screen.line()
    screen.table(("Disk", "Stored"), [[name, show_size(size)] for name, size in space.disks.items()], ("Stored",))
    if space.problem:
        screen.line(f"What could be freed is not known: {space.problem}")
    elif space.free_now or space.free_later:
        screen.next_step("webraid prune --dry-run")


def _needless(space: Space) -> list[tuple[str, str]]:
    rows = [
        ("prune frees now", space.free_now),
        ("prune frees later", space.free_later),
        ("unused, but stays", space.unused),
        ("stored twice", space.duplicate),
    ]
    return [(name, show_size(size)) for name, size in rows if size is not None]
