"""What the command line says to a wrong word, and how it ends."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Machine

WRONG = [
    (["put"], 2, "there is nothing to put", "Name files and folders"),
    (["pot"], 2, "no such command 'pot'", "See 'webraid --help'."),
    (["put", "--lvel", "raid5", "x"], 2, "no such option: --lvel", "--level"),
    (["put", "{root}/pw", "--level", "raid3"], 2, "raid3 is not offered", "Use raid5 or raid6."),
    (["put", "{root}/pw", "--level", "rad5"], 2, "'rad5' is not a level", "Levels are raid0"),
    (["put", "{root}/pw", "--level", "rs:8+3"], 2, "needs 11 disks and there are 4", "Add 7 more"),
    (["put", "{root}/nowhere"], 3, "none of the paths", "Check the paths"),
    (["add-backend"], 2, "which kind of disk?", "local, rclone, s3"),
    (["add-backend", "locl", "x", "--path", "y"], 2, "no kind of disk called 'locl'", "Did you mean 'local'?"),
    (["add-backend", "local", "x"], 2, "a local disk needs --path", "Folder"),
    (["add-backend", "local", "x", "--pth", "y"], 2, "no option --pth", "Did you mean --path?"),
    (["add-backend", "local", "x", "--bucket", "y"], 2, "no option --bucket", "add-backend local --help"),
    (["add-backend", "local", "x", "--path"], 2, "--path needs a value", "Folder"),
    (["add-backend", "--path", "y", "local"], 2, "--path comes before KIND", "First the kind"),
    (["add-backend", "local", "x", "y", "--path", "z"], 2, "too many words", "KIND [NAME]"),
    (["add-backend", "local", "d1", "--path", "{root}/x"], 2, "a disk called 'd1' already", "another name"),
    (["add-backend", "local", "Dä", "--path", "{root}/x"], 2, "not a name for a disk", "lower-case"),
    (["add-backend", "local", "x", "--path", "{root}/d1"], 2, "d1", ""),
    (["add-backend", "local", "x", "--path", "{root}/d1/sub"], 2, "inside", "side by side"),
    (["add-backend", "local", "x", "--path", "{root}/photos"], 2, "not empty", "empty folder"),
    (["add-backend", "local", "x", "--path", "{root}/x", "--capacity", "lots"], 2, "'lots' is not a size", "200MiB"),
    (["backend", "rm", "nope"], 1, "no disk called 'nope'; the pool has: d1, d2, d3, d4", "webraid backend ls"),
    (["backend", "rm", "d2"], 1, "d2 is needed: without it", "webraid replace d2 NEW"),
    (["rebuild", "d2"], 2, "d2 is not lost: it answers", "--force"),
    (["drain", "d2", "--deadline", "2020-01-31"], 2, "the deadline is over", "still to come"),
    (["backend", "test", "nope"], 1, "no disk called 'nope'", ""),
    (["get", "nowhere"], 1, "neither a snapshot nor a path", ""),
    (["ls", "latest:nowhere"], 1, "matches", ""),
    (["cat", "latest:nowhere"], 1, "nothing of that name", ""),
    (["cat", "latest:photos"], 1, "not a regular file", "webraid get"),
    (["cat", "latest"], 2, "which file of that snapshot?", "SNAP:PATH"),
    (["check", "--sample", "much"], 2, "'much' is not a share", "5% or 0.05"),
    (["check", "--sample", "120%"], 2, "'120%' is not a share", ""),
    (["init", "--name", "other"], 2, "there is a pool already", "WEBRAID_CONFIG"),
    (["recover", "local", "--path", "{root}/d1"], 2, "has a pool already", "WEBRAID_CONFIG"),
    (["recover", "local", "name", "--path", "{root}/d1"], 2, "takes no NAME", ""),
    (["completion", "tcsh"], 2, "no completion for 'tcsh'", "bash, zsh, fish"),
    (["lab", "ls"], 2, "no lab runs in", "webraid lab up"),
    (["lab", "up", "--profile", "nimbus"], 2, "no lab profile 'nimbus'", "lab5"),
]


@pytest.mark.parametrize("words", [("put", ""), ("get", "latest", "-t", "")])
def test_an_empty_path_is_not_this_folder(home: Machine, words: tuple[str, ...]) -> None:
    """A script's variable that was never set."""
    run = home(*words)
    assert run.code == 2
    assert "path is empty" in run.err


