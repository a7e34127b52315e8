"""What a login settles: which key the server must show, what to log in with, and where the folder lies."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from pathlib import Path

from webraid.backend.login import Choice, Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.errors import AuthExpired, ConfigError
from webraid_sftp.dialling import shown_key
from webraid_sftp.errors import ERRORS, host_key_changed
from webraid_sftp.hostkeys import HostKey, known, signatures
from webraid_sftp.keys import agent_keys, private_key
from webraid_sftp.options import SftpOptions
from webraid_sftp.remote import Remote
from webraid_sftp.session import Session

_USUAL_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


def login(options: SftpOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
    """Where all is given, and the path is written from / on, nothing is asked and nothing is sent.

    Raises ConfigError, BackendError.
    """
    found: dict[str, object] = {}
    with mapped(ERRORS):
        if options.host_key is None:
            found["known_host_key"] = str(_host_key(options, dialogue))
        told = _credentials(options.with_secrets(secrets), dialogue)
        options = replace(options, **found).with_secrets({**secrets, **told})  # type: ignore[arg-type]
        if not options.path.startswith("/"):
            found["path"] = _absolute(options)
    return Login(found, told)


def _host_key(options: SftpOptions, dialogue: Dialogue) -> HostKey:
    keys = known(options.host, options.port)
    if keys:
        shown = shown_key(options, signatures(keys))
        if shown not in keys:
            raise host_key_changed()
        dialogue.tell(f"The key of {options.address} is the one in your known_hosts: {shown.fingerprint}")
        return shown
    if not dialogue.interactive:
        port = "" if options.port == 22 else f"-p {options.port} "
        raise ConfigError(
            f"the host key of {options.address} is not known",
            hint=f"Give --known-host-key with the line that 'ssh-keyscan {port}{options.host}' prints, once you have "
            "made sure that it is right.",
        )
    shown = shown_key(options)
    dialogue.tell(
        f"{options.address} shows this key:\n    {shown.type} {shown.fingerprint}\n"
        "Compare it with what the server's owner or its web page says.  At the server itself,\n"
        "'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub' shows it (or another type in its place)."
    )
    answer = dialogue.ask(
        "Is it the right one?", instead="--known-host-key", only=True,
        choices=(Choice("yes", "from now on only this key will do"), Choice("no", "stop here")),
    )  # fmt: skip
    if answer != "yes":
        raise ConfigError("the server's key was not confirmed", hint="Nothing was sent to it. Ask its owner.")
    return shown


def _credentials(options: SftpOptions, dialogue: Dialogue) -> dict[str, str]:
    """The secrets that are still missing."""
    if options.key:
        return _passphrase(options, dialogue)
    if options.password:
        return {}
    with agent_keys() as keys:
        if keys:
            dialogue.tell("No key is given: your SSH agent's will be used, so runs need that agent.")
            return {}
    if not dialogue.interactive:
        raise ConfigError(
            "there is nothing to log in with: no key, no password, and no SSH agent has one",
            hint="Give --key FILE with a private key, or --password-env VARIABLE.",
        )
    usual = next((path for path in _USUAL_KEYS if Path(path).expanduser().is_file()), "")
    file = dialogue.ask(
        "File with the private key ('-': log in with a password)", instead="--key", default=usual or "-"
    )
    if file == "-":
        return {"password": dialogue.ask("Password", instead="--password-env", hidden=True)}
    try:
        key = Path(file).expanduser().read_text()
    except (OSError, UnicodeDecodeError, RuntimeError):
        raise ConfigError("that file cannot be read", hint="Give --key FILE with a private key.") from None
    return {"key": key, **_passphrase(replace(options, key=key), dialogue)}


def _passphrase(options: SftpOptions, dialogue: Dialogue) -> dict[str, str]:
    """The private key's, if it needs one that is not given.  Raises AuthExpired, Misconfigured."""
    try:
        private_key(options.key, options.key_passphrase)
    except AuthExpired:
        if options.key_passphrase or not dialogue.interactive:
            raise
    else:
        return {}
    given = dialogue.ask("Passphrase of the private key", instead="--key-passphrase-env", hidden=True)
    private_key(options.key, given)
    return {"key_passphrase": given}


def _absolute(options: SftpOptions) -> str:
    """The path from / on: the home folder is where a login begins."""
    session = Session(options)
    try:
        home = Remote(session.wire).absolute(b".")
    finally:
        session.close()
    return posixpath.join(home, options.path) if options.path != "." else home
