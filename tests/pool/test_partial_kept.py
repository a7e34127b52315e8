"""What an interrupted put has stored may be nowhere else by now: it is not hidden behind a put that got less."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pool.machine import Home
from tests.pool.test_checkpoints import content, interrupted, restored
from webraid.errors import EXIT_PARTIAL, SourcesUnreadable
from webraid.files.select import Rules, lines
from webraid.files.source import Scanned, SourceFile
from webraid.jobs.base.retention import Policy
from webraid.jobs.storing import intake
from webraid.jobs.storing.put import PutOptions


def shown(machine: Home) -> list[bool]:
    with machine.open() as pool:
        return [shot.info.partial for shot in pool.snapshots()]


def test_a_drive_that_fails_in_its_first_put_is_not_stored_as_an_empty_one(
    machine: Home, albums: Path, tmp_path: Path
) -> None:
    interrupted(machine, albums)
    before = content(albums)
    shutil.rmtree(albums)
    for gone in ("is not there any more", "is empty"):
        with machine.open() as pool:
            with pytest.raises(SourcesUnreadable, match=gone):
                pool.put([str(albums)])
            (shot,) = pool.snapshots()
            there = restored(pool, shot.name, tmp_path / gone)
        assert there and there.items() <= before.items()
        albums.mkdir(exist_ok=True)
    with machine.open() as pool:
        pool.put([str(albums)], options=PutOptions(allow_empty=True))
    assert shown(machine) == [True, False], "it still has what the other has not"


def test_a_put_of_fewer_files_does_not_hide_what_an_interrupted_one_stored(machine: Home, albums: Path) -> None:
    interrupted(machine, albums)
    with machine.open() as pool:
        assert pool.put([str(albums)], options=PutOptions(rules=Rules(lines(["0*.jpg"])))).files == 2
    assert shown(machine) == [True, False]
    with machine.open() as pool:
        pool.put([str(albums)])
    assert shown(machine) == [False, False]


def test_a_put_that_could_not_read_everything_does_not_hide_it_either(
    machine: Home, albums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(machine, albums)
    opening = intake.open_source

    def failing(scanned: Scanned) -> SourceFile:
        if scanned.source.endswith(b"00.jpg"):
            raise OSError(5, "Input/output error")
        return opening(scanned)

    with monkeypatch.context() as patched:
        patched.setattr(intake, "open_source", failing)
        with machine.open() as pool:
            result = pool.put([str(albums)], options=PutOptions(force=True))
    assert (result.exit_code, result.files) == (EXIT_PARTIAL, 11)
    assert shown(machine) == [True, False]
    with machine.open() as pool:
        assert pool.forget(policy=Policy(keep={"last": 1})).removed == [], "nor is it forgotten for that"
    with machine.open() as pool:
        pool.put([str(albums)])
    assert shown(machine) == [False, False]
