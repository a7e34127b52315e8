"""serve webdav: all snapshots for every program that speaks WebDAV, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli.choosing import HOSTS, PATHS, TAGS, which
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.cli.mount import CACHE
from webraid.cli.words import many
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.serve.webdav import Address, Login

USER = "webraid"
VARIABLE = "WEBRAID_SERVE_PASSWORD"


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = family(app, "serve", "Show all snapshots to other programs, read-only.")
    command(group, "webdav")(webdav)


def webdav(
    call: Invocation,
    addr: Annotated[
        str, typer.Option("--addr", metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:8633",
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help=f"Who may read [{USER}].")] = None,
    user_password_file: Annotated[
        Path | None,
        typer.Option(
            "--user-password-file", metavar="FILE", help=f"That user's password is in this file [{VARIABLE}]."
        ),
    ] = None,
    host: HOSTS = None,
    tag: TAGS = None,
    path: PATHS = None,
    cache: CACHE = "64 MiB",
) -> None:
    """Show all snapshots over WebDAV.

    Read-only, until Ctrl-C: to file managers, media players, browsers and rclone.  Without a password only programs on
    this machine are answered.  There is no TLS: over a network use a VPN, an SSH tunnel or a proxy that has it.

    The password is one of its own, not the pool's passphrase.

    \b
    Examples:
      webraid serve webdav
      webraid serve webdav --addr 0.0.0.0:8633 --user anna --user-password-file anna.txt
      rclone copy :webdav:snapshots/latest/photos photos --webdav-url http://127.0.0.1:8633
    """
    from webraid.model import parse_size
    from webraid.serve.webdav import Webdav, check, parse_address

    address, login = parse_address(addr), _login(call, user, user_password_file)
    check(address, login)
    size = parse_size(cache)
    with (
        call.pool() as pool,
        pool.browse(which=which(host, path, tag), cache=size) as browser,
    ):
        server = Webdav(browser, address, login)
        there, count = server.address, len(browser.shots)
        document = {"message_type": "serving", "url": there.url, "snapshots": count, "password": login is not None}
        call.summary(lambda: document, lambda screen: _begun(screen, there, count, login))
        server.run()
    call.summary(lambda: summary("serve webdav", url=there.url), lambda screen: screen.line("The server has ended."))


def _login(call: Invocation, user: str | None, file: Path | None) -> Login | None:
    from webraid.serve.webdav import Login

    password = call.environ.get(VARIABLE, "")
    if file is not None:
        try:
            password = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except UnicodeDecodeError:
            raise ConfigError(f"{file} is no text", hint="Its first line is the password.") from None
    if password:
        return Login(user or USER, password)
    if file is not None:
        raise ConfigError(f"{file} holds no password", hint="Its first line is the password.")
    if user is not None:
        raise ConfigError("a user without a password", hint=f"Give --user-password-file, or set {VARIABLE}.")
    return None


def _begun(screen: Screen, address: Address, count: int, login: Login | None) -> None:
    screen.line(f"{many(count, 'snapshot')} at {address.url}, read-only.")
    if login is None:
        screen.line("No password is asked for: every user of this machine can read everything.")
    elif not address.local:
        screen.line("Without TLS: whoever listens on the network can read along. Use a VPN, or a proxy with TLS.")
    screen.line("End it with Ctrl-C.")
