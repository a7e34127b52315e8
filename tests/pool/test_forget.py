"""forget and tag on a real pool: what goes, who may, and what can never happen by mistake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE
from tests.pool.shots import NOW, Dated, add, copy, one_file
from webraid.errors import ConfigError, NotInTable, PoolBusy, QuorumLost, RightMissing
from webraid.jobs.base.context import locked
from webraid.jobs.base.events import Notice
from webraid.jobs.base.retention import FUTURE, Policy
from webraid.jobs.base.snapshots import Which
from webraid.jobs.storing.tag import Change
from webraid.pool import Pool
from webraid.table.records import Forget, Retag

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool with one snapshot of today."""
    folder = tmp_path_factory.mktemp("forget")
    made = Dated(folder / "home")
    made.make("raid5", 3)
    with made.open() as pool:
        pool.put([str(one_file(folder / "photos"))])
        add(pool, NOW)
        first = pool.snapshots()[0]
        pool.forget([first.name])
    return made.folder


@pytest.fixture
def machine(model: Path, tmp_path: Path) -> Dated:
    return copy(model, tmp_path / "home")


def names(pool: Pool) -> list[str]:
    return [shot.name for shot in pool.snapshots()]


# -------------------------------------------------------------------------------------------------------------- forget
def test_the_newest_is_kept_and_the_others_go_for_everybody(machine: Dated) -> None:
    with machine.open() as pool:
        old = add(pool, NOW - 2 * DAY, NOW - DAY)
        result = pool.forget(policy=Policy({"last": 1}))
        assert sorted(shot.name for shot in result.removed) == sorted(shot.name for shot in old)
        assert [(len(one.keep), len(one.remove)) for one in result.groups] == [(1, 2)]
        assert [kept.reasons for kept in result.kept] == [("last snapshot",)]
    machine.settings.places.database.unlink()  # another machine would see the same
    with machine.open() as pool:
        assert len(names(pool)) == 1
        assert pool.get(to=machine.folder / "out").exit_code == 0


def test_a_dry_run_changes_nothing_and_says_the_same(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, NOW - 2 * DAY, NOW - DAY)
        before = names(pool)
        records = len(pool._ctx.table.book.names)
        told = pool.forget(policy=Policy({"last": 1}), dry_run=True)
        assert (names(pool), len(pool._ctx.table.book.names)) == (before, records)
        assert told.dry_run
        done = pool.forget(policy=Policy({"last": 1}))
        assert [shot.id for shot in told.removed] == [shot.id for shot in done.removed]


def test_the_rules_speak_for_every_host_and_its_folders(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, NOW - DAY)
        add(pool, NOW - 3 * DAY, NOW - 2 * DAY, host="laptop")
        add(pool, NOW - 5 * DAY, origin="/srv")
        assert len(pool.forget(policy=Policy({"last": 1}), dry_run=True).removed) == 2
        assert len(pool.forget(policy=Policy({"last": 1}), group_by="host", dry_run=True).removed) == 3
        assert len(pool.forget(policy=Policy({"last": 1}), group_by="", dry_run=True).removed) == 4
        laptop = Which.of(hosts=["laptop"])
        assert len(pool.forget(policy=Policy({"last": 1}), which=laptop).removed) == 1
        assert len(names(pool)) == 4


def test_named_snapshots_go_whatever_the_rules_say(machine: Dated) -> None:
    with machine.open() as pool:
        first, second = add(pool, NOW - 2 * DAY, NOW - DAY)
        assert pool.forget([first.name, second.id.hex(), first.id.hex()[:6]]).removed == [first, second]
        with pytest.raises(NotInTable, match="no snapshot"):
            pool.forget([first.name])
        pool.forget(["latest"])
        assert names(pool) == []


def test_rules_that_keep_nothing_are_refused(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, NOW - DAY, tags=("x",))
        add(pool, NOW - DAY, host="laptop")
        before = names(pool)
        for dry_run in (True, False):
            with pytest.raises(ConfigError, match="keep no snapshot of laptop") as caught:
                pool.forget(policy=Policy(tags=(frozenset("x"),)), dry_run=dry_run)
            assert "--unsafe-allow-remove-all" in caught.value.hint
        assert names(pool) == before, "nothing goes, not even of the groups that would keep some"
        assert len(pool.forget(policy=Policy(tags=(frozenset("x"),)), allow_none=True).removed) == 2


def test_future_and_partial_snapshots_push_nothing_out_and_are_told(machine: Dated) -> None:
    with machine.open() as pool:
        (good,) = [shot.id for shot in pool.snapshots()]
        (future,) = add(pool, NOW + 30 * DAY)
        (partial,) = add(pool, NOW + timedelta(hours=1), partial=True)
        result = pool.forget(policy=Policy({"last": 1}))
        assert result.removed == []
        assert {kept.shot.id for kept in result.kept} == {good, future.id, partial.id}
        told = [event.text for event in machine.events if isinstance(event, Notice)]
        assert any(future.name in text and FUTURE in text for text in told)
        (newer,) = add(pool, NOW + timedelta(hours=2))
        result = pool.forget(policy=Policy({"last": 1}))
        assert {shot.id for shot in result.removed} == {good, partial.id}
        with pytest.raises(ConfigError, match="keep no snapshot"):  # the future one alone is nothing to rely on
            pool.forget(policy=Policy(tags=(frozenset("x"),)))
        assert newer.name in names(pool)


