"""What the instances of an account share: the login, the committing thread; and what the account tells of its space."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from tests.fakes.dropbox import FakeDropbox
from tests.fakes.dropbox_words import Refusal, unauthorised
from tests.unit.dropbox.conftest import Open
from tests.unit.dropbox.test_transfer import LARGE, by_threads
from webraid.backend.conformance.subject import put
from webraid.backend.login import Secrets
from webraid.errors import AuthExpired, Misconfigured, RateLimited, Unavailable
from webraid.model import Usage
from webraid_dropbox import DropboxBackend, DropboxOptions, account


def commit_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "dropbox-commits"]


def test_an_access_token_that_expires_mid_run_is_renewed_once_for_all_threads(
    dropbox: FakeDropbox, opened: Open
) -> None:
    dropbox.store.busy = 0.005
    expired = threading.Event()

    def work(disk: DropboxBackend, thread: int) -> None:
        for number in range(6):
            if (thread, number) == (0, 3):
                dropbox.oauth.expire()
                expired.set()
            put(disk, f"{thread}/{number}", LARGE)
            assert disk.get(f"{thread}/{number}") == LARGE

    assert by_threads(6, opened, work) == []
    assert expired.is_set()
    assert dropbox.oauth.refreshes() == 2


def test_an_app_whose_rights_were_taken_away_needs_a_login(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    put(disk, "a", b"1")
    dropbox.unlink()
    with pytest.raises(AuthExpired) as raised:
        put(disk, "a", b"2")
    assert raised.value.fix == "webraid backend login x1"
    assert "webraid backend login x1" in raised.value.hint


def test_a_refresh_token_that_is_no_longer_good_needs_a_login(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.oauth.revoke()
    dropbox.oauth.expire()
    with pytest.raises(AuthExpired) as raised:
        disk.stat("a")
    assert raised.value.fix == "webraid backend login x1"


def test_a_token_endpoint_that_cannot_just_now_is_unavailable(dropbox: FakeDropbox, opened: Open) -> None:
    disk = opened()
    dropbox.oauth.fail(503, "unavailable")
    with pytest.raises(Unavailable):
        disk.stat("a")
    dropbox.oauth.fail(429, "slow_down", headers={"Retry-After": "9"})
    with pytest.raises(RateLimited) as raised:
        disk.stat("a")
    assert raised.value.retry_after == 9
    assert disk.usage().used == 0


def test_eight_threads_ask_a_failing_token_endpoint_once(dropbox: FakeDropbox, opened: Open) -> None:
    dropbox.oauth.fail(503, "unavailable", times=0)
    errors = by_threads(8, opened, lambda disk, _: list(disk.list("")).clear())
    assert len(errors) == len({id(error) for error in errors}) == 8
    assert {type(error) for error in errors} == {Unavailable}
    assert dropbox.oauth.refreshes() < 8


def test_an_app_key_that_nobody_knows_is_a_wrong_option(dropbox: FakeDropbox, opened: Open) -> None:
    with pytest.raises(Misconfigured, match="app key"):
        opened(app_key="nosuchkey").stat("a")


def test_an_app_without_a_permission_is_told_which_to_tick(dropbox: FakeDropbox, opened: Open) -> None:
    scope = "account_info.read files.metadata.read files.content.read"
    options = DropboxOptions(dropbox.app_key, endpoint=dropbox.url)
    with contextlib.closing(DropboxBackend.connect(options, {"token": dropbox.refresh_token(scope)})) as disk:
        assert list(disk.list("")) == []
        with pytest.raises(AuthExpired, match="permission") as raised:
            put(disk, "a", b"1")
    assert "files.content.write" in raised.value.hint


def test_instances_share_one_thread_that_ends_with_the_last_of_them(opened: Open) -> None:
    disks = [opened() for _ in range(3)]
    assert commit_threads() == []
    for number, disk in enumerate(disks):
        put(disk, f"a/{number}", LARGE)
    (thread,) = commit_threads()
    for disk in disks[:2]:
        disk.close()
        disk.close()
    put(disks[2], "a/9", LARGE)
    assert commit_threads() == [thread]
    disks[2].close()
    thread.join(10)
    assert not thread.is_alive()
    assert not account._ACCOUNTS


def test_a_newer_login_serves_the_instances_that_are_open(dropbox: FakeDropbox) -> None:
    options = DropboxOptions(dropbox.app_key, endpoint=dropbox.url, account=dropbox.account_id)
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(contextlib.closing(DropboxBackend.connect(options, {"token": dropbox.token_json()})))
        put(old, "a", b"1")
        dropbox.oauth.revoke()
        dropbox.oauth.expire()
        with pytest.raises(AuthExpired):
            old.get("a")
        new = Secrets({"token": dropbox.token_json()})
        stack.enter_context(contextlib.closing(DropboxBackend.connect(options, new)))
        assert old.get("a") == b"1"
        put(old, "a", LARGE)


def test_an_access_token_that_was_taken_back_is_not_used_again(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    """As long as it would have been good: four hours."""
    put(disk, "a", b"1")
    dropbox.answer_next("files/download", unauthorised("invalid_access_token"))
    before = dropbox.requests("oauth2/token")
    with pytest.raises(AuthExpired):
        disk.get("a")
    assert disk.get("a") == b"1"
    assert dropbox.requests("oauth2/token") == before + 1


@pytest.mark.parametrize("wait", ["Wed, 21 Oct 2026 07:28:00 GMT", "1.5", "-1"])
def test_a_wait_that_is_no_whole_number_of_seconds_is_still_a_wait(
    wait: str, dropbox: FakeDropbox, disk: DropboxBackend
) -> None:
    dropbox.answer_next("files/upload", Refusal(429, b"slow down", "text/plain", Retry_After=wait))
    with pytest.raises(RateLimited) as raised:
        put(disk, "a", b"1")
    assert raised.value.retry_after is None


@pytest.mark.parametrize("refresh", ["same", "newer"])
def test_a_token_endpoint_that_hangs_holds_up_nobody_elses_opening_and_closing(refresh: str) -> None:
    options = DropboxOptions("fakeappkey12345", account="one")
    hanging = account.join(options, "same")
    begun, gate, opened = threading.Event(), threading.Event(), threading.Event()

    def fetch() -> tuple[str, float]:
        begun.set()
        assert gate.wait(10)
        return "access", 100.0

    def reopen() -> None:
        opened.set()
        account.leave(account.join(options, refresh))

    threads = [threading.Thread(target=hanging.token.access, args=(fetch,)), threading.Thread(target=reopen)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    assert opened.wait(10)
    threading.Event().wait(0.02)  # it has come as far as it can
    try:
        assert account._LOCK.acquire(timeout=0)
        account._LOCK.release()
    finally:
        gate.set()
        for thread in threads:
            thread.join()
        account.leave(hanging)


def test_what_lies_in_netrc_is_not_sent(
    dropbox: FakeDropbox, disk: DropboxBackend, tmp_path: Path, monkeypatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password SECRET\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    put(disk, "a", b"1")
    assert disk.get("a") == b"1"


# ---------------------------------------------------------------------------------------------------------------- space
def test_the_space_of_an_account(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.store.quota = 5000
    put(disk, "a", bytes(1000))
    assert disk.usage() == Usage(1000, 4000, 5000)
    dropbox.store.quota = 500
    assert disk.usage() == Usage(1000, 0, 500)


@pytest.mark.parametrize(
    ("limit", "kind", "wanted"),
    [
        (0, "off", Usage(10, 700, 710)),
        (500, "stop_sync", Usage(10, 490, 500)),
        (5000, "stop_sync", Usage(10, 700, 5000)),
        (500, "alert_only", Usage(10, 700, 710)),
    ],
)
def test_the_space_in_a_team_is_the_nearer_limit(
    dropbox: FakeDropbox, disk: DropboxBackend, limit: int, kind: str, wanted: Usage
) -> None:
    put(disk, "a", bytes(10))
    dropbox.team = {
        "used": 300, "allocated": 1000, "user_within_team_space_allocated": limit,
        "user_within_team_space_limit_type": {".tag": kind}, "user_within_team_space_used_cached": 10,
    }  # fmt: skip
    assert disk.usage() == wanted
