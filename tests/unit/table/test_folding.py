"""Adding records to a state: the same as folding all of them anew, whatever they say and whenever they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, OWNER, enroll, fake, genesis, run_id
from tests.unit.table.test_fold import OPS, add, commit, disk, histories, snapshot
from tests.unit.table.test_rights import THIEF, add_slot, condemn, drop_slot, evict, grant, rotate
from webraid.codec.keys import new_device
from webraid.codec.sign import sign
from webraid.env import seeded
from webraid.table.fold import Folding, Record, State, fold
from webraid.table.plausible import AHEAD, Heads
from webraid.table.records import (
    ACTIVE,
    DRAINING,
    LEAVING,
    LOST,
    Abort,
    AnyOp,
    Close,
    Commit,
    Condemn,
    Drilled,
    Dropped,
    Evict,
    Forget,
    Grant,
    Joined,
    Prepare,
    Relevel,
    RemoveDisk,
    Retag,
    SetRole,
    Swept,
    evict_message,
    grant_message,
)

A, B = ALICE.id, BOB.id
CAROL = new_device(seeded(41))
C = CAROL.id
KNOWN = [fake(A, 1, genesis(), enroll(ALICE)), fake(B, 1, enroll(BOB), lamport=2)]


def seen(seq: int, branch: int) -> tuple[bytes, ...]:
    """Heads that the owner saw of Bob's log."""
    return (fake(B, seq, branch=branch).digest,)


def cut_off(seq: int, branch: int) -> Evict:
    heads = seen(seq, branch)
    return Evict(device=B, seq=seq, heads=heads, signature=sign(OWNER.private, evict_message(B, seq, heads)))


def narrowed(serial: int, after: int, branch: int) -> Grant:
    heads = seen(after, branch)
    signature = sign(OWNER.private, grant_message(B, ("append",), serial, after, heads))
    return Grant(device=B, rights=("append",), serial=serial, after=after, heads=heads, signature=signature)


def partial(run: int, replaces: int) -> Commit:
    shot = snapshot()
    return Commit(
        run=run_id(run), segments=(run_id(run),),
        snapshot=type(shot)(root=shot.root, time_ms=0, host="h", level="raid6", roots=shot.roots, partial=True,
                            replaces=(run_id(replaces),)),
    )  # fmt: skip


MORE = st.sampled_from(
    [Forget(snapshots=(run_id(1), run_id(2))), Retag(snapshot=run_id(1), tags=("x",)), Swept(packs=(run_id(9),)),
     Relevel(snapshot=run_id(2), level="raid1:3"), Drilled(time_ms=3, files=1, size=1), commit(3, supersedes=(b"s",)),
     Dropped(disk=disk(1), shards=bytes(17)), Dropped(disk=disk(1), shards=bytes(16) + b"\1"), partial(1, 2),
     partial(2, 1), partial(3, 3), commit(1, shot=snapshot(level="none such")), enroll(CAROL), genesis(),
     *(SetRole(disk=disk(1), role=role, deadline_ms=4) for role in (ACTIVE, DRAINING, LEAVING, LOST))]
)  # fmt: skip
WORDS = st.sampled_from(
    [grant(("append",), 1, 2), grant(("append", "sweep"), 2, 3), grant(("append",), 3, -1), narrowed(1, 2, 0),
     narrowed(2, 3, 1), evict(-1), evict(2), evict(4), cut_off(2, 0), cut_off(4, 1), cut_off(3, 0),
     evict(1, by=THIEF.private), add_slot(1), add_slot(2), drop_slot(1), rotate(1), rotate(2)]
)  # fmt: skip
HEARD = st.one_of(OPS, OPS, MORE, MORE, WORDS)


@st.composite
def wild(draw: st.DrawFn) -> Record:
    """What anybody may have written: any number, any place in the order, after any other record."""
    device, seq = draw(st.sampled_from([A, B, B, C])), draw(st.one_of(st.integers(0, 8), st.just(1_000_000)))
    lamport = draw(st.one_of(st.integers(1, 60), st.integers(AHEAD - 5, AHEAD + 40), st.just(1 << 62)))
    record = fake(
        device, seq, *draw(st.lists(HEARD, max_size=2)), lamport=lamport, branch=draw(st.integers(0, 2)),
        acked={disk(1): draw(st.integers(0, 9))}, vector={A: draw(st.integers(0, 9))},
    )  # fmt: skip
    return replace(record, prev=fake(device, draw(st.integers(1, 8)), branch=draw(st.integers(0, 2))).digest)


