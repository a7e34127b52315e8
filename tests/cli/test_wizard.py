"""'webraid add-backend' alone, at a terminal of 80 columns: what a first-time user reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from tests.cli.terminal import Terminal
from tests.conformance import servers


def play(there: Terminal, *steps: tuple[str, str]) -> str:
    """Wait for each question and answer it; everything that was shown."""
    for question, answer in steps:
        there.read(question)
        there.type(answer)
    assert there.end() == 0
    return there.text


def test_a_folder_takes_three_answers(pool: Machine, tmp_path: Path) -> None:
    there = Terminal(pool, "add-backend", columns=80)
    shown = play(there, ("Number or name: ", "local"), ("path: ", str(tmp_path / "x")), ("[local]: ", ""))
    assert "What kind of disk is it?" in shown
    assert "by way of rclone" in shown
    assert "Disk local (local, domain local" in shown
    assert "one connection moves" in shown
    assert "Next: webraid put PATH" in shown
    kinds = shown.partition("Number or name")[0]
    assert max(map(len, kinds.splitlines())) <= 80


def test_a_wrong_answer_is_asked_again_and_what_does_not_fit_together_once_more(pool: Machine) -> None:
    with servers.moto() as server:
        there = Terminal(pool, "add-backend", "s3", columns=80)
        shown = play(
            there,
            ("provider (Enter: none): ", "r3"),
            ("provider (Enter: none): ", "r2"),
            ("bucket: ", "my-webraid"),
            ("endpoint (Enter: none): ", ""),
            ("region (Enter: none): ", "nowhere"),
            ("access key (not shown): ", "AKIDHUSH"),
            ("secret key (not shown): ", "hush-1"),
            ("provider [r2]: ", "minio"),
            ("bucket [my-webraid]: ", ""),
            ("endpoint (Enter: none): ", server.endpoint),
            ("region [nowhere]: ", "-"),
            ("access key (Enter: as it is) (not shown): ", ""),
            ("secret key (Enter: as it is) (not shown): ", "hush-2"),
            ("Name of the disk [s3]: ", "d1"),
            ("Name of the disk [s3]: ", "B1"),
            ("Name of the disk [s3]: ", "b1"),
        )
    assert "docs/backends/s3.md shows, step by step" in shown
    assert "Option 'provider' of s3 must be one of aws, b2, r2" in shown
    assert "Provider r2 needs an endpoint: your account's own URL." in shown
    assert "There is a disk called 'd1' already." in shown
    assert "'B1' is not a name for a disk" in shown
    assert "Disk b1 (s3, domain 127.0.0.1) has joined" in shown
    assert "hush" not in shown.lower()
    section = (pool.root / "config.toml").read_text().partition('name = "b1"')[2]
    assert "region" not in section
    secrets = (pool.root / "secrets.toml").read_text()
    assert "AKIDHUSH" in secrets
    assert "hush-2" in secrets
    assert "hush-1" not in secrets


def test_a_kind_by_way_of_another_is_known_to_the_wizard(pool: Machine, attic: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key")
    there = Terminal(pool, "add-backend", columns=80, DISPLAY="")
    shown = play(
        there,
        ("Number or name: ", "loft"),
        ("path: ", str(attic)),
        ("Name of the disk [loft]: ", ""),
        ("floor [2]: ", ""),
        ("(not shown): ", "open-1"),
    )
    assert "attic" in shown
    assert "Disk loft (attic, domain loft" in shown


@pytest.mark.parametrize("answer", ["", "nowhere"])
def test_a_secret_that_lies_in_a_file_is_asked_for_by_the_files_name(
    pool: Machine, attic: Path, tmp_path: Path, answer: str
) -> None:
    (tmp_path / "key").write_text("a key\n")
    steps = [("path: ", str(attic)), ("token (not shown): ", "open-1"), ("key (a file) (Enter: none): ", answer)]
    if answer:
        steps += [("nowhere cannot be read", ""), ("key (a file) (Enter: none): ", str(tmp_path / "key"))][1:]
    shown = play(Terminal(pool, "add-backend", "attic", columns=80), *steps, ("[attic]: ", ""))
    assert ("--key: nowhere cannot be read" in shown) == bool(answer)
    assert ('key = "a key' in (pool.root / "secrets.toml").read_text()) == bool(answer)
