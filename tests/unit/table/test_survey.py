"""Asking disks what they have, and getting records from whoever has them whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from tests.unit.table.rig import ALICE, BOB, OWNER, POOL, ROOT, World, Writer, enroll, writer
from webraid.backend.faulty import Fault
from webraid.backend.wrapper import Op
from webraid.errors import SealBroken, Unavailable
from webraid.table.log import LogBook
from webraid.table.survey import LIES, Fetcher, Survey, marker, read_marker, survey
from webraid.table.verify import Verifier

Worlds = Callable[..., World]


def ask(world: World, *, spot: bool = False, book: LogBook | None = None) -> tuple[dict[bytes, Survey], dict]:
    disks = world.disks()
    return survey(disks.values(), world.env, book=book or LogBook(), need=9, patience=2.0, spot=spot)


def fetcher(world: World) -> Fetcher:
    return Fetcher(world.disks(), world.env, Verifier(POOL, ROOT, OWNER.public), 2.0)


def everywhere(world: World, records: Iterable[tuple[str, bytes]], but: Iterable[int] = ()) -> None:
    for i in range(world.count):
        if i not in but:
            for name, blob in records:
                world.put(i, name, blob)


# --------------------------------------------------------------------------------------------------------------- marker
def test_a_marker_tells_pool_and_disk() -> None:
    found = read_marker(marker(POOL, b"d" * 8))
    assert (found.pool, found.disk) == (POOL, b"d" * 8)
    assert b"WebRAID" in marker(POOL, b"d" * 8)


def test_members_of_a_marker_that_are_not_known_are_passed_over() -> None:
    text = marker(POOL, b"d" * 8).replace(b"{", b'{"later": [1],', 1)
    assert read_marker(text).disk == b"d" * 8


@pytest.mark.parametrize(
    "damaged",
    [
        b"", b"{}", b"[]", b"null", b"7", b"\xff\xfe", b'{"pool": "00"}', b'{"pool": 1, "disk": 2}',
        b'{"pool": "xy", "disk": ""}',
    ],
)  # fmt: skip
def test_a_damaged_marker_is_none(damaged: bytes) -> None:
    with pytest.raises(SealBroken):
        read_marker(damaged)


# --------------------------------------------------------------------------------------------------------------- survey
def test_a_disk_tells_its_marker_and_its_records_and_nothing_else(worlds: Worlds) -> None:
    world = worlds(count=2)
    alice = writer()
    everywhere(world, alice.made)
    everywhere(world, [("log/notes.txt", b"x"), ("log/x/y", b"x"), ("shards/00/0.0", b"x"), ("hint/00", b"x")])
    answers, errors = ask(world)
    assert not errors
    for disk in world.ids:
        found = answers[disk].marker
        assert found is not None and found.disk == disk
        assert answers[disk].names == {alice.made[0][0]}
        assert not answers[disk].spots and answers[disk].problem == ""


def test_nothing_gone_and_damaged_are_told_apart(worlds: Worlds) -> None:
    world = worlds(count=3)
    for store in world.stores:
        store.discard("pool")
    world.put(1, "shards/00/0.0", b"x")
    world.put(2, "pool", b"{")
    answers, _ = ask(world)
    problems = [answers[disk].problem for disk in world.ids]
    assert all(answers[disk].marker is None for disk in world.ids)
    assert problems[0] == ""
    assert "gone" in problems[1] and "damaged" in problems[2]


def test_a_disk_that_fails_says_nothing(worlds: Worlds) -> None:
    world = worlds(count=2)
    world.faults[0].down = True
    answers, errors = ask(world)
    assert set(answers) == {world.ids[1]} and isinstance(errors[world.ids[0]], Unavailable)


def test_a_listing_that_fails_is_never_an_empty_one(worlds: Worlds) -> None:
    world = worlds(count=1)
    world.faults[0].script = [None, Fault.BEFORE]  # the marker comes, the listing does not
    answers, errors = ask(world)
    assert not answers and isinstance(errors[world.ids[0]], Unavailable)


@pytest.mark.parametrize("more", [0, 1, 5])
def test_the_spot_check_reads_the_first_record_and_another_one_back(worlds: Worlds, more: int) -> None:
    world = worlds(count=1)
    alice = writer()
    for _ in range(more):
        alice.write()
    everywhere(world, alice.made)
    spots = ask(world, spot=True)[0][world.ids[0]].spots
    assert spots.items() <= dict(alice.made).items()
    assert alice.made[0][0] in spots and len(spots) == min(2, more + 1)


def test_a_disk_without_records_has_nothing_to_read_back(worlds: Worlds) -> None:
    world = worlds(count=1)
    assert ask(world, spot=True)[0][world.ids[0]].spots == {}


# ---------------------------------------------------------------------------------------------------------------- hints
def lagging(world: World) -> None:
    world.caps_of = [replace(world.caps, list_consistency="eventual")] * world.count


def book_of(alice: Writer) -> LogBook:
    book, verifier = LogBook(), Verifier(POOL, ROOT, OWNER.public)
    book.add(verifier.open(alice.made[0][1], alice.made[0][0]))
    return book


def test_where_listings_lag_the_hint_names_what_they_do_not_show(worlds: Worlds) -> None:
    world = worlds(count=1)
    lagging(world)
    alice = writer()
    alice.write()
    everywhere(world, [alice.made[0], (f"hint/{ALICE.id.hex()}", alice.made[1][0].encode())])
    answer = ask(world, book=book_of(alice))[0][world.ids[0]]
    assert answer.names == {alice.made[0][0]} and answer.hints == {alice.made[1][0]}


@pytest.mark.parametrize("hint", [b"", b"nonsense", b"\xff\xfe", b"../../pool", b"log/"])
def test_a_hint_that_names_no_record_is_none(worlds: Worlds, hint: bytes) -> None:
    world = worlds(count=1)
    lagging(world)
    alice = writer()
    everywhere(world, [*alice.made, (f"hint/{ALICE.id.hex()}", hint)])
    assert ask(world, book=book_of(alice))[0][world.ids[0]].hints == set()


def test_where_listings_are_exact_no_hint_is_asked_for(worlds: Worlds) -> None:
    world = worlds(count=1)
    alice = writer()
    everywhere(world, alice.made)
    ask(world, book=book_of(alice))
    assert not [name for _, name in world.faults[0].journal if name.startswith("hint/")]


# -------------------------------------------------------------------------------------------------------------- fetcher
def wanted(world: World, alice: Writer, *more: Writer) -> dict[str, list[bytes]]:
    return {name: list(world.ids) for made in (alice, *more) for name, _ in made.made}


def test_records_come_from_whoever_has_them(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = writer()
    for _ in range(8):
        alice.write()
    for number, record in enumerate(alice.made):
        everywhere(world, [record], but={(number + 1) % 3, (number + 2) % 3})
    book, got = LogBook(), fetcher(world)
    got.fetch(wanted(world, alice), book)
    assert set(book.names) == {name for name, _ in alice.made}
    assert got.blobs == dict(alice.made) and got.liars == {}


def test_a_liar_is_named_and_the_others_have_it_whole(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = writer()
    for _ in range(8):
        alice.write()
    everywhere(world, alice.made)
    world.faults[1].rates = {Fault.FLIP: 1.0}
    book, got = LogBook(), fetcher(world)
    got.fetch(wanted(world, alice), book)
    assert set(book.names) == {name for name, _ in alice.made}
    assert set(got.liars) == {world.ids[1]}


@pytest.mark.parametrize("fault", [Fault.FLIP, Fault.SHORT, Fault.LONG, Fault.WRONG])
def test_what_nobody_serves_whole_is_not_taken(worlds: Worlds, fault: Fault) -> None:
    world = worlds(count=2)
    alice = writer()
    everywhere(world, alice.made)
    for faults in world.faults:
        faults.rates = {fault: 1.0}
    book, got = LogBook(), fetcher(world)
    got.fetch(wanted(world, alice), book)
    assert not book.names and not got.blobs
    assert set(got.liars) == set(world.ids)


def test_a_record_under_anothers_name_is_a_lie(worlds: Worlds) -> None:
    world = worlds(count=2)
    alice = writer()
    second, third = alice.write(), alice.write()
    everywhere(world, alice.made)
    world.put(0, second[0], third[1])
    book, got = LogBook(), fetcher(world)
    got.fetch({name: [world.ids[0], world.ids[1]] for name, _ in alice.made}, book)
    assert set(book.names) == {name for name, _ in alice.made}
    assert set(got.liars) <= {world.ids[0]}
    got.fetch({second[0]: [world.ids[0]]}, LogBook())
    assert set(got.liars) == {world.ids[0]}


def test_a_disk_that_lacks_a_record_or_fails_is_no_liar(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = writer()
    everywhere(world, alice.made, but={0})
    world.faults[1].script = [Fault.BEFORE] * 9
    book, got = LogBook(), fetcher(world)
    got.fetch(wanted(world, alice), book)
    assert set(book.names) == {alice.made[0][0]} and got.liars == {}


def test_certificates_are_fetched_before_what_they_certify(worlds: Worlds) -> None:
    world = worlds(count=2)
    alice, bob = writer(), Writer(BOB)
    bob.write(enroll(BOB))
    for device in (alice, bob):
        for _ in range(3):
            device.write()
        everywhere(world, device.made)
    book, got = LogBook(), fetcher(world)
    got.fetch(dict(sorted(wanted(world, alice, bob).items(), reverse=True)), book)
    assert len(book.names) == 8 and not got.liars


def test_a_certificate_that_only_one_disk_has_lets_all_records_in_wherever_they_are(worlds: Worlds) -> None:
    world = worlds(count=2)
    alice = writer()
    for _ in range(6):
        alice.write()
    everywhere(world, alice.made[:1], but={0})
    everywhere(world, alice.made[1:], but={1})
    book = LogBook()
    fetcher(world).fetch(wanted(world, alice), book)
    assert set(book.names) == {name for name, _ in alice.made}


def test_records_whose_certificate_nobody_serves_say_nothing_about_the_disk(worlds: Worlds) -> None:
    world = worlds(count=1)
    alice = writer()
    alice.write()
    everywhere(world, alice.made[1:])
    book, got = LogBook(), fetcher(world)
    got.fetch({alice.made[1][0]: list(world.ids)}, book)
    assert not book.names and not got.liars


def test_a_disk_that_lies_all_the_time_is_not_asked_for_ever(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webraid.table.survey.AT_ONCE", 5)
    world = worlds(count=1)
    alice = writer()
    for _ in range(3 * LIES):
        alice.write()
    everywhere(world, alice.made)
    got = fetcher(world)
    book = LogBook()
    got.fetch({alice.made[0][0]: list(world.ids)}, book)
    world.faults[0].rates = {Fault.FLIP: 1.0}
    got.fetch({name: list(world.ids) for name, _ in alice.made[1:]}, book)
    asked = [name for op, name in world.faults[0].journal if op is Op.GET]
    assert len(book.names) == 1
    assert LIES < len(asked) <= 1 + LIES + 5
