"""The error tables: complete, and true to what the library and servers mean."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import socket

import paramiko
import paramiko.ssh_exception as them
import pytest
from paramiko.auth_handler import AuthHandler

from webraid.backend.base import map_error
from webraid.errors import (
    AlreadyExists,
    AuthExpired,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)
from webraid_sftp import SftpBackend
from webraid_sftp.errors import CUT, ERRORS
from webraid_sftp.status import CODES, from_status

SECRET = "/home/me/secret-folder AAAAC3NzaC1lZDI1NTE5AAAASECRET"
WINDOWS = {"paramiko._winapi", "paramiko.win_openssh", "paramiko.win_pageant"}
MODULES = [
    importlib.import_module(f"paramiko.{module.name}")
    for module in pkgutil.iter_modules(paramiko.__path__)
    if f"paramiko.{module.name}" not in WINDOWS
]
THEIRS = sorted(
    {
        cls
        for module in MODULES
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Exception) and cls.__module__.startswith("paramiko.")
    },
    key=lambda cls: cls.__name__,
)


@pytest.mark.parametrize("cls", THEIRS, ids=lambda cls: cls.__name__)
def test_every_class_of_paramiko_is_in_the_table(cls: type[Exception]) -> None:
    known = next(base for base in cls.__mro__ if base in ERRORS)
    if cls is not them.SSHException:
        assert known is not them.SSHException, "the net under the others, for releases to come"
    error = cls.__new__(cls)
    Exception.__init__(error, SECRET)
    error.__dict__ |= {"allowed_types": [SECRET], "code": 2, "text": SECRET, "explanation": SECRET, "result": []}
    found = map_error(SftpBackend.ERRORS, error)
    assert isinstance(found, BackendError)
    assert not isinstance(found, ObjectNotFound)
    assert found.hint
    assert "SECRET" not in f"{found!r} {found} {found.hint} {found.provider_code}"


def test_the_walk_saw_them_all() -> None:
    names = {cls.__name__ for cls in THEIRS}
    assert {
        name for name, _ in inspect.getmembers(them, inspect.isclass) if "xception" in name or "Error" in name
    } <= names
    assert {"SSHException", "BadHostKeyException", "SFTPError", "PipeTimeout", "InvalidHostKey"} <= names
    assert len(names) > 18


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (them.AuthenticationException("Authentication failed."), AuthExpired),
        (them.AuthenticationException("Authentication timeout."), Unavailable),
        (them.AuthenticationException("Authentication failed: transport shut down or saw EOF"), Unavailable),
        (them.PasswordRequiredException(SECRET), AuthExpired),
        (them.BadAuthenticationType(SECRET, ["publickey"]), AuthExpired),
        (them.PartialAuthentication(["password"]), AuthExpired),
        (them.BadHostKeyException("host", paramiko.PKey(), paramiko.PKey()), Misconfigured),
        (them.ChannelException(1, SECRET), PermissionDenied),
        (them.ChannelException(2, SECRET), Unavailable),
        (them.ChannelException(4, SECRET), Unavailable),
        (them.IncompatiblePeer(SECRET), Misconfigured),
        (them.MessageOrderError(SECRET), ProtocolError),
        (them.SSHException("Error reading SSH protocol banner"), Unavailable),
        (them.SSHException('Indecipherable protocol version "HTTP/1.1 400"'), Misconfigured),
        (them.SSHException("Invalid SSH banner"), Misconfigured),
        (them.NoValidConnectionsError({("::1", 22): OSError()}), Unavailable),
        (socket.gaierror(-2, SECRET), Unavailable),
        (ConnectionRefusedError(111, SECRET), Unavailable),
        (ConnectionResetError(104, SECRET), Unavailable),
        (TimeoutError(SECRET), Unavailable),
        (OSError("Socket is closed"), Unavailable),
        (EOFError(SECRET), Unavailable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_breaks_on_the_way_is_what_it_is(error: Exception, wanted: type[BackendError]) -> None:
    found = map_error(ERRORS, error)
    assert type(found) is wanted
    assert "SECRET" not in f"{found!r} {found.hint}"


def test_the_librarys_words_for_a_login_that_broke_off_are_still_these() -> None:
    source = inspect.getsource(AuthHandler.wait_for_response)
    assert all(words in source for words in CUT)
    source = inspect.getsource(paramiko.Transport._check_banner)
    assert "Indecipherable protocol version" in source
    assert "Invalid SSH banner" in source
    assert "(no acceptable host key)" in inspect.getsource(paramiko.Transport._parse_kex_init)


def test_a_changed_host_key_is_an_alarm_in_plain_words() -> None:
    found = map_error(ERRORS, them.BadHostKeyException("host", paramiko.PKey(), paramiko.PKey()))
    assert found is not None
    assert "somebody may sit in between" in str(found)
    assert "Nothing was sent" in found.hint


def test_what_the_table_does_not_know_is_left_to_guarded() -> None:
    assert map_error(ERRORS, KeyError("x")) is None


# ------------------------------------------------------------------------------------------------------------ status
@pytest.mark.parametrize(
    ("code", "text", "wanted"),
    [
        (2, "No such file", ObjectNotFound),
        (3, "Permission denied", PermissionDenied),
        (4, "Failure", Unavailable),
        (4, "", Unavailable),
        (4, "Disk quota exceeded", QuotaExceeded),
        (4, f"write {SECRET}: no space left on device", QuotaExceeded),
        (4, "There is not enough space on the disk.", QuotaExceeded),
        (4, "DISK FULL", QuotaExceeded),
        (4, "Read-only file system", PermissionDenied),
        (4, "Is a directory", ObjectNotFound),
        (4, "Not a directory", ObjectNotFound),
        (4, "File already exists", AlreadyExists),
        (4, "file exists", AlreadyExists),
        (5, "", ProtocolError),
        (6, "", Unavailable),
        (8, "", Unsupported),
        (10, "", ObjectNotFound),
        (11, "", AlreadyExists),
        (12, "", PermissionDenied),
        (13, "", Unavailable),
        (14, "", QuotaExceeded),
        (15, "", QuotaExceeded),
        (1, "", ProtocolError),
        (99, SECRET, ProtocolError),
    ],
)
def test_what_a_server_answers_is_what_it_means(code: int, text: str, wanted: type[BackendError]) -> None:
    found = from_status(code, text)
    assert type(found) is wanted
    assert found.hint
    assert found.provider_code in str(found)
    assert "SECRET" not in f"{found!r} {found.hint} {found.provider_code}"


def test_every_status_of_every_version_is_known() -> None:
    assert sorted(CODES) == list(range(1, 32))
    names = [name for name, *_ in CODES.values()]
    assert len(set(names)) == len(names)
