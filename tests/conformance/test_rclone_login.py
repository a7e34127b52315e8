"""rclone's questions, asked by us and answered by a script: the real state machine, without a network."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import servers_rclone
from tests.conformance.servers import rclone_binary
from tests.conformance.test_rclone_process import pretend
from webraid.backend.conformance.subject import put
from webraid.backend.login import Choice, Login, Secrets
from webraid.backend.registry import make_options
from webraid.env import Env
from webraid.errors import BackendError, ConfigError, Unavailable
from webraid_rclone import RcloneBackend


@dataclass(frozen=True)
class Question:
    text: str
    default: str
    choices: tuple[str, ...]
    only: bool
    hidden: bool


class Enough(ConfigError):
    """The script has no answer."""


@dataclass
class Script:
    """Answers by rclone's names of its questions; what is not in it gets its default, or ends the login."""

    answers: Mapping[str, str] = field(default_factory=dict)
    interactive: bool = True
    env: Env = field(default_factory=Env)
    told: list[str] = field(default_factory=list)
    asked: dict[str, Question] = field(default_factory=dict)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def browse(self, url: str) -> bool:
        return False

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        name = instead.removeprefix("--set ").partition("=")[0]
        self.asked[name] = Question(question, default, tuple(choice.value for choice in choices), only, hidden)
        if name in self.answers:
            return self.answers[name]
        if not default and not optional:
            raise Enough(question, hint=f"Give {instead}.")
        return default


def login(script: Script, secrets: Mapping[str, str] | None = None, **options: Any) -> Login:
    parsed, found = make_options(RcloneBackend, options)
    return RcloneBackend.login(parsed, Secrets({**found, **(secrets or {})}, disk="r1"), script)


def alone() -> Script:
    return Script(interactive=False)


def section(done: Login) -> dict[str, str]:
    found: dict[str, str] = json.loads(done.secrets["section"])
    return found


# ------------------------------------------------------------------------------------------------------ nobody is asked
@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("alias", "remote=/x", {"type": "alias", "remote": "/x"}),
        (
            "s3",
            "provider=Minio,endpoint=http://127.0.0.1:1,access_key_id=A,secret_access_key=B",
            {
                "type": "s3", "provider": "Minio", "endpoint": "http://127.0.0.1:1", "access_key_id": "A",
                "secret_access_key": "B",
            },
        ),
        ("koofr", "provider=koofr\nuser=u\npassword=a,b", None),
    ],
)  # fmt: skip
def test_flags_alone_make_a_section(kind: str, given: str, expected: dict[str, str] | None) -> None:
    done = login(alone(), type=kind, set=given)
    assert expected is None or section(done) == expected
    assert done.options["type"] == kind and str(done.options["place"]).startswith(f"{kind}/")
    assert done.secrets["set"] == ""


def test_a_section_made_by_flags_works(tmp_path: Path) -> None:
    with servers_rclone.wsgidav(tmp_path / "served") as server:
        given = f"url={server.endpoint},vendor=other,user={server.access_key},pass={server.secret_key}"
        done = login(alone(), type="webdav", set=given)
        assert server.secret_key not in done.secrets["section"]  # obscured, as rclone wants it
        options, _ = make_options(RcloneBackend, {"type": "webdav", **done.options})
        with contextlib.closing(RcloneBackend.connect(options, Secrets(done.secrets, disk="r1"))) as backend:
            backend.prepare()
            put(backend, "a", b"1")
        assert RcloneBackend.default_domain(options, "r1") == "127.0.0.1"


def test_a_folder_of_this_machine_by_type(tmp_path: Path) -> None:
    done = login(alone(), type="local", path=str(tmp_path / "disk"))
    options, _ = make_options(RcloneBackend, {"path": str(tmp_path / "disk"), **done.options})
    with contextlib.closing(RcloneBackend.connect(options, done.secrets)) as backend:
        backend.prepare()
    assert (tmp_path / "disk").is_dir()


def test_what_needs_no_section_needs_no_login(tmp_path: Path) -> None:
    assert login(alone(), remote=f":local:{tmp_path}") == Login()
    with pytest.raises(ConfigError):
        login(alone(), remote=f":local:{tmp_path}", set="a=b")


