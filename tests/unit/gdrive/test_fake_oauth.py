"""The fake OAuth server, tried with Google's own libraries and against the RFCs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httplib2
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import Request
from google_auth_oauthlib.flow import Flow

from tests.fakes.drive import CLIENT, SCOPE, FakeDrive, fake_drive
from tests.fakes.oauth import Answer, Client, OAuth

APP = Client("app", "hush")
PUBLIC = Client("public")
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://127.0.0.1:9/"


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with fake_drive() as made:
        yield made


def ask(oauth: OAuth, client: Client = APP, **more: str) -> Answer:
    return oauth.authorise({"client_id": client.id, "response_type": "code", "redirect_uri": BACK, **more})


def code_of(answer: Answer) -> str:
    assert answer.status == 302
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def swap(oauth: OAuth, code: str, client: Client = APP, **more: str) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "authorization_code", "code": code, "client_id": client.id, "redirect_uri": BACK}
    answer = oauth.token({**form, "client_secret": client.secret, **more})
    return answer.status, json.loads(answer.body)


def renew(oauth: OAuth, token: str, client: Client = APP) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client.id}
    answer = oauth.token({**form, "client_secret": client.secret})
    return answer.status, json.loads(answer.body)


def test_googles_own_flow_gets_a_token_that_googles_own_credentials_renew(
    drive: FakeDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    flow = Flow.from_client_config(json.loads(drive.client_json()), [SCOPE], redirect_uri=BACK)
    page, state = flow.authorization_url()
    no_redirects = httplib2.Http()
    no_redirects.follow_redirects = False
    answer, _ = no_redirects.request(page)
    back = parse_qs(urlsplit(answer["location"]).query)
    assert back["state"] == [state]
    told = flow.fetch_token(code=back["code"][0])
    assert told["refresh_token"]
    login = Credentials(
        None, refresh_token=told["refresh_token"], token_uri=f"{drive.url}/token", client_id=CLIENT.id,
        client_secret=CLIENT.secret,
    )  # fmt: skip
    login.refresh(Request(no_redirects))
    assert drive.oauth.who(f"Bearer {login.token}") is not None
    drive.oauth.revoke()
    with pytest.raises(RefreshError, match="invalid_grant"):
        login.refresh(Request(no_redirects))
    no_redirects.close()
    flow.oauth2session.close()


def test_a_code_is_good_once_and_for_who_asked() -> None:
    oauth = OAuth([APP, Client("other", "hush")])
    code = code_of(ask(oauth, access_type="offline"))
    status, told = swap(oauth, code)
    assert (status, set(told)) == (200, {"access_token", "refresh_token", "expires_in", "scope", "token_type"})
    assert swap(oauth, code)[1]["error"] == "invalid_grant"
    assert swap(oauth, code_of(ask(oauth)), Client("other", "hush"))[1]["error"] == "invalid_grant"
    assert swap(oauth, code_of(ask(oauth)), redirect_uri="http://elsewhere/")[1]["error"] == "redirect_uri_mismatch"
    assert "refresh_token" not in swap(oauth, code_of(ask(oauth)))[1]
    assert swap(oauth, code_of(ask(oauth)), client_secret="guessed")[0] == 401


def test_the_verifier_is_checked() -> None:
    oauth = OAuth([APP, PUBLIC])
    asked = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    for client in (APP, PUBLIC):
        assert swap(oauth, code_of(ask(oauth, client, **asked)), client, code_verifier=VERIFIER)[0] == 200
        for wrong in ("w" * 43, "", CHALLENGE):
            assert swap(oauth, code_of(ask(oauth, client, **asked)), client, code_verifier=wrong)[0] == 400
    assert ask(oauth, PUBLIC).status == 400  # a public client must use it


def test_without_an_address_the_page_shows_the_code() -> None:
    oauth = OAuth([PUBLIC], more={"uid": "1"})
    shown = oauth.authorise(
        f"client_id=public&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256"
        "&token_access_type=offline"
    )
    form = {"grant_type": "authorization_code", "client_id": "public", "code_verifier": VERIFIER}
    told = json.loads(oauth.token({**form, "code": shown.body.decode()}).body)
    assert told["uid"] == "1"
    assert renew(oauth, told["refresh_token"], PUBLIC)[0] == 200


def test_access_tokens_end_and_refresh_tokens_can_rotate() -> None:
    now = [0.0]
    oauth = OAuth([APP], expires_in=10, rotate=True, now=lambda: now[0])
    refresh = oauth.sign_in("app")
    told = renew(oauth, refresh)[1]
    assert oauth.who(f"Bearer {told['access_token']}") is not None
    now[0] = 10.0
    assert oauth.who(f"Bearer {told['access_token']}") is None
    assert renew(oauth, refresh)[1]["error"] == "invalid_grant"
    assert renew(oauth, told["refresh_token"])[0] == 200
    oauth.expire()
    assert oauth.refreshes() == 3


def test_refusals_and_failures_on_demand_are_in_the_journal() -> None:
    oauth = OAuth([APP], scopes=("a",))
    assert ask(oauth, scope="b").status == 400
    oauth.refusing = "access_denied"
    assert "error=access_denied" in ask(oauth, state="s").headers["Location"]
    refresh = oauth.sign_in("app")
    oauth.fail(503, "server_error")
    assert [renew(oauth, refresh)[0] for _ in range(2)] == [503, 200]
    assert [(seen.what, seen.error) for seen in oauth.journal] == [
        ("authorise", "invalid_scope"), ("authorise", "access_denied"), ("refresh_token", "HTTP 503"),
        ("refresh_token", ""),
    ]  # fmt: skip
