"""How likely it is that a pool loses data: a birth-death chain over the failure domains.  Pure arithmetic.

State j: j domains are lost and not yet rebuilt; more than ``tolerance`` of them is the end.  Domains are lost
independently at given rates and rebuilt one beside the other in ``repair`` years on average.  It is a model: what it
leaves out (a lost passphrase, stolen credentials, mistakes) is added by whoever uses it, and is mostly what counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Matrix = list[list[float]]
TERMS = 24  # of the exponential series; the matrices are scaled so that the rest is far below a float's last digit


@dataclass(frozen=True, slots=True)
class Chain:
    """``rates``: losses a year of each failure domain.  ``tolerance``: how many may be lost at once.  ``repair``: years
    that a lost one takes until all its shards are elsewhere, on average; math.inf: never."""

    rates: Sequence[float]
    tolerance: int
    repair: float

    def generator(self) -> Matrix:
        """Transition rates a year between the states 0 to tolerance + 1, the last of which is left by nobody.

        Where the domains' rates differ, those that are left are taken to be the worst ones: never too optimistic.
        """
        size = self.tolerance + 2
        worst = sorted(self.rates, reverse=True)
        matrix = [[0.0] * size for _ in range(size)]
        for lost in range(self.tolerance + 1):
            matrix[lost][lost + 1] = sum(worst[: max(0, len(worst) - lost)])
            if lost and math.isfinite(self.repair):
                matrix[lost][lost - 1] = lost / max(self.repair, 1e-6)
            matrix[lost][lost] = -sum(matrix[lost])
        return matrix

    def loss(self, years: float = 1.0) -> float:
        """Probability that data is lost within so many years; 1.0 where it is lost already."""
        if self.tolerance < 0:
            return 1.0
        if len(self.rates) <= self.tolerance:
            return 0.0
        return min(1.0, exponential(self.generator(), years)[0][-1])


def exponential(generator: Matrix, time: float) -> Matrix:
    """e to the generator times ``time``, by scaling and squaring.

    The diagonal is shifted so that no number is negative: nothing cancels, and tiny probabilities are right, too.
    """
    size = len(generator)
    fastest = max((-generator[i][i] for i in range(size)), default=0.0)
    if fastest * time <= 0:
        return _identity(size)
    halvings = max(0, math.ceil(math.log2(fastest * time)))
    step = time / 2**halvings
    shifted = [
        [(value + (fastest if i == j else 0.0)) * step for j, value in enumerate(row)]
        for i, row in enumerate(generator)
    ]  # fmt: skip
    total, term = _identity(size), _identity(size)
    for number in range(1, TERMS):
        term = [[value / number for value in row] for row in _product(term, shifted)]
        total = [[a + b for a, b in zip(x, y, strict=True)] for x, y in zip(total, term, strict=True)]
    scale = math.exp(-fastest * step)
    result = [[value * scale for value in row] for row in total]
    for _ in range(halvings):
        result = _normal(_product(result, result))
    return result


def _identity(size: int) -> Matrix:
    return [[float(i == j) for j in range(size)] for i in range(size)]


def _product(a: Matrix, b: Matrix) -> Matrix:
    columns = list(zip(*b, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in a]


def _normal(matrix: Matrix) -> Matrix:
    """Rows of probabilities add up to one; squaring often would let them drift."""
    return [[value / total for value in row] if (total := sum(row)) else row for row in matrix]


def years_of(chance: float) -> float:
    """'About 1 in N years' of a chance a year; math.inf when it is nothing."""
    return math.inf if chance <= 0 else -1 / math.log1p(-chance) if chance < 1 else 0.0
