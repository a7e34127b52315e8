"""Two machines with one pool: nothing is lost, whoever writes when."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from webraid.backend.base import Backend
from webraid.errors import EXIT_OK, Forked
from webraid.files.compare import compare_trees
from webraid.jobs.storing.put import PutResult
from webraid.pool import recover_pool


def second(first: Home, folder: Path, disk: int = 1) -> Home:
    """Another machine that recovered the pool from one of its disks."""
    other = Home(folder)
    recovered, pool = recover_pool(
        other.settings, kind="local", options={"path": str(first.disk(disk))}, secret=PASSPHRASE
    )
    pool.close()
    assert recovered.fresh
    return other


def tree(folder: Path, name: str, files: int = 6) -> Path:
    target = folder / name
    target.mkdir(parents=True)
    for number in range(files):
        (target / f"{number}").write_bytes(os.urandom(30_000 + 1000 * number))
    return target


def put(machine: Home, path: Path) -> PutResult:
    with machine.open() as pool:
        return pool.put([str(path)])


def shots(machine: Home) -> set[str]:
    with machine.open() as pool:
        return {shot.name for shot in pool.snapshots()}


@pytest.fixture
def pair(home: Callable[[str, int], Home], tmp_path: Path) -> tuple[Home, Home]:
    one = home("raid6", 5)
    return one, second(one, tmp_path / "other")


def everywhere(pair: tuple[Home, Home], tmp_path: Path, kept: dict[str, Path]) -> None:
    """Both machines, and an empty third one, see every snapshot and restore it exactly."""
    third = second(pair[0], tmp_path / "third", disk=2)
    for number, machine in enumerate((*pair, third)):
        assert shots(machine) >= set(kept)
        for snapshot, source in kept.items():
            out = tmp_path / f"out {number} {snapshot}"
            with machine.open() as pool:
                assert pool.get(snapshot, to=out).exit_code == EXIT_OK
            assert compare_trees(source, out / source.name) == []
    with third.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


def test_machines_that_take_turns_share_what_they_store(pair: tuple[Home, Home], tmp_path: Path) -> None:
    source = tree(tmp_path / "a", "photos")
    first = put(pair[0], source)
    copy = tmp_path / "b" / "photos"
    shutil.copytree(source, copy)
    again = put(pair[1], copy)
    assert (first.added > 0, again.added) == (True, 0)
    everywhere(pair, tmp_path, {first.snapshot: source, again.snapshot: copy})


def test_two_machines_that_put_at_once_both_keep_what_they_put(pair: tuple[Home, Home], tmp_path: Path) -> None:
    sources = [tree(tmp_path / "a", "photos", 40), tree(tmp_path / "b", "photos", 40)]
    results: list[PutResult] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(2)

    def work(machine: Home, source: Path) -> None:
        try:
            gate.wait()
            results.append(put(machine, source))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=item) for item in zip(pair, sources, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [result.exit_code for result in results] == [EXIT_OK, EXIT_OK]
    by_origin = {}
    with pair[0].open() as pool:
        for shot in pool.snapshots():
            by_origin[shot.name] = Path(os.fsdecode(shot.info.roots[0].origin))
    everywhere(pair, tmp_path, by_origin)


class _Pause:
    """Stops a machine at its n-th backend call until something else has happened."""

    def __init__(self, at: int, meanwhile: Callable[[], None]) -> None:
        self.left = at
        self.meanwhile = meanwhile
        self.lock = threading.Lock()
        self.happened = False

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        def opened() -> Backend:
            backend = opener()
            for verb in ("put", "get", "list"):
                setattr(backend, verb, self._counted(getattr(backend, verb)))
            return backend

        return opened

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **more: object) -> object:
            with self.lock:
                self.left -= 1
                if self.left == 0:
                    self.happened = True
                    self.meanwhile()
            return call(*args, **more)

        return counted


@pytest.mark.parametrize("at", [1, 4, 9, 14, 18, 22, 26, 30, 34, 38, 44, 50])
def test_a_put_in_the_middle_of_another_machines_put(pair: tuple[Home, Home], tmp_path: Path, at: int) -> None:
    one, other = pair
    sources = tree(tmp_path / "a", "photos"), tree(tmp_path / "b", "photos")
    found: list[PutResult] = []
    pause = _Pause(at, lambda: found.append(put(other, sources[1])))
    interrupted = one.settings
    interrupted.wrap = pause.wrap
    from webraid.pool import open_pool

    with open_pool(interrupted) as pool:
        result = pool.put([str(sources[0])])
    if not pause.happened:
        found.append(put(other, sources[1]))
    assert (result.exit_code, found[0].exit_code) == (EXIT_OK, EXIT_OK)
    everywhere(pair, tmp_path, {result.snapshot: sources[0], found[0].snapshot: sources[1]})
    with one.open() as pool:
        named = {shot.name: {other.name for other in pool.conflicts(shot)} for shot in pool.snapshots()}
    if pause.happened and 14 <= at <= 30:  # well inside: neither can have known of the other
        assert named[result.snapshot] == {found[0].snapshot} or found[0].snapshot in named


@pytest.mark.parametrize("at", [1, 6, 12, 16, 20, 24, 28, 32, 36, 42])
def test_a_disk_that_joins_in_the_middle_of_another_machines_put(
    pair: tuple[Home, Home], tmp_path: Path, at: int
) -> None:
    one, other = pair
    source = tree(tmp_path / "a", "photos")

    def join() -> None:
        with other.open() as pool:
            pool.add_backend("local", "d6", {"path": str(one.disk(6))})

    pause = _Pause(at, join)
    interrupted = one.settings
    interrupted.wrap = pause.wrap
    from webraid.pool import open_pool

    with open_pool(interrupted) as pool:
        result = pool.put([str(source)])
    assert result.exit_code == EXIT_OK
    if not pause.happened:
        join()
    # the new disk knows everything that was acknowledged: it alone leads an empty machine to the snapshot
    third = second(one, tmp_path / "third", disk=6)
    assert result.snapshot in shots(third)
    for number in (2, 4):
        shutil.rmtree(one.disk(number))
    with third.open() as pool:
        assert pool.get(result.snapshot, to=tmp_path / "out").exit_code == EXIT_OK
    assert compare_trees(source, tmp_path / "out" / "photos") == []


def test_a_machine_that_was_copied_does_not_go_on_with_the_log(
    home: Callable[[str, int], Home], tmp_path: Path
) -> None:
    one = home("raid6", 4)
    put(one, tree(tmp_path / "a", "photos"))
    clone = Home(tmp_path / "clone")
    shutil.copytree(one.folder / "state", clone.folder / "state", dirs_exist_ok=True)
    shutil.copy2(one.folder / "config.toml", clone.folder / "config.toml")
    kept = put(one, tree(tmp_path / "b", "letters"))
    with pytest.raises(Forked):
        put(clone, tree(tmp_path / "c", "music"))
    assert kept.snapshot in shots(one)
    assert kept.snapshot in shots(clone)
