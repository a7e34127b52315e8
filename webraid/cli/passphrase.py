"""Where the passphrase comes from: flag, environment, or whoever sits at the terminal; in that order."""

from __future__ import annotations

from pathlib import Path

import typer

from webraid.cli.asking import ask_hidden
from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError, WrongPassphrase

SOURCES = "Use --password-file, --password-command, WEBRAID_PASSWORD_FILE, _COMMAND or WEBRAID_PASSWORD."
NEW_SOURCES = "Use --new-password-file or --new-password-command ('webraid key passphrase' makes a good one)."
TRIES = 3


def given(call: Invocation) -> str | None:
    """The passphrase that flags or environment give, None when they say nothing.  Raises ConfigError."""
    flags, environ = call.flags, call.environ
    if flags.password_file and flags.password_command:
        raise ConfigError("--password-file and --password-command exclude each other", hint="Give one of them.")
    if flags.password_file:
        return _from_file(flags.password_file)
    if flags.password_command:
        return _from_command(flags.password_command)
    if environ.get("WEBRAID_PASSWORD_FILE"):
        return _from_file(environ["WEBRAID_PASSWORD_FILE"])
    if environ.get("WEBRAID_PASSWORD_COMMAND"):
        return _from_command(environ["WEBRAID_PASSWORD_COMMAND"])
    return environ.get("WEBRAID_PASSWORD") or None


def needed(call: Invocation, question: str = "Passphrase") -> str:
    """The passphrase of a pool that exists.  Raises WrongPassphrase when there is none and nobody to ask."""
    secret = given(call)
    if secret is not None:
        return secret
    _somebody(call)
    answer = ask_hidden(call, question, instead="a passphrase")
    if not answer:
        raise WrongPassphrase("no passphrase was given", hint=SOURCES)
    return answer


def chosen(call: Invocation, *, weak: bool) -> str:
    """The passphrase of a new pool; on a terminal a strong one is offered, and what is typed is typed twice."""
    secret = given(call)
    return secret if secret is not None else _choose(call, weak, "Run 'webraid init' again.")


def another(call: Invocation, *, file: str, command: str, weak: bool, again: str) -> str:
    """A passphrase that the pool does not have yet, by the flags for new ones, else asked for.  ``again``: the hint
    when none was chosen."""
    if file and command:
        raise ConfigError("--new-password-file and --new-password-command exclude each other", hint="Give one of them.")
    if file:
        return _from_file(file)
    if command:
        return _from_command(command)
    if not call.interactive:
        raise WrongPassphrase("a new passphrase is needed and none was given", hint=NEW_SOURCES)
    return _choose(call, weak, again)


def _choose(call: Invocation, weak: bool, again: str) -> str:
    _somebody(call)
    from webraid.codec.keys import new_passphrase
    from webraid.jobs.access.init import check_passphrase

    offer = new_passphrase(call.env)
    typer.echo(
        "The passphrase opens everything, and nobody can give you another one.\nHere is a strong one:\n\n"
        f"    {offer}\n\nWrite it down and press Enter to take it, or type one of your own.",
        err=True,
    )
    for _ in range(TRIES):
        answer = ask_hidden(call, "Passphrase, or Enter", instead="a passphrase")
        if not answer:
            return offer
        try:
            check_passphrase(answer, weak)
        except ConfigError as error:
            typer.echo(f"  {error}.\n  {error.hint}", err=True)
            continue
        if ask_hidden(call, "The same once more", instead="a passphrase") == answer:
            return answer
        typer.echo("The two are not the same.", err=True)
    raise ConfigError("no passphrase was chosen", hint=again)


def _somebody(call: Invocation) -> None:
    if not call.interactive:
        raise WrongPassphrase("a passphrase is needed and none was given", hint=SOURCES)


def _from_file(name: str) -> str:
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"the password file {name} is not UTF-8", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"the password file {name} cannot be read: {error.strerror}", hint=SOURCES) from None
    return _first(text, f"the password file {name}")


def _from_command(command: str) -> str:
    from webraid.cli.password_command import output_of

    return _first(output_of(command), "what the password command printed")


def _first(text: str, what: str) -> str:
    """Without the line's end that editors and echo add; spaces may be part of a passphrase."""
    secret = text.rstrip("\r\n")
    if not secret:
        raise WrongPassphrase(f"{what} is empty", hint=SOURCES)
    return secret
