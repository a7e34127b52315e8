"""Logging in: with a token that is there, else over the user's web browser, else by pasting an address.

RFC 8252 ('OAuth 2.0 for Native Apps'): the answer comes to a port of this machine's loopback address; RFC 7636: the
code in it is of use only to who asked for it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.env import Env
from webraid.errors import AuthExpired, ConfigError, Misconfigured, PermissionDenied, PluginMissing
from webraid_gdrive.drive import Drive
from webraid_gdrive.errors import ERRORS
from webraid_gdrive.folder import Folder
from webraid_gdrive.grants import CLIENT_HINT, SCOPE, OAuthClient, kept, refresh_token
from webraid_gdrive.loopback import Redirect
from webraid_gdrive.names import Shared
from webraid_gdrive.options import DriveOptions
from webraid_gdrive.tokens import Tokens, ask_token

PATIENCE = 300.0  # seconds for the user to agree in the browser that opened
STEPS = """\
Google Drive needs an OAuth client of your own (five minutes, free, once):
  1. console.cloud.google.com: make a project, and switch the Google Drive API on in it.
  2. Google Auth Platform: fill in the app's name and your address, audience 'External', then 'Publish app'.
  3. Clients: create one of the type 'Desktop app' and download its JSON file.
docs/backends/gdrive.md shows each step."""


def login(options: DriveOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
    """See Backend.login.  A token that works is kept; where none does, the user is asked to agree on Google's page."""
    options = options.with_secrets(secrets)
    new: dict[str, str] = {}
    if not options.client_secret:
        new["client_secret"] = _client_file(dialogue)
    client = OAuthClient.of(new.get("client_secret") or options.client_secret)
    found: dict[str, object] | None = None
    if options.token:
        try:
            found = _verified(options, client, refresh_token(options.token, client), secrets.disk, dialogue.env, new)
        except AuthExpired:
            if not dialogue.interactive:
                raise
            dialogue.tell("The login that is stored is no longer good.")
    if found is None:
        if not dialogue.interactive:
            raise ConfigError(
                "a gdrive disk needs a login, and nobody can be asked here",
                hint="Give --token-file FILE, made by 'webraid backend login' on a machine with a browser.",
            )
        token = _agreed(options, client, dialogue)
        new["token"] = kept(token, client)
        found = _verified(options, client, token, secrets.disk, dialogue.env, new)
    return Login(found, new)


def _client_file(dialogue: Dialogue) -> str:
    dialogue.tell(STEPS)
    path = dialogue.ask("JSON file of your OAuth client", instead="--client-secret-file FILE")
    try:
        return Path(path).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"the OAuth client's JSON file cannot be read: {reason}", hint=CLIENT_HINT) from error


def _verified(
    options: DriveOptions, client: OAuthClient, token: str, disk: str, env: Env, new: dict[str, str]
) -> dict[str, object]:
    """Whose Drive it is, and the folder in it; raises Misconfigured where it is another one than before."""
    tokens = Tokens(client, token, lambda renewed: new.update(token=kept(renewed, client)), env)
    drive = Drive(options.endpoint, tokens, options.timeout, disk)
    try:
        permission, email = drive.user()
        account = email or permission
        if not account:
            raise Misconfigured("Google does not tell whose Drive this is", hint="Log in with an ordinary account.")
        if options.account and options.account.lower() not in (permission, email.lower()):
            raise Misconfigured(
                f"this is the Drive of {account}, but the disk is in that of {options.account}",
                hint="Log in again, and choose the right account on Google's page.",
            )
        shared = Shared(tokens, options.folder_id, env)
        Folder(drive, shared, options.folder).prepare()
        return {"account": options.account or account, "folder_id": shared.folder_id}
    finally:
        drive.close()


@dataclass(frozen=True, slots=True)
class _Question:
    """What only the one who asks knows: ``state`` comes back with the answer, ``verifier`` goes with the code."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect: str

    def page(self, client: OAuthClient) -> str:
        """The address of Google's page."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": client.id, "redirect_uri": self.redirect, "scope": SCOPE,
            "state": self.state, "code_challenge": challenge, "code_challenge_method": "S256",
            "access_type": "offline", "prompt": "consent",  # else a second login gives no refresh token
        }  # fmt: skip
        return f"{client.auth_uri}?{urlencode(asked)}"

    def code_in(self, answer: Mapping[str, str]) -> str:
        """The code of an answer to this very question.  Raises PermissionDenied, ConfigError."""
        if answer.get("state") != self.state:
            raise ConfigError("this is the answer to another login", hint="Begin the login again.")
        if answer.get("error"):
            raise PermissionDenied("access was refused on Google's page", hint="Log in again, and agree.")
        if not answer.get("code"):
            raise ConfigError("there is no code in it", hint="Copy the whole address, from http:// to its end.")
        return answer["code"]


def _agreed(options: DriveOptions, client: OAuthClient, dialogue: Dialogue) -> str:
    """A refresh token, after the user has agreed on Google's page."""
    env = dialogue.env
    with Redirect() as redirect:
        question = _Question(_word(env), _word(env), redirect.address)
        page = question.page(client)
        answer: Mapping[str, str] = {}
        if dialogue.browse(page):
            dialogue.tell("Agree on the page that has opened in your web browser; then go on here.")
            answer = redirect.wait(question.state, PATIENCE, env)
    code = question.code_in(answer) if answer else _pasted(question, page, dialogue)
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": question.redirect,
        "code_verifier": question.verifier,
    }  # fmt: skip
    told = _exchange(client, form, options.timeout)
    if not told["refresh_token"]:
        raise AuthExpired(
            "Google gave a login that does not last", hint="Remove the app's access in your Google account."
        )
    return str(told["refresh_token"])


def _exchange(client: OAuthClient, form: dict[str, str], timeout: float) -> dict[str, object]:
    try:
        from webraid_gdrive.transport import Http, Request  # noqa: PLC0415  the SDK
    except ImportError as error:
        raise PluginMissing("gdrive needs Google's SDK: pipx install --force '.[all]' in the checkout") from error
    http = Http(timeout)
    try:
        with mapped(ERRORS):
            return ask_token(Request(http), client, form)
    finally:
        http.close()


def _pasted(question: _Question, page: str, dialogue: Dialogue) -> str:
    dialogue.tell(
        f"Open this address in a web browser, on any machine, and agree:\n\n{page}\n\n"
        "The browser ends on a page that it cannot show, whose address begins with http://127.0.0.1. "
        "That is as it should be: copy that whole address."
    )
    text = dialogue.ask("The address", instead="--token-file FILE").strip()
    if "=" not in text:
        return text  # the code alone
    _, mark, query = text.partition("?")
    answer = {name: values[-1] for name, values in parse_qs(query.partition("#")[0] if mark else text).items()}
    return question.code_in(answer)


def _word(env: Env) -> str:
    """43 letters and digits from 32 random bytes: what RFC 7636 recommends for a verifier."""
    return base64.urlsafe_b64encode(env.random(32)).rstrip(b"=").decode()