def test_a_section_of_the_users_own_file_is_taken(tmp_path: Path) -> None:
    text = "[other]\ntype = box\n\n[mine]\ntype = webdav\nurl = http://h/\npass = OBSCURED\n"
    done = login(alone(), remote="mine:a", section=text)
    assert section(done) == {"type": "webdav", "url": "http://h/", "pass": "OBSCURED"}
    assert login(alone(), remote="mine:a", section=done.secrets["section"]) == done
    with pytest.raises(ConfigError, match="not one remote"):
        login(alone(), remote="nobody:a", section=text)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"type": "webdav", "set": "vendor=other"}, "--set url="),
        ({"type": "onedrive"}, "--set config_token="),
        ({"type": "drive"}, "--set client_id="),
        ({"type": "nonsense"}, "--section"),
        ({"remote": "nonsense:x"}, "--section"),
        ({"type": "onedrive", "set": "config_token=hunter2"}, "--set"),
    ],
)
def test_where_nobody_can_be_asked_the_flag_is_named(options: dict[str, str], hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        login(alone(), **options)
    assert hint in raised.value.hint
    assert "hunter2" not in f"{raised.value} {raised.value.hint}"


def test_an_old_rclone_can_not_be_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too old"):
        login(alone(), type="onedrive", binary=pretend(tmp_path / "rclone", "1.60.1"))


# ---------------------------------------------------------------------------------------------------- somebody is asked
def test_webdav_asks_for_what_it_needs_and_hides_the_password() -> None:
    script = Script({"url": "http://h/", "vendor": "nextcloud", "user": "me", "pass": "hunter2"})
    made = section(login(script, type="webdav"))
    assert {name: made[name] for name in ("url", "vendor", "user")} == {
        "url": "http://h/", "vendor": "nextcloud", "user": "me",
    }  # fmt: skip
    assert made["pass"] and "hunter2" not in made["pass"]
    assert [name for name, question in script.asked.items() if question.hidden] == ["pass", "bearer_token"]
    assert "nextcloud" in script.asked["vendor"].choices
    assert "config_fs_advanced" not in script.asked
    assert all(len(text.splitlines()) <= 12 for text in script.told)


def test_s3_asks_by_provider_and_hides_the_key() -> None:
    script = Script({"provider": "Minio", "access_key_id": "A", "secret_access_key": "hunter2"})
    made = section(login(script, type="s3"))
    assert made["secret_access_key"] == "hunter2"
    assert script.asked["secret_access_key"].hidden
    assert "Minio" in script.asked["provider"].choices
    assert "hunter2" not in repr(login(script, type="s3"))


def test_onedrive_begins_with_the_web_browser_and_can_do_without_one() -> None:
    script = Script({"config_is_local": "n"})
    with pytest.raises(Enough):
        login(script, type="onedrive")
    assert list(script.asked) == ["config_is_local", "config_token"]
    assert script.asked["config_is_local"].choices == ("yes", "no")
    assert script.asked["config_token"].hidden
    assert 'rclone authorize "onedrive"' in script.told[-1]


def test_drive_warns_of_the_shared_client_first() -> None:
    script = Script({"client_id": "C", "client_secret": "S", "config_is_local": "no"})
    with pytest.raises(Enough):
        login(script, type="drive")
    assert next(iter(script.asked)) == "config_shared_client_id"
    assert "retired" in script.told[0]
    assert script.asked["config_shared_client_id"].default == "no"


def test_a_pasted_token_is_taken() -> None:
    token = json.dumps({"access_token": "a", "refresh_token": "r", "expiry": "2030-01-01T00:00:00Z"})
    done = login(Script({"config_is_local": "no", "config_token": token}), type="dropbox")
    assert json.loads(section(done)["token"])["refresh_token"] == "r"
    assert "refresh_token" not in repr(done)
    unattended = login(alone(), type="dropbox", set=f"config_token={token}\n")
    assert section(unattended)["token"] == section(done)["token"]


def test_a_bare_name_may_be_a_type() -> None:
    assert section(login(Script({"remote": "/x"}), remote="alias:a"))["type"] == "alias"


# ---------------------------------------------------------------------------------------------------------- once more
def test_a_login_that_still_holds_is_left_alone(tmp_path: Path) -> None:
    script = Script()
    held = json.dumps({"type": "alias", "remote": str(tmp_path)})
    assert section(login(script, {"section": held}, type="alias"))["remote"] == str(tmp_path)
    assert not script.asked


def test_a_login_that_is_refused_is_renewed_and_keeps_what_is_no_secret(tmp_path: Path) -> None:
    with servers_rclone.wsgidav(tmp_path / "served") as server:
        held = json.loads(servers_rclone.dav_section(server)) | {"pass": servers_rclone.obscured("wrong")}
        script = Script({"user": server.access_key, "pass": server.secret_key})
        done = login(script, {"section": json.dumps(held)}, type="webdav")
        assert "url" not in script.asked and section(done)["url"] == server.endpoint
        options, _ = make_options(RcloneBackend, {"type": "webdav", **done.options})
        with contextlib.closing(RcloneBackend.connect(options, done.secrets)) as backend:
            backend.prepare()


# ------------------------------------------------------------------------------------------------------- a web browser
class Browser(Script):
    """Goes to the page that is told, and says no to whatever it asks, without leaving this machine."""

    def tell(self, text: str) -> None:
        super().tell(text)
        found = re.search(r"http://127\.0\.0\.1:\d+/auth\?state=(\S+)", text)
        if found:
            page = f"{found[0].partition('/auth')[0]}/?state={found[1]}&error=access_denied"
            threading.Thread(target=self.refuse, args=(page,)).start()

    def refuse(self, page: str) -> None:
        with contextlib.suppress(OSError), urllib.request.urlopen(page, timeout=10):
            pass


@contextlib.contextmanager
def login_port(seconds: float = 100.0) -> Iterator[socket.socket]:
    """rclone's port for the page, held for the block.  Waits: a connection that ended here may hold it for a minute."""
    end = time.monotonic() + seconds
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                held.bind(("127.0.0.1", 53682))
                break
            except OSError:
                assert time.monotonic() < end, "another program uses port 53682"
                time.sleep(0.05)
        yield held


def test_a_port_in_use_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with login_port() as held, pytest.raises(Unavailable, match=r"port .*53682.* in use") as raised:
        held.listen()
        login(Browser({"config_is_local": "yes"}), type="onedrive", binary=rclone_binary())
    assert "wait a minute" in raised.value.hint


def test_the_page_to_log_in_at_is_told_and_a_refusal_there_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with login_port():
        pass
    monkeypatch.setenv("PATH", "/nonexistent")  # else rclone would open a real browser, where there is one
    script = Browser({"config_is_local": "yes"})
    with pytest.raises((BackendError, ConfigError)) as raised:
        login(script, type="onedrive", binary=rclone_binary())
    assert any("127.0.0.1" in text for text in script.told), raised.value
    assert raised.value.hint
