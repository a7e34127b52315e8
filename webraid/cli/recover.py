"""recover: the whole pool back from any one disk, on an empty machine."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from webraid.cli import kind_options, pages_keys, passphrase
from webraid.cli.add_backend import WORDS
from webraid.cli.dialogue import dialogue
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.wizard import complete
from webraid.errors import EXIT_ALARM, EXIT_OK, ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "recover", cls=kind_options.RecoverCommand, context_settings=kind_options.LOOSE)(recover)


def recover(
    call: Invocation,
    words: WORDS = None,
    recovery_code: Annotated[
        str,
        typer.Option(metavar="CODE", help="Of the kit, instead of the passphrase [WEBRAID_RECOVERY_CODE]."),
    ] = "",
    rights: Annotated[
        str,
        typer.Option(
            metavar="RIGHTS", show_default=False,
            help="What this machine may do: append; append,forget; or append,forget,sweep (all, the default).",
        ),
    ] = "",
    machine: Annotated[
        str, typer.Option(metavar="NAME", help="What this machine is called in the pool [its own name].")
    ] = "",
) -> int:  # fmt: skip
    """Bring the pool back from any one of its disks.

    On a machine that has nothing else.  It takes the passphrase, or the recovery code of the kit; all other disks
    are found from this one.  The same makes a further machine part of the pool: with --rights append one that can
    destroy nothing, right for a server.

    \b
    Examples:
      webraid recover local --path /media/usb/webraid --rights append
      webraid recover local --path /media/usb/webraid
      webraid recover s3 --provider b2 --region eu-central-003 --bucket my-webraid \\
          --access-key-env B2_ID --secret-key-env B2_KEY
    """
    from webraid.jobs.access.devices import parse_rights
    from webraid.pool import recover_from, recover_login

    wanted_rights = parse_rights(rights) if rights else ()
    said = kind_options.split(words or [])
    if said.name:
        raise ConfigError("recover takes no NAME: the pool knows its disks' names", hint="Leave it away.")
    wanted = complete(call, said)
    reached = recover_login(
        call.settings, kind=wanted.kind, options=wanted.options, secrets=wanted.secrets, dialogue=dialogue(call)
    )
    secret = _secret(call, recovery_code)
    with call.job("recover"):
        result, pool = recover_from(call.settings, reached, secret=secret, rights=wanted_rights, machine=machine)
        pool.close()
    code = EXIT_ALARM if result.alarms else EXIT_OK
    call.summary(
        lambda: summary("recover", **dataclasses.asdict(result), exit_code=code),
        lambda screen: pages_keys.recovered(screen, result),
    )
    return code


def _secret(call: Invocation, code: str) -> str:
    """Flags before the environment, the recovery code before the passphrase, and last the terminal."""
    by_flag = call.flags.password_file or call.flags.password_command
    code = code or ("" if by_flag else call.environ.get("WEBRAID_RECOVERY_CODE", ""))
    if not code:
        return passphrase.needed(call, "Passphrase or recovery code")
    from webraid.codec.keys import normal_code

    return normal_code(code)  # a mistyped one is told apart from a wrong one
