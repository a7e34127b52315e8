"""Accounts from the environment, and the live suite itself: run here against servers of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import servers
from tests.live.account import given, live_subject
from tests.live.journal import Journal
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import put
from webraid.errors import ConfigError
from webraid_s3 import S3Backend, S3Options

ROOT = Path(__file__).resolve().parents[2]


def s3_environ(server: servers.Server) -> dict[str, str]:
    return {
        "WEBRAID_LIVE_S3_BUCKET": "mine",
        "WEBRAID_LIVE_S3_ENDPOINT": server.endpoint,
        "WEBRAID_LIVE_S3_ACCESS_KEY": server.access_key,
        "WEBRAID_LIVE_S3_SECRET_KEY": server.secret_key,
    }


def test_options_come_from_the_environment_and_from_files_it_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sEcReT\n")
    environ = {"WEBRAID_LIVE_S3_BUCKET": "b", "WEBRAID_LIVE_S3_SECRET_KEY_FILE": str(tmp_path / "key"), "HOME": "/x"}
    assert given("s3", environ) == {"bucket": "b", "secret_key": "sEcReT"}


def test_where_nothing_is_given_it_says_what_is_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        given("s3", {})
    assert "WEBRAID_LIVE_S3_BUCKET" in caught.value.hint


def test_the_scratch_folder_is_removed_whatever_happens(tmp_path: Path) -> None:
    def fill(subject: Subject) -> None:
        with subject.opened() as backend:
            put(backend, subject.at("a/b"), b"1")
        raise KeyboardInterrupt

    with servers.rclone(tmp_path) as server:
        environ = s3_environ(server)
        with pytest.raises(KeyboardInterrupt), live_subject("s3", environ, tmp_path) as subject:
            fill(subject)
        keys = {"access_key": server.access_key, "secret_key": server.secret_key}
        backend = S3Backend.connect(S3Options("mine", endpoint=server.endpoint), keys)
        assert list(backend.list("")) == []
        backend.close()


def pytest_run(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/live", *arguments]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(command, cwd=ROOT, env=kept | environ, capture_output=True, text=True, timeout=120)


def test_without_the_option_the_live_tests_are_not_even_collected() -> None:
    run = pytest_run("--collect-only", environ={})
    assert "test_live.py" not in run.stdout
    assert "test_replay.py" in run.stdout
    assert "skipped" not in run.stdout


def test_with_the_option_the_live_tests_run_alone_and_leave_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "s3.jsonl"
    few = "missing_name or prefix_once or hashes"
    with servers.moto() as server:
        run = pytest_run("--live=s3", f"--live-journal={path}", "-k", few, environ=s3_environ(server))
        assert run.returncode == 0, run.stdout + run.stderr
        assert "3 passed" in run.stdout
        assert server.secret_key not in run.stdout
    journal = Journal.load(path)
    assert {shape.method for shape in journal.shapes} == {"GET", "PUT", "HEAD", "DELETE"}
    assert any(shape.reason == "NoSuchKey" for shape in journal.shapes)


def test_an_account_that_does_not_answer_fails_and_says_why(tmp_path: Path) -> None:
    environ = s3_environ(servers.Server(9)) | {"WEBRAID_LIVE_S3_TIMEOUT": "2"}
    run = pytest_run("--live=s3", f"--live-journal={tmp_path / 'j'}", "-k", "prefix_once", environ=environ)
    assert run.returncode != 0
    assert "cannot be reached" in run.stdout
