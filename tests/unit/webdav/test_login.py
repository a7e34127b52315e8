"""webraid_webdav: how a login finds out what server it is, and asks for what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.fakes.nextcloud import Nextcloud, nextcloud
from tests.unit.webdav.scripted import Answer, Scripted, listing, row
from webraid.backend.login import Choice, Secrets
from webraid.env import Env
from webraid.errors import ConfigError
from webraid_webdav import WebdavBackend, WebdavOptions


@dataclass
class Person:
    """Answers what is asked, or is not there."""

    answers: list[str] = field(default_factory=list)
    interactive: bool = True
    asked: list[str] = field(default_factory=list)
    env: Env = field(default_factory=Env)

    def tell(self, text: str) -> None:
        raise AssertionError(text)

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        if not self.interactive:
            raise ConfigError(question, hint=instead)
        self.asked.append(f"{question}{' (hidden)' if hidden else ''}")
        return self.answers.pop(0)

    def browse(self, url: str) -> bool:
        return False


def nobody() -> Person:
    return Person(interactive=False)


@pytest.mark.parametrize("path", ["/remote.php/dav/files/ada%20lovelace/not/there", "/remote.php/webdav/x", "/"])
@pytest.mark.parametrize("owncloud", [False, True])
def test_the_server_tells_what_it_is(path: str, owncloud: bool) -> None:
    with nextcloud(Nextcloud(owncloud=owncloud)) as cloud:
        cloud.folders.add("/remote.php/webdav")
        options = WebdavOptions(f"{cloud.origin}{path}", cloud.user)
        found = WebdavBackend.login(options, Secrets({"password": cloud.password}), nobody())
    assert found.options == {"provider": "owncloud" if owncloud else "nextcloud"}
    assert not found.secrets


def test_the_bare_address_of_a_nextcloud_becomes_that_of_its_files(cloud: Nextcloud) -> None:
    options = WebdavOptions(cloud.origin, cloud.user)
    found = WebdavBackend.login(options, Secrets({"password": cloud.password}), nobody())
    made = WebdavOptions(options.url, cloud.user, provider=found.options["provider"])  # type: ignore[arg-type]
    assert made.url == f"{cloud.origin}/remote.php/dav/files/ada%20lovelace/webraid/"


@pytest.mark.parametrize(
    ("options", "propfind"),
    [(Answer(200, headers={"DAV": "1,2"}), Answer(404)), (Answer(405), listing(row("", size=None)))],
)
def test_any_other_server_is_other(options: Answer, propfind: Answer, script: Scripted) -> None:
    script.says(OPTIONS=options, PROPFIND=propfind)
    found = WebdavBackend.login(WebdavOptions(script.url, "u"), Secrets({"password": "p"}), nobody())
    assert found.options == {"provider": "other"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"productname": 7}', b'{"x": 1}'])
def test_a_status_page_may_hold_anything(body: bytes, script: Scripted) -> None:
    script.says(GET=Answer(body=body))
    origin = script.url.partition("/dav")[0]
    found = WebdavBackend.login(WebdavOptions(origin, "u"), Secrets({"password": "p"}), nobody())
    assert found.options == {"provider": "other"}


def test_known_hosts_are_not_asked() -> None:
    options = WebdavOptions("https://app.koofr.net/dav/Koofr/webraid", "u")
    found = WebdavBackend.login(options, Secrets({"password": "p"}), nobody())
    assert found.options == {"provider": "koofr"}


def test_what_is_given_is_not_asked_for(script: Scripted) -> None:
    found = WebdavBackend.login(WebdavOptions(script.url, "u", provider="other"), Secrets({"password": "p"}), Person())
    assert (dict(found.options), dict(found.secrets)) == ({}, {})
    assert not script.seen


def test_a_server_that_does_not_answer_is_left_to_prepare() -> None:
    found = WebdavBackend.login(WebdavOptions("http://127.0.0.1:1/dav", "u"), Secrets({"password": "p"}), nobody())
    assert not found.options


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_what_a_server_cannot_tell_just_now_is_not_made_up(status: int, script: Scripted) -> None:
    script.says(OPTIONS=Answer(status), PROPFIND=Answer(status))
    found = WebdavBackend.login(WebdavOptions(script.url, "u"), Secrets({"password": "p"}), nobody())
    assert not found.options


def test_user_and_password_are_asked_for(script: Scripted) -> None:
    person = Person(["ada", "SECRETWORD"])
    found = WebdavBackend.login(WebdavOptions(script.url, provider="other"), Secrets(), person)
    assert (found.options, found.secrets) == ({"user": "ada"}, {"password": "SECRETWORD"})
    assert person.asked[1] == "Password of ada (hidden)"
    assert "SECRETWORD" not in repr(found)


def test_no_user_means_no_password(script: Scripted) -> None:
    found = WebdavBackend.login(WebdavOptions(script.url, provider="other"), Secrets(), Person([""]))
    assert (dict(found.options), dict(found.secrets)) == ({}, {})


def test_where_nobody_can_be_asked_the_flag_is_told(script: Scripted) -> None:
    with pytest.raises(ConfigError) as caught:
        WebdavBackend.login(WebdavOptions(script.url, "u"), Secrets(), nobody())
    assert "--password-env" in caught.value.hint
