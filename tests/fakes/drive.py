"""A fake Google Drive with its OAuth server, for the real SDK to talk to over HTTP.

    with fake_drive() as drive:
        drive.url                       # the API's root, for the option 'endpoint'
        drive.client_json("id-1")       # the content of an OAuth client's JSON file
        drive.token_json("id-1")        # a token as 'webraid backend login' stores it

As a process of its own, for the command line:

    python -m tests.fakes.drive --port 0 --write DIR

It prints one JSON line: url, client_secret_file, token_file.  Then it obeys lines on its standard input: a fault's name
or 'none', 'requests', 'expire' (access tokens), 'revoke' (refresh tokens), 'quota BYTES', 'lag SECONDS', 'units N' (a
minute).  With --attached it ends when its standard input does.

What is simulated, and after which page of Google's documentation, stands at each line of drive_store.py,
drive_words.py, drive_uploads.py and drive_http.py.  It has never been compared with the live service.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.drive_faults import REFUSALS, Seen
from tests.fakes.drive_http import Handler
from tests.fakes.drive_store import Refusal, Store
from tests.fakes.drive_uploads import Session
from tests.fakes.oauth import Client, OAuth
from tests.fakes.service import Faults, Service, Step

SCOPE = "https://www.googleapis.com/auth/drive.file"
CLIENT = Client("1-fake.apps.googleusercontent.com", "GOCSPX-fake-client-secret")
OTHER = Client("2-other.apps.googleusercontent.com", "GOCSPX-other-client-secret")


_NUMBERS = itertools.count(1)


class FakeDrive(Service):
    """One user's Drive and the sign-in page, at ``url``."""

    handler = Handler
    known_as = "drive"

    def __init__(self, *, email: str = "someone@example.org", permission_id: str = "01234567890") -> None:
        super().__init__()
        self.email, self.permission_id = email, permission_id
        self.store = Store()
        # Never the same tokens twice: ports are, and a plug-in may remember what it saw with a token at an address.
        prefix = f"ya29.fake{next(_NUMBERS)}"
        self.oauth = OAuth([CLIENT, OTHER], scopes=(SCOPE,), prefix=prefix, expires_in=3599)
        self.faults: Faults[Refusal, Seen] = Faults(REFUSALS)
        self.sessions: dict[str, Session] = {}

    # ------------------------------------------------------------------------------------------------------ credentials
    def client_json(self, client: Client = CLIENT) -> str:
        """What the Cloud console offers as the download of a Desktop app's client."""
        return json.dumps(
            {
                "installed": {
                    "client_id": client.id, "project_id": "fake", "auth_uri": f"{self.url}/o/oauth2/auth",
                    "token_uri": f"{self.url}/token", "client_secret": client.secret,
                    "redirect_uris": ["http://localhost"],
                }
            }
        )  # fmt: skip

    def token_json(self, client: Client = CLIENT) -> str:
        """A token of a user who has agreed."""
        return json.dumps({"refresh_token": self.oauth.sign_in(client.id, scope=SCOPE), "client_id": client.id})

    # ----------------------------------------------------------------------------------------------------------- faults
    def begin_fault(self, name: str) -> None:
        if name == "expired":  # the access token is refused, and so is the refresh token
            self.oauth.fail(400, "invalid_grant", times=0)
        if name == "expired_once":
            self.oauth.fail(400, "invalid_grant")
        super().begin_fault(name)

    def end_fault(self, name: str) -> None:
        self.oauth.mend()
        super().end_fault(name)

    def refuse(
        self, method: str, status: int, reason: str, message: str = "", *, times: int = 1, after: bool = False
    ) -> None:
        """Answer the next requests of a method ('files.create') so; see Step."""
        self.faults.script.append(Step(method, Refusal(status, reason, message), times, after))

    def begin(self, session: Session) -> str:
        """Keep a resumable upload; its id."""
        number = f"upload-{len(self.sessions) + 1}"
        self.sessions[number] = session
        return number

    # ---------------------------------------------------------------------------------------------------------- journal
    def requests(self, part: str = "drive.") -> int:
        """How many requests have come whose method's name holds ``part`` (default: all of the API)."""
        return sum(part in (seen.id or "drive.") for seen in list(self.faults.journal))


@contextlib.contextmanager
def fake_drive() -> Iterator[FakeDrive]:
    """A running one."""
    drive = FakeDrive()
    drive.start()
    try:
        yield drive
    finally:
        drive.stop()


def obey(drive: FakeDrive, line: str) -> str:
    """One command; its answer."""
    word, _, value = line.partition(" ")
    if word == "requests":
        return str(drive.requests())
    if word == "expire":
        drive.oauth.expire()
    elif word == "revoke":
        drive.oauth.revoke()
    elif word == "quota":
        drive.store.quota = int(value) if value else None
    elif word == "lag":
        drive.store.lag = float(value)
    elif word == "units":
        drive.store.units_per_minute = int(value) if value else None
    else:
        return drive.command(word)
    return "ok"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description="a fake Google Drive on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the OAuth client's file and a token there")
    parser.add_argument("--quota", type=int, default=15 << 30, help="bytes (default 15 GiB)")
    parser.add_argument("--attached", action="store_true", help="end when standard input ends")
    options = parser.parse_args(argv)
    drive = FakeDrive()
    drive.store.quota = options.quota
    drive.start(options.port)
    told = {"url": drive.url}
    if options.write is not None:
        options.write.mkdir(parents=True, exist_ok=True)
        for name, text in (("client_secret", drive.client_json()), ("token", drive.token_json())):
            path = options.write / f"{name}.json"
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")
            told[f"{name}_file"] = str(path)
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        if line.strip():
            print(obey(drive, line.strip()), flush=True)
    if not options.attached:
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
