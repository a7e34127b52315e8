"""Proving who we are: private keys from text, the agent's keys, passwords."""

from __future__ import annotations

import contextlib
import io
from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from webraid.errors import AuthExpired, Misconfigured
from webraid_sftp.errors import LOGIN_HINT, second_factor
from webraid_sftp.library import load
from webraid_sftp.options import SftpOptions

if TYPE_CHECKING:
    from paramiko.pkey import PKey
    from paramiko.transport import Transport

_NAMED_WITHIN = 200  # bytes of a private key file
_AGENT_KEYS = 5  # OpenSSH hangs up after six attempts
_FORM = "Make one with 'ssh-keygen -t ed25519', or bring an old one into OpenSSH's form with 'ssh-keygen -p -f FILE'."


def private_key(text: str, passphrase: str) -> PKey:
    """The key in a private key file's content.  Raises Misconfigured, AuthExpired (passphrase missing)."""
    paramiko = load()
    for cls in _classes(text):
        try:
            key: PKey = cls.from_private_key(io.StringIO(text), password=passphrase or None)
        except paramiko.PasswordRequiredException:
            raise AuthExpired(
                "the private key is encrypted, and no passphrase is given", provider_code="PasswordRequiredException",
                hint="Give --key-passphrase, or a key that has none.",
            ) from None  # fmt: skip
        except (paramiko.SSHException, ValueError):  # of another type; or damaged, which all will say
            continue
        return key
    if passphrase:
        raise AuthExpired("the private key cannot be read: its passphrase may be wrong", hint=_FORM)
    raise Misconfigured("what was given as private key is none that can be used", hint=_FORM)


def _classes(text: str) -> list[Any]:
    """What a key may be: the type that OpenSSH's form names outside of its encryption, each else.  To try them all
    takes as many times the second for which a passphrase is stretched."""
    paramiko = load()
    types = {b"ssh-ed25519": paramiko.Ed25519Key, b"ecdsa-sha2-": paramiko.ECDSAKey, b"ssh-rsa": paramiko.RSAKey}
    try:
        blob = b64decode("".join(line for line in text.splitlines() if not line.startswith("-----")))
    except ValueError:
        blob = b""
    return [cls for name, cls in types.items() if name in blob[:_NAMED_WITHIN]] or [*types.values()]


def log_in(transport: Transport, options: SftpOptions) -> None:
    """Log in with the key, with the password where that is not enough, or with the agent's keys.

    Raises BackendErrors, and the library's.
    """
    if options.key:
        _with_key(transport, options)
    elif options.password:
        _whole(transport.auth_password(options.user, options.password))
    else:
        _with_agent(transport, options)


def _with_key(transport: Transport, options: SftpOptions) -> None:
    more = transport.auth_publickey(options.user, private_key(options.key, options.key_passphrase))
    if more and options.password:
        more = transport.auth_password(options.user, options.password)
    _whole(more)


def _with_agent(transport: Transport, options: SftpOptions) -> None:
    refused: Exception | None = None
    with agent_keys() as keys:
        for key in keys[:_AGENT_KEYS]:
            try:
                return _whole(transport.auth_publickey(options.user, key))
            except load().AuthenticationException as error:
                if not transport.is_active():
                    raise
                refused = error
    if refused is not None:
        raise refused
    raise AuthExpired("there is nothing to log in with: no key, no password, and no agent has one", hint=LOGIN_HINT)


@contextlib.contextmanager
def agent_keys() -> Iterator[tuple[PKey, ...]]:
    """The keys of the user's SSH agent, usable inside; none where there is no agent."""
    paramiko = load()
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        yield ()
        return
    with contextlib.closing(agent):
        yield tuple(agent.get_keys())


def _whole(more: list[str]) -> None:
    if more:
        raise second_factor()
