"""What a disk's listing is worth, compared with everything that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import fake, name_of
from webraid.codec.records import record_name
from webraid.table.log import LogBook, Verdict, compare, contiguous, is_name

A, B = b"a" * 8, b"b" * 8


def book(*records: tuple[bytes, int] | tuple[bytes, int, int]) -> LogBook:
    made = LogBook()
    for device, seq, *branch in records:
        made.add(fake(device, seq, branch=branch[0] if branch else 0))
    return made


def names(*records: tuple[bytes, int]) -> set[str]:
    return {name_of(fake(device, seq)) for device, seq in records}


LOGS = book((A, 1), (A, 2), (A, 3), (B, 1))
ALL = names((A, 1), (A, 2), (A, 3), (B, 1))


# -------------------------------------------------------------------------------------------------------------- compare
def test_a_disk_that_has_everything_is_equal() -> None:
    assert compare(ALL, LOGS, {A: 3}, {B: 1}).verdict is Verdict.EQUAL
    assert compare(ALL | {"log/" + "c" * 16 + "/0000000001-" + "0" * 16}, LOGS, {}, {}).verdict is Verdict.EQUAL


def test_a_disk_that_lacks_what_it_never_acknowledged_is_behind() -> None:
    found = compare(ALL - names((A, 3)), LOGS, {A: 2}, {A: 2})
    assert found.verdict is Verdict.BEHIND
    assert set(found.missing) == names((A, 3)) and not found.lost


@pytest.mark.parametrize(("acked", "remembered"), [({A: 3}, {}), ({}, {A: 3}), ({A: 1}, {A: 3})])
def test_a_disk_that_lacks_what_it_once_had_is_rolled_back(acked: dict, remembered: dict) -> None:
    """By the devices' own signed word, or by what it served to this machine."""
    found = compare(names((A, 1), (B, 1)), LOGS, acked, remembered)
    assert found.verdict is Verdict.ROLLED_BACK
    assert set(found.lost) == names((A, 2), (A, 3)) == set(found.missing)


def test_only_what_it_had_is_lost_the_rest_is_missing() -> None:
    found = compare(names((A, 1)), LOGS, {A: 2}, {})
    assert set(found.lost) == names((A, 2))
    assert set(found.missing) == names((A, 2), (A, 3), (B, 1))


@given(st.sets(st.sampled_from(sorted(ALL))), st.integers(0, 3), st.integers(0, 3))
def test_the_verdict_follows_from_what_is_lost(held: set[str], acked: int, remembered: int) -> None:
    found = compare(held, LOGS, {A: acked}, {A: remembered})
    had = {name_of(fake(A, seq)) for seq in range(1, max(acked, remembered) + 1)}
    assert set(found.missing) == ALL - held
    assert set(found.lost) == had - held
    assert (found.verdict is Verdict.ROLLED_BACK) == bool(found.lost)
    assert (found.verdict is Verdict.EQUAL) == (not found.missing)


def test_which_verdicts_count_and_which_alarm() -> None:
    assert {verdict for verdict in Verdict if verdict.counts} == {Verdict.EQUAL, Verdict.BEHIND}
    assert {verdict for verdict in Verdict if verdict.alarming} == {
        Verdict.ROLLED_BACK, Verdict.CORRUPT, Verdict.FOREIGN,
    }  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- contiguous
def test_a_log_is_served_up_to_its_first_gap() -> None:
    assert contiguous(names((A, 1), (A, 3), (B, 1)), LOGS) == {A: 1, B: 1}
    assert contiguous(set(), LOGS) == {A: 0, B: 0}
    assert contiguous(ALL, LOGS) == {A: 3, B: 1}


def test_what_is_known_already_is_not_walked_again() -> None:
    assert contiguous(names((A, 3)), LOGS, {A: 2}) == {A: 3, B: 0}


def test_either_branch_of_a_fork_goes_on() -> None:
    forked = book((A, 1), (A, 2), (A, 2, 1))
    assert contiguous({name_of(fake(A, 1)), name_of(fake(A, 2, branch=1))}, forked) == {A: 2}


