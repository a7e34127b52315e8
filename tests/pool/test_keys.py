"""Passphrases, recovery codes and keys come, change and go on a real pool; what was taken out never comes back."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, QUICK, Home
from webraid import config
from webraid.codec.keys import is_recovery_code, new_device, new_owner, new_root, seal_passphrase_slot
from webraid.errors import ConfigError, NotInTable, PoolError, WrongPassphrase
from webraid.jobs.access.init import enroll, start_log
from webraid.jobs.access.owner import open_owner
from webraid.jobs.base.context import open_context
from webraid.pool import Pool, recover_pool
from webraid.table.device import Identity
from webraid.table.records import Genesis

OTHER = "gravel hinge ivory jacket kettle lemon mango"
THIRD = "needle orbit pepper quartz ribbon saddle tunnel"


@pytest.fixture
def made(home: Callable[[str, int], Home]) -> Home:
    return home("raid5", 3)


def on_disk(machine: Home, number: int) -> set[str]:
    return {path.name for path in (machine.disk(number) / "slots").iterdir()}


def opens(machine: Home, secret: str) -> bool:
    ctx = open_context(machine.settings)
    try:
        ctx.open_table()
        open_owner(ctx, secret)
    except WrongPassphrase:
        return False
    finally:
        ctx.close()
    return True


def recovers(machine: Home, folder: Path, secret: str, *, disk: int = 1) -> Pool:
    empty = Home(folder)
    _, pool = recover_pool(empty.settings, kind="local", options={"path": str(machine.disk(disk))}, secret=secret)
    return pool


def test_a_new_pool_has_a_passphrase_and_a_recovery_code(made: Home) -> None:
    with made.open() as pool:
        assert [item.kind for item in pool.key_slots()].count("passphrase") == 1
        assert sorted(item.kind for item in pool.key_slots()) == ["passphrase", "recovery code"]
        assert {item.id for item in pool.key_slots()} == on_disk(made, 1)
    assert opens(made, PASSPHRASE) and not opens(made, OTHER)


def test_two_passphrases_open_the_pool_and_each_may_go(made: Home, tmp_path: Path) -> None:
    with made.open() as pool:
        added = pool.add_passphrase(PASSPHRASE, OTHER, label="ann", kdf=QUICK)
        assert added.label == "ann" and added.created
        first = next(item for item in pool.key_slots() if item.kind == "passphrase" and item.id != added.id)
        recovers(made, tmp_path / "b", OTHER).close()
        pool.remove_key(OTHER, first.id)
    assert opens(made, OTHER) and not opens(made, PASSPHRASE)
    assert all(first.id not in on_disk(made, number) and added.id in on_disk(made, number) for number in (1, 2, 3))
    with pytest.raises(WrongPassphrase):
        recovers(made, tmp_path / "c", PASSPHRASE)


def test_only_who_knows_one_may_add_another(made: Home) -> None:
    with made.open() as pool:
        with pytest.raises(WrongPassphrase):
            pool.add_passphrase(OTHER, THIRD, kdf=QUICK)
        with pytest.raises(ConfigError, match="quickly guessed"):
            pool.add_passphrase(PASSPHRASE, "hunter2", kdf=QUICK)
        assert len(pool.key_slots()) == 2


def test_a_slot_goes_only_while_another_one_is_known_to_open(made: Home) -> None:
    with made.open() as pool:
        mine = next(item for item in pool.key_slots() if item.kind == "passphrase")
        code = next(item for item in pool.key_slots() if item.kind == "recovery code")
        with pytest.raises(PoolError, match="opens only the slot that is to go"):
            pool.remove_key(PASSPHRASE, mine.id)
        pool.remove_key(PASSPHRASE, code.id[:6])
        with pytest.raises(PoolError, match="last key slot"):
            pool.remove_key(PASSPHRASE, mine.id)
        with pytest.raises(NotInTable):
            pool.remove_key(PASSPHRASE, code.id)


def test_a_changed_passphrase_opens_and_the_old_one_does_not(made: Home, tmp_path: Path) -> None:
    with made.open() as pool:
        pool.change_passphrase(PASSPHRASE, OTHER, kdf=QUICK)
        assert len(pool.key_slots()) == 2
    assert opens(made, OTHER) and not opens(made, PASSPHRASE)
    recovers(made, tmp_path / "b", OTHER, disk=2).close()
    with pytest.raises(WrongPassphrase):
        recovers(made, tmp_path / "c", PASSPHRASE, disk=3)


def test_a_disk_that_was_away_learns_of_the_change_and_brings_nothing_back(made: Home, tmp_path: Path) -> None:
    made.disk(3).rename(tmp_path / "away")
    old = {path.name for path in (tmp_path / "away" / "slots").iterdir()}
    with made.open() as pool:
        pool.change_passphrase(PASSPHRASE, OTHER, kdf=QUICK)
    (tmp_path / "away").rename(made.disk(3))
    assert on_disk(made, 3) == old
    with pytest.raises(WrongPassphrase, match="taken out"):  # the disk still has it, the log of the others does not
        recovers(made, tmp_path / "b", PASSPHRASE, disk=3)
    recovers(made, tmp_path / "c", OTHER, disk=2).close()
    (tmp_path / "file").write_text("content")
    with made.open() as pool:
        pool.put([str(tmp_path / "file")])
    assert on_disk(made, 3) == on_disk(made, 1) == on_disk(made, 2) != old


def test_a_new_kit_has_a_code_of_its_own_and_may_revoke_the_old_ones(made: Home, tmp_path: Path) -> None:
    with made.open() as pool:
        first = pool.new_kit(PASSPHRASE)
        assert is_recovery_code(first.recovery_code) and len(pool.key_slots()) == 3
        assert opens(made, first.recovery_code)
        second = pool.new_kit(first.recovery_code, revoke_old=True)
        assert len(pool.key_slots()) == 2
    assert opens(made, second.recovery_code) and opens(made, PASSPHRASE) and not opens(made, first.recovery_code)
    recovers(made, tmp_path / "b", second.recovery_code).close()


def test_a_kit_says_where_the_disks_are(made: Home) -> None:
    with made.open() as pool:
        kit = pool.new_kit(PASSPHRASE)
    for page in (kit.text(), kit.page(), kit.payload()):
        assert kit.recovery_code.replace("-", "") in re.sub(r"-|<br>", "", page)
        assert kit.pool_id in page
        assert all(f"--path {made.disk(number)}" in page for number in (1, 2, 3))
    assert kit.recovery_code not in repr(kit) and PASSPHRASE not in kit.page()


def test_an_emergency_file_leads_to_the_pool_without_any_slot_or_log(made: Home, tmp_path: Path) -> None:
    from webraid.pool import recover_keys

    (tmp_path / "file").write_text("content")
    with made.open() as pool:
        pool.put([str(tmp_path / "file")])
        pool.export_keys(tmp_path / "pool.keys")
        with pytest.raises(ConfigError, match="exists already"):
            pool.export_keys(tmp_path / "pool.keys")
    text = (tmp_path / "pool.keys").read_text()
    assert (tmp_path / "pool.keys").stat().st_mode & 0o777 == 0o600
    assert str(made.disk(1)) not in text and "content" not in text
    for number in (1, 2, 3):
        shutil.rmtree(made.disk(number) / "slots")
        shutil.rmtree(made.disk(number) / "log")
    other = Home(tmp_path / "b")
    with pytest.raises(WrongPassphrase):
        recover_keys(other.settings, tmp_path / "pool.keys", secret=OTHER)
    _, pool = recover_keys(other.settings, tmp_path / "pool.keys", secret=PASSPHRASE)
    with pool:
        pool.get("latest", to=tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text() == "content"
    (tmp_path / "bad.keys").write_text(text.replace('"records"', '"rekords"'))
    with pytest.raises(ConfigError, match="cannot be read"):
        recover_keys(Home(tmp_path / "c").settings, tmp_path / "bad.keys", secret=PASSPHRASE)


def test_slots_that_disks_lost_come_back_from_the_file_and_from_the_log(made: Home, tmp_path: Path) -> None:
    with made.open() as pool:
        pool.export_keys(tmp_path / "pool.keys")
        there = {item.id for item in pool.key_slots()}
    for number in (1, 2):
        shutil.rmtree(made.disk(number) / "slots")
    with made.open() as pool:
        assert pool.import_keys(tmp_path / "pool.keys") == 0
    assert on_disk(made, 1) == on_disk(made, 2) == there


def older(machine: Home) -> Home:
    """A pool as it was made before the log named its slots: they are on the disks alone."""
    where = machine.settings
    root, owner, pool = new_root(where.env), new_owner(where.env), b"p" * 16
    identity = Identity(pool, owner.public, "old", root, new_device(where.env))
    slot = seal_passphrase_slot(pool, PASSPHRASE, root, owner, where.env, QUICK)
    config.create(where.places.config, config.PoolSection(name="home", id=pool.hex(), level="raid5"))
    start_log(where, identity, [Genesis(name="home", level="raid5", owner=owner.public), enroll(identity, owner)])
    (where.places.device / "slots.json").write_text(json.dumps({"ab" * 8: slot.hex()}))
    with machine.open() as opened:
        for number in (1, 2, 3):
            opened.add_backend("local", f"d{number}", {"path": str(machine.disk(number))})
    return machine


def test_a_pool_that_is_older_than_the_notes_of_slots_gets_them_with_the_first_change(tmp_path: Path) -> None:
    made = older(Home(tmp_path / "old"))
    assert on_disk(made, 1) == {"ab" * 8} and opens(made, PASSPHRASE)
    recovers(made, tmp_path / "b", PASSPHRASE).close()
    second = Home(tmp_path / "b")
    with second.open() as pool:
        assert [item.created for item in pool.key_slots()] == [None]
        kit = pool.new_kit(PASSPHRASE)
        assert {item.id for item in pool.key_slots()} == on_disk(made, 3) > {"ab" * 8}
        pool.change_passphrase(PASSPHRASE, OTHER, kdf=QUICK)
    assert opens(made, OTHER) and opens(made, kit.recovery_code) and not opens(made, PASSPHRASE)
    assert "ab" * 8 not in on_disk(made, 2)
    with pytest.raises(WrongPassphrase):
        recovers(made, tmp_path / "c", PASSPHRASE)
