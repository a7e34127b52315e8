"""What links allow: the formulas against figures worked out by hand, and against a search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bounds import (
    Link,
    acknowledged_seconds,
    quorum_of,
    range_seconds,
    read_rate,
    read_seconds,
    small_get_seconds,
    small_put_seconds,
    write_seconds,
)
from webraid.lab import PROFILES

LAB5 = [Link(spec.up or 0, spec.down or 0, spec.rtt, spec.setup) for spec in PROFILES["lab5"].clouds.values()]
SIZE = 60e6


def test_the_bounds_of_lab5_are_those_worked_out_by_hand() -> None:
    assert read_seconds(LAB5, 3, SIZE) == pytest.approx(2.0)
    assert read_seconds(LAB5[1:], 3, SIZE) == pytest.approx(10 / 3)
    assert write_seconds(LAB5, 3, SIZE) == pytest.approx(10.0)
    assert acknowledged_seconds(LAB5, 3, SIZE, 4) == pytest.approx(5.0)
    assert small_put_seconds(LAB5, 2) == pytest.approx(6 * 0.09)
    assert small_get_seconds(LAB5, 2, 409_600) == pytest.approx(3 * 0.09 + 0.03 + 0.04096)
    assert range_seconds(LAB5, 65_536) == pytest.approx(5 * 0.03 + 0.0065536)


def test_quorums_are_those_of_the_file_table() -> None:
    assert quorum_of(5, 2) == (3, 3)
    assert quorum_of(6, 2) == (4, 3)
    assert quorum_of(3, 2) == (3, 1)


def test_a_disk_that_outruns_its_share_adds_nothing() -> None:
    assert read_rate([100.0, 1.0, 1.0], 3) == 3.0
    assert read_rate([100.0, 2.0, 1.0], 2) == 6.0
    assert read_rate([8.0] * 6, 4) == 48.0
    with pytest.raises(ValueError, match="2 disks cannot give 3"):
        read_rate([1.0, 1.0], 3)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=7), st.data())
def test_no_faster_read_than_the_bound_is_possible(rates: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(rates)))
    x = read_rate([float(rate) for rate in rates], k) / k
    assert sum(min(rate, x) for rate in rates) >= k * x * (1 - 1e-9)
    more = x * 1.001
    assert sum(min(rate, more) for rate in rates) < k * more * (1 - 1e-9)
