"""Public keys of servers: lines, known_hosts, fingerprints."""

from __future__ import annotations

import hmac
from base64 import b64encode
from pathlib import Path

import asyncssh
import pytest

from webraid.errors import ConfigError
from webraid_sftp.hostkeys import HostKey, known, pinned, signatures


def without_key(text: str) -> str:
    """A name for a case: keys are fresh in each process, and xdist compares names."""
    return text.partition("AAAA")[0]


SALT = b64encode(bytes(range(20))).decode()


def line(algorithm: str = "ssh-ed25519", **more: int) -> str:
    """A fresh public key as known_hosts has it, without the host."""
    return asyncssh.generate_private_key(algorithm, **more).export_public_key().decode().strip()


ED, ED2, RSA = line(), line(), line("ssh-rsa", key_size=2048)
ECDSA = line("ecdsa-sha2-nistp256")


def hashed(name: str) -> str:
    digest = hmac.digest(bytes(range(20)), name.encode(), "sha1")
    return f"|1|{SALT}|{b64encode(digest).decode()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def found(file: Path, text: str, host: str = "nas.example.org", port: int = 22) -> list[str]:
    file.write_text(text)
    return [str(key) for key in known(host, port, [str(file)])]


# ------------------------------------------------------------------------------------------------------------- lines
def test_the_best_of_many_keys_is_pinned() -> None:
    scanned = f"# nas:22 SSH-2.0-OpenSSH\nnas {RSA}\nnas {ECDSA} comment\n\nnas {ED}\n"
    assert str(pinned(scanned)) == ED
    assert str(pinned(f"nas {RSA}\nnas {ECDSA}")) == ECDSA
    assert str(pinned(f"{hashed('nas')} {RSA}")) == RSA


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "ssh-ed25519",
        "nas",
        f"nas other {ED}",
        f"@cert-authority nas {ED}",
        f"@revoked nas {ED}",
        "nas ssh-ed25519 !!!!",
        "ssh-ed25519 AAAA",
        ED[:-20],
        ED.replace("ssh-ed25519", "ssh-rsa"),
        ED.replace("ssh-ed25519", "ssh-dss"),
        "SHA256:abcdef",
    ],
    ids=without_key,
)
def test_what_is_no_key_is_refused_with_the_way_to_get_one(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pinned(text)
    assert "ssh-keyscan" in caught.value.hint


def test_a_server_proves_an_rsa_key_without_sha1() -> None:
    assert signatures([pinned(RSA), pinned(ED)]) == ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")


def test_a_fingerprint_is_what_ssh_shows() -> None:
    key = asyncssh.import_public_key(ED)
    assert pinned(ED).fingerprint == key.get_fingerprint()
    assert "=" not in pinned(ED).fingerprint


# ------------------------------------------------------------------------------------------------------- known_hosts
def test_a_host_is_found_by_its_name_and_no_other(file: Path) -> None:
    text = f"# comment\n\nother {ED2}\nnas.example.org,10.0.0.7 {ED} me@here\n"
    assert found(file, text) == [ED]
    assert found(file, text, "10.0.0.7") == [ED]
    assert found(file, text, "example.org") == []
    assert found(file, text, port=2222) == []


def test_another_port_is_another_server(file: Path) -> None:
    assert found(file, f"[nas.example.org]:2222 {ED}\nnas.example.org {ED2}\n", port=2222) == [ED]


def test_hashed_names_are_found(file: Path) -> None:
    text = f"{hashed('other')} {ED2}\n{hashed('nas.example.org')} {ED}\n{hashed('[nas.example.org]:2222')} {RSA}\n"
    assert found(file, text) == [ED]
    assert found(file, text, port=2222) == [RSA]


def test_patterns_count_and_may_except_a_host(file: Path) -> None:
    text = f"*.example.org,!bad.example.org {ED}\n"
    assert found(file, text) == [ED]
    assert found(file, text, "bad.example.org") == []
    assert found(file, f"nas?example.org {ED}\n") == [ED]


def test_the_best_type_comes_first(file: Path) -> None:
    assert found(file, f"nas.example.org {RSA}\nnas.example.org {ECDSA}\nnas.example.org {ED}\n") == [ED, ECDSA, RSA]


def test_revoked_keys_and_authorities_are_not_pinned(file: Path) -> None:
    text = f"@revoked * {ED}\nnas.example.org {ED}\n@cert-authority *.example.org {ED2}\nnas.example.org {RSA}\n"
    assert found(file, text) == [RSA]


@pytest.mark.parametrize(
    "bad", ["nas.example.org ssh-ed25519 ????", "|1|x|y " + ED, "|1| " + ED, "nas.example.org", "@"], ids=without_key
)
def test_damaged_lines_are_passed_over(file: Path, bad: str) -> None:
    assert found(file, f"{bad}\nnas.example.org {ED}\n") == [ED]


def test_files_that_are_not_there_know_nobody(tmp_path: Path) -> None:
    assert known("nas", 22, [str(tmp_path / "none"), str(tmp_path)]) == ()


def test_keys_are_equal_by_what_they_are() -> None:
    assert pinned(f"a {ED} x") == pinned(ED) != pinned(ED2)
    assert isinstance(pinned(ED), HostKey)
