"""New keys for what comes: who stays reads all of it, old and new; who had only the old ones reads no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, QUICK, Home
from tests.pool.test_devices import join, put, shots
from webraid.codec.keys import Root
from webraid.codec.records import record_name
from webraid.errors import Evicted, KeysChanged, PoolBusy, QuorumLost, SealBroken, WrongPassphrase
from webraid.jobs.access import rotate as rotating
from webraid.jobs.base.context import Context, open_context
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks
from webraid.pool import recover_pool
from webraid.table.records import AddSlot
from webraid.table.verify import Verifier

OTHER = "gravel hinge ivory jacket kettle lemon mango"


@pytest.fixture
def one(home: Callable[[str, int], Home], tmp_path: Path) -> Home:
    (tmp_path / "old").write_text("old content " * 1000)
    machine = home("raid5", 3)
    put(machine, tmp_path / "old")
    (tmp_path / "new").write_text("new content " * 1000)
    return machine


def reads(machine: Home, target: Path) -> dict[str, str]:
    """Every snapshot's files."""
    with machine.open() as pool:
        for shot in pool.snapshots():
            assert pool.get(shot.name, to=target).exit_code == 0
    return {path.name: path.read_text()[:3] for path in target.iterdir()}


def context(machine: Home) -> Context:
    return open_context(machine.settings)


BOTH = {"old": "old", "new": "new"}


def test_old_and_new_content_is_read_by_everybody_who_stays(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "two", "nas")
    with one.open() as pool:
        done = pool.rotate_keys(PASSPHRASE, OTHER, kdf=QUICK)
    assert done.epoch == 1 and "nas" in done.devices
    put(one, tmp_path / "new")
    assert reads(one, tmp_path / "out1") == BOTH
    assert reads(two, tmp_path / "out2") == BOTH  # it was given the new root in the log
    three = Home(tmp_path / "three")
    options = {"path": str(one.disk(2))}
    for secret in (PASSPHRASE, "wrong " + OTHER):
        with pytest.raises(WrongPassphrase):
            recover_pool(three.settings, kind="local", options=options, secret=secret)
    recover_pool(three.settings, kind="local", options=options, secret=OTHER)[1].close()
    assert reads(three, tmp_path / "out3") == BOTH
    four = Home(tmp_path / "four")
    recover_pool(four.settings, kind="local", options=options, secret=done.kit.recovery_code)[1].close()
    assert reads(four, tmp_path / "out4") == BOTH
    assert put(three, tmp_path / "new") in shots(two)


def test_nothing_new_opens_with_the_old_root(one: Home, tmp_path: Path) -> None:
    before = context(one)
    old = before.identity.root
    before.close()
    with one.open() as pool:
        pool.rotate_keys(PASSPHRASE, kdf=QUICK)
    put(one, tmp_path / "new")
    after = context(one)
    try:
        new, me = after.identity.root, after.identity.key
        assert (new.epoch, new.older[0].secret, new.id) == (1, old.secret, old.id)
        head = after.table.book.head(me.id)
        assert head is not None
        blob = after.local.blob(head.device, head.seq, head.digest)
        name = record_name(head.device, head.seq, head.digest)
        assert Verifier(after.pool, new, after.identity.owner, me).open(blob, name) == head
        for root in (old, Root(old.secret, 1)):  # also if he says that his is the new one
            with pytest.raises(SealBroken):
                Verifier(after.pool, root, after.identity.owner, me).open(blob, name)
        assert list(readable(after))
        after.identity.root = old
        after.opened_with.clear()
        assert not list(readable(after))
    finally:
        after.close()


def readable(ctx: Context) -> Iterator[bytes]:
    """What this machine's roots open of the newest commit's table packs."""
    _, commit = ctx.table.state.commits[-1]
    for packed in commit.packs:
        for item in read_chunks(ctx, [Wanted(packed.id, list(ctx.index.places(packed.id)))]):
            if not isinstance(item, ChunkFailure):
                yield item[1]


