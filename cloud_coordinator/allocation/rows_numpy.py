"""The engine in NumPy: the reference, and what runs where no compiler was.

Does with whole columns what the kernel does row by row, by the same formulas. Pure.
"""

from typing import Final

import numpy as np

from cloud_coordinator.allocation.groups import Groups
from cloud_coordinator.allocation.local_numpy import LocalRows, product_survey
from cloud_coordinator.allocation.rows import (
    PriceColumns,
    PriceProof,
    PriceRows,
    ProductColumns,
    ProductPowers,
    ProductRows,
    Question,
)
from protocols.vocabulary.arrays import FloatArray, IntArray

FLAT: Final = 1e-9
LARGEST: Final = 1e21
EXACT: Final = 4e-15
EXACT_CHECKED: Final = 1e-11
ROUNDS_MAX: Final = 200
SAMPLE_STRIDE: Final = 64
PRICE_FACTS: Final = 8


class NumpyEngine:
    """Rows in NumPy."""

    @property
    def name(self) -> str:
        """What answered, for people."""
        return "numpy"

    def price_rows(self, columns: PriceColumns) -> PriceRows | None:
        """Weigh the rows of one product; None if a row is not sound."""
        if len(columns.c):
            ends = [
                (float(column.min()), float(column.max()))
                for column in (columns.c, columns.q, columns.low, columns.high)
            ]
            if not all(low >= -LARGEST and high <= LARGEST for low, high in ends):
                return None
            if ends[1][0] < 0.0 or bool((columns.low > columns.high).any()):
                return None
        rows = _NumpyPriceRows(columns)
        return rows if bool((np.abs(rows.facts[:, :5]) <= LARGEST).all()) else None

    def cut_up(
        self,
        groups: Groups,
        depth: int,
        *,
        bounds: tuple[FloatArray, FloatArray],
        found: FloatArray,
    ) -> None:
        """Add all nodes below a depth, cut to their caps, to their parents."""
        low, high = bounds
        for level in reversed(groups.levels[depth:]):
            nodes = level.nodes
            sums, slopes = found[:, nodes]
            moves = (sums > low[nodes]) & (sums < high[nodes])
            cut = np.minimum(np.maximum(sums, low[nodes]), high[nodes])
            found[0, level.parents] += np.add.reduceat(cut, level.firsts)
            found[1, level.parents] += np.add.reduceat(slopes * moves, level.firsts)

    def fold_up(self, groups: Groups, state: IntArray, *, facts: FloatArray, products: int) -> None:
        """Add the facts of all nodes to their parents', less what held nodes do not move."""
        first, second = np.triu_indices(products)
        cross = slice(3 + products, 3 + 2 * products)
        for level in reversed(groups.levels):
            passed = facts[level.nodes]
            held = state[level.nodes] != 0
            moves = passed[:, cross].copy()
            weight = np.zeros(len(passed))
            np.divide(1.0, passed[:, 1], out=weight, where=held & (passed[:, 1] > 0.0))
            passed[:, 3 + 2 * products :] -= weight[:, None] * moves[:, first] * moves[:, second]
            passed[held, cross] = 0.0
            passed[held, 1] = 0.0
            facts[level.parents] += np.add.reduceat(passed, level.firsts, axis=0)

    def product_rows(self, columns: ProductColumns) -> ProductRows:
        """Lay out the rows of several products, which are sound."""
        return _NumpyProductRows(columns)


class _Rows:
    """Which rows belong to some leaves."""

    def __init__(self, starts: IntArray) -> None:
        self._starts = starts
        self._leaves = len(starts) - 1

    def of(self, which: IntArray) -> tuple[IntArray | slice, IntArray, IntArray]:
        """Rows of the leaves, side by side; first of each leaf; leaf of each row."""
        counts = np.diff(self._starts)[which]
        firsts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)[:-1]])
        leaf = np.repeat(np.arange(len(which)), counts)
        if len(which) == self._leaves:
            return slice(None), firsts, leaf
        rows = np.arange(int(counts.sum())) - np.repeat(firsts - self._starts[which], counts)
        return rows, firsts, leaf


