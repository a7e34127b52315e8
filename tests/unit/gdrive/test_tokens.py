"""The access token: asked for once, shared, renewed when refused, and clear words where it cannot be."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable

import pytest

from tests.fakes.drive import FakeDrive
from webraid.backend.conformance.subject import put
from webraid.backend.login import Secrets
from webraid.env import Env
from webraid.errors import AuthExpired, BackendError, Misconfigured, ProtocolError, RateLimited, Unavailable
from webraid_gdrive import DriveBackend, DriveOptions

OpenDisk = Callable[..., DriveBackend]


def test_threads_share_one_token(drive: FakeDrive, open_disk: OpenDisk) -> None:
    disks = [open_disk() for _ in range(6)]
    before = drive.oauth.refreshes()
    drive.oauth.expire()
    gate = threading.Barrier(6)

    def work(disk: DriveBackend) -> None:
        gate.wait()
        disk.usage()

    threads = [threading.Thread(target=work, args=(disk,)) for disk in disks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drive.oauth.refreshes() == before + 1


def test_a_refused_token_is_renewed_once_and_the_request_repeated_once(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    drive.oauth.expire()
    assert put(disk, "log/a", b"2").verified
    assert [(seen.id, seen.status) for seen in drive.faults.journal[-3:]] == [
        ("drive.files.update", 401), ("oauth", 200), ("drive.files.update", 200),
    ]  # fmt: skip
    drive.faults.become("expired")
    before = drive.requests("")
    with pytest.raises(AuthExpired):
        disk.get("log/a")
    assert drive.requests("") == before + 3


def test_a_token_is_renewed_before_it_ends(drive: FakeDrive, open_disk: OpenDisk) -> None:
    now = [0.0]
    disk = open_disk(env=Env(monotonic=lambda: now[0]), folder="other")
    disk.prepare()
    before = drive.oauth.refreshes()
    for now[0], count in ((3500.0, 0), (3540.0, 1), (3600.0, 1), (7200.0, 2)):
        disk.usage()
        assert drive.oauth.refreshes() == before + count
    assert 401 not in [seen.status for seen in drive.faults.journal]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, "invalid_grant", AuthExpired),
        (401, "invalid_client", AuthExpired),
        (401, "deleted_client", AuthExpired),
        (400, "nobody-knows", AuthExpired),
        (503, "backend", Unavailable),
        (400, "temporarily_unavailable", Unavailable),
        (429, "slow_down", RateLimited),
    ],
)
def test_a_refusal_of_the_sign_in_is_asked_for_once(
    drive: FakeDrive, open_disk: OpenDisk, status: int, error: str, expected: type[BackendError]
) -> None:
    disk = open_disk(name="mine")
    drive.oauth.expire()
    drive.oauth.fail(status, error, times=0, headers={"Retry-After": "7"} if status == 429 else None)
    before = drive.oauth.refreshes()
    with pytest.raises(expected) as caught:
        disk.usage()
    assert drive.oauth.refreshes() == before + 1
    if expected is AuthExpired:
        assert caught.value.fix == "webraid backend login mine"
    if error == "invalid_grant":
        assert "webraid backend login mine" in caught.value.hint
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 7.0
    drive.oauth.mend()
    disk.usage()


def test_an_answer_that_is_no_token_is_an_error(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.oauth.expire()
    for body in ("{}", "[]", '"x"', "<html>", '{"access_token": "t", "expires_in": "soon"}'):
        drive.oauth.fail(200, "")
        drive.oauth.failing[0] = type(drive.oauth.failing[0])(200, body.encode())
        with pytest.raises(BackendError, match="not understood"):
            disk.usage()
    disk.usage()


def test_an_answer_that_is_not_the_sign_ins_does_not_send_the_user_to_log_in(
    drive: FakeDrive, disk: DriveBackend
) -> None:
    for status in (302, 403, 404):
        drive.oauth.expire()
        drive.oauth.fail(status, "")
        drive.oauth.failing[0] = type(drive.oauth.failing[0])(status, b"<html>please log in to this hotel's net</html>")
        with pytest.raises(ProtocolError, match="not that of Google"):
            disk.usage()
    disk.usage()


def test_threads_that_come_after_a_replaced_refresh_token_share_the_one_login(
    drive: FakeDrive, secrets: dict[str, str]
) -> None:
    drive.oauth.rotate = True
    held, options = Secrets(secrets), DriveOptions(endpoint=drive.url)
    with contextlib.closing(DriveBackend.connect(options, held)) as first:
        first.prepare()
        with contextlib.closing(DriveBackend.connect(options, held)) as second:
            for disk in (second, first, second):
                drive.oauth.expire()
                put(disk, "log/a", b"1")
    assert sum(file.name == "log/a" for file in drive.store.files.values()) == 1


def test_a_refresh_token_that_google_replaces_is_kept_for_the_next_run(
    drive: FakeDrive, secrets: dict[str, str]
) -> None:
    drive.oauth.rotate = True
    kept: list[dict[str, str]] = []
    held = Secrets(secrets, keep=lambda values: kept.append(dict(values)))
    for _ in range(2):
        disk = DriveBackend.connect(DriveOptions(endpoint=drive.url), held)
        disk.prepare()
        drive.oauth.expire()
        disk.usage()
        disk.close()
    assert json.loads(kept[-1]["token"])["refresh_token"] != json.loads(secrets["token"])["refresh_token"]
    assert kept[-1]["client_secret"] == secrets["client_secret"]
    assert held["token"] == kept[-1]["token"]
    disk = DriveBackend.connect(DriveOptions(endpoint=drive.url), dict(kept[-1]))
    assert disk.usage().used == 0
    disk.close()


@pytest.mark.parametrize("shape", ["bare", "google", "rclone"])
def test_tokens_of_other_programs_are_taken(drive: FakeDrive, secrets: dict[str, str], shape: str) -> None:
    ours = json.loads(secrets["token"])
    text = {
        "bare": f" {ours['refresh_token']}\n",
        "google": json.dumps({**ours, "token": "old", "scopes": ["x"], "expiry": "2026-01-01T00:00:00Z"}),
        "rclone": json.dumps({"access_token": "old", "refresh_token": ours["refresh_token"], "expiry": "x"}),
    }[shape]
    disk = DriveBackend.connect(DriveOptions(endpoint=drive.url), {**secrets, "token": text})
    assert disk.usage().used == 0
    disk.close()


@pytest.mark.parametrize(
    ("client", "token", "expected", "words"),
    [
        ("", None, Misconfigured, "your own OAuth client"),
        ("{}", None, Misconfigured, "no OAuth client's"),
        ("not json", None, Misconfigured, "no OAuth client's"),
        ('{"web": {}}', None, Misconfigured, "web server"),
        ('{"installed": {"client_id": "x"}}', None, Misconfigured, "not whole"),
        (None, "", AuthExpired, "no login yet"),
        (None, "{}", AuthExpired, "no login yet"),
        (None, "two words", AuthExpired, "no login yet"),
        (None, '{"refresh_token": "t", "client_id": "another"}', Misconfigured, "another OAuth client"),
    ],
)
def test_secrets_that_do_not_fit_are_told_before_any_request(
    drive: FakeDrive, secrets: dict[str, str], client: str | None, token: str | None, expected: type[BackendError],
    words: str,
) -> None:  # fmt: skip
    given = {
        "client_secret": secrets["client_secret"] if client is None else client,
        "token": secrets["token"] if token is None else token,
    }
    with pytest.raises(expected, match=words):
        DriveBackend.connect(DriveOptions(endpoint=drive.url), given)
    assert drive.requests("") == 0


def test_a_client_file_that_would_send_the_token_unencrypted_is_refused(secrets: dict[str, str]) -> None:
    told = json.loads(secrets["client_secret"])
    told["installed"]["token_uri"] = "http://oauth.example.org/token"
    with pytest.raises(Misconfigured, match="not safe"):
        DriveBackend.connect(DriveOptions(), {**secrets, "client_secret": json.dumps(told)})
