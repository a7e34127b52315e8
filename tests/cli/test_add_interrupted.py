"""add-backend that is interrupted, wherever it is: run again, it goes on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from tests.cli.terminal import Terminal


def await_file(path: Path) -> None:
    for _ in range(2000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize("puts", [0, 3, 4, 6, 8])
def test_while_the_disk_is_tried_out_marked_and_filled(pool: Machine, attic: Path, puts: int, tmp_path: Path) -> None:
    """``puts``: how many of the new disk's puts get through before Ctrl-C: the probe's three, the marker, slots,
    records."""
    (tmp_path / "token").write_text("open-1")
    words = ["add-backend", "attic", "a1", "--path", str(attic), "--token-file", str(tmp_path / "token")]
    gate = Path(f"{attic}.gate")
    gate.write_text(str(puts))
    process = pool.process(*words)
    await_file(Path(f"{attic}.waits"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"interrupted" in err
    assert b"Traceback" not in err
    gate.unlink()
    assert pool("status").code == 0
    run = pool(*words)
    assert (run.code, run.err) == (0, "")
    assert "the pool has 4 disks" in run.out
    assert pool("backend", "ls").out.count("online") == 4
    assert pool("check").code == 0
    assert not [path for path in attic.rglob("*") if "scratch" in path.parts and path.is_file()]


def test_an_interrupted_disk_can_be_taken_out_again(pool: Machine, attic: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open-1")
    words = ["add-backend", "attic", "a1", "--path", str(attic), "--token-file", str(tmp_path / "token")]
    Path(f"{attic}.gate").write_text("5")
    process = pool.process(*words)
    await_file(Path(f"{attic}.waits"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    Path(f"{attic}.gate").unlink()
    assert "did not finish" in pool("status").out
    assert pool("backend", "rm", "a1").code == 0
    assert '"a1"' not in (pool.root / "config.toml").read_text()
    assert pool("backend", "ls").out.count("online") == 3


QUESTIONS = [
    "Number or name: ", "path: ", "token (not shown): ", "key (a file) (Enter: none): ", "Name of the disk [attic]: ",
    "floor [2]: ", "The code of floor 2 (not shown): ",
]  # fmt: skip
ANSWERS = ["attic", "{attic}", "", "", "a1", "2"]


@pytest.mark.parametrize("stage", [0, 2, 4, 6])
def test_at_any_question_of_the_wizard(pool: Machine, attic: Path, stage: int) -> None:
    there = Terminal(pool, "add-backend", DISPLAY="")
    for question, answer in zip(QUESTIONS[:stage], ANSWERS[:stage], strict=True):
        there.read(question)
        there.type(answer.format(attic=attic))
    there.read(QUESTIONS[stage])
    assert there.interrupt() == 130
    assert "interrupted" in there.text
    assert "Traceback" not in there.text
    assert list(attic.iterdir()) == []
    assert "attic" not in (pool.root / "config.toml").read_text()
    if stage == len(QUESTIONS) - 1:
        again = Terminal(pool, "add-backend", DISPLAY="")
        for question, answer in zip(QUESTIONS, [*ANSWERS, "open-1"], strict=True):
            again.read(question)
            again.type(answer.format(attic=attic))
        assert again.end() == 0
        assert "Disk a1 (attic" in again.text
