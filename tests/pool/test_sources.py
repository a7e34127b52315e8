"""Sources of the config, and what has vanished and was hardly deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pool.machine import Home
from tests.pool.watching import paths_in, plant, put, sources
from webraid.errors import EXIT_OK, EXIT_PARTIAL, ConfigError, SourcesUnreadable
from webraid.files.select import Rules, lines
from webraid.jobs.base.events import Notice
from webraid.jobs.storing.put import PutOptions


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty small files."""
    return plant(tmp_path / "photos", 30)


# -------------------------------------------------------------------------------------------------------------- sources
def test_each_source_becomes_a_snapshot_of_its_own_with_its_own_ways(
    machine: Home, photos: Path, tmp_path: Path
) -> None:
    mail = plant(tmp_path / "mail", 2)
    (mail / "x.tmp").touch()
    (tmp_path / "patterns").write_text("001.jpg\n")
    sources(
        machine,
        photos=f'paths = ["{photos}"]\ntags = ["night", "big"]\nlevel = "raid5"',
        mail=f'paths = ["{mail}"]\nexclude = ["*.tmp"]\nexclude-file = ["{tmp_path}/patterns"]',
    )
    with machine.open() as pool:
        results = pool.put_sources()
        first, second = pool.snapshots()
    assert [(result.source, result.files, result.exit_code) for result in results] == [
        ("photos", 30, EXIT_OK), ("mail", 1, EXIT_OK),
    ]  # fmt: skip
    assert (first.info.source, first.info.level, first.info.tags) == ("photos", "raid5", ("night", "big"))
    assert (second.info.source, second.info.level, second.info.tags) == ("mail", "raid6", ())
    assert paths_in(machine, second.name) == ["mail", "mail/0", "mail/0/000.jpg", "mail/1"]
    assert all(result.stored > 0 for result in results)


def test_sources_can_be_named_and_what_the_run_says_is_added(machine: Home, photos: Path, tmp_path: Path) -> None:
    sources(machine, photos=f'paths = ["{photos}"]\nexclude = ["000.jpg"]', mail=f'paths = ["{tmp_path}/none"]')
    options = PutOptions(tags=("now",), rules=Rules(lines(["001.jpg"])), host="other")
    with machine.open() as pool:
        (result,) = pool.put_sources(["photos"], options=options)
        (shot,) = pool.snapshots()
    assert (result.files, shot.info.tags, shot.info.host) == (28, ("now",), "other")
    with machine.open() as pool, pytest.raises(ConfigError, match="no source 'music'"):
        pool.put_sources(["music"])


def test_a_source_that_cannot_be_stored_does_not_keep_the_others_from_it(
    machine: Home, photos: Path, tmp_path: Path
) -> None:
    sources(
        machine,
        gone=f'paths = ["{tmp_path}/gone"]',
        strange=f'paths = ["{photos}"]\nlevel = "raid9"',
        relative='paths = ["photos"]',
        photos=f'paths = ["{photos}"]',
    )
    with machine.open() as pool:
        results = pool.put_sources()
        (shot,) = pool.snapshots()
        assert [run for run in pool._ctx.table.state.runs.values() if not run.settled] == []
    assert [result.failure is None for result in results] == [False, False, False, True]
    assert [result.exit_code for result in results] == [EXIT_PARTIAL, 2, 2, EXIT_OK]
    assert shot.info.source == "photos"
    assert sum(isinstance(event, Notice) and event.warning for event in machine.events) == 3
    with machine.open() as pool, pytest.raises(SourcesUnreadable):
        pool.put_sources(["gone", "strange"])


def test_no_source_at_all_is_an_error_that_says_what_to_do(machine: Home) -> None:
    with machine.open() as pool, pytest.raises(ConfigError, match="nothing to put") as caught:
        pool.put_sources()
    assert "PATH" in caught.value.hint


def test_tilde_and_variables_stand_for_what_they_do_in_a_shell(
    machine: Home, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(photos.parent))
    monkeypatch.setenv("WHICH", "photos")
    sources(machine, a='paths = ["~/photos"]', b='paths = ["~/${WHICH}/0"]')
    with machine.open() as pool:
        assert [result.files for result in pool.put_sources()] == [30, 10]