@st.composite
def tame(draw: st.DrawFn) -> list[Record]:
    """Two or three devices that follow the rules, and an owner who speaks now and then."""
    records, numbers = list(KNOWN), {A: 1, B: 1, C: 0}
    for lamport in range(3, 3 + draw(st.integers(0, 14))):
        device = draw(st.sampled_from([A, A, B, C]))
        numbers[device] += 1
        ops: tuple[AnyOp, ...] = (enroll(CAROL),) if (device, numbers[device]) == (C, 1) else ()
        ops += tuple(draw(st.lists(st.one_of(OPS, MORE, OPS, MORE, WORDS), max_size=2)))
        records.append(fake(device, numbers[device], *ops, lamport=lamport, acked={disk(1): lamport}))
    return records


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Record]]:
    """Batches of records, most of them in their order; none comes twice."""
    records = draw(st.one_of(tame(), histories()))
    if draw(st.booleans()):
        records = records + draw(st.lists(wild(), max_size=6))
    known = {record.digest: record for record in records}
    ordered = sorted(known.values(), key=lambda record: record.order)
    late = draw(st.sets(st.integers(0, len(ordered) - 1), max_size=3))
    ordered = [r for i, r in enumerate(ordered) if i not in late] + [ordered[i] for i in sorted(late)]
    cuts = sorted({0, len(ordered), *draw(st.sets(st.integers(0, len(ordered)), max_size=len(ordered)))})
    return [ordered[start:end] for start, end in pairwise(cuts)]


class Log:
    """Records as they come, and the state after each."""

    def __init__(self, owner: bytes = OWNER.public) -> None:
        self.records: list[Record] = []
        self.folding = Folding(owner)

    @property
    def state(self) -> State:
        return self.folding.state

    def add(self, new: Iterable[Record]) -> State:
        self.records += new
        return self.folding.add(new, lambda: self.records)


def spelt(state: State) -> list[object]:
    """All of it, with the order of what is in dicts: what goes over them must not depend on how they were made."""
    values = [getattr(state, field.name) for field in fields(state)]
    return [list(value.items()) if isinstance(value, dict) else value for value in values]


@given(arrivals(), st.sampled_from([OWNER.public, OWNER.public, b""]))
def test_adding_records_gives_what_folding_all_of_them_gives_and_changes_no_older_state(
    batches: list[list[Record]], owner: bytes
) -> None:
    log = Log(owner)
    states = [log.add(batch) for batch in batches]
    so_far: list[Record] = []
    for state, batch in zip(states, batches, strict=True):
        so_far += batch
        assert spelt(state) == spelt(fold(so_far, owner))


EVERY: list[AnyOp] = [
    add(1), add(2), Joined(disk=disk(1)), Prepare(run=run_id(1), creates=(run_id(9),)), commit(1, shot=snapshot()),
    Prepare(run=run_id(1), reuses=(run_id(8),)), Abort(run=run_id(2)), Close(run=run_id(1)), partial(2, 3),
    Retag(snapshot=run_id(1), tags=("x",)), Relevel(snapshot=run_id(1), level="raid1:4"), Condemn(packs=(run_id(9),)),
    Swept(packs=(run_id(9),)), Dropped(disk=disk(1), shards=bytes(17)), SetRole(disk=disk(1), role=LEAVING),
    Dropped(disk=disk(1), shards=b"\1" * 17), SetRole(disk=disk(2), role=LOST), SetRole(disk=disk(1), role=ACTIVE),
    Condemn(packs=(run_id(8),)), Swept(packs=(run_id(7),)), Drilled(time_ms=1, files=1, size=1),
    RemoveDisk(disk=disk(1)), commit(3, shot=snapshot(), supersedes=(b"s",)), Forget(snapshots=(run_id(1),)),
    commit(4, shot=snapshot()),
]  # fmt: skip


def test_every_kind_of_operation_is_applied_to_what_was_there_and_changes_no_older_state() -> None:
    records = [*KNOWN, *(fake(A, number, op, lamport=number + 1) for number, op in enumerate([*EVERY, *EVERY], 2))]
    log = Log()
    states = [log.add(records[:2]), *(log.add([record]) for record in records[2:])]
    for count, state in enumerate(states, 2):
        assert spelt(state) == spelt(fold(records[:count], OWNER.public))


