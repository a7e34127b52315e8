"""What [[disk]] may say for an sftp disk."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from webraid.backend.registry import make_options, options_of
from webraid.errors import ConfigError
from webraid_sftp import SftpBackend, SftpOptions

KEY = (
    f"ssh-ed25519 {b64encode((11).to_bytes(4, 'big') + b'ssh-ed25519' + (32).to_bytes(4, 'big') + bytes(32)).decode()}"
)


def options(**more: Any) -> SftpOptions:
    return SftpOptions(**({"host": "nas.example.org", "user": "me", "path": "/backup"} | more))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/a/b", "/a/b"),
        ("/a//b/./c/", "/a/b/c"),
        ("//a", "/a"),
        ("/", "/"),
        ("/a/../b", "/b"),
        ("a/b/", "a/b"),
        ("~/a", "a"),
        ("~", "."),
        (".", "."),
        (" /a b ", "/a b"),
    ],
)
def test_a_path_has_one_spelling(given: str, kept: str) -> None:
    assert options(path=given).path == kept


@pytest.mark.parametrize("path", ["", "  ", "..", "../a", "a/../../b", "/a\0b"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        options(path=path)


@pytest.mark.parametrize("host", ["", "me@nas", "nas/share", "sftp://nas", "na s", "nas\n"])
def test_a_host_is_a_bare_name(host: str) -> None:
    if host == "nas\n":
        assert options(host=host).host == "nas"
        return
    with pytest.raises(ConfigError, match="host"):
        options(host=host)


def test_a_host_has_one_spelling() -> None:
    assert options(host="NAS.example.org.").host == "nas.example.org"
    assert options(host="[::1]").host == "::1"


@pytest.mark.parametrize(
    "wrong", [{"user": ""}, {"user": "a\nb"}, {"port": 0}, {"port": 65536}, {"timeout": 0.0}, {"timeout": -1.0}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        options(**wrong)


@pytest.mark.parametrize("line", [KEY, f"nas {KEY}", f"[nas]:22 {KEY} comment", f"# nas:22 SSH-2.0-x\nnas {KEY}\n"])
def test_a_host_key_is_kept_bare(line: str) -> None:
    assert options(known_host_key=line).known_host_key == KEY


def test_secrets_are_told_apart_and_never_shown() -> None:
    made, secrets = make_options(
        SftpBackend,
        {"host": "h", "user": "u", "path": "/p", "port": "2222", "key": "PRIVATE", "key-passphrase": "WORD"},
    )
    assert made == SftpOptions("h", "u", "/p", port=2222)
    assert secrets == {"key": "PRIVATE", "key_passphrase": "WORD"}
    assert made.with_secrets(secrets).key == "PRIVATE"
    assert not {"PRIVATE", "WORD"} & set(repr(made.with_secrets(secrets)).split("'"))
    by_name = {option.name: option for option in options_of(SftpBackend)}
    assert [name for name, option in by_name.items() if option.required] == ["host", "user", "path"]
    assert [name for name, option in by_name.items() if option.secret] == ["key", "key_passphrase", "password"]
    assert [name for name, option in by_name.items() if option.file] == ["key"]


def test_the_same_place_is_one_place_however_it_is_written() -> None:
    one = SftpBackend.identity(options())
    assert one == SftpBackend.identity(
        options(host="NAS.example.org.", path="/backup/", known_host_key=KEY, timeout=9.0)
    )
    others = [options(path="/other"), options(user="you"), options(port=2222), options(host="other")]
    assert len({one, *(SftpBackend.identity(other) for other in others)}) == 5


def test_disks_of_one_host_fail_together() -> None:
    assert SftpBackend.default_domain(options(), "n") == SftpBackend.default_domain(options(port=2222), "m")
    assert SftpBackend.default_domain(options(), "n") == "nas.example.org"


def test_addresses_are_written_as_known_hosts_has_them() -> None:
    assert (options().address, options(port=2222).address) == ("nas.example.org", "[nas.example.org]:2222")
    assert replace(options(), host="::1").address == "::1"