def test_without_rules_nothing_is_forgotten(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, *(NOW - number * DAY for number in range(1, 4)))
        result = pool.forget_by_policy()
        assert (result.removed, result.spoke, len(names(pool))) == ([], False, 4)


def test_the_configs_rules_count_where_no_others_are_given(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, *(NOW - number * DAY for number in range(1, 6)))
        add(pool, *(NOW - number * DAY for number in range(1, 3)), host="laptop")
    config = machine.folder / "config.toml"
    config.write_text(config.read_text() + '\n[retention]\nkeep-last = 2\nkeep-within = "3d"\ngroup-by = "host"\n')
    with machine.open() as pool:
        assert len(pool.forget_by_policy(which=Which.of(hosts=["laptop"])).removed) == 0
        assert len(pool.forget_by_policy().removed) == 3
    config.write_text(config.read_text().replace('"3d"', '"3 days"'))
    with machine.open() as pool, pytest.raises(ConfigError, match=r"\[retention\].*'3 days'"):
        pool.forget_by_policy()


def test_a_machine_without_the_right_writes_nothing(machine: Dated) -> None:
    with machine.open() as pool:
        (shot,) = add(pool, NOW - DAY)
        pool.set_rights(PASSPHRASE, pool._ctx.identity.key.id.hex(), ["append"])
        records = len(pool._ctx.table.book.names)
        for forbidden in (
            lambda: pool.forget(policy=Policy({"last": 1})), lambda: pool.forget([shot.name]),
            lambda: pool.tag(Change.of(add=["x"])), lambda: pool._ctx.table.append(Forget(snapshots=(shot.id,))),
            lambda: pool._ctx.table.append(Retag(snapshot=shot.id, tags=())),
        ):  # fmt: skip
            with pytest.raises(RightMissing, match="no right to"):
                forbidden()
        assert len(pool._ctx.table.book.names) == records
        assert len(pool.forget(policy=Policy({"last": 1}), dry_run=True).removed) == 1


def test_forgetting_takes_the_machines_lock_and_a_quorum(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, NOW - DAY)
        with locked(machine.settings.places), pytest.raises(PoolBusy):
            pool.forget(policy=Policy({"last": 1}))
        with locked(machine.settings.places):
            assert len(pool.forget(policy=Policy({"last": 1}), dry_run=True).removed) == 1
    for number in (1, 2):
        machine.disk(number).rename(machine.folder / f"gone {number}")
    with machine.open() as pool:
        with pytest.raises(QuorumLost):
            pool.forget(policy=Policy({"last": 1}))
        assert len(names(pool)) == 2


def test_hundreds_of_snapshots_are_forgotten_in_few_records(machine: Dated) -> None:
    with machine.open() as pool:
        ctx = pool._ctx
        add(pool, *(NOW - number * DAY for number in range(1, 41)))
        before = len(ctx.table.book.names)
        assert len(pool.forget(policy=Policy({"last": 1})).removed) == 40
        assert len(ctx.table.book.names) == before + 1


# ----------------------------------------------------------------------------------------------------------------- tag
def test_tags_are_added_taken_away_and_set(machine: Dated) -> None:
    with machine.open() as pool:
        (shot,) = add(pool, NOW - DAY, tags=("a", "b"))
        (other,) = [one for one in pool.snapshots() if one.id != shot.id]

        def tags() -> tuple[str, ...]:
            return next(one.info.tags for one in pool.snapshots() if one.id == shot.id)

        assert [one.tags for one in pool.tag(Change.of(add=["c,a"]), [shot.name])] == [("a", "b", "c")]
        assert tags() == ("a", "b", "c")
        pool.tag(Change.of(remove=["a", "x"], add=["d"]), [shot.name])
        assert tags() == ("b", "c", "d")
        assert pool.tag(Change.of(add=["d"]), [shot.name]) == []
        assert len(pool.tag(Change.of(add=["z"]), which=Which.of(tags=["b,c"]), dry_run=True)) == 1
        assert tags() == ("b", "c", "d")
        pool.tag(Change.of(exact=[""]), which=Which.of(tags=["b"]))
        assert tags() == ()
        assert {one.shot.id for one in pool.tag(Change.of(exact=["all"]))} == {shot.id, other.id}
        assert pool.ls(shot.name), "it keeps its id"


def test_what_shall_become_of_the_tags_must_be_said() -> None:
    with pytest.raises(ConfigError, match="which tags"):
        Change.of()
    with pytest.raises(ConfigError, match="--set replaces"):
        Change.of(exact=["a"], add=["b"])
