"""A fake Dropbox with its OAuth server, for the real SDK to talk to over HTTP.

    with fake_dropbox() as dropbox:
        dropbox.url                     # for the option 'endpoint'
        dropbox.app_key                 # of a public app: PKCE, App folder
        dropbox.token_json()            # a token as 'webraid backend login' stores it

As a process of its own, for the command line:

    python -m tests.fakes.dropbox --port 0 --write DIR
    webraid add-backend dropbox x1 --app-key K --token-file T --endpoint URL

It prints one JSON line: url, app_key, token_file.  Then it obeys lines on its standard input: a fault's name or 'none',
'requests', 'commits' (calls that wrote), 'collisions', 'expire' (access tokens), 'unlink' (the user takes the app's
rights away), 'quota BYTES'.  With --attached it ends when its standard input does.

What is simulated, and after which type of the SDK or page of Dropbox's documentation, stands at each line of
dropbox_words.py, dropbox_store.py, dropbox_uploads.py and dropbox_routes.py.  tests/unit/dropbox/test_fake_answers.py
decodes its answers with the SDK's own validators.  It has never been compared with the live service.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fakes.dropbox_faults import REFUSALS, Seen
from tests.fakes.dropbox_http import Handler
from tests.fakes.dropbox_store import Store
from tests.fakes.dropbox_uploads import Sessions
from tests.fakes.dropbox_words import SCOPES, Refusal
from tests.fakes.oauth import Client, OAuth
from tests.fakes.service import Faults, Service, Step

APP = Client("fakeappkey12345")
COMMITS = ("files/upload", "files/upload_session/finish", "files/upload_session/finish_batch_v2")


class FakeDropbox(Service):
    """The app folder of one app in one user's Dropbox, at ``url``.
    ``team``: a TeamSpaceAllocation, where the account is in one; ``entry_failures``: path -> tags that the commit of
    that path in a batch is answered once."""

    handler = Handler
    known_as = "dropbox"

    def __init__(self, *, account_id: str = "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc") -> None:
        super().__init__()
        self.account_id = account_id
        self.app_key = APP.id
        self.store = Store()
        self.sessions = Sessions()
        # OAuth guide: access tokens are good for 4 hours; the answer names account_id and uid
        more = {"uid": "12345", "account_id": account_id}
        self.oauth = OAuth([APP], scopes=SCOPES, prefix="fakedbx", expires_in=14400, more=more)
        self.faults: Faults[Refusal, Seen] = Faults(REFUSALS)
        self.team: Mapping[str, object] | None = None
        self.entry_failures: dict[str, str] = {}
        self.unlinked = False

    # ------------------------------------------------------------------------------------------------------ credentials
    def refresh_token(self, scope: str = "") -> str:
        """Of a user who has agreed."""
        return self.oauth.sign_in(APP.id, scope=scope)

    def token_json(self, scope: str = "") -> str:
        """The same as the content of a token file."""
        return json.dumps({"refresh_token": self.refresh_token(scope)})

    def unlink(self) -> None:
        """The user takes the app's rights away (Account, 'Connected apps'): every token of it is invalid at once."""
        self.unlinked = True
        self.oauth.revoke()
        self.oauth.expire()

    # ----------------------------------------------------------------------------------------------------------- faults
    def begin_fault(self, name: str) -> None:
        if name == "full":
            self._quota, self.store.quota = self.store.quota, 0
        super().begin_fault(name)

    def end_fault(self, name: str) -> None:
        if name == "full":
            self.store.quota = self._quota
        super().end_fault(name)

    def answer_next(self, route: str, refusal: Refusal, *, times: int = 1, after: bool = False) -> None:
        """Answer the next requests of a route ('files/upload') so; see Step."""
        self.faults.script.append(Step(route, refusal, times, after))

    def failing_entry(self, path: str) -> str:
        """Tags of an UploadSessionFinishError for this entry of a batch, '' where it may pass."""
        return self.entry_failures.pop(path, "")

    # ---------------------------------------------------------------------------------------------------------- journal
    def requests(self, *routes: str) -> int:
        """How many requests of the API have come (of these routes; default: all, without the token endpoint)."""
        return sum(
            seen.route in routes if routes else not seen.route.startswith("oauth2/") for seen in self.faults.journal
        )


@contextlib.contextmanager
def fake_dropbox() -> Iterator[FakeDropbox]:
    """A running one."""
    dropbox = FakeDropbox()
    dropbox.start()
    try:
        yield dropbox
    finally:
        dropbox.stop()


def obey(dropbox: FakeDropbox, line: str) -> str:
    """One command; its answer."""
    word, _, value = line.partition(" ")
    if word == "requests":
        return str(dropbox.requests())
    if word == "commits":
        return str(dropbox.requests(*COMMITS))
    if word == "collisions":
        return str(dropbox.store.collisions)
    if word == "expire":
        dropbox.oauth.expire()
    elif word == "unlink":
        dropbox.unlink()
    elif word == "quota":
        dropbox.store.quota = int(value)
    else:
        return dropbox.command(word)
    return "ok"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description="a fake Dropbox on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="DIR", help="write a token file there")
    parser.add_argument("--quota", type=int, default=2 << 30, help="bytes (default 2 GiB)")
    parser.add_argument("--attached", action="store_true", help="end when standard input ends")
    options = parser.parse_args(argv)
    dropbox = FakeDropbox()
    dropbox.store.quota = options.quota
    dropbox.start(options.port)
    told = {"url": dropbox.url, "app_key": dropbox.app_key}
    if options.write is not None:
        options.write.mkdir(parents=True, exist_ok=True)
        path = options.write / "token.json"
        path.touch(mode=0o600)
        path.write_text(dropbox.token_json(), "utf-8")
        told["token_file"] = str(path)
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        if line.strip():
            print(obey(dropbox, line.strip()), flush=True)
    if not options.attached:
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
