"""The day's fleet in the coordinator's own terms: storage, loads and PV, slot by slot. Pure.

Sites are rows; seconds are simulated only where an award asks for them. Randomness (which site
is away, how exactly it follows) comes in as a generator. The steps of a slot: what is there,
shared among awards by the market's order; what was called, delayed as sites are; what storage
then holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud_coordinator.market.availability import SlotAward, share_out
from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.market_day.portfolio import Plants, Portfolio
from cloud_coordinator.settlement.money import exact
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOT_S, SLOTS_A_DAY

SLOT_H: Final = SLOT_MINUTES / 60.0
REFILL_WAIT: Final = 3
"""Slots from the one that used energy to the first that may refill: the plan gate is an hour."""
FOLLOWING_NOISE: Final = 0.01
"""Standard deviation of a site's power around its share, part of the share, each second."""
_KERNEL_S: Final = 30
_KW: Final = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An award and what is asked of it.

    Attributes
    ----------
    source : Source
        What delivers.
    award_kw, price_jpy : Decimal
        Capacity and its price: the cheapest is served first.
    first_slot, slots : int
        From 0.
    duration_s : int
        How long all of it may be called in a slot, as the ledger counts it.
    power_w : FloatArray
        Shape (slots x 1800,), what the commands or the law ask for, W.
    """

    source: Source
    award_kw: Decimal
    price_jpy: Decimal
    first_slot: int
    slots: int
    duration_s: int
    power_w: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """What was delivered for an award.

    Attributes
    ----------
    available_kw : tuple of float
        Per slot.
    site_w : FloatArray
        Shape (n, slots x 1800), W above baseline of each site of its source.
    """

    available_kw: tuple[float, ...]
    site_w: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the day starts from.

    Attributes
    ----------
    traded_kw : FloatArray
        Shape (48,), of storage; sold is positive.
    refill_kw : FloatArray
        Shape (48,), charging power kept free to buy back what calls used.
    start_kwh : float
        Contents.
    restore_kwh : float
        What the day begins short of what its bids count on; bought intraday as early as it can
        be taken in.
    charge_kw : FloatArray
        Shape (48,), power storage takes in.
    """

    traded_kw: FloatArray
    refill_kw: FloatArray
    start_kwh: float
    restore_kwh: float
    charge_kw: FloatArray


@dataclass(slots=True, kw_only=True)
class Ran:
    """How the day went, shape (48,) each; filled slot by slot.

    Attributes
    ----------
    contents_kwh : FloatArray
        Shape (49,).
    discharged_kwh, charged_kwh : FloatArray
        At the grid, all causes.
    called_kwh, load_kwh : FloatArray
        Delivered for awards: from storage, and by loads.
    refilled_kwh : FloatArray
        Bought back, at the grid.
    short_kwh : FloatArray
        Of what was traded, not delivered (negative: not taken in).
    sites_present : FloatArray
        How many sites answered.
    """

    contents_kwh: FloatArray
    discharged_kwh: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))
    charged_kwh: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))
    called_kwh: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))
    load_kwh: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))
    refilled_kwh: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))
    short_kwh: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))
    sites_present: FloatArray = field(default_factory=lambda: np.zeros(SLOTS_A_DAY))