def test_the_same_content_is_not_stored_again_under_new_keys(one: Home, tmp_path: Path) -> None:
    with one.open() as pool:
        pool.rotate_keys(PASSPHRASE, kdf=QUICK)
        assert pool.put([str(tmp_path / "old")]).added == 0


def test_keys_change_again_and_again(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "two", "nas")
    with one.open() as pool:
        pool.rotate_keys(PASSPHRASE, kdf=QUICK)
    put(one, tmp_path / "new")
    (tmp_path / "third").write_text("thi")
    with one.open() as pool:
        assert pool.rotate_keys(PASSPHRASE, kdf=QUICK).epoch == 2
    put(one, tmp_path / "third")
    everything = {**BOTH, "third": "thi"}
    assert reads(two, tmp_path / "out2") == everything  # it was away through both
    three = join(one, tmp_path / "three", "desk")
    assert reads(three, tmp_path / "out3") == everything
    one.settings.places.database.unlink()  # only the first root is in its own slot; the log has the others
    assert reads(one, tmp_path / "out1") == everything


def test_a_revoked_machine_reads_what_it_had_and_nothing_that_came_later(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "two", "laptop")
    with one.open() as pool:
        done = pool.revoke_device(PASSPHRASE, "laptop", OTHER, kdf=QUICK)
    assert done.removed.name == "laptop" and "laptop" not in done.rotated.devices
    assert [token.disk for token in done.tokens] == ["d1", "d2", "d3"]
    later = put(one, tmp_path / "new")
    assert later not in shots(two)
    assert reads(two, tmp_path / "out") == {"old": "old"}
    with pytest.raises(Evicted):
        put(two, tmp_path / "new")
    assert reads(one, tmp_path / "out1") == BOTH