class _NumpyPriceRows:
    """Surveyed rows."""

    def __init__(self, columns: PriceColumns) -> None:
        self.columns = columns
        self._rows = _Rows(columns.starts)
        self._leaves = len(columns.starts) - 1
        self._c, self._q = columns.c, columns.q
        every = np.arange(self._leaves)
        self.facts = np.zeros((self._leaves, PRICE_FACTS))
        self.hint = 0.0
        if not self._leaves:
            return
        self._survey()
        self._w = np.divide(1.0, self._q, out=np.zeros_like(self._q), where=self._q > 0.0)
        self._work = np.empty((1, len(columns.c)))
        self._masks = np.empty((2, len(columns.c)), dtype=bool)
        self.hint = columns.hint if np.isfinite(columns.hint) else self._guess()
        sums, slopes = self.totals(every, np.full(self._leaves, self.hint))
        self.facts[:, 6], self.facts[:, 7] = sums, slopes

    def _survey(self) -> None:
        columns, firsts = self.columns, self.columns.starts[:-1]
        low, high = columns.low, columns.high
        facts = self.facts
        span = high - low
        facts[:, 0] = np.add.reduceat(low, firsts)
        facts[:, 1] = np.add.reduceat(high, firsts)
        facts[:, 2] = (facts[:, 1] - facts[:, 0]) + np.abs(facts[:, 0]) + np.abs(facts[:, 1])
        facts[:, 3] = np.minimum.reduceat(columns.c + columns.q * low, firsts)
        facts[:, 4] = np.maximum.reduceat(columns.c + columns.q * high, firsts)
        rise = np.where(span > 0.0, columns.q * span, np.inf)
        facts[:, 5] = np.minimum.reduceat(rise, firsts)
        size = float(np.abs(facts[:, 3:5]).max()) or 1.0
        least = FLAT * size
        flat = rise < least
        if flat.any():
            self._q = columns.q.copy()
            self._q[flat] = least / span[flat]
            self._c = columns.c.copy()
            self._c[flat] += (columns.q[flat] - self._q[flat]) * low[flat]
            facts[:, 3] -= least
            facts[:, 4] += least

    def _guess(self) -> float:
        """Find a price to begin with from a sample of all rows."""
        part = slice(None, None, SAMPLE_STRIDE)
        c, q, columns = self._c[part], self._q[part], self.columns
        low, high = columns.low[part], columns.high[part]
        goal = columns.required * len(c) / len(self._c)
        prices = np.sort(np.concatenate([c + q * low, c + q * high]))
        first, last = 0, len(prices) - 1
        while first < last:
            middle = (first + last) // 2
            x = np.divide(prices[middle] - c, q, out=low.copy(), where=q > 0.0)
            enough = float(np.clip(x, low, high).sum()) >= goal
            first, last = (first, middle) if enough else (middle + 1, last)
        return float(prices[first])

    def totals(self, which: IntArray, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum of the powers of some leaves at a price each, and its slope."""
        if not len(which):
            return np.zeros(0), np.zeros(0)
        if self._leaves == 1:
            x, free = self._all_powers(float(price[0]))
            sums = np.array([x.sum()])
            return sums, np.array([np.multiply(self._w, free, out=self._work[0]).sum()])
        rows, firsts, leaf = self._rows.of(which)
        x, free = self._powers(rows, price[leaf])
        return (
            np.add.reduceat(x, firsts),
            np.add.reduceat(np.where(free, self._w[rows], 0.0), firsts),
        )

    def _all_powers(
        self, price: float
    ) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Powers of all rows at one price, in arrays that the next call uses again."""
        x, free, below = self._work[0], self._masks[0], self._masks[1]
        np.subtract(price, self._c, out=x)
        np.multiply(x, self._w, out=x)
        np.greater(x, self.columns.low, out=free)
        np.less(x, self.columns.high, out=below)
        np.logical_and(free, below, out=free)
        np.maximum(x, self.columns.low, out=x)
        np.minimum(x, self.columns.high, out=x)
        return x, free

    def _powers(
        self, rows: IntArray | slice, price: FloatArray | float
    ) -> tuple[FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Powers at a price, and which of them are free to move."""
        low, high = self.columns.low[rows], self.columns.high[rows]
        x = price - self._c[rows]
        x *= self._w[rows]
        free = x > low
        free &= x < high
        np.maximum(x, low, out=x)
        np.minimum(x, high, out=x)
        return x, free

    def roots(
        self,
        which: IntArray,
        target: FloatArray,
        *,
        start: FloatArray,
        known: FloatArray,
        is_checked: bool = False,
    ) -> FloatArray:
        """Price at which leaves sum to a target."""
        facts = self.facts[which]
        low, high = facts[:, 3].copy(), facts[:, 4].copy()
        reach_low, reach_high, size = facts[:, 0], facts[:, 1], facts[:, 2]
        price = np.clip(start, low, high)
        sums, slopes = known.reshape(-1, 2).T.copy()
        at_end = (target <= reach_low) | (target >= reach_high) | ~(high > low)
        price = np.where(
            at_end, np.where((target >= reach_high) & (target > reach_low), high, low), price
        )
        part, other = np.zeros(len(which)), price.copy()
        is_open = ~at_end
        stale = is_open & (price != start)
        for round_number in range(ROUNDS_MAX):
            if round_number > 0 or stale.any():
                asked = np.flatnonzero(is_open)
                sums[asked], slopes[asked] = self.totals(which[asked], price[asked])
            missing = target - sums
            is_open &= np.abs(missing) > (EXACT_CHECKED if is_checked else EXACT) * size
            low = np.where(is_open & (missing > 0.0), price, low)
            high = np.where(is_open & (missing < 0.0), price, high)
            middle = low + 0.5 * (high - low)
            jumps = is_open & ~((middle > low) & (middle < high))
            if jumps.any():
                self._between(which, np.flatnonzero(jumps), target=target, ends=(low, high, part))
                price, other = np.where(jumps, low, price), np.where(jumps, high, other)
                is_open &= ~jumps
            if not is_open.any():
                break
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                newton = price + missing / slopes
            inside = (newton > low) & (newton < high) & (round_number % 8 != 7)  # noqa: PLR2004  every eighth round halves the bracket
            price = np.where(is_open, np.where(inside, newton, middle), price)
        return np.stack([price, np.where(part > 0.0, other, price), part], axis=1)

    def _between(
        self,
        which: IntArray,
        jumps: IntArray,
        *,
        target: FloatArray,
        ends: tuple[FloatArray, FloatArray, FloatArray],
    ) -> None:
        """Part of the way between two prices next to each other."""
        low, high, part = ends
        below = self.totals(which[jumps], low[jumps])[0]
        gap = self.totals(which[jumps], high[jumps])[0] - below
        way = np.divide(target[jumps] - below, gap, out=np.zeros(len(jumps)), where=gap > 0.0)
        part[jumps] = np.clip(way, 0.0, 1.0)

    def proof(self, answers: FloatArray) -> PriceProof:
        """Powers at the answers of all leaves."""
        columns = self.columns
        one = self._leaves == 1
        leaf = slice(None) if one else self._rows.of(np.arange(self._leaves))[2]
        price = float(answers[0, 0]) if one else answers[leaf, 0]
        x, free = self._powers(slice(None), price)
        if (answers[:, 2] > 0.0).any():
            end = float(answers[0, 1]) if one else answers[leaf, 1]
            way = float(answers[0, 2]) if one else answers[leaf, 2]
            x += way * (self._powers(slice(None), end)[0] - x)
        rise = columns.q * x
        over = columns.c + rise - price
        cost = float((x * (columns.c + 0.5 * rise)).sum())
        gap = float((np.maximum(over, 0.0) * (x - columns.low)).sum())
        gap += float((np.maximum(-over, 0.0) * (columns.high - x)).sum())
        sums = np.add.reduceat(x, columns.starts[:-1]) if self._leaves else np.zeros(0)
        return PriceProof(
            power=x, sums=sums, cost=cost, gap=gap, slope=float((self._w * free).sum())
        )


class _NumpyProductRows:
    """Rows of several products."""

    def __init__(self, columns: ProductColumns) -> None:
        self._columns = columns
        self._rows = _Rows(columns.starts)
        self._local = LocalRows(columns)
        self.survey = product_survey(columns)
        self._products = len(columns.c)

    def totals(self, asked: Question, nu: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sum of the powers of some leaves at nu, and how fast it falls."""
        if not len(nu):
            return np.zeros(0), np.zeros(0)
        rows, firsts, leaf = self._rows.of(asked.which)
        facts = self._local.facts(rows, asked.price, nu[leaf], light=True)
        sums = np.add.reduceat(facts, firsts, axis=1)
        return sums[0], sums[1]

    def respond(
        self, asked: Question, incoming: FloatArray, *, caps: FloatArray, nu: FloatArray
    ) -> tuple[FloatArray, IntArray, FloatArray]:
        """Answer of leaves at an incoming nu, or where their own caps hold them."""
        low, high, slack = caps.T
        del nu  # where to begin; the reference begins at the incoming price
        sums, slopes = self.totals(asked, incoming)
        state = np.where(sums > high + slack, 1, np.where(sums < low - slack, -1, 0))
        own = incoming.copy()
        held = np.flatnonzero(state)
        if len(held):
            known = np.stack([sums, slopes])
            self._settle(asked, held, answers=(own, state, known), caps=caps)
        rows, firsts, leaf = self._rows.of(asked.which)
        facts = self._local.facts(rows, asked.price, own[leaf], light=False)
        return own, state, np.ascontiguousarray(np.add.reduceat(facts, firsts, axis=1).T)

    def _settle(
        self,
        asked: Question,
        held: IntArray,
        *,
        answers: tuple[FloatArray, IntArray, FloatArray],
        caps: FloatArray,
    ) -> None:
        """Find the price of leaves that their caps hold."""
        own, state, known = answers
        target = np.where(state > 0, caps[:, 1], caps[:, 0])
        low, high = np.full(len(own), -asked.reach), np.full(len(own), asked.reach)
        for round_number in range(ROUNDS_MAX):
            over = known[0, held] - target[held]
            open_ = np.abs(over) > caps[held, 2]
            held, over = held[open_], over[open_]
            low[held] = np.where(over > 0.0, own[held], low[held])
            high[held] = np.where(over > 0.0, high[held], own[held])
            middle = low[held] + 0.5 * (high[held] - low[held])
            apart = (middle > low[held]) & (middle < high[held])
            held, over, middle = held[apart], over[apart], middle[apart]
            if not len(held):
                break
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = own[held] + over / known[1, held]
            inside = (newton > low[held]) & (newton < high[held]) & (round_number % 8 != 7)  # noqa: PLR2004  every eighth round halves the bracket
            own[held] = np.where(inside, newton, middle)
            part = Question(which=asked.which[held], price=asked.price, reach=asked.reach)
            known[0, held], known[1, held] = self.totals(part, own[held])

    def powers(self, price: FloatArray, nu: FloatArray) -> ProductPowers:
        """Powers of all rows and what they come to."""
        rows, firsts, leaf = self._rows.of(np.arange(len(nu)))
        x, columns = self._local.best(rows, price, nu[leaf]).power, self._columns
        cost = 0.0
        for p, power in enumerate(x):
            cost += float((power * (columns.c[p] + 0.5 * columns.q[p] * power)).sum())
        return ProductPowers(
            power=x,
            sums=np.add.reduceat(x.sum(axis=0), firsts),
            cost=cost,
            delivered=np.array(
                [float((r * power).sum()) for r, power in zip(columns.delivery, x, strict=True)]
            ),
        )