# ------------------------------------------------------------------------------------------ what is applied alone
def begun(*more: Record) -> Log:
    log = Log()
    log.add([*KNOWN, fake(A, 2, add(1), lamport=3), fake(B, 2, condemn(1), lamport=4), *more])
    return log


def grows(log: Log, *new: Record) -> bool:
    """Whether these were applied alone: of what they do not touch the new state has the old one's very objects."""
    before, after = log.state, log.add(new)
    assert spelt(after) == spelt(fold(log.records, OWNER.public))
    return after.disks is before.disks


@pytest.mark.parametrize(
    "new",
    [
        [fake(A, 3, Prepare(run=run_id(1)), lamport=5)],
        [fake(B, 3, condemn(2), lamport=6), fake(A, 3, commit(1, shot=snapshot()), lamport=5)],
        [fake(B, 9, lamport=AHEAD)],
        [fake(A, 2, lamport=5, branch=1)],
        [fake(C, 1, enroll(CAROL), lamport=5)],
    ],
    ids=["one", "two", "with a gap", "a fork", "a new device"],
)
def test_what_stands_at_the_end_of_the_log_is_applied_to_what_was_there(new: Sequence[Record]) -> None:
    assert grows(begun(), *new)


@pytest.mark.parametrize(
    "new",
    [
        fake(A, 3, lamport=3), fake(A, 3, grant(("append",)), lamport=5), fake(A, 3, evict(1), lamport=5),
        fake(A, 3, rotate(1), lamport=5), fake(A, 3, lamport=1 << 40),
    ],
    ids=["late", "rights", "evicted", "keys", "implausible"],
)  # fmt: skip
def test_what_changes_the_meaning_of_older_records_is_not(new: Record) -> None:
    assert not grows(begun(), new)


def test_a_device_that_was_given_rights_goes_on_as_quickly_as_before() -> None:
    log = begun(fake(A, 3, narrowed(1, 2, 0), lamport=5))
    assert grows(log, fake(B, 3, Prepare(run=run_id(1)), lamport=6))
    assert not grows(log, fake(B, 2, condemn(7), lamport=7, branch=1)), "the owner had not seen it"
    assert run_id(7) not in log.state.condemned


def test_a_record_that_the_owner_had_seen_and_nobody_showed_changes_what_counts() -> None:
    """Whatever number it has: the record that it follows was not there, or was, depending on it."""
    shown, hidden = fake(B, 2, condemn(2), lamport=4, branch=1), fake(B, 9, lamport=9, branch=1)
    hidden = replace(hidden, prev=shown.digest)
    heads = (hidden.digest,)
    word = Evict(device=B, seq=3, heads=heads, signature=sign(OWNER.private, evict_message(B, 3, heads)))
    log = begun(shown, fake(A, 3, word, lamport=5))
    assert not log.state.strays
    assert not grows(log, hidden)


def test_once_a_number_was_held_to_what_is_plausible_everything_is_looked_at_each_time() -> None:
    log = begun(fake(B, 3, lamport=1 << 40))
    assert not grows(log, fake(A, 3, Prepare(run=run_id(1)), lamport=log.state.lamport + 1))


def test_what_was_broken_off_half_way_is_made_up_for() -> None:
    """Somebody pressed Ctrl-C while a record was applied; what follows then must not build on half of it."""

    def broken_off() -> Iterable[Record]:
        raise KeyboardInterrupt

    log = begun()
    log.records.append(fake(A, 3, grant(("append",)), lamport=5))
    with pytest.raises(KeyboardInterrupt):
        log.folding.add(log.records[-1:], broken_off)
    assert not grows(log, fake(A, 4, commit(1, shot=snapshot()), lamport=6))


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 7)), max_size=12))
def test_heads_are_the_numbers_up_to_which_nothing_is_missing(told: list[tuple[bytes, int]]) -> None:
    heads = Heads()
    for device, seq in told:
        heads.add(fake(device, seq))
    assert heads.found == {
        device: next(n for n in range(9) if (device, n + 1) not in told) for device in dict(told)
    }  # fmt: skip