def test_a_machine_that_was_not_given_the_keys_does_not_write_blindly(
    one: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = join(one, tmp_path / "two", "nas")
    real = rotating.seal_box

    def none_for_others(pool: bytes, public: bytes, root: Root, env: object) -> bytes:
        if public == key.public:
            raise SealBroken("a device's key is no point of the curve")
        return real(pool, public, root, env)  # type: ignore[arg-type]

    other = context(two)
    key = other.identity.key
    other.close()
    monkeypatch.setattr(rotating, "seal_box", none_for_others)
    with one.open() as pool:
        assert "nas" not in pool.rotate_keys(PASSPHRASE, kdf=QUICK).devices
    put(one, tmp_path / "new")
    with pytest.raises(KeysChanged):
        put(two, tmp_path / "new")
    join(one, tmp_path / "two", "nas")  # with the passphrase it is part of the pool again
    assert reads(two, tmp_path / "out") == BOTH


@pytest.mark.parametrize("stop", ["put_slots", "_announce", "drop_slots"])
def test_a_rotation_that_stops_anywhere_shuts_nobody_out(
    one: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    real = getattr(rotating, stop)

    def stops(*arguments: object) -> None:
        if stop != "drop_slots":
            real(*arguments)  # what it does is done, and then the power goes
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rotating, stop, stops)
        with one.open() as pool, pytest.raises(KeyboardInterrupt):
            pool.rotate_keys(PASSPHRASE, OTHER, kdf=QUICK)
    put(one, tmp_path / "new")
    assert reads(one, tmp_path / "out1") == BOTH
    # Until the old slots are taken out the old passphrase leads to the pool, once ROTATE is out only the new one does.
    good, bad = (PASSPHRASE, OTHER) if stop == "put_slots" else (OTHER, PASSPHRASE)
    two = Home(tmp_path / "two")
    options = {"path": str(one.disk(1))}
    with pytest.raises(WrongPassphrase):
        recover_pool(two.settings, kind="local", options=options, secret=bad)
    recover_pool(two.settings, kind="local", options=options, secret=good)[1].close()
    assert reads(two, tmp_path / "out2") == BOTH
    written = put(two, tmp_path / "new")
    assert written in shots(one)
    with one.open() as pool:
        pool.rotate_keys(good, OTHER, kdf=QUICK)
    assert written in shots(one) and written in shots(two)


def test_of_two_rotations_at_once_one_is_told_and_the_next_puts_them_in_order(
    one: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = join(one, tmp_path / "two", "nas")
    real = rotating.put_slots

    def meanwhile(ctx: Context, added: list[AddSlot]) -> None:
        monkeypatch.setattr(rotating, "put_slots", real)
        with two.open() as pool:
            pool.rotate_keys(PASSPHRASE, OTHER, kdf=QUICK)
        real(ctx, added)

    monkeypatch.setattr(rotating, "put_slots", meanwhile)
    with one.open() as pool, pytest.raises(PoolBusy, match="same moment"):
        pool.rotate_keys(PASSPHRASE, kdf=QUICK)
    put(one, tmp_path / "new")
    assert reads(one, tmp_path / "out1") == reads(two, tmp_path / "out2") == BOTH
    with two.open() as pool:
        assert pool.rotate_keys(OTHER, kdf=QUICK).epoch == 2
    (tmp_path / "third").write_text("thi")
    put(two, tmp_path / "third")
    three = Home(tmp_path / "three")
    options = {"path": str(one.disk(1))}
    with pytest.raises(WrongPassphrase):
        recover_pool(three.settings, kind="local", options=options, secret=PASSPHRASE)
    recover_pool(three.settings, kind="local", options=options, secret=OTHER)[1].close()
    for machine, out in ((one, "out3"), (three, "out4")):
        assert reads(machine, tmp_path / out) == {**BOTH, "third": "thi"}


def test_without_a_quorum_nothing_changes(one: Home, tmp_path: Path) -> None:
    for number in (2, 3):
        one.disk(number).rename(tmp_path / f"away{number}")
    with one.open() as pool, pytest.raises(QuorumLost):
        pool.rotate_keys(PASSPHRASE, OTHER, kdf=QUICK)
    for number in (2, 3):
        (tmp_path / f"away{number}").rename(one.disk(number))
    two = join(one, tmp_path / "two", "nas")
    assert reads(two, tmp_path / "out") == {"old": "old"}


def test_a_machine_without_the_new_keys_brings_no_old_slot_back(one: Home, tmp_path: Path) -> None:
    """Found by review: who recovered from a disk that was away knows old slots only, and put them onto all others."""
    one.disk(3).rename(tmp_path / "away")
    with one.open() as pool:
        pool.rotate_keys(PASSPHRASE, OTHER, kdf=QUICK)
    for number in (1, 2):
        one.disk(number).rename(tmp_path / f"hidden{number}")
    (tmp_path / "away").rename(one.disk(3))
    late, options = Home(tmp_path / "late"), {"path": str(one.disk(3))}
    with pytest.raises(WrongPassphrase) as raised:
        recover_pool(late.settings, kind="local", options=options, secret=OTHER)
    assert "another disk" in raised.value.hint
    recover_pool(late.settings, kind="local", options=options, secret=PASSPHRASE)[1].close()
    for number in (1, 2):
        (tmp_path / f"hidden{number}").rename(one.disk(number))

    def there(number: int) -> set[str]:
        return {path.name for path in (one.disk(number) / "slots").iterdir()}

    new, old = there(1), there(3)
    with pytest.raises(KeysChanged):
        put(late, tmp_path / "new")
    assert there(1) == there(2) == new and there(3) == old
    put(one, tmp_path / "new")
    assert there(1) == there(2) == there(3) == new and not new & old


def test_a_slot_that_the_log_does_not_name_is_not_called_taken_out(one: Home, tmp_path: Path) -> None:
    one.disk(3).rename(tmp_path / "away")
    with one.open() as pool:
        pool.rotate_keys(PASSPHRASE, OTHER, kdf=QUICK)
    for path in (one.disk(1) / "slots").iterdir():
        (tmp_path / "away" / "slots" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "away").rename(one.disk(3))
    with pytest.raises(WrongPassphrase, match="does not know of it") as raised:
        recover_pool(Home(tmp_path / "late").settings, kind="local", options={"path": str(one.disk(3))}, secret=OTHER)
    assert "another disk" in raised.value.hint
