"""Logging in: with a token that is there, by a page and a code, and when it does not work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.fakes.dropbox import FakeDropbox
from webraid.backend.login import Choice, Login, Secrets
from webraid.env import Env
from webraid.errors import AuthExpired, ConfigError, Misconfigured, Unavailable
from webraid_dropbox import DropboxBackend, DropboxOptions


@dataclass
class Person:
    """Sits at the terminal and does what ``answer`` makes of the page that is shown."""

    answer: Callable[[str], str]
    interactive: bool = True
    browser: bool = True
    env: Env = field(default_factory=Env)
    told: list[str] = field(default_factory=list)
    url: str = ""

    def tell(self, text: str) -> None:
        self.told.append(text)

    def browse(self, url: str) -> bool:
        self.url = url
        return self.browser

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        if not self.interactive:
            raise ConfigError(f"cannot ask: {question}", hint=instead)
        return self.answer(self.url)


@pytest.fixture
def person(dropbox: FakeDropbox) -> Person:
    """Agrees and pastes the code, with blanks around it."""
    return Person(lambda url: f"  {requests.get(url, timeout=10).text}\n")


@pytest.fixture
def options(dropbox: FakeDropbox) -> DropboxOptions:
    return DropboxOptions(dropbox.app_key, endpoint=dropbox.url)


def login(options: DropboxOptions, person: Person, **secrets: str) -> Login:
    return DropboxBackend.login(options, Secrets(secrets, disk="x1"), person)


def nobody(url: str) -> str:
    raise AssertionError("nobody may be asked")


@pytest.mark.parametrize("bare", [True, False])
def test_a_token_from_a_file_is_tried_and_tells_the_account(
    dropbox: FakeDropbox, options: DropboxOptions, bare: bool
) -> None:
    refresh = dropbox.refresh_token()
    given = f"{refresh}\n" if bare else json.dumps({"refresh_token": refresh})
    found = login(options, Person(nobody, interactive=False), token=given)
    assert found.options == {"account": dropbox.account_id}
    assert json.loads(found.secrets["token"]) == {"refresh_token": refresh}


def test_a_code_becomes_a_login_that_lasts(dropbox: FakeDropbox, options: DropboxOptions, person: Person) -> None:
    found = login(options, person)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(person.url).query).items()}
    assert person.url.startswith(f"{dropbox.url}/oauth2/authorize?")
    assert asked.pop("code_challenge")
    assert asked == {
        "response_type": "code", "client_id": dropbox.app_key, "token_access_type": "offline",
        "code_challenge_method": "S256",
    }  # fmt: skip
    assert found.options == {"account": dropbox.account_id}
    disk = DropboxBackend.connect(options, found.secrets)
    assert disk.usage().used == 0
    disk.close()


def test_without_a_browser_the_address_is_told(options: DropboxOptions, person: Person) -> None:
    person.browser = False
    login(options, person)
    assert person.url in "\n".join(person.told)


def test_no_secret_is_told(dropbox: FakeDropbox, options: DropboxOptions, person: Person) -> None:
    found = login(options, person)
    assert "fakedbx" not in "\n".join(person.told)
    assert "fakedbx" not in repr(found)


def test_where_nobody_can_be_asked_the_flag_is_named(options: DropboxOptions) -> None:
    with pytest.raises(ConfigError) as raised:
        login(options, Person(nobody, interactive=False))
    assert "--token-file" in raised.value.hint


def test_a_login_that_still_works_is_kept(dropbox: FakeDropbox, options: DropboxOptions) -> None:
    refresh = dropbox.refresh_token()
    found = login(options, Person(nobody), token=refresh)
    assert json.loads(found.secrets["token"]) == {"refresh_token": refresh}


def test_a_login_that_was_revoked_is_replaced(dropbox: FakeDropbox, options: DropboxOptions, person: Person) -> None:
    old = dropbox.refresh_token()
    dropbox.oauth.revoke()
    found = login(options, person, token=old)
    assert old not in found.secrets["token"]
    assert "does not work" in person.told[0]


def test_a_login_that_was_revoked_names_the_command_where_nobody_can_be_asked(
    dropbox: FakeDropbox, options: DropboxOptions
) -> None:
    old = dropbox.refresh_token()
    dropbox.oauth.revoke()
    with pytest.raises(AuthExpired) as raised:
        login(options, Person(nobody, interactive=False), token=old)
    assert raised.value.fix == "webraid backend login x1"


def test_another_account_is_refused(dropbox: FakeDropbox, person: Person) -> None:
    options = DropboxOptions(dropbox.app_key, endpoint=dropbox.url, account="dbid:another")
    with pytest.raises(ConfigError, match="another Dropbox account"):
        login(options, person)


def test_a_code_that_is_wrong_or_used_is_refused(dropbox: FakeDropbox, options: DropboxOptions, person: Person) -> None:
    with pytest.raises(ConfigError, match="code"):
        login(options, Person(lambda url: "wrong"))
    login(options, person)
    used = dropbox.oauth.journal[-2].asked["code"]
    with pytest.raises(ConfigError, match="code"):
        login(options, Person(lambda url: used))


def test_the_page_is_dropboxs_own(options: DropboxOptions, dropbox: FakeDropbox) -> None:
    seen: list[str] = []

    def leave(url: str) -> str:
        seen.append(url)
        raise ConfigError("nobody there")

    with pytest.raises(ConfigError, match="nobody"):
        login(replace(options, endpoint=""), Person(leave))
    assert seen[0].startswith("https://www.dropbox.com/oauth2/authorize?")


def test_a_server_in_trouble_is_not_the_fault_of_the_code(
    dropbox: FakeDropbox, options: DropboxOptions, person: Person
) -> None:
    dropbox.oauth.fail(503, "unavailable")
    with pytest.raises(Unavailable):
        login(options, person)


def test_an_app_without_a_permission_is_told_which(
    dropbox: FakeDropbox, options: DropboxOptions, person: Person
) -> None:
    dropbox.oauth.scopes = ("account_info.read", "files.metadata.read")
    with pytest.raises(ConfigError, match=r"files\.content\.read, files\.content\.write"):
        login(options, person)


def test_an_app_key_that_nobody_knows_is_said_so(dropbox: FakeDropbox) -> None:
    options = DropboxOptions("nosuchkey", endpoint=dropbox.url)
    with pytest.raises(Misconfigured, match="app key"):
        login(options, Person(nobody, interactive=False), token="x")