def test_what_a_failed_source_left_is_settled_before_the_next(machine: Home, photos: Path, tmp_path: Path) -> None:
    mail = plant(tmp_path / "mail", 40)
    sources(machine, mail=f'paths = ["{mail}"]', photos=f'paths = ["{photos}"]')
    with machine.open() as pool:
        pool.put_sources()
    for path in mail.rglob("*.jpg"):
        path.unlink()
    (mail / "new").write_bytes(os.urandom(100_000))
    with machine.open() as pool:
        first, second = pool.put_sources()
        assert [run for run in pool._ctx.table.state.runs.values() if not run.settled] == []
        assert pool.check(read_data=True).exit_code == EXIT_OK
    assert first.failure is not None and second.failure is None
    with machine.open() as pool:
        (again,) = pool.put_sources(["mail"], options=PutOptions(allow_empty=True))
    assert again.added == 0  # it had been sent


# ------------------------------------------------------------------------------------------------------------- vanished
def test_a_path_that_is_gone_or_empty_is_no_deletion(machine: Home, photos: Path, tmp_path: Path) -> None:
    put(machine, photos)
    photos.rename(tmp_path / "unmounted")
    with pytest.raises(SourcesUnreadable, match="is not there any more") as caught:
        put(machine, photos)
    assert "--allow-empty" in caught.value.hint
    photos.mkdir()
    with pytest.raises(SourcesUnreadable, match="is empty"):
        put(machine, photos)
    with pytest.raises(SourcesUnreadable, match="is empty"):
        put(machine, photos, dry_run=True)
    with machine.open() as pool:
        assert len(pool.snapshots()) == 1
    assert put(machine, photos, allow_empty=True).files == 0
    assert put(machine, photos).files == 0  # from now on it is known to be empty


def test_one_path_of_several_that_is_gone_stops_them_all(machine: Home, photos: Path, tmp_path: Path) -> None:
    mail = plant(tmp_path / "mail", 3)
    put(machine, photos, mail)
    mail.rename(tmp_path / "elsewhere")
    with pytest.raises(SourcesUnreadable, match="mail"):
        put(machine, photos, mail)
    mail.mkdir()
    with pytest.raises(SourcesUnreadable, match="mail"):
        put(machine, photos, mail)
    assert put(machine, photos).files == 30


def test_a_path_never_stored_may_be_missing(machine: Home, photos: Path, tmp_path: Path) -> None:
    result = put(machine, photos, tmp_path / "nowhere")
    assert (result.files, result.exit_code) == (30, EXIT_PARTIAL)
    (tmp_path / "bare").mkdir()
    assert put(machine, tmp_path / "bare").exit_code == EXIT_OK


@pytest.mark.parametrize(("had", "left", "refused"), [(30, 2, True), (30, 3, False), (19, 1, False), (20, 1, True)])
def test_less_than_a_tenth_of_twenty_files_or_more_is_as_good_as_nothing(
    machine: Home, tmp_path: Path, had: int, left: int, refused: bool
) -> None:
    small = plant(tmp_path / "small", had)
    put(machine, small)
    for path in sorted(small.rglob("*.jpg"))[left:]:
        path.unlink()
    if refused:
        with pytest.raises(SourcesUnreadable, match=f"and {left} are left"):
            put(machine, small)
        assert put(machine, small, allow_empty=True).files == left
    else:
        assert put(machine, small).files == left


def test_a_path_among_larger_ones_is_looked_at_on_its_own(machine: Home, photos: Path, tmp_path: Path) -> None:
    mail = plant(tmp_path / "mail", 25)
    put(machine, photos, mail)
    for path in mail.rglob("*.jpg"):
        path.unlink()
    (mail / "README").touch()
    with pytest.raises(SourcesUnreadable, match="mail had 20 files or more in snapshot"):
        put(machine, photos, mail)


def test_the_error_of_a_source_names_no_file(machine: Home, photos: Path, tmp_path: Path) -> None:
    sources(machine, pictures=f'paths = ["{photos}", "{tmp_path}/other"]')
    plant(tmp_path / "other", 2)
    with machine.open() as pool:
        pool.put_sources()
    photos.rename(tmp_path / "unmounted")
    with machine.open() as pool, pytest.raises(SourcesUnreadable, match="path 2 of 2 of source pictures") as caught:
        pool.put_sources()
    assert str(tmp_path) not in str(caught.value)
