"""Getting a refresh token: the user agrees on a page of Dropbox and pastes the code that it shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from webraid.backend.login import Dialogue, Login
from webraid.backend.mapping import mapped
from webraid.errors import AuthExpired, ConfigError, Unavailable, WebRAIDError
from webraid_dropbox.client import Token, make_client, make_session
from webraid_dropbox.codes import SCOPES_HINT
from webraid_dropbox.errors import ERRORS
from webraid_dropbox.options import TOKEN_HINT, DropboxOptions, refresh_token, token_of
from webraid_dropbox.sdk import sdk

SCOPES = ("account_info.read", "files.content.read", "files.content.write", "files.metadata.read")
_INSTEAD = "Give --token-file FILE: the refresh token, bare or as JSON."


def run(options: DropboxOptions, dialogue: Dialogue) -> Login:
    """Keeps a token that works; else asks for a new one.  Raises ConfigError, BackendError."""
    refresh = refresh_token(options.token)
    if refresh:
        try:
            return _verified(options, refresh)
        except AuthExpired as error:
            if not dialogue.interactive:
                raise
            dialogue.tell(f"The login that is there does not work: {error}.")
    elif not dialogue.interactive:
        raise ConfigError("a dropbox disk needs a login", hint=TOKEN_HINT)
    return _verified(options, _asked(options, dialogue))


def _verified(options: DropboxOptions, refresh: str) -> Login:
    """By asking whose it is."""
    with mapped(ERRORS):
        client = make_client(options, Token(refresh))
        try:
            account = str(client.users_get_current_account().account_id)
        finally:
            client.close()
    if options.account and options.account != account:
        raise ConfigError(
            "this login is for another Dropbox account than the disk's",
            hint="Log in with the account that the disk was added with, or add the other one as a disk of its own.",
        )
    return Login({"account": account}, {"token": token_of(refresh)})


def _asked(options: DropboxOptions, dialogue: Dialogue) -> str:
    """A refresh token from a code that the user pastes."""
    with mapped(ERRORS):
        flow = _flow(options)
        url = _page(options, flow.start())
    dialogue.tell("Dropbox asks whether your app may use a folder of its own in your Dropbox.")
    if dialogue.browse(url):
        dialogue.tell(f"Your browser shows its page; if not, open it yourself:\n{url}")
    else:
        dialogue.tell(f"Open this page in a browser, on any machine:\n{url}")
    # Shown while it is typed: it is good once, and without our half of the PKCE pair for nothing.
    code = dialogue.ask("The code that Dropbox shows", instead=_INSTEAD).strip()
    try:
        return _finished(flow, code)
    finally:
        flow.requests_session.close()


def _page(options: DropboxOptions, url: str) -> str:
    """Where the user agrees: at Dropbox, or at the server that stands in for it."""
    asked = urlsplit(url)
    return f"{options.endpoint}{asked.path}?{asked.query}" if options.endpoint else url


def _flow(options: DropboxOptions) -> Any:
    session = make_session(options)
    flow = sdk().DropboxOAuth2FlowNoRedirect(
        options.app_key, use_pkce=True, token_access_type="offline", timeout=options.timeout
    )
    flow.requests_session.close()
    flow.requests_session = session
    return flow


def _finished(flow: Any, code: str) -> str:
    from requests.exceptions import HTTPError  # noqa: PLC0415

    with mapped(ERRORS):
        try:
            told = flow.finish(code)
        except HTTPError as error:
            raise _refused(error.response.status_code if error.response is not None else 0) from None
        lacking = set(SCOPES) - set(str(told.scope or " ".join(SCOPES)).split())
        refresh = str(told.refresh_token or "")
    if lacking:
        raise ConfigError(f"the app lacks the permission {', '.join(sorted(lacking))}", hint=SCOPES_HINT)
    if not refresh:
        raise ConfigError("Dropbox gave no refresh token", hint="Make the app anew: scoped access, App folder.")
    return refresh


def _refused(status: int) -> WebRAIDError:
    if status >= 500 or status == 429:
        return Unavailable(f"Dropbox cannot just now (HTTP {status})", provider_code=str(status))
    return ConfigError("Dropbox does not accept this code", hint="Log in again: a code is good once, and not for long.")
