"""Logging in: unattended with a token, over the browser, by pasting; and every way it can go wrong."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.fakes.drive import OTHER, FakeDrive
from tests.fakes.drive_store import FOLDER
from webraid.backend.login import Choice, Secrets
from webraid.env import Env
from webraid.errors import AuthExpired, ConfigError, Misconfigured, PermissionDenied
from webraid_gdrive import DriveBackend, DriveOptions, login


@dataclass
class Talk:
    """A user.  ``surf``: what the browser does with a page; None: there is no browser.  ``answers``: to questions."""

    interactive: bool = True
    surf: Callable[[str], None] | None = None
    answers: list[Callable[[], str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    env: Env = field(default_factory=Env)

    def tell(self, text: str) -> None:
        self.said.append(text)

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        if not self.interactive:
            raise ConfigError("nobody can be asked here", hint=f"Give {instead}.")
        return self.answers.pop(0)()

    def browse(self, url: str) -> bool:
        if self.surf is None:
            return False
        threading.Thread(target=self.surf, args=(url,), daemon=True).start()
        return True

    @property
    def page(self) -> str:
        """The address that was told."""
        return next(line for text in self.said for line in text.splitlines() if "response_type=code" in line)


def surf(url: str) -> None:
    """A browser: follows redirects, also to the port that waits."""
    urllib.request.urlopen(url, timeout=10).close()


def headless(page: str) -> str:
    """The address of the page that a browser elsewhere ends on."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments: object) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(page, timeout=10)
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.headers["Location"])
    raise AssertionError("no redirect")


def options(drive: FakeDrive, **more: str) -> DriveOptions:
    return DriveOptions(endpoint=drive.url, timeout=10.0, **more)  # type: ignore[arg-type]


def only_client(secrets: dict[str, str]) -> Secrets:
    return Secrets({"client_secret": secrets["client_secret"]}, disk="g1")


# ----------------------------------------------------------------------------------------------------------- unattended
def test_a_token_alone_is_enough(drive: FakeDrive, secrets: dict[str, str]) -> None:
    found = DriveBackend.login(options(drive), Secrets(secrets), Talk(interactive=False))
    folder = next(file for file in drive.store.files.values() if file.mime == FOLDER)
    assert found.options == {"account": "someone@example.org", "folder_id": folder.id}
    assert found.secrets == {}
    assert secrets["token"] not in repr(found)


def test_a_second_login_finds_the_same_folder(drive: FakeDrive, secrets: dict[str, str]) -> None:
    first = DriveBackend.login(options(drive), Secrets(secrets), Talk(interactive=False))
    again = DriveBackend.login(options(drive), Secrets(secrets), Talk(interactive=False))
    assert first.options == again.options
    assert len(drive.store.files) == 1


