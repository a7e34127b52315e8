"""add-backend where something is wrong: a clear sentence, an exit code, and nothing is broken afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CHEAP, PASSPHRASE, Machine
from tests.conformance import servers, servers_webdav
from tests.conformance.canned import canned_server, refusal
from tests.fakes.drive import fake_drive
from webraid import pool as api

KEYS = {"KEY_ID": "AKIDSOMEBODY", "KEY": "hush-the-secret-key"}
FLAGS = ["--access-key-env", "KEY_ID", "--secret-key-env", "KEY"]


@pytest.fixture(autouse=True)
def untouched(pool: Machine) -> Iterator[None]:
    """Whatever was refused: the pool is as it was, and works."""
    config = (pool.root / "config.toml").read_text()
    yield
    assert (pool.root / "config.toml").read_text() == config
    assert not (pool.root / "secrets.toml").exists()
    run = pool("backend", "ls")
    assert (run.code, run.out.count("online"), run.out.count("d1")) == (0, 3, 2)
    (pool.root / "file").write_text("content")
    assert pool("put", pool.root / "file").code == 0


def refused(pool: Machine, *words: str | Path, code: int, says: str, hint: str = "") -> None:
    run = pool("add-backend", *words, **KEYS)
    assert (run.code, run.out) == (code, "")
    assert says in run.err
    assert hint in run.err.splitlines()[1]
    assert len(run.err.splitlines()) == 2
    assert "hush" not in run.err
    assert "Traceback" not in run.err


def test_a_folder_with_other_data(pool: Machine, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("precious")
    refused(pool, "local", "x", "--path", tmp_path / "photos", code=2, says="not empty", hint="Choose an empty folder")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_a_bucket_with_other_data(pool: Machine) -> None:
    with servers.moto() as server:
        words = ["--endpoint", server.endpoint, *FLAGS]
        foreign = api.settings(environ={
            "WEBRAID_CONFIG": str(pool.root / "o" / "c.toml"), "WEBRAID_STATE_DIR": str(pool.root / "o" / "s")
        })  # fmt: skip
        api.init_pool(foreign, name="other", level="raid1", passphrase=PASSPHRASE, kdf=CHEAP)
        with api.open_pool(foreign) as other:
            secrets = {"access_key": "K", "secret_key": "S"}
            other.add_backend("s3", "b", {"endpoint": server.endpoint, "bucket": "theirs"}, secrets=secrets)
            other.add_backend(
                "s3", "c", {"endpoint": server.endpoint, "bucket": "mine", "prefix": "below"}, secrets=secrets
            )
        refused(pool, "s3", "x", "--bucket", "theirs", *words, code=2, says="a disk of another pool", hint="recover")
        refused(pool, "s3", "x", "--bucket", "mine", *words, code=2, says="not empty", hint="Choose an empty folder")


def test_a_disk_that_belongs_to_the_pool_already(pool: Machine, tmp_path: Path) -> None:
    refused(pool, "local", "d9", "--path", pool.root / "d1", code=2, says="called 'd1'", hint="nothing would be gained")
    refused(pool, "local", "d1", "--path", tmp_path / "x", code=2, says="'d1' already", hint="another name")
    (tmp_path / "link").symlink_to(pool.root / "d1")
    refused(pool, "local", "d9", "--path", tmp_path / "link", code=2, says="called 'd1'")
    assert not (tmp_path / "x").exists()


def test_a_disk_that_is_full(pool: Machine, tmp_path: Path) -> None:
    with fake_drive() as drive:
        drive.store.quota = 1000
        (tmp_path / "client").write_text(drive.client_json())
        (tmp_path / "token").write_text(drive.token_json())
        words = ["--client-secret-file", tmp_path / "client", "--token-file", tmp_path / "token"]
        refused(
            pool, "gdrive", "g1", "--endpoint", drive.url, *words, code=22, says="disk g1: ", hint="add another disk"
        )


def test_a_wrong_key(pool: Machine, tmp_path: Path) -> None:
    with servers.rclone(tmp_path / "served") as server:
        words = ["--endpoint", server.endpoint, "--bucket", "my-webraid", *FLAGS]
        refused(pool, "s3", "x", *words, code=23, says="the keys are not accepted", hint="access key and secret key")


def test_a_wrong_password(pool: Machine, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with servers_webdav.wsgidav(tmp_path / "served") as server:
        words = ["--url", server.url, "--user", server.user, "--password-env", "KEY"]
        refused(pool, "webdav", "x", *words, code=23, says="user or password are not accepted", hint="Check user and")


def test_a_clock_that_is_off(pool: Machine) -> None:
    with canned_server() as server:
        server.answers.append(refusal(403, "RequestTimeTooSkewed"))
        words = ["--endpoint", server.endpoint, "--bucket", "b1", *FLAGS]
        refused(pool, "s3", "x", *words, code=23, says="the clock is wrong", hint="clock of this machine is wrong")


@pytest.mark.usefixtures("attic")
def test_a_library_that_is_not_installed(pool: Machine) -> None:
    needs = "half needs acme_sdk_nobody_has: pip install 'acme-attic[half]'"
    refused(pool, "half", "x", "--path", "y", code=2, says=needs, hint="pip install 'acme-attic[half]'")
    assert needs.split(":", maxsplit=1)[0] in pool("add-backend", "--help").out


def test_nobody_listens_there(pool: Machine) -> None:
    words = ["--endpoint", "http://127.0.0.1:9", "--bucket", "b1", *FLAGS]
    refused(pool, "s3", "x", *words, code=5, says="cannot be reached", hint="nothing was changed")


def test_there_is_no_such_host(pool: Machine) -> None:
    words = ["--endpoint", "http://nowhere.invalid", "--bucket", "b1", *FLAGS]
    refused(pool, "s3", "x", *words, code=5, says="cannot be reached", hint="nothing was changed")


def test_too_few_of_the_other_disks_answer(pool: Machine, tmp_path: Path) -> None:
    for name in ("d1", "d2"):
        (pool.root / name).rename(pool.root / f"{name}.away")
    run = pool("add-backend", "local", "x", "--path", tmp_path / "x")
    assert run.code == 5
    assert "are needed to change the pool safely" in run.err
    for name in ("d1", "d2"):
        (pool.root / f"{name}.away").rename(pool.root / name)
    assert not (tmp_path / "x").exists()
