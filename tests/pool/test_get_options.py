"""get with its options: what is chosen, what is replaced, what is deleted, and that nothing else is ever touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from stat import S_ISREG
from typing import Any

import pytest

from tests.pool.machine import PASSPHRASE
from tests.pool.shots import NOW, Dated, add, copy
from webraid.errors import EXIT_ALARM, EXIT_OK, EXIT_PARTIAL, EXIT_UNREADABLE, ConfigError, NotInTable
from webraid.files.choice import Choice
from webraid.files.compare import compare_trees
from webraid.files.select import lines
from webraid.jobs.base.events import FileRestored, Notice
from webraid.jobs.restoring.get import GetResult
from webraid.pool import Pool, recover_pool

TREE = {
    "2024/a.jpg": b"a" * 3000, "2024/a.raw": b"r" * 9000, "2024/deep/b.JPG": b"b" * 4000, "list.txt": b"list",
    "private/key": b"secret", "zeros": bytes(700_000) + b"end" + bytes(300_000),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Dated:
    folder = tmp_path_factory.mktemp("get")
    made = Dated(folder / "home")
    made.make("raid5", 3)
    plant(folder / "photos")
    with made.open() as pool:
        pool.put([str(folder / "photos")])
    return made


def plant(photos: Path) -> None:
    for name, data in TREE.items():
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(data)
        os.utime(photos / name, (1_700_000_000, 1_700_000_000))
    (photos / "link").symlink_to("list.txt")
    os.link(photos / "2024" / "a.jpg", photos / "zweiter.jpg")


@pytest.fixture
def pool(model: Dated) -> Iterator[Pool]:
    with model.open() as opened:
        yield opened


@pytest.fixture
def source(model: Dated) -> Path:
    return model.folder.parent / "photos"


@pytest.fixture
def out(pool: Pool, tmp_path: Path) -> Path:
    """The photos, restored."""
    assert pool.get(to=tmp_path / "out").exit_code == EXIT_OK
    return tmp_path / "out"


def tree(folder: Path) -> dict[str, bytes]:
    """Path -> content of all files below."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


def stamps(folder: Path) -> dict[str, tuple[int, ...]]:
    """Everything that shows whether somebody was there; looking into folders changes their times of access."""
    found = {str(path.relative_to(folder)): path.lstat() for path in folder.rglob("*")}
    return {
        path: (s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns, S_ISREG(s.st_mode) and s.st_atime_ns)
        for path, s in found.items()
    }


# ------------------------------------------------------------------------------------------------------------- choosing
@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.jpg"], [], {"2024/a.jpg", "zweiter.jpg"}),
        (["2024/"], [], {"2024/a.jpg", "2024/a.raw", "2024/deep/b.JPG"}),
        (["2024/"], ["*.raw", "deep/"], {"2024/a.jpg"}),
        (["/photos/2024/a.*"], [], {"2024/a.jpg", "2024/a.raw"}),
        (["*", "!*.jpg", "!zeros"], ["private", "link"], {"2024/a.raw", "2024/deep/b.JPG", "list.txt"}),
        ([], ["*.raw", "private", "zeros"], {"2024/a.jpg", "2024/deep/b.JPG", "list.txt", "link", "zweiter.jpg"}),
        ([], ["photos/*", "!photos/2024"], {"2024/a.jpg", "2024/a.raw", "2024/deep/b.JPG"}),
    ],
)
def test_files_are_chosen_by_patterns(
    pool: Pool, tmp_path: Path, source: Path, include: list[str], exclude: list[str], expected: set[str]
) -> None:
    result = pool.get(to=tmp_path / "out", include=include, exclude=exclude)
    assert result.exit_code == EXIT_OK
    assert names(tmp_path / "out") == {f"photos/{name}" for name in expected}
    assert all(TREE.get(name.removeprefix("photos/"), data) == data for name, data in tree(tmp_path / "out").items())
    for folder in ("2024", "2024/deep"):  # made on the way to something, with the metadata they had
        there = tmp_path / "out" / "photos" / folder
        assert not there.exists() or there.stat().st_mtime_ns == (source / folder).stat().st_mtime_ns


def test_patterns_see_a_restored_folder_as_it_is_below_the_target(pool: Pool, tmp_path: Path) -> None:
    pool.get("latest:photos", to=tmp_path / "out", include=["/2024/a.*"])
    assert names(tmp_path / "out") == {"2024/a.jpg", "2024/a.raw"}


