"""lab: simulated clouds on this machine, to try things out, break them and mend them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli.add_backend import document
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.lab.lab import Cloud, Lab

DIR = Annotated[
    Path | None,
    typer.Option("--dir", metavar="DIR", help="The lab's folder; 'lab' in the state folder if not given."),
]
NAME = Annotated[str, typer.Argument(help="Name of the cloud.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "lab", "Simulated clouds on this machine, to try things out.")
    for name, function in (
        ("up", up), ("ls", ls), ("kill", kill), ("hang", hang), ("slow", slow), ("corrupt", corrupt), ("wipe", wipe),
        ("restore", restore), ("down", down),
    ):  # fmt: skip
        command(group, name)(function)


def up(
    call: Invocation,
    profile: Annotated[
        str, typer.Option(help="lab5, flat6, tail, home, throttle, fast6, demo6, or a .json file.")
    ] = "flat6",
    directory: DIR = None,
    add: Annotated[bool, typer.Option("--add", help="Add every cloud to the pool as an s3 disk.")] = False,
) -> None:
    """Start simulated clouds.

    They run on until 'lab down'; their data stay even then.

    \b
    Example:
      webraid lab up --profile demo6 --dir /tmp/lab --add
    """
    from webraid.lab.lab import start

    there = start(_folder(call, directory), profile, env=call.env)
    if add:
        _add(call, there)
    _show(call, there, "lab up")


def ls(call: Invocation, directory: DIR = None) -> None:
    """List the clouds as they are now.

    \b
    Example:
      webraid lab ls
    """
    _show(call, _open(call, directory), "lab ls")


def kill(call: Invocation, name: NAME, directory: DIR = None) -> None:
    """Refuse all connections to a cloud.

    \b
    Example:
      webraid lab kill c1
    """
    _change(call, directory, "lab kill", lambda lab: lab.kill(name))


def hang(call: Invocation, name: NAME, directory: DIR = None) -> None:
    """Accept connections to a cloud, and never answer.

    \b
    Example:
      webraid lab hang c1
    """
    _change(call, directory, "lab hang", lambda lab: lab.hang(name))


def slow(
    call: Invocation,
    name: NAME,
    factor: Annotated[float, typer.Option(help="So many times slower than its profile says.")] = 10.0,
    rate: Annotated[str, typer.Option(help="Or this rate, such as 500k, in bytes a second.")] = "",
    directory: DIR = None,
) -> None:
    """Make a cloud slow.

    \b
    Example:
      webraid lab slow c1 --factor 20
    """
    _change(call, directory, "lab slow", lambda lab: lab.slow(name, factor, rate=rate or None))


def corrupt(
    call: Invocation,
    name: NAME,
    rate: Annotated[float, typer.Option(help="Share of the downloads, 0 to 1.")] = 1.0,
    directory: DIR = None,
) -> None:
    """Flip a bit in what a cloud serves.

    \b
    Example:
      webraid lab corrupt c1 --rate 0.5
    """
    _change(call, directory, "lab corrupt", lambda lab: lab.corrupt(name, rate))


def wipe(call: Invocation, name: NAME, directory: DIR = None) -> None:
    """Empty a cloud.

    As if the account had been closed and opened again.

    \b
    Example:
      webraid lab wipe c1
    """
    _change(call, directory, "lab wipe", lambda lab: lab.wipe(name))


def restore(call: Invocation, name: NAME, directory: DIR = None) -> None:
    """Let a cloud be well again.

    As its profile says; its data are still there.

    \b
    Example:
      webraid lab restore c1
    """
    _change(call, directory, "lab restore", lambda lab: lab.restore(name))


def down(call: Invocation, directory: DIR = None) -> None:
    """End the lab.  Its data stay for the next 'lab up'.

    \b
    Example:
      webraid lab down
    """
    there = _open(call, directory)
    there.down()
    call.summary(
        lambda: summary("lab down", directory=str(there.directory)),
        lambda screen: screen.line("The lab is down; its data are kept."),
    )


def _folder(call: Invocation, given: Path | None) -> Path:
    return given.expanduser() if given else call.places.state / "lab"


def _open(call: Invocation, given: Path | None) -> Lab:
    from webraid.lab.lab import open_lab

    return open_lab(_folder(call, given), env=call.env)


def _change(call: Invocation, given: Path | None, name: str, change: Callable[[Lab], None]) -> None:
    there = _open(call, given)
    change(there)
    _show(call, there, name)


def _add(call: Invocation, there: Lab) -> None:
    """Clouds that are in the pool already are left as they are."""
    with call.pool() as pool:
        known = {disk.name for disk in pool.status().disks}
        for cloud in there.clouds:
            if cloud.name in known:
                continue
            options = {
                "endpoint": cloud.endpoint, "bucket": cloud.bucket, "access_key": cloud.access_key,
                "secret_key": cloud.secret_key,
            }  # fmt: skip
            with call.job(f"adding {cloud.name}", pool):
                added = pool.add_backend("s3", cloud.name, options, domain=cloud.name)
            call.summary(lambda added=added: document(added), lambda screen, added=added: screen.added(added))  # type: ignore[misc]


def _show(call: Invocation, there: Lab, name: str) -> None:
    clouds = there.clouds
    call.summary(
        lambda: summary(name, directory=str(there.directory), profile=there.profile.name,
                        clouds=[_document(cloud) for cloud in clouds]),
        lambda screen: screen.table(("Cloud", "State", "Up", "Down", "Delay", "Endpoint"), [_row(c) for c in clouds]),
    )  # fmt: skip


def _document(cloud: Cloud) -> dict[str, Any]:
    return dataclasses.asdict(cloud)


def _row(cloud: Cloud) -> list[str]:
    up, down = (f"{show_size(rate)}/s" if rate else "full speed" for rate in (cloud.up, cloud.down))
    return [cloud.name, cloud.state, up, down, f"{cloud.rtt * 1000:.0f} ms", cloud.endpoint]
