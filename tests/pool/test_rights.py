"""What a machine may do: given with its certificate, changed by the owner's word, and held to by everybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.test_devices import context, join, put, shots
from webraid.errors import ConfigError, RecoveryPending, RightMissing, WrongPassphrase
from webraid.jobs.base.events import Notice
from webraid.table.records import AddDisk, Condemn, Forget, Prepare


@pytest.fixture
def one(home: Callable[[str, int], Home], tmp_path: Path) -> Home:
    (tmp_path / "file").write_text("content")
    return home("raid5", 3)


def test_a_machine_with_append_stores_and_restores_and_nothing_else(one: Home, tmp_path: Path) -> None:
    kept = put(one, tmp_path / "file")
    cron = join(one, tmp_path / "b", "nas", "append")
    assert put(cron, tmp_path / "file") in shots(one)
    with cron.open() as pool:
        assert pool.get(kept, to=tmp_path / "out").exit_code == 0
        with pytest.raises(RightMissing, match="no right") as raised:
            pool.remove_backend("d1")
        assert "webraid device rights" in raised.value.hint
        with pytest.raises(RightMissing):
            pool.add_backend("local", "d4", {"path": str(tmp_path / "d4")})
    assert not (tmp_path / "d4").exists() and kept in shots(one)


def test_what_takes_a_right_is_not_even_written_without_it(one: Home, tmp_path: Path) -> None:
    cron = join(one, tmp_path / "b", "nas", "append")
    ctx = context(cron)
    ctx.open_table()
    d1 = next(info for info in ctx.table.state.members() if info.name == "d1")
    lure = AddDisk(disk=d1.id, name="d1", kind="local", domain="d1", identity="elsewhere", connection=b"elsewhere")
    for op in (Forget(snapshots=(b"s" * 16,)), Condemn(packs=(b"p" * 16,)), lure):
        with pytest.raises(RightMissing):
            ctx.table.append(op)
    ctx.close()


def test_who_took_such_a_machine_over_is_not_heeded(one: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = put(one, tmp_path / "file")
    cron = join(one, tmp_path / "b", "nas", "append")
    ctx = context(cron)
    ctx.open_table()
    monkeypatch.setattr(type(ctx.table), "require_right", lambda self, right: None)
    snapshot = next(iter(ctx.table.state.shots)).id
    d1 = next(info for info in ctx.table.state.members() if info.name == "d1")
    lure = AddDisk(disk=d1.id, name="d1", kind="local", domain="d1", identity="elsewhere", connection=b"elsewhere")
    ctx.table.append(Forget(snapshots=(snapshot,)), Condemn(packs=(b"p" * 16,)), lure)
    monkeypatch.undo()
    ctx.close()
    assert kept in shots(one)
    seen = context(one)
    seen.open_table()
    assert not seen.table.state.condemned and not seen.table.state.forgotten
    assert seen.table.state.disks[d1.id].identity == d1.identity
    seen.close()


def test_rights_are_taken_and_given_by_the_owner(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "desk")
    with one.open() as pool:
        with pytest.raises(WrongPassphrase):
            pool.set_rights("not the passphrase", "desk", ["append"])
        assert pool.set_rights(PASSPHRASE, "desk", ["append"]).rights == ("append",)
    with two.open() as pool, pytest.raises(RightMissing):
        pool.remove_backend("d1")
    put(two, tmp_path / "file")
    with one.open() as pool:
        pool.set_rights(PASSPHRASE, "desk", ["sweep", "append"])
        assert [item.rights for item in pool.devices() if item.name == "desk"] == [("append", "sweep")]
    with two.open() as pool:
        pool.add_backend("local", "d4", {"path": str(tmp_path / "d4")})
        assert pool.remove_backend("d4") == 1


def test_a_machine_cannot_date_its_records_back_to_when_it_had_the_right(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "desk")
    ctx = context(two)
    ctx.open_table()
    early = ctx.table.state.lamport
    with one.open() as pool:
        pool.set_rights(PASSPHRASE, "desk", ["append"])
    ctx.table.state.lamport = early - 10  # it pretends not to know
    ctx.table.append(Condemn(packs=(b"p" * 16,)))
    ctx.close()
    seen = context(one)
    seen.open_table()
    assert b"p" * 16 not in seen.table.state.condemned
    assert any("no right to sweep" in why for _, why in seen.table.state.refused)
    seen.close()


def test_what_a_machine_did_before_its_rights_were_taken_still_counts(one: Home, tmp_path: Path) -> None:
    kept = put(one, tmp_path / "file")
    two = join(one, tmp_path / "b", "desk")
    ctx = context(two)
    ctx.open_table()
    ctx.table.append(Forget(snapshots=(next(iter(ctx.table.state.shots)).id,)))
    ctx.close()
    with one.open() as pool:
        pool.set_rights(PASSPHRASE, "desk", ["append"])
    assert kept not in shots(one)


def test_rights_that_make_no_sense_are_refused(one: Home) -> None:
    with one.open() as pool:
        for wrong in (["sweep"], ["append", "fly"], []):
            with pytest.raises(ConfigError):
                pool.set_rights(PASSPHRASE, "whoever", wrong)


def test_a_renewed_login_stays_on_a_machine_that_may_not_change_disks(one: Home, tmp_path: Path) -> None:
    cron = join(one, tmp_path / "b", "nas", "append")
    with cron.open() as pool:
        pool.keep_login(pool.log_in_again("d1"))
    assert any("kept on this machine alone" in event.text for event in cron.events if isinstance(event, Notice))


def test_nothing_is_written_while_a_recovery_is_unfinished_but_reading_works(one: Home, tmp_path: Path) -> None:
    kept = put(one, tmp_path / "file")
    two = join(one, tmp_path / "b", "desk")
    two.settings.places.recovering.write_text("unfinished")
    with pytest.raises(RecoveryPending) as raised:
        put(two, tmp_path / "file")
    assert "webraid recover" in raised.value.hint
    with two.open() as pool:
        assert pool.get(kept, to=tmp_path / "out").exit_code == 0
    join(one, tmp_path / "b", "desk")
    assert put(two, tmp_path / "file") in shots(one)


def test_an_owners_word_may_be_carried_by_a_machine_with_few_rights(one: Home, tmp_path: Path) -> None:
    cron = join(one, tmp_path / "b", "nas", "append")
    join(one, tmp_path / "c", "old")
    with cron.open() as pool:
        pool.remove_device(PASSPHRASE, "old")
        pool.set_rights(PASSPHRASE, "nas", ["append", "forget"])
    with one.open() as pool:
        found = {item.name: item for item in pool.devices()}
    assert found["old"].evicted and found["nas"].rights == ("append", "forget")


def test_a_machine_whose_eviction_is_only_announced_pins_on(one: Home, tmp_path: Path) -> None:
    from webraid.jobs.access.evict import _evict
    from webraid.jobs.access.keys import owned

    two = join(one, tmp_path / "b", "desk")
    ctx = context(two)
    ctx.open_table()
    ctx.table.append(Prepare(run=b"a" * 16, creates=(b"p" * 16,)))
    ctx.close()
    seen = context(one)
    with owned(seen, PASSPHRASE) as opened:
        seen.table.append(_evict(opened.owner, ctx.identity.key.id, -1))
        assert b"p" * 16 in seen.table.state.pins()
    seen.close()
