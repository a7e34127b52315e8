"""put (backup): files and folders become a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import pages_put
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.times import moment_of
from webraid.cli.traffic import traffic
from webraid.errors import ConfigError, worst

if TYPE_CHECKING:
    from webraid.files.listed import ListKind
    from webraid.files.select import Rules
    from webraid.jobs.storing.put import PutOptions, PutResult
    from webraid.pool import Pool

Words = list[str] | None
STDIN_NAME = "stdin"


def register(app: typer.Typer) -> None:
    """Add the command and its second name."""
    command(app, "put")(put)
    command(app, "backup", hidden=True)(put)


def _many(*spelled: str, metavar: str, help: str) -> Any:
    return typer.Option(*spelled, metavar=metavar, help=help, show_default=False)


def put(
    call: Invocation,
    paths: Annotated[
        Words,
        typer.Argument(
            metavar="[PATH...]", help="Files and folders; none: the sources in the config.", show_default=False
        ),
    ] = None,
    level: Annotated[str, typer.Option(help="Another level than the pool's, such as raid5.")] = "",
    tag: Annotated[Words, _many("--tag", metavar="TAG", help="May be given several times.")] = None,
    source: Annotated[Words, _many("--source", metavar="NAME", help="Only this source of the config.")] = None,
    exclude: Annotated[
        Words, _many("--exclude", "-e", metavar="PATTERN", help="Leave out, as in a .gitignore file.")
    ] = None,
    iexclude: Annotated[Words, _many("--iexclude", metavar="PATTERN", help="The same, capitals or not.")] = None,
    exclude_file: Annotated[
        Words, _many("--exclude-file", metavar="FILE", help="Patterns to leave out, a line each.")
    ] = None,
    iexclude_file: Annotated[Words, _many("--iexclude-file", metavar="FILE", help="The same, capitals or not.")] = None,
    exclude_if_present: Annotated[
        Words,
        _many(
            "--exclude-if-present", metavar="NAME[:TEXT]", help="Leave out what is beside such a file (that begins so)."
        ),
    ] = None,
    exclude_caches: Annotated[
        bool, typer.Option("--exclude-caches", help="Leave out what is in folders with a CACHEDIR.TAG.")
    ] = False,
    exclude_larger_than: Annotated[
        str, typer.Option("--exclude-larger-than", metavar="SIZE", help="Leave out larger files.", show_default=False)
    ] = "",
    gitignore: Annotated[bool, typer.Option("--gitignore", help="Heed .gitignore files.")] = False,
    one_file_system: Annotated[
        bool, typer.Option("--one-file-system", "-x", help="Do not enter other file systems.")
    ] = False,
    files_from: Annotated[
        Words, _many("--files-from", metavar="FILE", help="A list of paths, with '*', '?' and '#'; '-': stdin.")
    ] = None,
    files_from_verbatim: Annotated[
        Words, _many("--files-from-verbatim", metavar="FILE", help="A list of paths, a line each.")
    ] = None,
    files_from_raw: Annotated[
        Words, _many("--files-from-raw", metavar="FILE", help="A list of paths, each ended by a NUL.")
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Store standard input as one file.")] = False,
    stdin_from_command: Annotated[
        bool, typer.Option("--stdin-from-command", help="Store what the command behind '--' prints.")
    ] = False,
    stdin_filename: Annotated[
        str, typer.Option("--stdin-filename", metavar="NAME", help="What that file is called.")
    ] = STDIN_NAME,
    host: Annotated[
        str, typer.Option("--host", "-H", metavar="NAME", help="Another name for this machine.", show_default=False)
    ] = "",
    parent: Annotated[
        str,
        typer.Option("--parent", metavar="SNAP", help="Compare files with this snapshot.", show_default=False),
    ] = "",
    force: Annotated[bool, typer.Option("--force", "-f", help="Read every file, changed or not.")] = False,
    ignore_inode: Annotated[bool, typer.Option("--ignore-inode", help="Another inode alone is no change.")] = False,
    ignore_ctime: Annotated[
        bool, typer.Option("--ignore-ctime", help="Another change time (ctime) alone is no change.")
    ] = False,
    skip_if_unchanged: Annotated[
        bool, typer.Option("--skip-if-unchanged", help="No snapshot when nothing has changed.")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="What has vanished was deleted on purpose.")
    ] = False,
    compression: Annotated[str, typer.Option(metavar="MODE", help="auto, off or max.")] = "auto",
    min_redundancy: Annotated[
        int,
        typer.Option(metavar="N", show_default=False, help="No snapshot that survives fewer than N losses."),
    ] = 0,
    time: Annotated[
        str,
        typer.Option(metavar="TIME", show_default=False, help="Date the snapshot back, such as '2026-11-21 03:00:00'."),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be stored; -v names every file.")
    ] = False,
    no_scan: Annotated[
        bool, typer.Option("--no-scan", help="Do not count beside what there is: no total, no time left.")
    ] = False,
) -> int:
    """Store files and folders as a snapshot.

    A PATH is stored under its base name.  What is stored already is not sent again; what an interrupted run sent is
    used.  Without PATH every source of the config is stored, each as a snapshot of its own.  docs/guide/selection.md
    tells how to leave things out.

    \b
    Examples:
      webraid put ~/photos ~/mail --tag weekly
      webraid put ~/work -e '*.o' -e '/build/' --exclude-caches -n -v
      webraid put --source photos
      webraid put --stdin-filename shop.sql --stdin-from-command -- pg_dump shop
    """
    words = paths or []
    streams = stdin or stdin_from_command
    lists = _lists(files_from, files_from_verbatim, files_from_raw)
    _refuse(words, lists, source or [], stdin=stdin, command=stdin_from_command)
    if min_redundancy < 0:
        raise ConfigError(f"--min-redundancy: {min_redundancy} is not a number of losses", hint="Write 0, 1, 2 ...")
    rules = _rules(exclude, iexclude, exclude_file, iexclude_file, exclude_if_present)
    rules = _more(rules, exclude_caches, exclude_larger_than, gitignore, one_file_system)
    options = _options(
        call, level=level, tags=_tags(tag), host=host, rules=rules, parent=parent, force=force,
        ignore_inode=ignore_inode, ignore_ctime=ignore_ctime, skip_if_unchanged=skip_if_unchanged, dry_run=dry_run,
        allow_empty=allow_empty, compression=compression, least=min_redundancy,
        time_ms=moment_of(time), scan=not (no_scan or streams) and call.listener.draws,
    )  # fmt: skip

    def store(pool: Pool) -> list[PutResult]:
        if streams:
            return [pool.put_stream(stdin_filename, words if stdin_from_command else (), options=options)]
        if words or lists:
            return [pool.put(words, options=options, lists=lists)]
        return pool.put_sources(source or (), options=options)

    return _run(call, store)


def _run(call: Invocation, store: Any) -> int:
    with call.pool() as pool:
        with call.job("put", pool):
            results = store(pool)
        flows = traffic(pool)
    code = worst(*(result.exit_code for result in results))
    tell = call.show if code or results[0].dry_run else call.summary  # -q hides what went as it should, nothing else
    tell(lambda: pages_put.document(results, flows), lambda screen: pages_put.page(screen, results, flows))
    return code


# ------------------------------------------------------------------------------------------------- what the flags mean
def _tags(given: Words) -> tuple[str, ...]:
    return tuple(word for text in given or [] for word in text.split(",") if word)


def _lists(patterns: Words, verbatim: Words, raw: Words) -> list[tuple[str, ListKind]]:
    from webraid.files.listed import ListKind

    return [
        *((name, ListKind.PATTERNS) for name in patterns or []),
        *((name, ListKind.VERBATIM) for name in verbatim or []),
        *((name, ListKind.RAW) for name in raw or []),
    ]


def _refuse(
    words: list[str], lists: list[tuple[str, ListKind]], sources: list[str], *, stdin: bool, command: bool
) -> None:
    """Flags that contradict each other.  Raises ConfigError."""
    hint = "See 'webraid put --help'."
    if command and not words:
        raise ConfigError("no command was given", hint="Write it behind '--': --stdin-from-command -- pg_dump shop.")
    if stdin and (command or words):
        raise ConfigError("--stdin stores standard input and nothing else: no PATH and no command besides", hint=hint)
    if (stdin or command) and (lists or sources):
        raise ConfigError("a stream is stored alone: neither lists nor sources besides", hint=hint)
    if sources and (words or lists):
        raise ConfigError("either PATHs, or sources of the config", hint=hint)
    if sum(name == "-" for name, _ in lists) > 1:
        raise ConfigError("only one list can come from standard input", hint=hint)


def _rules(exclude: Words, iexclude: Words, files: Words, ifiles: Words, markers: Words) -> Rules:
    from webraid.files.select import Line, Rules, lines, lines_of

    found: tuple[Line, ...] = ()
    for name in files or []:
        found += lines_of(name)
    for name in ifiles or []:
        found += lines_of(name, any_case=True)
    return Rules((*found, *lines(exclude or []), *lines(iexclude or [], any_case=True)), tuple(markers or []))


def _more(rules: Rules, caches: bool, larger_than: str, gitignore: bool, one_file_system: bool) -> Rules:
    from dataclasses import replace

    from webraid.model import parse_size

    return replace(
        rules, caches=caches, larger_than=parse_size(larger_than) if larger_than else None, gitignore=gitignore,
        one_file_system=one_file_system,
    )  # fmt: skip


def _options(call: Invocation, *, compression: str, **values: Any) -> PutOptions:
    from webraid.jobs.storing.put import Compression, PutOptions

    if compression not in set(Compression):
        raise ConfigError(f"{compression!r} is no way to compress", hint="auto, off or max.")
    return PutOptions(compression=Compression(compression), list_files=call.flags.verbose > 0, **values)
