"""put --min-redundancy: refused before anything is sent where that can be known, else before the commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pool.flagged import SIZE, Wrap, configure, home, models, run, tree
from tests.pool.machine import Home
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import EXIT_OK, EXIT_TEMPORARY, ConfigError, NotEnoughDisks, QuotaExceeded, TooWeak
from webraid.jobs.storing.put import Pace, PutOptions
from webraid.model import Stored, Usage

__all__ = ["home", "models", "tree"]  # fixtures


def put(machine: Home, tree: Path, least: int, *, wrap: Wrap | None = None, **more: Any) -> Any:
    with run(machine, wrap=wrap) as pool:
        return pool.put([str(tree)], options=PutOptions(least=least, **more))


def snapshots(machine: Home) -> int:
    with machine.open() as pool:
        return len(pool.snapshots())


def shards(machine: Home, count: int) -> int:
    return sum(
        1 for number in range(1, count + 1) for path in (machine.disk(number) / "shards").rglob("*") if path.is_file()
    )


def test_what_a_level_does_not_promise_is_refused_before_anything_is_sent(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid6", 4)
    with pytest.raises(ConfigError, match="raid6 survives 2 losses, and --min-redundancy asks for 3"):
        put(machine, tree, 3)
    with pytest.raises(ConfigError, match="raid5 survives 1 loss"):
        put(machine, tree, 2, level="raid5")
    assert put(machine, tree, 2).survives == 2


def test_what_the_pool_cannot_give_with_all_its_disks_is_told_apart(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid6", 3)
    with machine.open() as pool:
        pool.add_backend("local", "d4", {"path": str(machine.disk(4))}, domain="d3")
    with pytest.raises(NotEnoughDisks, match="this pool survives 1 loss at best") as caught:
        put(machine, tree, 2)
    assert "in another place" in caught.value.hint
    assert put(machine, tree, 1).survives == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_disk_that_is_away_is_found_before_anything_is_sent(
    home: Callable[[str, int], Home], tree: Path, dry_run: bool
) -> None:
    machine = home("raid6", 4)
    machine.disk(4).rename(machine.folder / "gone")
    with pytest.raises(
        TooWeak, match=r"would survive 1 loss \(without d4\), and --min-redundancy asks for 2"
    ) as caught:
        put(machine, tree, 2, dry_run=dry_run)
    assert caught.value.exit_code == EXIT_TEMPORARY
    assert shards(machine, 3) == 0
    assert put(machine, tree, 1).survives == 1


class _Filling(Wrapper):
    """Takes so many shards, says nothing of its room, and is full."""

    kind = "filling"

    def __init__(self, inner: Backend, left: list[int]) -> None:
        super().__init__(inner)
        self._left = left

    def usage(self) -> Usage:
        return Usage()

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name.startswith("shards/") and len(data) > 100_000:
            self._left[0] -= 1
            if self._left[0] < 0:
                raise QuotaExceeded("it is full")
        return super().put(name, data, digest=digest)


@pytest.mark.parametrize("pace", [Pace(), Pace(bytes=2 << 20)], ids=["at the end", "at a checkpoint"])
def test_a_disk_that_fills_up_meanwhile_is_found_before_the_commit_and_nothing_is_named(
    home: Callable[[str, int], Home], tree: Path, pace: Pace
) -> None:
    machine = home("raid5", 3)
    configure(machine, "limits", memory="24 MiB")
    left = [1]

    def wrap(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return (lambda: _Filling(opener(), left)) if name == "d3" else opener

    with pytest.raises(TooWeak, match="would survive no loss"):
        put(machine, tree, 1, wrap=wrap, pace=pace)
    partial = 1 if pace.bytes < SIZE else 0  # that one was whole
    assert snapshots(machine) == partial
    before = shards(machine, 3)
    assert before > 3
    left[0] = 1000
    result = put(machine, tree, 1, wrap=wrap)
    assert (result.exit_code, result.survives) == (EXIT_OK, 1)
    assert result.added < SIZE  # what was sent is used
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK
    assert put(machine, tree, 0, wrap=wrap).exit_code == EXIT_OK
