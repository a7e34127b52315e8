"""The chain against closed forms, an independent solution of it, and a simulation."""

from __future__ import annotations

import math
import random
from math import comb

import pytest

from webraid.array.durability import Chain, exponential, years_of

DAY = 1 / 365.25
# (domains, tolerance, losses a year, days of repair) -> chance a year, by another program's matrix exponential
REFERENCE = [
    (3, 0, 0.03, 7, 0.08606881472877183),
    (4, 1, 0.03, 7, 0.00020219710686158869),
    (5, 2, 0.03, 7, 2.878908820562995e-07),
    (12, 4, 0.03, 1, 5.36979094670308e-15),
    (10, 7, 0.03, 7, 2.1188677783248084e-22),
    (4, 1, 0.3, 30, 0.06825000850895585),
    (6, 2, 0.1, 30, 0.0003333881584932509),
]


@pytest.mark.parametrize(("domains", "tolerance", "rate", "days", "chance"), REFERENCE)
def test_the_chain_agrees_with_another_solution(
    domains: int, tolerance: int, rate: float, days: float, chance: float
) -> None:
    assert Chain([rate] * domains, tolerance, days * DAY).loss() == pytest.approx(chance, rel=1e-6)


@pytest.mark.parametrize(("domains", "tolerance"), [(3, 1), (6, 2), (8, 4), (5, 0)])
def test_without_repair_it_is_the_binomial(domains: int, tolerance: int) -> None:
    gone = 1 - math.exp(-0.07)
    expected = sum(
        comb(domains, lost) * gone**lost * (1 - gone) ** (domains - lost) for lost in range(tolerance + 1, domains + 1)
    )
    assert Chain([0.07] * domains, tolerance, math.inf).loss() == pytest.approx(expected, rel=1e-9)


def test_a_simulation_gives_the_same() -> None:
    rng, repair, rates, lost = random.Random(4), 60 * DAY, [0.5] * 5, 0
    runs = 20_000
    for _ in range(runs):
        lost += simulated(rng, rates, 1, repair)
    assert Chain(rates, 1, repair).loss() == pytest.approx(lost / runs, rel=0.06)


def simulated(rng: random.Random, rates: list[float], tolerance: int, repair: float) -> bool:
    time, down = 0.0, 0
    while True:
        out, back = (len(rates) - down) * rates[0], down / repair
        time += rng.expovariate(out + back)
        if time > 1:
            return False
        down += 1 if rng.random() < out / (out + back) else -1
        if down > tolerance:
            return True


def test_unequal_rates_are_taken_at_their_worst() -> None:
    mixed = Chain([0.3, 0.01, 0.01], 1, 7 * DAY).loss()
    assert Chain([0.01] * 3, 1, 7 * DAY).loss() < mixed < Chain([0.3] * 3, 1, 7 * DAY).loss()
    alone = Chain([0.3, 0.01, 0.01], 0, 7 * DAY).loss()
    assert alone == pytest.approx(1 - math.exp(-0.32), rel=1e-9)


def test_what_is_lost_already_and_what_cannot_be_lost() -> None:
    assert Chain([0.1] * 3, -1, 1.0).loss() == 1.0
    assert Chain([0.1] * 3, 3, 1.0).loss() == 0.0
    assert Chain([], 0, 1.0).loss() == 0.0
    assert Chain([0.0] * 4, 1, 1.0).loss() == 0.0


def test_more_losses_survived_and_quicker_repair_are_never_worse() -> None:
    for tolerance in range(4):
        assert Chain([0.1] * 6, tolerance + 1, 7 * DAY).loss() < Chain([0.1] * 6, tolerance, 7 * DAY).loss()
    for days in (1, 7, 30):
        assert Chain([0.1] * 6, 2, days * DAY).loss() < Chain([0.1] * 6, 2, 4 * days * DAY).loss()


def test_rows_stay_probabilities_however_long_the_time() -> None:
    for row in exponential(Chain([0.5] * 6, 3, 1 * DAY).generator(), 1000.0):
        assert sum(row) == pytest.approx(1.0)
        assert min(row) >= 0


def test_years_of_a_chance() -> None:
    assert years_of(0.0) == math.inf
    assert years_of(1.0) == 0.0
    assert years_of(0.002) == pytest.approx(499.5, rel=1e-3)
