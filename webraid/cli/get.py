"""get (restore): a snapshot's files back onto this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents
from webraid.cli.completion import snapshot_names
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import traffic

if TYPE_CHECKING:
    from webraid.pool import Pool

LATEST = "latest"
WORDS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SNAP[:SUB]] [PATH...]",
        help="A snapshot ('latest' if none is named), and what of it.",
        show_default=False,
        autocompletion=snapshot_names,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command and its second name."""
    command(app, "get")(get)
    command(app, "restore", hidden=True)(get)


def get(
    call: Invocation,
    words: WORDS = None,
    target: Annotated[
        Path | None,
        typer.Option("--target", "-t", metavar="FOLDER", help="Where to; ./webraid-restore-SNAP if not given."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
    numeric_ids: Annotated[bool, typer.Option("--numeric-ids", help="Owners by number, not by name.")] = False,
) -> int:
    """Get files back.

    Writes only below the target.  Interrupted, it goes on where it was when it is run again.

    \b
    Examples:
      webraid get -t restored
      webraid get latest:photos/2024 -t restored
      webraid get 4f3a12cd photos/a.jpg photos/b.jpg -t restored
    """
    with call.pool() as pool:
        with call.job("get", pool):
            snapshot, paths = sort_words(pool, words or [])
            result = pool.get(snapshot, paths, to=target, overwrite=overwrite, numeric_ids=numeric_ids)
        flows = traffic(pool)
    tell = call.show if result.exit_code else call.summary  # -q hides what went as it should, nothing else
    tell(lambda: documents.got(result, flows), lambda screen: screen.got(result, flows))
    return result.exit_code


def sort_words(pool: Pool, words: list[str]) -> tuple[str, list[str]]:
    """The snapshot and the paths.  The first word is a snapshot only if there is one of that name."""
    if not words:
        return LATEST, []
    if pool.is_snapshot(words[0]):
        return words[0], words[1:]
    if _hexadecimal(words[0].partition(":")[0]):  # it may name one that this machine has not heard of yet
        pool.snapshots()
        if pool.is_snapshot(words[0]):
            return words[0], words[1:]
    return LATEST, words


def _hexadecimal(word: str) -> bool:
    return len(word) >= 4 and all(letter in "0123456789abcdef" for letter in word.lower())
