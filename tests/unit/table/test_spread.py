"""What a disk lacks of the log, found without going over all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, fake
from webraid.table.log import LogBook
from webraid.table.spread import _lacking, in_order


@given(
    st.lists(st.tuples(st.sampled_from([ALICE.id, BOB.id]), st.integers(1, 9), st.integers(0, 1)), unique=True),
    st.sets(st.integers(0, 40)),
)
def test_what_a_disk_lacks_is_whatever_it_does_not_hold_in_the_order_of_the_log(
    known: list[tuple[bytes, int, int]], lost: set[int]
) -> None:
    book = LogBook()
    for device, seq, branch in known:
        book.add(fake(device, seq, branch=branch))
    held = {name for number, name in enumerate(book.names) if number not in lost}
    found = _lacking(book, held)
    assert found == in_order(book, held)
    assert set(found) == book.names.keys() - held