# ---------------------------------------------------------------------------------------------------------- gaps, forks
def test_gaps_are_numbers_that_others_follow() -> None:
    assert not LOGS.gaps()
    assert book((A, 1), (A, 4), (B, 2)).gaps() == [f"{A.hex()}/2", f"{A.hex()}/3", f"{B.hex()}/1"]


def test_a_missing_record_is_known_by_name_from_the_one_behind_it() -> None:
    assert book((A, 1), (A, 3)).wanted() == [record_name(A, 2, fake(A, 2).digest)]
    assert not LOGS.wanted()


def test_two_records_with_one_number_are_a_fork() -> None:
    assert not LOGS.forks()
    forked = book((A, 1), (A, 2), (A, 2, 1))
    assert forked.forks() == [(A, 2)]
    assert len(list(forked.records())) == 3


def test_the_same_record_twice_is_no_fork() -> None:
    assert book((A, 1), (A, 1)).forks() == []


def test_all_machines_choose_the_same_head_of_a_fork() -> None:
    one, other = book((A, 2), (A, 2, 1)), book((A, 2, 1), (A, 2))
    assert one.head(A) == other.head(A)
    assert LOGS.head(A) == fake(A, 3)
    assert LOGS.head(b"c" * 8) is None


def plain_gaps(made: LogBook, ends: dict[bytes, int]) -> set[str]:
    """Numbers below others of which nobody has the record that the next one follows; found the long way."""
    gaps = set()
    for device, log in made.logs.items():
        known = {seq for seq in log if seq <= ends.get(device, seq)}
        gaps |= {(device, seq) for seq in range(1, max(known, default=0)) if seq not in known}
        gaps |= {
            (device, seq - 1)
            for seq in known
            if seq - 1 in known and seq > 1 and any(one.prev not in log[seq - 1] for one in log[seq].values())
        }
    return {f"{device.hex()}/{seq}" for device, seq in gaps}


@given(
    st.lists(
        st.tuples(st.sampled_from([A, B]), st.integers(1, 6), st.integers(0, 1), st.integers(0, 1)),
        unique_by=lambda one: one[:3],
    ),
    st.dictionaries(st.sampled_from([A, B]), st.integers(0, 6)),
)
def test_gaps_and_forks_are_found_whatever_order_the_records_came_in(
    known: list[tuple[bytes, int, int, int]], ends: dict[bytes, int]
) -> None:
    made = LogBook()
    for device, seq, branch, before in known:
        made.add(replace(fake(device, seq, branch=branch), prev=fake(device, seq - 1, branch=before).digest))
    assert set(made.gaps(ends)) == plain_gaps(made, ends)
    there = {(record.device, record.seq, record.digest) for record in made.records()}
    lost = [one for one in made.records() if one.seq > 1 and (one.device, one.seq - 1, one.prev) not in there]
    assert sorted(made.wanted()) == sorted(record_name(one.device, one.seq - 1, one.prev) for one in lost)
    twice = {(one.device, one.seq) for one in made.records() for other in made.records()
             if (one.device, one.seq) == (other.device, other.seq) and one.digest != other.digest}  # fmt: skip
    assert set(made.forks(ends)) == {(device, seq) for device, seq in twice if seq <= ends.get(device, seq)}
    assert [made.newest(device) for device in (A, B)] == [max(made.logs.get(device, {0})) for device in (A, B)]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        (record_name(A, 1, bytes(32)), True), ("log/readme.txt", False), ("log/", False), ("", False),
        ("log/" + "0" * 16 + "/1-" + "0" * 16, False),
        ("log/" + "0" * 16 + "/" + "0" * 10 + "-" + "0" * 16 + "x", False),
        ("log/" + "A" * 16 + "/" + "0" * 10 + "-" + "0" * 16, False),
    ],
)  # fmt: skip
def test_what_is_no_record_by_its_name_is_none_of_ours(name: str, is_one: bool) -> None:
    assert is_name(name) is is_one