def test_nothing_that_matches_is_an_error_and_makes_no_folder(pool: Pool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for asked in ({"include": ["/2024/a.*"]}, {"paths": ["nowhere"]}, {"paths": ["nowhere"], "dry_run": True}):
        with pytest.raises(NotInTable, match="nothing in snapshot"):
            pool.get(to=out, **asked)  # type: ignore[arg-type]
        assert not out.exists()
    pool.get(paths=["photos/list.txt", "nowhere"], to=out)
    assert names(out) == {"photos/list.txt"}


def test_a_file_is_no_target(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="is not a folder"):
        pool.get(to=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_capitals_may_not_matter(pool: Pool, tmp_path: Path) -> None:
    pool.get(to=tmp_path / "out", choice=Choice(lines(["*.jpg"], any_case=True)))
    assert names(tmp_path / "out") == {"photos/2024/a.jpg", "photos/2024/deep/b.JPG", "photos/zweiter.jpg"}
    with pytest.raises(ConfigError, match="can never match"):
        pool.get(to=tmp_path / "out", include=["[a"])


def test_names_of_one_file_stay_one_file(pool: Pool, tmp_path: Path) -> None:
    pool.get("latest:photos", to=tmp_path / "out")
    assert (tmp_path / "out" / "zweiter.jpg").samefile(tmp_path / "out" / "2024" / "a.jpg")
    pool.get(to=tmp_path / "other", include=["zweiter.jpg"])
    assert (tmp_path / "other" / "photos" / "zweiter.jpg").read_bytes() == TREE["2024/a.jpg"]


# ------------------------------------------------------------------------------------------------------------ replacing
def disturb(out: Path) -> None:
    """Every sort of difference: newer, older, another size, and content that looks the same by size and time."""
    photos = out / "photos"
    (photos / "list.txt").write_text("mine, newer")
    (photos / "2024" / "a.raw").write_bytes(b"older")
    os.utime(photos / "2024" / "a.raw", (1_600_000_000, 1_600_000_000))
    (photos / "private" / "key").write_bytes(b"sEcret")
    os.utime(photos / "private" / "key", (1_700_000_000, 1_700_000_000))


@pytest.mark.parametrize(
    ("overwrite", "stays", "code"),
    [
        ("never", {"list.txt", "2024/a.raw", "private/key"}, EXIT_PARTIAL),
        ("if-newer", {"list.txt", "private/key"}, EXIT_OK),
        ("if-changed", {"private/key"}, EXIT_OK),
        ("always", set(), EXIT_OK),
    ],
)
def test_what_is_replaced_is_said(pool: Pool, out: Path, overwrite: str, stays: set[str], code: int) -> None:
    disturb(out)
    before = tree(out)
    listed = pool.get(to=out, overwrite=overwrite, dry_run=True)
    assert tree(out) == before
    result = pool.get(to=out, overwrite=overwrite)
    assert (result.exit_code, listed.exit_code) == (code, code)
    after = tree(out / "photos")
    assert {name for name, data in TREE.items() if after[name] != data} == stays
    counts = lambda one: (one.files, one.updated, one.skipped, one.bytes, len(one.problems))  # noqa: E731
    assert counts(result) == counts(listed)
    assert result.updated == 3 - len(stays)


def test_a_file_of_another_mode_is_no_longer_the_same_to_always(pool: Pool, out: Path) -> None:
    (out / "photos" / "list.txt").chmod(0o600)
    assert pool.get(to=out, overwrite="if-changed").updated == 0
    assert pool.get(to=out, overwrite="always").updated == 1
    assert (out / "photos" / "list.txt").stat().st_mode & 0o777 == 0o644


def test_an_unknown_way_to_overwrite_is_refused(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'sometimes'"):
        pool.get(to=tmp_path / "out", overwrite="sometimes")
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------------- deleting
def extra(out: Path) -> None:
    photos = out / "photos"
    (photos / "mine.txt").write_text("mine")
    (photos / "2024" / "old" / "deep").mkdir(parents=True, exist_ok=True)
    (photos / "2024" / "old" / "deep" / "c.jpg").write_bytes(b"c")
    (photos / "2024" / "old" / "d.raw").write_bytes(b"d")
    (out / "beside").write_text("beside the root")


def test_what_is_not_in_the_snapshot_goes_when_asked_for(pool: Pool, out: Path, source: Path) -> None:
    extra(out)
    assert pool.get(to=out).deleted == 0
    told = pool.get(to=out, delete=True, dry_run=True)
    assert (out / "photos" / "mine.txt").exists()
    result = pool.get(to=out, delete=True, overwrite="if-changed")
    assert (result.deleted, told.deleted) == (5, 5)
    assert compare_trees(source, out / "photos") == []
    assert (out / "beside").read_text() == "beside the root", "the target is no restored folder"


def test_a_target_that_stands_for_a_folder_is_cleaned_like_it(pool: Pool, tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    (out / "beside").mkdir(parents=True)
    assert pool.get("latest:photos", to=out, delete=True).deleted == 1
    assert [line for line in compare_trees(source, out) if not line.startswith(".")] == []


def test_only_what_patterns_speak_of_is_deleted(pool: Pool, out: Path) -> None:
    extra(out)
    pool.get(to=out, delete=True, exclude=["*.jpg"])
    assert names(out) >= {"photos/2024/old/deep/c.jpg", "photos/2024/a.jpg"}
    assert not names(out) & {"photos/mine.txt", "photos/2024/old/d.raw"}
    extra(out)
    pool.get(to=out, delete=True, include=["*.raw"])
    assert names(out) >= {"photos/2024/old/deep/c.jpg", "photos/mine.txt"}
    assert "photos/2024/old/d.raw" not in names(out)


def test_only_restored_folders_are_cleaned(pool: Pool, out: Path) -> None:
    extra(out)
    pool.get("latest", ["photos/private", "photos/list.txt"], to=out, delete=True)
    assert names(out) >= {"photos/mine.txt", "photos/2024/old/d.raw"}


def test_deleting_follows_no_symlink(pool: Pool, out: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "file").write_text("theirs")
    (out / "photos" / "way out").symlink_to(outside)
    (out / "photos" / "2024" / "old").mkdir()
    (out / "photos" / "2024" / "old" / "way out").symlink_to(outside / "deep")
    shutil.rmtree(out / "photos" / "private")
    (out / "photos" / "private").symlink_to(outside / "deep")  # where the snapshot has a folder
    result = pool.get(to=out, delete=True, overwrite="always")
    assert tree(outside) == {"deep/file": b"theirs"}
    assert result.exit_code == EXIT_PARTIAL
    assert {problem.path for problem in result.problems} == {"photos/private"}
    assert not (out / "photos" / "way out").is_symlink()
    assert not (out / "photos" / "2024" / "old").exists()
    assert (out / "photos" / "private").is_symlink()


def test_deleting_needs_a_target_that_is_named(pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--delete needs a target"):
        pool.get(delete=True)
    with pytest.raises(ConfigError, match="'/' as a whole"):
        pool.get("latest:photos", to="/", delete=True, dry_run=True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_deleted_while_files_cannot_be_had(model: Dated, tmp_path: Path) -> None:
    machine = copy(model.folder, tmp_path / "home")
    out = tmp_path / "out"
    for folder in ("photos", "out/photos"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "photos" / "large").write_bytes(os.urandom(2_500_000))  # it takes two disks to read it
    (out / "photos" / "mine.txt").write_text("mine")
    with machine.open() as pool:
        pool.put([str(tmp_path / "photos")])
        for number in (1, 2):
            shutil.rmtree(machine.disk(number) / "shards")
        result = pool.get(to=out, delete=True)
        assert (result.exit_code, result.deleted) == (EXIT_UNREADABLE, 0)
        assert (out / "photos" / "mine.txt").exists()
        assert any("nothing was deleted" in event.text for event in machine.events if isinstance(event, Notice))


# ------------------------------------------------------------------------------------------------------------ read back
def test_all_that_is_restored_is_read_back(pool: Pool, tmp_path: Path) -> None:
    result = pool.get(to=tmp_path / "out", verify=True, exclude=["*.raw"])
    assert (result.exit_code, result.verified, result.mismatched) == (EXIT_OK, len(TREE), [])  # and one with two names


def test_what_is_read_back_wrong_is_an_alarm(pool: Pool, out: Path) -> None:
    disturb(out)
    result = pool.get(to=out, overwrite="if-changed", verify=True)
    assert result.exit_code == EXIT_ALARM
    assert [trouble.path for trouble in result.mismatched] == ["photos/private/key"]
    assert pool.get(to=out, overwrite="always", verify=True).exit_code == EXIT_OK


def test_what_was_left_as_it_is_on_purpose_is_not_read_back(pool: Pool, out: Path) -> None:
    disturb(out)
    result = pool.get(to=out, overwrite="if-newer", verify=True)
    assert [trouble.path for trouble in result.mismatched] == ["photos/private/key"]  # not list.txt, which is newer


# ---------------------------------------------------------------------------------------------------------------- zeros
def test_runs_of_zeros_become_holes_when_asked_for(pool: Pool, tmp_path: Path) -> None:
    for sparse in (False, True):
        out = tmp_path / f"sparse {sparse}"
        pool.get(to=out, sparse=sparse, verify=True)
        zeros = out / "photos" / "zeros"
        assert zeros.read_bytes() == TREE["zeros"]
        assert (zeros.stat().st_blocks * 512 < 200_000) is sparse


# -------------------------------------------------------------------------------------------------------------- trying
def test_a_dry_run_makes_nothing_and_lists_everything(pool: Pool, model: Dated, tmp_path: Path, out: Path) -> None:
    result = pool.get(to=tmp_path / "nowhere" / "at all", dry_run=True, delete=True, listing=True)
    assert not (tmp_path / "nowhere").exists()
    assert (result.files, result.dirs, result.dry_run) == (len(TREE) + 1, 4, True)
    assert result.bytes == sum(map(len, TREE.values())) + len(TREE["2024/a.jpg"])
    told = {(event.action, event.path) for event in model.events if isinstance(event, FileRestored)}
    assert told == {("restored", f"photos/{name}") for name in (*TREE, "link", "zweiter.jpg")}
    extra(out)
    disturb(out)
    model.events.clear()
    before = stamps(out)
    pool.get(to=out, dry_run=True, delete=True, overwrite="always", listing=True)
    assert stamps(out) == before
    told = {(event.action, event.path) for event in model.events if isinstance(event, FileRestored)}
    assert told >= {("updated", "photos/private/key"), ("deleted", "photos/mine.txt"), ("unchanged", "photos/zeros")}


# ------------------------------------------------------------------------------------------------------------- in place
@pytest.fixture
def moved(model: Dated, tmp_path: Path) -> Iterator[tuple[Pool, Path]]:
    """A pool whose newest snapshot holds two roots, one of them under another name than its folder."""
    machine = copy(model.folder, tmp_path / "home")
    plant(tmp_path / "data" / "photos")
    (tmp_path / "data" / "notes.txt").write_text("notes")
    (tmp_path / "album").symlink_to(tmp_path / "data" / "photos")
    with machine.open() as pool:
        pool.put([str(tmp_path / "album"), str(tmp_path / "data" / "notes.txt")])
        yield pool, tmp_path / "data"


def in_place(pool: Pool, *words: Any, **options: Any) -> GetResult:
    return pool.get(*words, in_place=True, **options)


def test_every_root_goes_back_to_where_it_came_from(moved: tuple[Pool, Path], source: Path) -> None:
    pool, data = moved
    (data / "photos" / "list.txt").write_text("encrypted by somebody")
    (data / "photos" / "mine.txt").write_text("new")
    shutil.rmtree(data / "photos" / "2024")
    (data / "notes.txt").unlink()
    (data / "beside").write_text("beside")
    kept = in_place(pool)
    assert kept.exit_code == EXIT_PARTIAL
    assert (data / "photos" / "list.txt").read_text() == "encrypted by somebody"
    assert (data / "notes.txt").read_text() == "notes"
    result = in_place(pool, overwrite="always", delete=True, verify=True)
    assert (result.exit_code, result.deleted) == (EXIT_OK, 1)
    assert tree(data / "photos") == tree(source)
    assert (data / "beside").exists()
    assert str(data / "photos") in result.target


def test_a_part_of_a_root_goes_back_alone(moved: tuple[Pool, Path]) -> None:
    pool, data = moved
    shutil.rmtree(data / "photos")
    (data / "notes.txt").unlink()
    in_place(pool, "latest:album/2024", include=["/album/2024/*.jpg"])
    assert names(data) == {"photos/2024/a.jpg"}
    in_place(pool, "latest", ["album/private", "notes.txt"])
    assert names(data) == {"photos/2024/a.jpg", "photos/private/key", "notes.txt"}
    with pytest.raises(NotInTable, match="nothing in snapshot"):
        in_place(pool, "latest", ["nowhere"])


def test_places_of_another_machine_are_told_and_never_cleaned(moved: tuple[Pool, Path], tmp_path: Path) -> None:
    pool, data = moved
    add(pool, NOW + timedelta(days=1), host="elsewhere", origin=str(data / "photos"))
    assert in_place(pool, delete=True, dry_run=True).exit_code == EXIT_OK, "a name that this machine gave itself"
    pool.close()
    other = Dated(tmp_path / "other")
    options = {"path": str(tmp_path / "home" / "d1")}
    _, second = recover_pool(other.settings, kind="local", options=options, secret=PASSPHRASE)
    with second:
        (data / "photos" / "list.txt").unlink()
        assert in_place(second, "latest:album/list.txt").files == 1
        assert any("was made on elsewhere" in event.text for event in other.events if isinstance(event, Notice))
        with pytest.raises(ConfigError, match="was made on elsewhere"):
            in_place(second, delete=True)


def test_in_place_goes_where_it_came_from_and_nowhere_else(moved: tuple[Pool, Path], tmp_path: Path) -> None:
    pool, _ = moved
    with pytest.raises(ConfigError, match="cannot stand beside -t"):
        in_place(pool, to=tmp_path / "out")
    add(pool, NOW + timedelta(days=1), origin="stdin")
    with pytest.raises(ConfigError, match="has no place to go back to"):
        in_place(pool)
    add(pool, NOW + timedelta(days=1), origin="/home/../etc")
    with pytest.raises(ConfigError, match="has no place to go back to"):
        in_place(pool)