def test_without_a_token_nobody_is_asked(drive: FakeDrive, secrets: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        DriveBackend.login(options(drive), only_client(secrets), Talk(interactive=False))
    assert "--token-file" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        DriveBackend.login(options(drive), Secrets(), Talk(interactive=False))
    assert "--client-secret-file" in caught.value.hint


def test_a_dead_token_is_told_with_the_command_that_mends_it(drive: FakeDrive, secrets: dict[str, str]) -> None:
    drive.oauth.revoke()
    with pytest.raises(AuthExpired) as caught:
        DriveBackend.login(options(drive), Secrets(secrets, disk="g1"), Talk(interactive=False))
    assert caught.value.fix == "webraid backend login g1"


def test_a_token_that_is_replaced_while_it_is_tried_is_handed_on(drive: FakeDrive, secrets: dict[str, str]) -> None:
    drive.oauth.rotate = True
    found = DriveBackend.login(options(drive), Secrets(secrets), Talk(interactive=False))
    assert json.loads(found.secrets["token"])["refresh_token"] != json.loads(secrets["token"])["refresh_token"]


def test_a_folder_that_is_gone_is_not_made_again(drive: FakeDrive, secrets: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="gone"):
        DriveBackend.login(options(drive, folder_id="1gone"), Secrets(secrets), Talk(interactive=False))


# ---------------------------------------------------------------------------------------------------------- the browser
def test_the_browser_brings_the_answer_to_the_port_that_waits(drive: FakeDrive, secrets: dict[str, str]) -> None:
    talk = Talk(surf=surf)
    found = DriveBackend.login(options(drive), only_client(secrets), talk)
    token = json.loads(found.secrets["token"])
    assert token["client_id"] == json.loads(secrets["client_secret"])["installed"]["client_id"]
    asked = drive.oauth.journal[0].asked
    assert (asked["access_type"], asked["prompt"], asked["code_challenge_method"]) == ("offline", "consent", "S256")
    assert asked["scope"] == "https://www.googleapis.com/auth/drive.file"
    assert asked["redirect_uri"].startswith("http://127.0.0.1:")
    assert not any(token["refresh_token"] in text for text in talk.said)
    disk = DriveBackend.connect(options(drive), {**secrets, **found.secrets})
    assert disk.usage().used == 0
    disk.close()


def test_a_dead_token_is_renewed_where_somebody_sits(drive: FakeDrive, secrets: dict[str, str]) -> None:
    before = DriveBackend.login(options(drive), Secrets(secrets), Talk(interactive=False))
    drive.oauth.revoke()
    drive.oauth.expire()
    given = options(drive, **{name: str(value) for name, value in before.options.items()})
    after = DriveBackend.login(given, Secrets(secrets), Talk(surf=surf))
    assert after.options == before.options
    assert after.secrets["token"] != secrets["token"]


def test_others_on_the_port_are_not_heard(drive: FakeDrive, secrets: dict[str, str]) -> None:
    statuses: list[int] = []

    def noisy(page: str) -> None:
        port = parse_qs(urlsplit(page).query)["redirect_uri"][0]
        for path in ("/favicon.ico", "/?code=stolen&state=guessed", "/?code=stolen"):
            try:
                urllib.request.urlopen(port + path, timeout=10).close()
            except urllib.error.HTTPError as error:
                statuses.append(error.code)
                error.close()
        surf(page)

    assert DriveBackend.login(options(drive), only_client(secrets), Talk(surf=noisy)).secrets["token"]
    assert statuses == [404, 404, 404]


def test_who_refuses_on_the_page_has_refused(drive: FakeDrive, secrets: dict[str, str]) -> None:
    drive.oauth.refusing = "access_denied"
    with pytest.raises(PermissionDenied, match="refused"):
        DriveBackend.login(options(drive), only_client(secrets), Talk(surf=surf))


def test_another_account_than_before_is_refused(drive: FakeDrive, secrets: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"someone@example.org, but the disk is in that of else@example.org"):
        DriveBackend.login(options(drive, account="else@example.org"), only_client(secrets), Talk(surf=surf))


# -------------------------------------------------------------------------------------------------------------- pasting
def paste(drive: FakeDrive, secrets: dict[str, str], change: Callable[[str], str] = str) -> login.Login:
    talk = Talk()
    talk.answers.append(lambda: change(headless(talk.page)))
    return DriveBackend.login(options(drive), only_client(secrets), talk)


def test_without_a_browser_the_address_is_pasted(drive: FakeDrive, secrets: dict[str, str]) -> None:
    assert paste(drive, secrets).secrets["token"]


def test_the_code_alone_will_do(drive: FakeDrive, secrets: dict[str, str]) -> None:
    assert paste(drive, secrets, lambda url: parse_qs(urlsplit(url).query)["code"][0]).secrets["token"]


def test_the_address_without_its_beginning_will_do(drive: FakeDrive, secrets: dict[str, str]) -> None:
    assert paste(drive, secrets, lambda url: urlsplit(url).query).secrets["token"]


def test_an_address_that_was_damaged_on_the_way_is_understood_as_far_as_it_goes(
    drive: FakeDrive, secrets: dict[str, str]
) -> None:
    assert paste(drive, secrets, lambda url: f"http://[127?{urlsplit(url).query}#end").secrets["token"]


def test_the_answer_to_another_login_is_refused(drive: FakeDrive, secrets: dict[str, str]) -> None:
    def foreign(url: str) -> str:
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return f"http://127.0.0.1:9/?{urlencode({**query, 'state': 'guessed'})}"

    with pytest.raises(ConfigError, match="another login"):
        paste(drive, secrets, foreign)
    with pytest.raises(ConfigError, match="no code"):
        paste(drive, secrets, lambda url: url.partition("&code=")[0])
    assert drive.oauth.refreshes() == 0


def test_a_code_that_was_used_is_refused(drive: FakeDrive, secrets: dict[str, str]) -> None:
    with pytest.raises(AuthExpired):
        paste(drive, secrets, lambda url: "fake-code-0")


def test_a_browser_that_never_answers_leads_to_pasting(
    drive: FakeDrive, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "PATIENCE", 0.0)
    pages: list[str] = []
    talk = Talk(surf=pages.append)
    talk.answers.append(lambda: headless(pages[0]))
    assert DriveBackend.login(options(drive), only_client(secrets), talk).secrets["token"]


# ---------------------------------------------------------------------------------------------------- the client's file
def test_who_has_no_client_is_told_how_to_make_one_and_asked_for_its_file(
    drive: FakeDrive, secrets: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "client.json"
    path.write_text(secrets["client_secret"])
    talk = Talk(surf=surf, answers=[lambda: str(path)])
    found = DriveBackend.login(options(drive), Secrets(), talk)
    assert found.secrets["client_secret"] == secrets["client_secret"]
    assert "Desktop app" in talk.said[0]
    assert "Publish app" in talk.said[0]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{}"])
def test_a_file_that_is_none_is_told(drive: FakeDrive, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "client.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ConfigError, Misconfigured), match="JSON file"):
        DriveBackend.login(options(drive), Secrets(), Talk(answers=[lambda: str(path)]))


def test_a_token_of_another_client_is_told(drive: FakeDrive, secrets: dict[str, str]) -> None:
    given = Secrets({**secrets, "token": drive.token_json(OTHER)})
    with pytest.raises(Misconfigured, match="another OAuth client"):
        DriveBackend.login(options(drive), given, Talk(interactive=False))