class DayFleet:
    """A day of the fleet.

    Parameters
    ----------
    portfolio : Portfolio
        Who.
    plan : Plan
        What storage does besides awards.
    random : numpy.random.Generator
        Of absences and of inexact following.
    """

    def __init__(self, portfolio: Portfolio, plan: Plan, random: np.random.Generator) -> None:
        self._portfolio = portfolio
        self._plan = plan
        self._random = random
        self._present = {
            source: self._draw(portfolio.plants(source)) for source in (Source.STORAGE, Source.LOAD)
        }
        self._eta = portfolio.one_way_efficiency
        self._load_kwh = float(portfolio.load.energy_kwh.sum())
        self._restore_kwh = plan.restore_kwh
        self._due = np.zeros(SLOTS_A_DAY + REFILL_WAIT + 1)
        self.ran = Ran(contents_kwh=np.full(SLOTS_A_DAY + 1, plan.start_kwh))

    def run(self, asked: Sequence[Asked]) -> tuple[Supplied, ...]:
        """Run all slots; return what each award got, in the order given."""
        lagged = [_lagged(one.power_w, self._portfolio.plants(one.source)) for one in asked]
        site_w = [
            np.zeros((len(self._portfolio.plants(one.source).power_kw), one.slots * SLOT_S))
            for one in asked
        ]
        available: list[list[float]] = [[] for _ in asked]
        for slot in range(SLOTS_A_DAY):
            running = [
                index
                for index, one in enumerate(asked)
                if one.first_slot <= slot < one.first_slot + one.slots
            ]
            called = {Source.STORAGE: 0.0, Source.LOAD: 0.0}
            limits = self._limits([asked[index] for index in running], slot)
            for index, limit_kw in zip(running, limits, strict=True):
                one = asked[index]
                begin = (slot - one.first_slot) * SLOT_S
                piece = slice(begin, begin + SLOT_S)
                wanted = np.clip(lagged[index][piece], -limit_kw * _KW, limit_kw * _KW)
                site_w[index][:, piece] = self._shared(wanted, one.source, slot)
                available[index].append(limit_kw)
                called[one.source] += float(site_w[index][:, piece].sum()) / _KW / 3600.0
            self._account(slot, called)
        return tuple(
            Supplied(available_kw=tuple(kw), site_w=power)
            for kw, power in zip(available, site_w, strict=True)
        )

    def available_kw(self, source: Source, slot: int) -> float:
        """Power above the plan that a source has in a slot, kW.

        Charging that was planned can be stopped by the sites that answer, as the ledger counts.
        """
        plants, present = self._portfolio.plants(source), self._present[source][:, slot]
        power = float((plants.power_kw * plants.known.gain * present).sum())
        if source is Source.LOAD:
            return max(0.0, min(power, self._load_kwh / SLOT_H))
        traded = float(self._plan.traded_kw[slot])
        return max(0.0, power - max(traded, 0.0)) + self._stoppable_kwh(slot) / SLOT_H

    def _taken_in_kwh(self, slot: int) -> float:
        """Energy at the grid that was bought for a slot, as far as there is room for it, kWh."""
        contents = float(self.ran.contents_kwh[slot])
        room = max(self._portfolio.contents_kwh - contents, 0.0) / self._eta
        return min(max(-float(self._plan.traded_kw[slot]), 0.0) * SLOT_H, room)

    def _stoppable_kwh(self, slot: int) -> float:
        """Part of it that sites take in which answer, kWh."""
        power_kw = self._portfolio.storage.power_kw
        here = float(power_kw @ self._present[Source.STORAGE][:, slot])
        return self._taken_in_kwh(slot) * here / float(power_kw.sum()) if here else 0.0

    def _covered(
        self, running: Sequence[Asked], parts_kw: Sequence[float], slot: int
    ) -> list[float]:
        """Cut what storage gives to what it holds for as long as it may be called, in order."""
        sold = max(float(self._plan.traded_kw[slot]), 0.0) * SLOT_H
        left = float(self.ran.contents_kwh[slot]) * self._eta - sold + self._stoppable_kwh(slot)
        found = [0.0] * len(running)
        for k in sorted(range(len(running)), key=lambda at: running[at].price_jpy):
            hours = running[k].duration_s / 3600.0
            found[k] = min(parts_kw[k], max(left, 0.0) / hours)
            left -= found[k] * hours
        return found

    def _draw(self, plants: Plants) -> npt.NDArray[np.bool_]:
        """Which sites answer, shape (n, 48): one draw for each time an outage would last."""
        every = self._portfolio.outage_minutes // SLOT_MINUTES
        draws = -(-SLOTS_A_DAY // every)
        there = self._random.random((len(plants.power_kw), draws))
        present = there < plants.answers[:, None]
        return np.repeat(present, every, axis=1)[:, :SLOTS_A_DAY]

    def _limits(self, running: Sequence[Asked], slot: int) -> list[float]:
        """Share what is available among the awards of each source, the cheapest first."""
        found = [0.0] * len(running)
        for source in (Source.STORAGE, Source.LOAD):
            mine = [k for k, one in enumerate(running) if one.source is source]
            if not mine:
                continue
            awards = [
                SlotAward(award_kw=running[k].award_kw, price_jpy=running[k].price_jpy)
                for k in mine
            ]
            parts = share_out(awards, exact(round(self.available_kw(source, slot), 3)))
            given = [float(part) for part in parts]
            if source is Source.STORAGE:
                given = self._covered([running[k] for k in mine], given, slot)
            for k, power in zip(mine, given, strict=True):
                found[k] = round(power, 3)
        return found

    def _shared(self, wanted_w: FloatArray, source: Source, slot: int) -> FloatArray:
        """Share power among the sites that answer, each a little inexact, shape (n, 1800)."""
        plants, present = self._portfolio.plants(source), self._present[source][:, slot]
        weight = plants.power_kw * plants.known.gain * present
        if not weight.any():
            return np.zeros((len(weight), len(wanted_w)))
        weight = weight / weight.sum()
        noise = self._random.standard_normal((len(weight), len(wanted_w)), dtype=np.float32)
        exactness = 1.0 + FOLLOWING_NOISE * noise.astype(np.float64)
        return np.asarray(weight[:, None] * wanted_w * exactness, dtype=np.float64)

    def _account(self, slot: int, called: dict[Source, float]) -> None:
        """Energy of a slot, at the grid and in storage."""
        ran, eta = self.ran, self._eta
        traded = float(self._plan.traded_kw[slot]) * SLOT_H
        contents = float(ran.contents_kwh[slot])
        bought = self._taken_in_kwh(slot)
        stopped = min(max(called[Source.STORAGE], 0.0), self._stoppable_kwh(slot))
        given = called[Source.STORAGE] - stopped
        used = stopped * eta + max(given, 0.0) / eta + min(given, 0.0) * eta
        contents += bought * eta - used
        sold = min(max(traded, 0.0), max(contents, 0.0) * eta)
        contents -= sold / eta
        free = min(
            float(self._plan.refill_kw[slot]) * SLOT_H,
            max(self._portfolio.contents_kwh - contents, 0.0) / eta,
        )
        refilled = max(0.0, min(free, float(self._due[slot]) / eta))
        contents += refilled * eta
        self._due[slot + 1] += self._due[slot] - refilled * eta
        restored = self._restored(slot, bought + refilled, contents)
        contents += restored * eta
        refilled += restored
        self._due[slot + REFILL_WAIT] += used
        self._load_kwh -= called[Source.LOAD]
        ran.contents_kwh[slot + 1] = min(contents, self._portfolio.contents_kwh)
        ran.discharged_kwh[slot] = sold + max(given, 0.0)
        ran.charged_kwh[slot] = bought - stopped + refilled + max(-given, 0.0)
        ran.called_kwh[slot] = called[Source.STORAGE]
        ran.load_kwh[slot] = called[Source.LOAD]
        ran.refilled_kwh[slot] = refilled
        ran.short_kwh[slot] = (max(traded, 0.0) - sold) - (max(-traded, 0.0) - bought)
        ran.sites_present[slot] = sum(float(p[:, slot].sum()) for p in self._present.values())

    def _restored(self, slot: int, taken_kwh: float, contents_kwh: float) -> float:
        """Energy at the grid that makes up for what the day began short of, kWh."""
        eta, plan = self._eta, self._plan
        spare = max(float(plan.charge_kw[slot]) * SLOT_H - taken_kwh, 0.0)
        room = max(self._portfolio.contents_kwh - contents_kwh, 0.0) / eta
        found = min(spare, room, self._restore_kwh / eta)
        self._restore_kwh -= found * eta
        return found


def _lagged(asked_w: FloatArray, plants: Plants) -> FloatArray:
    """Delay a request as sites do: a dead time, then an exponential approach from 0 W."""
    delay_s = float(plants.known.delay_s.mean()) if len(plants.power_kw) else 0.0
    if delay_s <= 0.0:
        return asked_w
    kernel = np.exp(-np.arange(_KERNEL_S) * 3.0 / delay_s)
    kernel = np.concatenate([np.zeros(int(delay_s / 2.0)), kernel / kernel.sum()])
    return np.convolve(asked_w, kernel)[: len(asked_w)]
