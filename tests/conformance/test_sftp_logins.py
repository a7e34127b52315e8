"""Logging in: whose key a server shows, what is let in, what is asked, and what is never sent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.conformance.servers_sftp import USER, SftpServer, make_keys, sftp_asyncssh
from webraid.backend.conformance.subject import put
from webraid.backend.login import Choice, Dialogue, Login, Secrets
from webraid.env import Env
from webraid.errors import AuthExpired, ConfigError, Misconfigured
from webraid_sftp import SftpBackend, SftpOptions
from webraid_sftp.hostkeys import pinned

PASSWORD = "correct+horse"
WORD = "battery+staple"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_asyncssh(tmp_path_factory.mktemp("sftp"), "--password", PASSWORD) as started:
        yield started


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's home folder, without an agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@dataclass
class Person:
    """Whoever answers, in order; what was said and asked stays."""

    answers: list[str] = field(default_factory=list)
    interactive: bool = True
    env: Env = field(default_factory=Env)
    heard: list[str] = field(default_factory=list)

    def tell(self, text: str) -> None:
        self.heard.append(text)

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        assert self.interactive, f"nobody is there to be asked: {question}"
        assert instead.startswith("--")
        self.heard.append(question)
        answer = self.answers.pop(0)
        return default if answer == "ENTER" else answer

    def browse(self, url: str) -> bool:
        return False


NOBODY = Person(interactive=False)


def options(server: SftpServer, **more: Any) -> SftpOptions:
    given = {"port": server.port, "known_host_key": server.keys.host} | more
    return SftpOptions("127.0.0.1", USER, str(given.pop("path", server.path)), **given)


def login(made: SftpOptions, dialogue: Dialogue = NOBODY, **secrets: str) -> Login:
    return SftpBackend.login(made, Secrets(secrets), dialogue)


def works(made: SftpOptions, secrets: dict[str, str]) -> bool:
    with contextlib.closing(SftpBackend.connect(made, secrets)) as backend:
        backend.prepare()
        put(backend, "works/a", b"1")
        return backend.get("works/a") == b"1"


def raised(made: SftpOptions, secrets: dict[str, str]) -> Exception:
    with contextlib.closing(SftpBackend.connect(made, secrets)) as backend, pytest.raises(Exception) as caught:
        backend.stat("a")
    return caught.value


def encrypted(word: str = WORD, algorithm: str = "ssh-ed25519") -> tuple[str, str]:
    """(private, public) key."""
    key = asyncssh.generate_private_key(algorithm)
    return key.export_private_key(
        passphrase=word or None, rounds=2, ignore_few_rounds=True
    ).decode(), key.export_public_key().decode()


# ---------------------------------------------------------------------------------------------------------- host key
def test_where_all_is_given_nothing_is_asked_and_nothing_is_sent(server: SftpServer) -> None:
    nowhere = replace(options(server), port=1)
    assert login(nowhere, key=server.keys.user) == Login()


def test_an_unknown_server_is_not_trusted_when_nobody_is_there(server: SftpServer) -> None:
    with pytest.raises(ConfigError, match="host key") as caught:
        login(options(server, known_host_key=""), key=server.keys.user)
    assert "--known-host-key" in caught.value.hint
    assert f"ssh-keyscan -p {server.port} 127.0.0.1" in caught.value.hint


def test_a_person_compares_the_fingerprint_and_pins_it(server: SftpServer) -> None:
    person = Person(["yes"])
    found = login(options(server, known_host_key=""), person, key=server.keys.user)
    assert found.options == {"known_host_key": server.keys.host}
    assert pinned(server.keys.host).fingerprint in "".join(person.heard)


def test_a_person_who_says_no_stops_it(server: SftpServer) -> None:
    with pytest.raises(ConfigError, match="not confirmed"):
        login(options(server, known_host_key=""), Person(["no"]), key=server.keys.user)


def test_the_users_known_hosts_are_trusted(server: SftpServer, home: Path) -> None:
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {server.keys.host}\n")
    found = login(options(server, known_host_key=""), key=server.keys.user)
    assert found.options == {"known_host_key": server.keys.host}


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_another_key_than_known_hosts_has_is_an_alarm(server: SftpServer, home: Path, algorithm: str) -> None:
    other = asyncssh.generate_private_key(algorithm).export_public_key().decode()
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}\n")
    with pytest.raises(Misconfigured, match="another host key"):
        login(options(server, known_host_key=""), Person(["yes"]), key=server.keys.user)


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_server_with_another_key_gets_no_password(server: SftpServer, algorithm: str) -> None:
    other = asyncssh.generate_private_key(algorithm).export_public_key().decode()
    error = raised(options(server, known_host_key=other), {"password": PASSWORD})
    assert isinstance(error, Misconfigured)
    assert "somebody may sit in between" in str(error)
    assert "Nothing was sent" in error.hint


def test_a_disk_without_a_pinned_key_is_not_opened(server: SftpServer) -> None:
    error = raised(options(server, known_host_key=""), {"key": server.keys.user})
    assert isinstance(error, Misconfigured)
    assert "known_host_key" in error.hint


# ------------------------------------------------------------------------------------------------ what to log in with
def test_a_key_lets_in(server: SftpServer) -> None:
    assert works(options(server), {"key": server.keys.user})


def test_a_password_lets_in(server: SftpServer) -> None:
    assert works(options(server), {"password": PASSWORD})


@pytest.mark.parametrize("secrets", [{"password": "wrong"}, {"key": encrypted("")[0]}], ids=["password", "key"])
def test_what_the_server_refuses_needs_the_user(server: SftpServer, secrets: dict[str, str]) -> None:
    error = raised(options(server), secrets)
    assert isinstance(error, AuthExpired)
    assert all(value not in repr(error) + error.hint for value in secrets.values())


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"])
def test_an_encrypted_key_needs_its_passphrase(server: SftpServer, algorithm: str) -> None:
    private, _ = encrypted(WORD, algorithm)
    with pytest.raises(AuthExpired, match="passphrase") as caught:
        login(options(server), key=private)
    assert "--key-passphrase" in caught.value.hint
    with pytest.raises(AuthExpired, match="may be wrong"):
        login(options(server), key=private, key_passphrase="wrong")
    assert login(options(server), key=private, key_passphrase=WORD) == Login()
    person = Person([WORD])
    assert login(options(server), person, key=private).secrets == {"key_passphrase": WORD}


def test_an_encrypted_key_lets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = encrypted()
    monkeypatch.setattr("tests.conformance.servers_sftp.make_keys", lambda folder: _with(folder, private, public))
    with sftp_asyncssh(tmp_path / "server") as server:
        assert works(options(server), {"key": private, "key_passphrase": WORD})


def _with(folder: Path, private: str, public: str):
    keys = make_keys(folder)
    keys.authorized.write_text(public)
    return replace(keys, user=private)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
     "-----BEGIN OPENSSH PRIVATE KEY-----\n!!\n-----END OPENSSH PRIVATE KEY-----\n",
     "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
     "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
     "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
)  # fmt: skip
def test_what_is_no_private_key_is_told_before_anything_is_sent(server: SftpServer, text: str) -> None:
    with pytest.raises((ConfigError, Misconfigured)) as caught:
        login(options(server, known_host_key=server.keys.host), key=text)
    assert caught.value.hint
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("cut", range(40, 400, 45))
def test_a_damaged_private_key_is_told(server: SftpServer, cut: int) -> None:
    text = server.keys.user
    for damaged in (
        text[:cut],
        text[:cut] + text[cut + 7 :],
        text[:cut] + "\0" + text[cut:],
        text[:cut] + "Ä" + text[cut + 1 :],
    ):
        with contextlib.suppress(Misconfigured, AuthExpired):
            login(options(server), key=damaged)


def test_nothing_to_log_in_with_is_told_with_what_to_give(server: SftpServer) -> None:
    with pytest.raises(ConfigError, match="nothing to log in with") as caught:
        login(options(server))
    assert "--key FILE" in caught.value.hint
    assert isinstance(raised(options(server), {}), AuthExpired)


def test_a_person_is_asked_for_the_key_file_and_its_passphrase(server: SftpServer, home: Path) -> None:
    private, _ = encrypted()
    (home / ".ssh/id_ed25519").write_text(private)
    person = Person(["ENTER", WORD])
    assert login(options(server), person).secrets == {"key": private, "key_passphrase": WORD}
    with pytest.raises(ConfigError, match="cannot be read"):
        login(options(server), Person([str(home / "none")]))


def test_a_person_may_give_a_password_instead(server: SftpServer) -> None:
    assert login(options(server), Person(["-", PASSWORD])).secrets == {"password": PASSWORD}
    assert login(options(server), Person(["ENTER", PASSWORD])).secrets == {"password": PASSWORD}


# ------------------------------------------------------------------------------------------------------------- agent
@contextlib.contextmanager
def agent(path: Path, private: str) -> Iterator[list[int]]:
    """An SSH agent with one key (draft-miller-ssh-agent, sections 4.4 and 4.5); the types of the requests it got."""
    key, asked = asyncssh.import_private_key(private), list[int]()

    def string(value: bytes) -> bytes:
        return struct.pack(">I", len(value)) + value

    def reply(body: bytes) -> bytes:
        asked.append(body[0])
        if body[0] == 11:
            return b"\x0c" + struct.pack(">I", 1) + string(key.public_data) + string(b"comment")
        length = int.from_bytes(body[1:5], "big")
        data = body[5 + length :]
        return b"\x0e" + string(key.sign(data[4 : 4 + int.from_bytes(data[:4], "big")], b"ssh-ed25519"))

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            while head := stream.read(4):
                stream.write(string(reply(stream.read(int.from_bytes(head, "big")))))
                stream.flush()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield asked
        listener.shutdown(socket.SHUT_RDWR)


def test_the_agents_key_is_used_where_none_is_given(
    server: SftpServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(home / "agent", server.keys.user) as asked:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
        person = Person([])
        assert login(options(server), person) == Login()
        assert "agent" in "".join(person.heard)
        assert works(options(server), {})
        assert 13 in asked


def test_an_agent_whose_keys_are_all_refused_needs_the_user(
    server: SftpServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agent(home / "agent", encrypted("")[0]):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
        assert isinstance(raised(options(server), {}), AuthExpired)


# -------------------------------------------------------------------------------------------------------------- path
@pytest.mark.parametrize(("given", "kept"), [("disk", "/disk"), ("~/a/b", "/a/b"), (".", "/")])
def test_a_path_in_the_home_folder_is_written_from_the_root_on(server: SftpServer, given: str, kept: str) -> None:
    found = login(options(server, path=given), key=server.keys.user)
    assert found.options == {"path": kept}
    assert SftpBackend.identity(options(server, path=given)) != SftpBackend.identity(options(server, path=kept))


def test_a_refused_login_is_told_while_logging_in(server: SftpServer) -> None:
    with pytest.raises(AuthExpired, match="refuses"):
        login(options(server, path="disk"), password="wrong")


def test_the_login_leaves_no_thread(server: SftpServer) -> None:
    before = set(threading.enumerate())
    ways: list[Callable[[], object]] = [
        lambda: login(options(server, path="disk"), key=server.keys.user),
        lambda: login(options(server, known_host_key=""), Person(["yes"]), key=server.keys.user),
        lambda: login(options(server, path="disk"), password="wrong"),
    ]
    for way in ways:
        with contextlib.suppress(AuthExpired):
            way()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.is_alive()]
