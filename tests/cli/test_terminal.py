"""On a terminal: questions, progress, colours.  A pseudo terminal plays it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from tests.cli.terminal import Terminal


@pytest.fixture
def bare(machine: Machine) -> Machine:
    return machine.without("WEBRAID_PASSWORD_FILE")


def test_init_asks_offers_a_passphrase_and_prints_the_kit(bare: Machine) -> None:
    there = Terminal(bare, "init")
    there.read("Name of the pool [home]: ")
    there.type("attic")
    there.read("[raid6]: ")
    there.type("raid5")
    there.read("(not shown): ")
    offer = re.search(r"^    ((?:\w+ ){6}\w+)$", there.text, re.MULTILINE)
    assert offer
    there.type("")
    assert there.end() == 0
    assert "Pool attic (raid5) is made." in there.text
    code = re.search(r"Recovery code +(\S+)", there.text)
    assert code
    assert len(code[1]) == 39


def test_a_typed_passphrase_is_not_shown_judged_and_typed_twice(bare: Machine) -> None:
    typed = "copper rivers drift under a sleepy violet moon"
    there = Terminal(bare, "init", "--name", "home", "--level", "raid6", "--kit", "kit")
    for answer in ("hunter2", typed, "something else", typed, typed):
        there.read("(not shown): ")
        there.type(answer)
    assert there.end() == 0
    assert "quickly guessed" in there.text
    assert "The two are not the same." in there.text
    assert "hunter2" not in there.text
    assert "copper" not in there.text


def test_add_backend_asks_for_what_is_missing(home: Machine) -> None:
    there = Terminal(home, "add-backend")
    shown = there.read("Number or name: ")
    assert "a folder: another internal disk" in shown
    there.type("tape")
    there.read("Number or name: ")
    assert "There is no kind of disk called 'tape'. Type a number or a name" in there.text
    there.type("local")
    there.read("path: ")
    there.type("d9")
    there.read("Name of the disk [local]: ")
    there.type("nine")
    assert there.end() == 0
    assert "Disk nine (local, domain nine" in there.text
    assert (home.root / "d9").is_dir()


def test_recover_asks_for_passphrase_or_code(home: Machine, tmp_path: Path, model: Path) -> None:
    code = (model / "kit.txt").read_text().partition("Recovery code")[2].split()[0]
    other = home.without("WEBRAID_PASSWORD_FILE")
    where = {"WEBRAID_CONFIG": str(tmp_path / "c.toml"), "WEBRAID_STATE_DIR": str(tmp_path / "s")}
    there = Terminal(other, "recover", "local", "--path", home.root / "d2", **where)
    there.read("Passphrase or recovery code (not shown): ")
    there.type(code)
    assert there.end() == 0
    assert "Pool home is back on this machine." in there.text
    assert code not in there.text


def test_json_asks_nothing_even_on_a_terminal(bare: Machine) -> None:
    there = Terminal(bare, "init", "--json")
    assert there.end() == 12
    assert "exit_error" in there.text


@pytest.mark.parametrize("columns", [60, 100])
def test_a_put_draws_and_then_takes_its_drawing_away(home: Machine, columns: int) -> None:
    (home.root / "photos" / "big").write_bytes(os.urandom(12 << 20))
    there = Terminal(home, "put", "photos", columns=columns)
    assert there.end() == 0
    assert "\x1b[?25l" in there.raw  # the cursor is hidden while it draws
    assert there.raw.rstrip().endswith("\x1b[0m") or "\x1b[?25h" in there.raw  # and comes back
    drawn = there.text.partition("Snapshot ")[0]
    assert "put  " in drawn
    assert re.search(r"of 4 files .*\n  █+░* +\d+% of 1[0-9]\.\d MiB", drawn)
    assert all(f"  {name} " in drawn for name in ("d1", "d2", "d3", "d4"))
    assert "Survives the loss of any 2 of 4 disks." in there.text
    assert max(len(line) for line in there.text.partition("Snapshot ")[2].splitlines()) <= columns


def lines_of(there: Terminal) -> Iterator[str]:
    assert there.end() == 0
    yield from there.raw.splitlines()


def test_colours_are_left_out_for_whoever_wants_none(home: Machine) -> None:
    assert any("\x1b[32m" in line or "\x1b[1;32m" in line for line in lines_of(Terminal(home, "status")))
    assert not any(
        re.search(r"\x1b\[[0-9;]*3[0-9]m", line) for line in lines_of(Terminal(home, "status", NO_COLOR="1"))
    )


def test_a_terminal_that_knows_only_ascii_gets_only_ascii(home: Machine) -> None:
    there = Terminal(home, "status", PYTHONIOENCODING="ascii")
    assert there.end() == 0
    assert "#" in there.text
    assert there.text.isascii()


def test_at_sixty_columns_nothing_is_cut_off(home: Machine) -> None:
    there = Terminal(home, "status", columns=60)
    assert there.end() == 0
    assert max(map(len, there.text.splitlines())) <= 60
    assert "d4" in there.text
    assert "…" not in there.text
    there = Terminal(home, "snapshots", columns=60)
    assert there.end() == 0
    assert "[first]" in there.text
