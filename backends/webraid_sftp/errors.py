"""Errors of the library and of sockets -> our errors.  What servers answer is in status.py."""

from __future__ import annotations

import errno
import socket

from webraid.backend.mapping import Factory, LazyTable, always
from webraid.errors import AuthExpired, BackendError, Misconfigured, PermissionDenied, ProtocolError, Unavailable

LOGIN_HINT = "Compare host, user and key with what the server's owner says; 'webraid backend login' takes new ones."
NO_SSH_HINT = "Compare host and port: SSH answers at port 22, unless its owner says otherwise."
CHANGED = "the server shows another host key than the known one: somebody may sit in between, or it was set up anew"
CHANGED_HINT = (
    "Nothing was sent to it. Only if the server's owner confirms the new key: "
    "'webraid backend login NAME --known-host-key LINE'."
)
CUT = ("Authentication timeout", "transport shut down")  # the library's words for a connection that broke off meanwhile


def host_key_changed() -> Misconfigured:
    return Misconfigured(CHANGED, provider_code="BadHostKey", hint=CHANGED_HINT)


def second_factor() -> AuthExpired:
    return AuthExpired(
        "the server wants a second proof of who logs in", provider_code="PartialAuthentication",
        hint="A disk logs in with nobody there: ask for a login that takes a key alone.",
    )  # fmt: skip


def _from_authentication(error: BaseException) -> BackendError:
    code = type(error).__name__
    if any(words in str(error) for words in CUT):
        return Unavailable("the connection broke off while logging in", provider_code=code)
    return AuthExpired("the server refuses the login", provider_code=code, hint=LOGIN_HINT)


def _from_ssh(error: BaseException) -> BackendError:
    text = str(error)
    if "Indecipherable protocol version" in text or "Invalid SSH banner" in text:
        return Misconfigured("what answers there is no SSH server", provider_code="SSHException", hint=NO_SSH_HINT)
    return Unavailable("the connection broke off", provider_code="SSHException")


def _from_channel(error: BaseException) -> BackendError:
    """The codes are those of RFC 4254, section 5.1."""
    if getattr(error, "code", 0) in (1, 3):
        return PermissionDenied(
            "the login is not allowed to open a session", provider_code="ChannelException",
            hint="Ask the server's owner to allow SFTP for this login.",
        )  # fmt: skip
    return Unavailable("the server opens no more sessions just now", provider_code="ChannelException")


def _from_socket(error: BaseException) -> BackendError:
    if isinstance(error, socket.gaierror):
        return Unavailable(
            "the name of the host cannot be resolved", provider_code="gaierror",
            hint="Check the network, and the spelling of the host.",
        )  # fmt: skip
    number = error.errno if isinstance(error, OSError) else None
    code = errno.errorcode.get(number or 0, type(error).__name__)
    if isinstance(error, TimeoutError):
        return Unavailable("the server does not answer", provider_code=code)
    if number == errno.ECONNREFUSED:
        return Unavailable("nobody listens at that host and port", provider_code=code)
    return Unavailable("the connection broke off", provider_code=code)


def _make_table() -> dict[type[BaseException], Factory]:
    import paramiko.ssh_exception as them  # noqa: PLC0415
    from paramiko.ber import BERException  # noqa: PLC0415
    from paramiko.hostkeys import InvalidHostKey  # noqa: PLC0415
    from paramiko.packet import NeedRekeyException  # noqa: PLC0415
    from paramiko.pkey import UnknownKeyType  # noqa: PLC0415
    from paramiko.sftp import SFTPError  # noqa: PLC0415

    unused = always(ProtocolError, "unexpected use of the library")
    strange = always(ProtocolError, "the server breaks the rules of SSH")
    changed: Factory = lambda _: host_key_changed()  # noqa: E731
    return {
        them.AuthenticationException: _from_authentication,
        them.UnableToAuthenticate: _from_authentication,
        them.PasswordRequiredException: always(
            AuthExpired, "the private key is encrypted, and no passphrase is given", "Give --key-passphrase."
        ),
        them.BadAuthenticationType: always(
            AuthExpired, "the server takes no login of this sort: it wants a key, or a password", LOGIN_HINT
        ),
        them.PartialAuthentication: lambda _: second_factor(),
        them.BadHostKeyException: changed,
        them.ChannelException: _from_channel,
        them.IncompatiblePeer: always(
            Misconfigured, "the server knows no way of encrypting that is still safe", "Its SSH is too old: renew it."
        ),
        them.MessageOrderError: strange,
        them.SSHException: _from_ssh,
        them.NoValidConnectionsError: always(Unavailable, "the server cannot be reached"),
        them.ProxyCommandFailure: unused,
        them.CouldNotCanonicalize: unused,
        them.ConfigParseError: unused,
        InvalidHostKey: unused,
        NeedRekeyException: unused,
        BERException: strange,
        UnknownKeyType: strange,
        SFTPError: strange,
        OSError: _from_socket,
        EOFError: always(Unavailable, "the server ended the connection"),
    }


ERRORS = LazyTable(_make_table)
