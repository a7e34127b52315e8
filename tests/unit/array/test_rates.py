"""Estimates learnt from transfers: latency and rate apart, also when transfers share a link."""

from __future__ import annotations

from random import Random

import pytest

from webraid.array.probation import Probation
from webraid.array.rates import LATENCY, RATE, RateBook

D, E = b"d", b"e"
MB = 1e6


def transfer(book: RateBook, disk: bytes, start: float, seconds: float, size: float) -> float:
    mark = book.began(disk, start)
    book.ended(disk, mark, start + seconds, int(size))
    return start + seconds


def test_nothing_known_means_the_usual() -> None:
    estimate = RateBook().estimate(D)
    assert estimate.latency == LATENCY
    assert estimate.rate == pytest.approx(RATE)
    assert not estimate.known


def test_latency_and_rate_are_told_apart() -> None:
    book, now = RateBook(), 0.0
    for size in (0.1 * MB, 1 * MB, 3 * MB, 0.5 * MB, 2 * MB):
        now = transfer(book, D, now + 1, 0.2 + size / (5 * MB), size)
    estimate = book.estimate(D)
    assert estimate.known
    assert estimate.latency == pytest.approx(0.2, rel=0.1)
    assert estimate.rate == pytest.approx(5 * MB, rel=0.1)
    assert estimate.predict(int(5 * MB)) == pytest.approx(1.2, rel=0.1)
    assert estimate.predict(int(1 * MB), backlog=4 * MB) == pytest.approx(1.2, rel=0.1)


def test_transfers_that_share_the_link_do_not_make_it_look_slow() -> None:
    book, now = RateBook(), 0.0
    for size in (0.3 * MB, 1 * MB, 2 * MB, 0.7 * MB):
        marks = [book.began(D, now) for _ in range(4)]
        now += 0.1 + 4 * size / (8 * MB)
        for mark in marks:
            book.ended(D, mark, now, int(size))
    assert book.estimate(D).rate == pytest.approx(8 * MB, rel=0.15)
    assert book.estimate(D).latency == pytest.approx(0.1, rel=0.4)


def test_a_disk_that_showed_nothing_yet_is_taken_to_be_like_the_others() -> None:
    book, now = RateBook(), 0.0
    for size in (1 * MB, 2 * MB, 4 * MB):
        now = transfer(book, D, now, 0.05 + size / (20 * MB), size)
    assert book.estimate(E).rate == pytest.approx(book.estimate(D).rate, rel=0.2)
    assert not book.estimate(E).known


def test_a_change_is_learnt_within_some_transfers() -> None:
    book, now, rng = RateBook(), 0.0, Random(1)
    for rate in (20 * MB, 2 * MB):
        for _ in range(15):
            size = rng.uniform(0.2, 3) * MB
            now = transfer(book, D, now, 0.05 + size / rate, size)
        assert book.estimate(D).rate == pytest.approx(rate, rel=0.2)


def test_one_outlier_does_not_turn_the_estimate_over() -> None:
    book, now = RateBook(), 0.0
    for size in (1 * MB, 2 * MB, 0.5 * MB, 3 * MB, 1 * MB, 2 * MB):
        now = transfer(book, D, now, 0.05 + size / (10 * MB), size)
    before = book.estimate(D).predict(int(MB))
    transfer(book, D, now, 30.0, 1 * MB)
    assert book.estimate(D).predict(int(MB)) < 3 * before


def test_failures_teach_nothing_and_an_end_counts_once() -> None:
    book = RateBook()
    mark = book.began(D, 0.0)
    book.ended(D, mark, 9.0, None)
    book.ended(D, mark, 9.0, 1000)
    assert not book.known(D)
    assert book.rates() == {}


def test_spread_tells_a_steady_disk_from_an_unsteady_one() -> None:
    rng = Random(2)
    spreads = []
    for jitter in (0.0, 0.9):
        book, now = RateBook(), 0.0
        for _ in range(20):
            size = rng.uniform(0.5, 2) * MB
            now = transfer(book, D, now, (0.05 + size / (10 * MB)) * rng.uniform(1 - jitter, 1 + 5 * jitter), size)
        spreads.append(book.estimate(D).spread)
    assert spreads[0] < 0.15
    assert spreads[1] > 0.3


def test_even_instant_transfers_give_finite_estimates() -> None:
    book = RateBook()
    for size in (0, 1, 10_000_000):
        transfer(book, D, 1.0, 0.0, size)
    estimate = book.estimate(D)
    assert 0 < estimate.latency < 1
    assert 0 < estimate.rate < float("inf")


def test_probation_grows_with_each_stall_and_ends_with_an_answer() -> None:
    probation = Probation()
    assert probation.stalled(D, 100.0)
    assert not probation.stalled(D, 101.0), "no news"
    assert probation.shut(D, 104.9)
    assert not probation.shut(D, 105.1)
    assert probation.wary(D), "but with care"
    assert probation.stalled(D, 106.0)
    assert probation.shut(D, 115.9)
    probation.answered(D)
    assert not probation.shut(D, 107.0)
    assert not probation.wary(D)
