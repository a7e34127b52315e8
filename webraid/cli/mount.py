"""mount: all snapshots as a folder, read-only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli.choosing import HOSTS, PATHS, TAGS, which
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import many

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.browsing.browse import Browser
    from webraid.mount.point import Options

CACHE = Annotated[str, typer.Option("--cache", metavar="SIZE", help="How much content to keep in memory.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "mount")(mount)


def mount(
    call: Invocation,
    where: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder.", show_default=False)],
    host: HOSTS = None,
    tag: TAGS = None,
    path: PATHS = None,
    cache: CACHE = "64 MiB",
    allow_other: Annotated[bool, typer.Option("--allow-other", help="Other users may look into it, too.")] = False,
    no_default_permissions: Annotated[
        bool, typer.Option("--no-default-permissions", help="Whoever may look may read every file, whatever its mode.")
    ] = False,
    owner_root: Annotated[bool, typer.Option("--owner-root", help="Show root as the owner of everything.")] = False,
) -> None:
    """Show all snapshots as a folder.

    Read-only, until Ctrl-C.  In it: snapshots/, ids/, hosts/ and tags/, each with a folder a snapshot; 'latest' leads
    to the newest.  Only what is looked at is fetched, from whichever disks are there.  A snapshot made meanwhile
    appears within a minute.

    \b
    Examples:
      webraid mount ~/snapshots
      webraid mount ~/snapshots --host laptop --cache 256MiB
      cp -a ~/snapshots/snapshots/latest/photos/2024 .
    """
    from webraid.model import parse_size
    from webraid.mount.point import Options, check

    options = Options(allow_other=allow_other, permissions=not no_default_permissions, owner_root=owner_root)
    where = Path(os.path.abspath(where))
    check(where, options)
    size = parse_size(cache)
    with (
        call.pool() as pool,
        pool.browse(which=which(host, path, tag), cache=size) as browser,
    ):
        _mount(call, browser, where, options)


def _mount(call: Invocation, browser: Browser, where: Path, options: Options) -> None:
    from webraid.mount.point import serve, unmount_hint

    def ready() -> None:
        document = {"message_type": "mounted", "mountpoint": str(where), "snapshots": len(browser.shots)}
        call.summary(lambda: document, lambda screen: _begun(screen, where, len(browser.shots), unmount_hint(where)))

    left = serve(browser, where, options, on_ready=ready)
    call.summary(
        lambda: summary("mount", mountpoint=str(where), open_files=left), lambda screen: _ended(screen, where, left)
    )


def _begun(screen: Screen, where: Path, count: int, hint: str) -> None:
    screen.line(f"{many(count, 'snapshot')} in {where}, read-only.")
    screen.line(f"End it with Ctrl-C, or from elsewhere with: {hint}")


def _ended(screen: Screen, where: Path, left: int) -> None:
    screen.line(f"{where} is unmounted.")
    if left:
        screen.line(
            f"{many(left, 'file')} in it {'was' if left == 1 else 'were'} still open: their programs get errors."
        )
