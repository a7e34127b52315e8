"""get (restore): a snapshot's files back onto this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents
from webraid.cli.choosing import BACKENDS, HOSTS_H, PATHS, TAGS, which
from webraid.cli.completion import snapshot_names
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import traffic
from webraid.errors import ConfigError, NotInTable

if TYPE_CHECKING:
    from webraid.files.choice import Choice
    from webraid.files.select import Line
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
    in_place: Annotated[bool, typer.Option("--in-place", help="Back to where the files came from.")] = False,
    include: Annotated[
        list[str] | None, typer.Option("--include", "-i", metavar="PATTERN", help="Only this (repeatable).")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", "-e", metavar="PATTERN", help="Not this (repeatable).")
    ] = None,
    iinclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="As -i, capitals do not matter.")
    ] = None,
    iexclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="As -e, capitals do not matter.")
    ] = None,
    include_file: Annotated[list[str] | None, typer.Option(metavar="FILE", help="Patterns for -i, one a line.")] = None,
    exclude_file: Annotated[list[str] | None, typer.Option(metavar="FILE", help="Patterns for -e, one a line.")] = None,
    overwrite: Annotated[
        str,
        typer.Option("--overwrite", metavar="always|if-changed|if-newer|never", help="What is replaced."),
    ] = "never",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what is in restored folders and not in the snapshot.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read all files back and compare.")] = False,
    sparse: Annotated[bool, typer.Option("--sparse", help="Make holes where a file is zeros.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Write nothing; -v lists the files.")] = False,
    numeric_ids: Annotated[bool, typer.Option("--numeric-ids", help="Owners by number, not by name.")] = False,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
    backend: BACKENDS = None,
) -> int:
    """Get files back.

    Writes only below the target.  Interrupted, it goes on where it was when it is run again.  A PATTERN is one of
    .gitignore files, matched with the paths that 'webraid ls' shows.

    \b
    What is there already and the same stays.  --overwrite says what else is replaced:
      never        nothing (as if nothing is said)
      if-newer     files that are older than in the snapshot
      if-changed   files of another size or time
      always       the same, and every file's content is compared

    \b
    Examples:
      webraid get -t restored
      webraid get latest:photos/2024 -t restored
      webraid get 4f3a12cd photos/a.jpg photos/b.jpg -t restored
      webraid get --host laptop --include '*.jpg' --exclude '/photos/raw/' -t restored --verify
      webraid get latest photos --in-place --overwrite if-changed --delete --dry-run -v
    """
    choice = _choice(
        _lines(include, iinclude, include_file, "--include"), _lines(exclude, iexclude, exclude_file, "--exclude")
    )
    some = which(host, path, tag)
    call.only = backend or ()
    with call.pool() as pool:
        with call.job("get", pool):
            snapshot, paths = sort_words(pool, words or [])
            try:
                result = pool.get(
                    snapshot, paths, to=target, which=some, overwrite=overwrite, choice=choice, delete=delete,
                    verify=verify, sparse=sparse, in_place=in_place, dry_run=dry_run, numeric_ids=numeric_ids,
                    listing=bool(call.flags.verbose),
                )  # fmt: skip
            except NotInTable as error:
                raise _neither(error, words or [], paths) from error
        flows = traffic(pool)
    tell = call.show if result.exit_code else call.summary  # -q hides what went as it should, nothing else
    tell(lambda: documents.got(result, flows), lambda screen: screen.got(result, flows))
    return result.exit_code


def _lines(
    patterns: list[str] | None, any_case: list[str] | None, files: list[str] | None, flag: str
) -> tuple[Line, ...]:
    from webraid.files.select import lines, lines_of

    if any(not text.strip() for text in (*(patterns or []), *(any_case or []))):
        raise ConfigError(f"{flag} needs a pattern", hint="Is a variable of your shell empty?")
    found = (*lines(patterns or []), *lines(any_case or [], any_case=True))
    return (*found, *(line for file in files or [] for line in lines_of(file)))


def _choice(include: tuple[Line, ...], exclude: tuple[Line, ...]) -> Choice:
    from webraid.files.choice import Choice

    return Choice(include, exclude)


def _neither(error: NotInTable, words: list[str], paths: list[str]) -> NotInTable:
    """The first word may have been meant as a snapshot."""
    if not paths or paths != words or not str(error).startswith("nothing in snapshot"):
        return error
    text = f"{words[0]!r} is neither a snapshot nor a path in the latest one"
    text += f": {error}" if len(words) > 1 else ""
    return NotInTable(text, hint="'webraid snapshots' lists all snapshots, 'webraid ls latest' what the latest holds.")


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
