"""Login: the password, and what server it is."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

from webraid.backend.login import Dialogue, Login, Secrets
from webraid.backend.mapping import mapped
from webraid.errors import BackendError
from webraid_webdav.client import MULTISTATUS, Answer, Client
from webraid_webdav.errors import ERRORS
from webraid_webdav.folders import XML, refuse
from webraid_webdav.multistatus import PRODUCT, entries
from webraid_webdav.options import Parts, WebdavOptions, path_of


def log_in(options: WebdavOptions, secrets: Secrets, dialogue: Dialogue) -> Login:
    """The provider where it was not given; user and password where somebody can be asked.  Raises ConfigError."""
    found: dict[str, object] = {}
    new: dict[str, str] = {}
    if not options.user and dialogue.interactive:
        user = dialogue.ask("User (empty where the server asks for none)", instead="--user USER", optional=True)
        options = replace(options, user=user)
        found |= {"user": user} if user else {}
    password = secrets.get("password", "")
    if options.user and not password:
        password = dialogue.ask(f"Password of {options.user}", instead="--password-env VARIABLE", hidden=True)
        new["password"] = password
    if not options.provider:
        with contextlib.suppress(BackendError):  # whatever it is, prepare says it better
            found["provider"] = options.known_provider or detect(options, password)
    return Login(found, new)


def detect(options: WebdavOptions, password: str) -> str:
    """The provider, by what the server tells: Nextcloud names a feature of its own, ownCloud gives files an id.  Where
    only the bare address is given, both tell their name in status.php; the options then know the rest of the path.
    Raises BackendError where the server cannot tell just now."""
    with mapped(ERRORS):
        client = Client(options, password)
    try:
        if not options.parts:
            return _product(client.call("GET", "/status.php"))
        if "nextcloud" in client.call("OPTIONS", "").headers.get("dav", "").lower():
            return "nextcloud"
        answer = client.call(
            "PROPFIND", _sure_to_be_there(options.parts), headers={"Depth": "0", "Content-Type": XML}, body=PRODUCT
        )
        if answer.status in (401, 429) or answer.status >= 500:
            raise refuse(answer, "")
        told = answer.status == MULTISTATUS and any(entry.product for entry in entries(answer.body))
        return "owncloud" if told else "other"
    finally:
        client.close()


def _product(answer: Answer) -> str:
    try:
        told = str(json.loads(answer.body)["productname"]).lower()
    except (ValueError, KeyError, TypeError):
        return "other"
    return next((name for name in ("nextcloud", "owncloud") if name in told), "other")


def _sure_to_be_there(parts: Parts) -> str:
    """The disk's own folder may yet have to be made; the folder of all the user's files is there."""
    if "remote.php" not in parts:
        return ""
    begin = parts.index("remote.php")
    return path_of(parts[: begin + (4 if parts[begin + 1 : begin + 3] == ("dav", "files") else 2)]) + "/"