@pytest.mark.parametrize(("words", "code", "message", "hint"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_a_wrong_word_is_answered_with_what_and_what_to_do(
    home: Machine, words: list[str], code: int, message: str, hint: str
) -> None:
    run = home(*(word.format(root=home.root) for word in words))
    assert run.code == code
    assert run.out == ""
    assert message in run.err
    assert hint in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize("words", [["status"], ["put", "x"], ["check"], ["snapshots"], ["backend", "ls"], ["repair"]])
def test_without_a_pool_every_command_ends_with_10(machine: Machine, words: list[str]) -> None:
    run = machine(*words)
    assert run.code == 10
    assert "webraid init" in run.err


def test_a_wrong_passphrase_ends_with_12(home: Machine) -> None:
    (home.root / "pw").write_text("wrong\n")
    there = {"WEBRAID_CONFIG": str(home.root / "new.toml"), "WEBRAID_STATE_DIR": str(home.root / "new")}
    run = home("recover", "local", "--path", home.root / "d1", **there)
    assert run.code == 12
    assert "no key slot opens" in run.err


def test_a_mistyped_recovery_code_ends_with_12_and_says_so(home: Machine) -> None:
    there = {"WEBRAID_CONFIG": str(home.root / "new.toml"), "WEBRAID_STATE_DIR": str(home.root / "new")}
    code = "56VG-XYMH-7KHB-GYNF-PE41-RG2Z-33NT-ZZ3A"
    run = home("recover", "local", "--path", home.root / "d1", WEBRAID_RECOVERY_CODE=code, **there)
    assert run.code == 12
    assert "mistyped" in run.err


def test_a_weak_passphrase_is_refused_unless_it_is_meant(machine: Machine) -> None:
    (machine.root / "pw").write_text("hunter2\n")
    run = machine("init", "--kit", machine.root / "kit")
    assert run.code == 2
    assert "--weak-passphrase" in run.err
    assert machine("init", "--kit", machine.root / "kit", "--weak-passphrase").code == 0


def test_a_kit_is_never_written_over_another(machine: Machine) -> None:
    (machine.root / "kit").write_text("precious")
    assert machine("init", "--kit", machine.root / "kit").code == 2
    assert (machine.root / "kit").read_text() == "precious"


def test_another_run_that_holds_the_pool_ends_this_one_with_11(home: Machine) -> None:
    from webraid import config
    from webraid.jobs.base.context import locked

    with locked(config.places(home.environ)):
        run = home("put", home.root / "photos")
    assert run.code == 11
    assert "another webraid run" in run.err


def test_debug_shows_where_an_error_came_from(machine: Machine) -> None:
    run = machine("status", "--debug")
    assert run.code == 10
    assert "Traceback" in run.err
    assert run.err.splitlines()[-2].startswith("webraid: there is no pool here")


def test_with_json_an_error_is_one_line_of_json(home: Machine) -> None:
    for words in (["put", "x", "--level", "raid9"], ["pot"], ["put"]):
        run = home("--json", *words)
        assert (run.code, run.out) == (2, "")
        complaint = json.loads(run.err)
        assert (complaint["message_type"], complaint["code"]) == ("exit_error", 2)
        assert complaint["message"]
        assert complaint["hint"]


def test_an_error_nobody_foresaw_is_one_line(machine: Machine) -> None:
    (machine.root / "sitecustomize.py").write_text(
        "import webraid.cli.invocation as invocation\n"
        "def run(self, function):\n    raise LookupError('surprise')\n"
        "invocation.Invocation.run = run\n"
    )
    machine.environ["PYTHONPATH"] = str(machine.root)
    process = machine.process("status")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.decode().splitlines()[0] == "webraid: unexpected LookupError: surprise"
    assert "--debug" in err.decode()
    assert b"Traceback" in machine.process("status", "--debug").communicate(timeout=30)[1]
