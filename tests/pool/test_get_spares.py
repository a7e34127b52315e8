"""get --delete and --overwrite: what a snapshot cannot speak of, and what is the pool's own, is left as it is."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.pool.machine import Home
from webraid.errors import EXIT_OK, ConfigError
from webraid.files.listed import ListKind
from webraid.jobs.base.events import Notice
from webraid.jobs.restoring.get import KEPT_OURS
from webraid.jobs.storing.put import Pace, PutOptions
from webraid.pool import open_pool


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home folder with the pool's config, state and disks in it, and a document."""
    made = Home(tmp_path / "ann").make("raid5", 3)
    (tmp_path / "ann" / "docs").mkdir()
    (tmp_path / "ann" / "docs" / "letter").write_text("dear")
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def own(home: Home) -> dict[str, bytes]:
    """The pool's disks and keys (its cache changes with every look)."""
    parts = ("d1/", "d2/", "d3/", "state/device", "config.toml")
    return {name: data for name, data in files(home.folder).items() if name.startswith(parts)}


@pytest.mark.parametrize("exclude", [(), ("/ann/state", "/ann/d?", "config.toml")])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_home_folder_put_back_keeps_the_pool_that_lies_in_it(
    home: Home, exclude: tuple[str, ...], *, dry_run: bool
) -> None:
    with home.open() as pool:
        pool.put([str(home.folder)], exclude=exclude)
        (home.folder / "docs" / "letter").write_text("gone wrong")
        (home.folder / "docs" / "virus").write_text("x")
        pool.put([str(home.folder / "docs")])
    before = own(home)
    with home.open() as pool:
        first = pool.snapshots()[0].name
        result = pool.get(first, in_place=True, delete=True, overwrite="always", dry_run=dry_run, verify=not dry_run)
        pool.check()
    assert result.exit_code == EXIT_OK
    assert (result.deleted, result.updated) == (1, 1)
    assert own(home) == before
    assert (home.folder / "docs" / "virus").exists() is dry_run
    assert exclude or KEPT_OURS in result.notes


def test_links_that_lead_to_the_pool_stay(home: Home, tmp_path: Path) -> None:
    """What was moved to a larger drive, with a link in its old place, is found by that link alone."""
    with home.open() as pool:
        pool.put([str(home.folder)], exclude=("/ann/state", "/ann/d?", "config.toml"))
    (tmp_path / "big" / "inner").mkdir(parents=True)
    for name in ("d1", "state"):
        (home.folder / name).rename(tmp_path / "big" / "inner" / name)
        (home.folder / f"way to {name}").symlink_to(tmp_path / "big" / "inner")
        (home.folder / name).symlink_to(f"way to {name}/{name}")
    (home.folder / "docs" / "link").symlink_to("letter")
    with home.open() as pool:
        result = pool.get(in_place=True, delete=True, overwrite="always")
    assert (result.exit_code, result.deleted) == (EXIT_OK, 1)
    with home.open() as pool:
        assert pool.status().answered == 3


def test_delete_refuses_a_target_that_is_a_disk_of_the_pool(home: Home) -> None:
    before = own(home)
    with home.open() as pool:
        pool.put([str(home.folder / "docs")])
        before = own(home)
        for target in (home.disk(1), home.disk(1) / "restored", home.folder / "state"):
            with pytest.raises(ConfigError, match="of the pool itself"):
                pool.get("latest:docs", to=target, delete=True)
    assert own(home) == before


def test_delete_refuses_a_snapshot_that_an_interrupted_put_left(home: Home, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(4):
        (photos / str(number)).write_bytes(Random(number).randbytes(300_000))

    def stop(event: object) -> None:
        if isinstance(event, Notice) and "partial snapshot" in event.text:
            raise KeyboardInterrupt

    with open_pool(home.settings, on_event=stop) as pool, pytest.raises(KeyboardInterrupt):
        pool.put([str(photos)], options=PutOptions(pace=Pace(bytes=500_000)))
    before = files(photos)
    with home.open() as pool, pytest.raises(ConfigError, match="cut short"):
        pool.get(in_place=True, delete=True)
    assert files(photos) == before


def test_delete_refuses_a_snapshot_of_a_list(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = tmp_path / "photos"
    (photos / "2024").mkdir(parents=True)
    for name in ("a", "b", "2024/c", "2024/d"):
        (photos / name).write_text(name)
    (tmp_path / "list").write_text("a\n2024/c\n")
    monkeypatch.chdir(photos)
    with home.open() as pool:
        pool.put([], lists=[(str(tmp_path / "list"), ListKind.PATTERNS)])
        with pytest.raises(ConfigError, match="list named"):
            pool.get(in_place=True, delete=True)
        assert pool.get(in_place=True).exit_code == EXIT_OK
    assert sorted(files(photos)) == ["2024/c", "2024/d", "a", "b"]


def test_delete_warns_where_the_put_could_not_read_everything(home: Home, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a").write_text("a")
    with home.open() as pool:
        pool.put([str(photos), str(tmp_path / "nothing here")])
        pool.get("latest:photos", to=photos, delete=True)
    assert any("1 problem" in event.text for event in home.events if isinstance(event, Notice))
