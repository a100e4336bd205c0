"""One resource and several products, for whole columns: the reference of the kernel's formulas.

maximise sum_p (g_p x_p - q_p x_p**2 / 2), g_p = price_p r_p - c_p - nu, within the bounds, a
headroom that all products share and an energy that they share over their durations. Each
shared limit has a multiplier, found exactly between the breakpoints of a sum that is linear
there; both at once by a bracket. Pure; called by
:mod:`cloud_coordinator.allocation.rows_numpy`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud_coordinator.allocation.rows import ProductColumns, ProductSurvey
from protocols.vocabulary.arrays import FloatArray, IntArray

_ROUNDS: Final = 80
_EXACT: Final = 1e-14
_SINGULAR: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows: each of shape (P, k), energy and head (k,)."""

    c: FloatArray
    q: FloatArray
    low: FloatArray
    high: FloatArray
    delivery: FloatArray
    head: FloatArray
    energy: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """Powers (P, k), their marginal gain before shared limits (P, k), multipliers (k,)."""

    power: FloatArray
    gain: FloatArray
    room_price: FloatArray
    energy_price: FloatArray


class LocalRows:
    """Rows of several products.

    Parameters
    ----------
    columns : ProductColumns
        All rows.
    """

    def __init__(self, columns: ProductColumns) -> None:
        self._hours = columns.hours
        self._ones = np.ones(len(columns.c))
        self._all = Part(
            c=np.stack(columns.c),
            q=np.stack(columns.q),
            low=np.stack(columns.low),
            high=np.stack(columns.high),
            delivery=np.stack(columns.delivery),
            head=columns.head,
            energy=columns.energy,
        )

    def _part(self, rows: IntArray | slice) -> Part:
        every = self._all
        if isinstance(rows, slice):
            return every
        return Part(
            c=every.c[:, rows],
            q=every.q[:, rows],
            low=every.low[:, rows],
            high=every.high[:, rows],
            delivery=every.delivery[:, rows],
            head=every.head[rows],
            energy=None if every.energy is None else every.energy[rows],
        )

    def best(self, rows: IntArray | slice, price: FloatArray, nu: FloatArray) -> Best:
        """Find the best powers of some rows."""
        part = self._part(rows)
        gain = price[:, None] * part.delivery - (part.c + nu)
        power = _clipped(part, gain)
        room_price = np.zeros_like(nu)
        energy_price = np.zeros_like(nu)
        tight = np.flatnonzero(power.sum(axis=0) > part.head)
        if len(tight):
            some = _some(part, tight)
            room_price[tight] = _shared(some, gain[:, tight], weight=self._ones, limit=some.head)
            power[:, tight] = _clipped(some, gain[:, tight] - room_price[tight])
        if part.energy is not None:
            hungry = np.flatnonzero(self._hours @ power > part.energy)
            if len(hungry):
                found = self._fed(_some(part, hungry), gain[:, hungry])
                power[:, hungry] = found.power
                room_price[hungry] = found.room_price
                energy_price[hungry] = found.energy_price
        return Best(power=power, gain=gain, room_price=room_price, energy_price=energy_price)

    def _fed(self, part: Part, gain: FloatArray) -> Best:
        """Rows whose energy binds: alone, or with the headroom."""
        assert part.energy is not None, "rows without energy are never hungry"
        hours = self._hours[:, None]
        energy_price = _shared(part, gain, weight=self._hours, limit=part.energy)
        power = _clipped(part, gain - hours * energy_price)
        room_price = np.zeros_like(energy_price)
        two = np.flatnonzero(power.sum(axis=0) > part.head)
        if len(two):
            found = self._both(_some(part, two), gain[:, two])
            power[:, two] = found.power
            room_price[two], energy_price[two] = found.room_price, found.energy_price
        return Best(power=power, gain=gain, room_price=room_price, energy_price=energy_price)

    def _both(self, part: Part, gain: FloatArray) -> Best:
        """Both shared limits bind: the energy's multiplier in a bracket, the other exactly."""
        assert part.energy is not None, "energy binds"
        hours = self._hours[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            last = np.where(hours > 0.0, (gain - part.q * part.low) / hours, 0.0)
        below, above = np.zeros(gain.shape[1]), np.maximum(last.max(axis=0), 0.0)
        price, room, power = above, np.zeros_like(above), gain
        for _ in range(_ROUNDS):
            price = 0.5 * (below + above)
            left_gain = gain - hours * price
            tight = _clipped(part, left_gain).sum(axis=0) > part.head
            needed = _shared(part, left_gain, weight=self._ones, limit=part.head)
            room = np.where(tight, needed, 0.0)
            power = _clipped(part, left_gain - room)
            over = self._hours @ power - part.energy
            below, above = np.where(over > 0.0, price, below), np.where(over > 0.0, above, price)
            if not bool(((np.abs(over) > _EXACT * part.energy) & (above > below)).any()):
                break
        return Best(power=power, gain=gain, room_price=room, energy_price=price)

    def facts(
        self, rows: IntArray | slice, price: FloatArray, nu: FloatArray, *, light: bool
    ) -> FloatArray:
        """Facts of each row as :meth:`ProductRows.respond` tells them of leaves, transposed.

        ``light`` stops after sum and slope.
        """
        part, best = self._part(rows), self.best(rows, price, nu)
        x, hours = best.power, self._hours[:, None]
        free = np.where((x > part.low) & (x < part.high), 1.0 / part.q, 0.0)
        take = self._taken(best, free)
        a, b = free.sum(axis=0), self._hours @ free
        room, fuel = take[0] * a + take[1] * b, take[1] * a + take[2] * b
        moved = free * (1.0 - room - hours * fuel)
        found = [x.sum(axis=0), moved.sum(axis=0)]
        if light:
            return np.stack(found)
        r = part.delivery
        found.append((x * (0.5 * part.q * x - best.gain)).sum(axis=0))
        found += [*(r * x), *(r * moved)]
        for p in range(len(x)):
            for o in range(p, len(x)):
                own = free[p] * r[p] * r[p] if p == o else 0.0
                hours_p, hours_o = self._hours[p], self._hours[o]
                shared = take[0] + (hours_p + hours_o) * take[1] + hours_p * hours_o * take[2]
                found.append(own - free[p] * r[p] * free[o] * r[o] * shared)
        return np.stack(found)

    def _taken(self, best: Best, free: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Find what the binding shared limits take from the free products' movement."""
        a, b = free.sum(axis=0), self._hours @ free
        c = (self._hours**2) @ free
        room = (best.room_price > 0.0) & (a > 0.0)
        fuel = (best.energy_price > 0.0) & (c > 0.0)
        area = a * c - b * b
        pair = room & fuel & (area > _SINGULAR * a * c)
        only = fuel & ~room
        zero = np.zeros_like(a)
        inverse = np.divide(1.0, area, out=zero.copy(), where=pair)
        first = np.divide(1.0, a, out=zero.copy(), where=room & ~pair) + c * inverse
        last = np.divide(1.0, c, out=zero.copy(), where=only) + a * inverse
        return first, -b * inverse, last


def _some(part: Part, rows: IntArray) -> Part:
    return Part(
        c=part.c[:, rows],
        q=part.q[:, rows],
        low=part.low[:, rows],
        high=part.high[:, rows],
        delivery=part.delivery[:, rows],
        head=part.head[rows],
        energy=None if part.energy is None else part.energy[rows],
    )


def _clipped(part: Part, gain: FloatArray) -> FloatArray:
    return np.minimum(np.maximum(gain / part.q, part.low), part.high)


def _shared(part: Part, gain: FloatArray, *, weight: FloatArray, limit: FloatArray) -> FloatArray:
    """Multiplier at which the weighted sum of the powers is at a limit that it exceeds at 0."""
    below, above = np.zeros_like(limit), np.full_like(limit, np.inf)
    sum_below, sum_above = weight @ _clipped(part, gain), np.zeros_like(limit)
    for edge in (part.low, part.high):
        for p in np.flatnonzero(weight > 0.0):
            point = (gain[p] - part.q[p] * edge[p]) / weight[p]
            there = weight @ _clipped(part, gain - weight[:, None] * point)
            lower = (point > below) & (there >= limit)
            upper = (point > 0.0) & (point < above) & (there < limit)
            below, sum_below = np.where(lower, point, below), np.where(lower, there, sum_below)
            above, sum_above = np.where(upper, point, above), np.where(upper, there, sum_above)
    falls = (sum_below > sum_above) & np.isfinite(above)
    part_way = np.divide(
        sum_below - limit, sum_below - sum_above, out=np.zeros_like(limit), where=falls
    )
    way = np.where(falls, above, below) - below
    return np.asarray(below + part_way * way, dtype=np.float64)


def product_survey(columns: ProductColumns) -> ProductSurvey:
    """Find out of rows what is needed before any price."""
    firsts = columns.starts[:-1]
    count = len(columns.c)
    low, high = columns.low[0].copy(), columns.high[0].copy()
    capacity = np.empty((len(firsts), count))
    cost_max = delivery_max = 0.0
    rise_min = np.inf
    bend = np.empty(count)
    for p in range(count):
        if p:
            low += columns.low[p]
            high += columns.high[p]
        c, q, r = columns.c[p], columns.q[p], columns.delivery[p]
        capacity[:, p] = np.add.reduceat(r * columns.high[p], firsts)
        with np.errstate(divide="ignore"):
            bend[p] = float((r * r / q).sum())
        last = c + q * columns.high[p]
        first = c + q * columns.low[p]
        cost_max = max(cost_max, float(np.abs(last).max()), float(np.abs(first).max()))
        delivery_max = max(delivery_max, float(r.max()))
        moves = columns.high[p] > columns.low[p]
        rise_min = min(rise_min, float((last - first)[moves].min(initial=np.inf)))
        if float(q.min()) <= 0.0:
            rise_min = 0.0
    most = np.minimum(high, columns.head)
    size = np.maximum(np.abs(low), np.abs(most))
    leaves = np.stack([np.add.reduceat(part, firsts) for part in (low, most, size)], axis=1)
    return ProductSurvey(
        leaves=leaves,
        capacity=capacity,
        cost_max=cost_max,
        delivery_max=delivery_max,
        rise_min=rise_min,
        bend=bend,
    )
