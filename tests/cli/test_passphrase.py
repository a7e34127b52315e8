"""Where the passphrase comes from, and that nothing is ever asked where nobody can answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import PASSPHRASE, Machine

SOURCES = ("WEBRAID_PASSWORD_FILE", "WEBRAID_PASSWORD_COMMAND", "WEBRAID_PASSWORD")


@pytest.fixture
def recover(home: Machine, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Recover the pool on an empty machine that exports nothing but what is given; the exit code tells if it opened."""
    bare = home.without(*SOURCES)
    count = 0

    def run(*flags: str | Path, **environ: str) -> int:
        nonlocal count
        count += 1
        there = {"WEBRAID_CONFIG": str(tmp_path / f"{count}.toml"), "WEBRAID_STATE_DIR": str(tmp_path / f"{count}")}
        return bare("recover", "local", "--path", home.root / "d1", *flags, **environ, **there).code

    return run


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Files with the right passphrase and with wrong ones, written as editors do."""
    for name, text in {
        "right": PASSPHRASE, "newline": PASSPHRASE + "\r\n", "bom": "\ufeff" + PASSPHRASE + "\n", "wrong": "wrong",
        "space": PASSPHRASE + " \n", "empty": "\n",
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    (tmp_path / "latin").write_bytes(b"gr\xfcn")
    return {path.name: str(path) for path in tmp_path.iterdir() if path.is_file()}


def test_a_password_file_may_end_like_any_text_file(recover, files) -> None:  # type: ignore[no-untyped-def]
    assert [recover("-p", files[name]) for name in ("right", "newline", "bom")] == [0, 0, 0]
    assert [recover("-p", files[name]) for name in ("wrong", "space", "empty")] == [12, 12, 12]
    assert [recover("-p", files["latin"]), recover("-p", "/nowhere")] == [2, 2]


def test_a_password_command_is_run_without_a_shell(recover, files, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert recover("--password-command", f"cat '{files['newline']}'") == 0
    assert recover("--password-command", f"cat {files['right']}; touch {tmp_path}/made") == 2
    assert not (tmp_path / "made").exists()
    assert recover("--password-command", "false") == 2
    assert recover("--password-command", "no-such-program") == 2
    assert recover("--password-command", "echo 'unfinished") == 2


def test_flags_come_before_the_environment_and_files_before_commands(recover, files) -> None:  # type: ignore[no-untyped-def]
    right, wrong = files["right"], files["wrong"]
    assert recover("-p", right, WEBRAID_PASSWORD_FILE=wrong, WEBRAID_PASSWORD="wrong") == 0
    assert recover("--password-command", f"cat {right}", WEBRAID_PASSWORD_FILE=wrong) == 0
    assert recover(WEBRAID_PASSWORD_FILE=right, WEBRAID_PASSWORD_COMMAND=f"cat {wrong}") == 0
    assert recover(WEBRAID_PASSWORD_COMMAND=f"cat {right}", WEBRAID_PASSWORD="wrong") == 0
    assert recover(WEBRAID_PASSWORD=PASSPHRASE) == 0
    assert recover("-p", right, "--password-command", "cat") == 2


def test_a_passphrase_flag_comes_before_a_recovery_code_of_the_environment(recover, files, model: Path) -> None:  # type: ignore[no-untyped-def]
    code = (model / "kit.txt").read_text().partition("Recovery code")[2].split()[0]
    assert recover(WEBRAID_RECOVERY_CODE=code) == 0
    assert recover("--recovery-code", code.lower().replace("-", " "), "-p", files["wrong"]) == 0
    assert recover("-p", files["wrong"], WEBRAID_RECOVERY_CODE=code) == 12


@pytest.mark.parametrize("words", [["init"], ["recover", "local", "--path", "x"]])
def test_a_missing_passphrase_is_no_question_where_nobody_sits(machine: Machine, words: list[str]) -> None:
    run = machine.without("WEBRAID_PASSWORD_FILE")(*words)
    assert (run.code, run.out) == (12, "")
    assert "--password-file" in run.err


def test_no_secret_shows_up_in_an_error(home: Machine) -> None:
    for words in (
        ["add-backend", "s3", "b", "--secret-key", "OPENSESAME"],
        ["add-backend", "s3", "b", "--secret-key=OPENSESAME", "OPENSESAME", "--bucket", "b"],
        [
            "add-backend",
            "s3",
            "b",
            "--bucket",
            "b",
            "--access-key",
            "K",
            "--secret-key",
            "OPENSESAME",
            "--tiemout",
            "3",
        ],
        ["add-backend", "s3", "b", "--bucket", "b/c", "--access-key", "K", "--secret-key", "OPENSESAME"],
    ):
        run = home(*words)
        assert run.code == 2
        assert "OPENSESAME" not in run.err
