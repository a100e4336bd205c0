"""Trains the bidding policy on published prices: real spot days, real balancing days.

Not part of any program: needs the extra ``train`` and the data catalogue. What the actor sees is
the day before, carried forward; what it earns is the day itself. ``vpp bids train`` runs it.
"""

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from models.bidding import ACTIONS, OBSERVATIONS, SLOT_H, SLOTS, DayWalk, Outlook, StoreDay
from models.training.actor_critic import BoolArray, Named, Settings, Trained, train_actor
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, market_day, slot_of
from protocols.vocabulary.errors import ConfigError

POLICY_ID: Final = "bidding-actor-1"
RATE: Final = 3e-4
LOG_SPREAD: Final = -1.2
"""It begins near a good policy, so it tries little and learns slowly."""
DAYS_AT_ONCE: Final = 64
LAST_DAY: Final = date(2024, 9, 30)
"""Days after it are kept to judge by."""
FIRST_DAY: Final = date(2021, 4, 1)
AREAS: Final = ("tokyo", "kansai", "kyushu", "hokkaido", "chubu", "tohoku")
ASKED: Final = 0.7
"""Part of the day before's price that is asked; more is paid less often."""
RESERVE_MAX: Final = 40.0
"""JPY per kW and half hour; rarer prices above it would drown the others."""
REWARD_SCALE: Final = 1e-4
"""Rewards are 10,000 JPY per MW of power."""
_POWER_KW: Final = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """What is shown before anything is tried.

    Attributes
    ----------
    plans : int
        Of each day, the best of which is shown.
    stores, days : int
        Stores that are drawn, and days with each.
    passes : int
        Over all that is shown.
    """

    plans: int = 256
    stores: int = 120
    days: int = 8
    passes: int = 400


SCHOOL: Final = School()


class PriceDays:
    """Spot and reserve prices of many days, and of the day before each.

    Parameters
    ----------
    spot, reserve : FloatArray
        Shape (n, 2, 48): the day before and the day; JPY/kWh, JPY per kW and half hour.
    """

    def __init__(self, spot: FloatArray, reserve: FloatArray) -> None:
        self.spot = spot
        self.reserve = reserve


class BiddingDays:
    """The world of the policy: days of a store, all at once; a day is an episode.

    Parameters
    ----------
    days : PriceDays
        To draw from.
    count : int
        Days at once.
    school : School
        What is shown first.
    """

    def __init__(self, days: PriceDays, count: int, *, school: School = SCHOOL) -> None:
        self._days = days
        self._school = school
        self._count = count
        self._random = np.random.default_rng(0)

    def reset(self, random: np.random.Generator) -> FloatArray:
        """Begin new days."""
        self._random = random
        return self._begin()

    def step(self, action: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Take wishes; pay what the slot really earned."""
        at, walk = self._walk.slot, self._walk
        walk.step(action[:, 0], 0.5 * (action[:, 1] + 1.0))
        traded = walk.sell_kw[:, at] - walk.buy_kw[:, at]
        earned = SLOT_H * traded * self._spot[:, at]
        earned -= SLOT_H * self._wear * walk.sell_kw[:, at]
        earned += walk.reserve_kw[:, at] * self._reserve[:, at]
        done = walk.slot == SLOTS
        observation = self._begin() if done else walk.observe(self._outlook)
        reward = earned * REWARD_SCALE / (_POWER_KW / 1e3)
        return observation, reward, np.full(self._count, done)

    def lessons(self) -> tuple[FloatArray, FloatArray]:
        """Show the best of many simple plans of drawn days, by what is known before them.

        A plan trades at so many of the cheapest and dearest slots and holds so much reserve in
        so many of the best paid ones; the best of many is what a good trader would do with
        the same prices.
        """
        school = self._school
        plans = self._random.uniform(size=(school.plans, 4)) * np.array([1.0, 0.5, 1.0, 1.0])
        seen, done = [], []
        for _ in range(school.stores):
            self._begin()
            for at in range(school.days):
                one = self._lesson(at, plans)
                seen.append(one[0])
                done.append(one[1])
        return np.concatenate(seen), np.concatenate(done)

    def _lesson(self, at: int, plans: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Observations and actions of the best plan of one drawn day, 48 rows each."""
        store = self._walk.day
        spot = np.atleast_2d(self._outlook.spot_jpy)[at]
        worth = np.atleast_2d(self._outlook.reserve_jpy)[at]
        rank, paid = (np.argsort(np.argsort(one)) / SLOTS for one in (spot, worth))
        width = plans[:, 1:2]
        energy = plans[:, :1] * ((rank >= 1.0 - width).astype(np.float64) - (rank < width))
        reserve = plans[:, 2:3] * (paid >= plans[:, 3:4])
        walk = DayWalk(store, len(plans))
        for slot in range(SLOTS):
            walk.step(energy[:, slot], reserve[:, slot])
        earned = SLOT_H * ((walk.sell_kw - walk.buy_kw) @ spot - self._wear * walk.sell_kw.sum(1))
        best = int(np.argmax(earned + walk.reserve_kw @ worth))
        outlook = Outlook(spot_jpy=spot, reserve_jpy=worth, wear_jpy_per_kwh=self._wear)
        shown = DayWalk(store, 1)
        seen = []
        for slot in range(SLOTS):
            seen.append(shown.observe(outlook))
            shown.step(energy[best : best + 1, slot], reserve[best : best + 1, slot])
        action = np.stack([energy[best], 2.0 * reserve[best] - 1.0], axis=1)
        return np.concatenate(seen), action

    def _begin(self) -> FloatArray:
        random, days = self._random, self._days
        rows = random.integers(0, len(days.spot), self._count)
        self._spot = days.spot[rows, 1]
        asked = ASKED * days.reserve[rows, 0]
        self._reserve = np.where(days.reserve[rows, 1] >= asked, asked, 0.0)
        scale = random.choice([0.0, 0.3, 1.0], size=(self._count, 1), p=[0.2, 0.3, 0.5])
        self._reserve = scale * self._reserve
        self._wear = float(random.uniform(2.0, 12.0))
        self._outlook = Outlook(
            spot_jpy=days.spot[rows, 0],
            reserve_jpy=scale * asked * np.mean(days.reserve[rows, 1] >= asked),
            wear_jpy_per_kwh=self._wear,
        )
        self._walk = DayWalk(self._store(), self._count)
        return self._walk.observe(self._outlook)

    def _store(self) -> StoreDay:
        """Draw a store: hours of content, efficiency, what is dependable, where it begins."""
        random, one = self._random, np.ones(SLOTS)
        content = _POWER_KW * float(random.uniform(1.5, 4.5))
        start = float(random.uniform(0.25, 0.75))
        efficiency = float(random.uniform(0.9, 0.96))
        return StoreDay(
            charge_kw=_POWER_KW * one,
            sell_kw=_POWER_KW * one,
            reserve_kw=np.floor(_POWER_KW * float(random.uniform(0.6, 1.0))) * one,
            call_h=SLOT_H * one,
            trades=one,
            block=1,
            least_kw=1000.0,
            lot_kw=100.0,
            start_kwh=start * content,
            floor_kwh=0.0,
            ceiling_kwh=content,
            end_kwh=start * content,
            charge_efficiency=efficiency,
            discharge_efficiency=efficiency,
            loss_kwh=0.0,
            refill_wait=3,
            sold_kw=0.0 * one,
            bought_kw=0.0 * one,
            called_kwh=0.0 * one,
        )


def train_bidding(
    days: PriceDays,
    *,
    seed: int,
    steps: int,
    told: Callable[[int, float], None],
    school: School = SCHOOL,
) -> Trained:
    """Train the policy: it imitates good plans first, then tries for itself.

    Parameters
    ----------
    days : PriceDays
        To learn from.
    seed : int
        Of every draw; the same seed and steps give the same file.
    steps : int
        Slots of all days together.
    told : callable
        Is told of steps done and mean reward.
    school : School
        What is shown before anything is tried.
    """
    named = Named(policy_id=POLICY_ID, observations=OBSERVATIONS, actions=ACTIONS)
    settings = Settings(
        steps=steps,
        horizon=SLOTS,
        discount=1.0,
        hidden=48,
        rate=RATE,
        log_spread=LOG_SPREAD,
        lessons=school.passes,
    )
    world = BiddingDays(days, DAYS_AT_ONCE, school=school)
    return train_actor(world, named, seed=seed, settings=settings, told=told)


def read_days(root: Path, *, first: date = FIRST_DAY, last: date = LAST_DAY) -> PriceDays:
    """Read spot prices of some areas, and the dearest product of the balancing market of each.

    Parameters
    ----------
    root : Path
        The catalogue folder.
    first, last : date
        Market days that are used.

    Raises
    ------
    ConfigError
        If there are no spot prices of these days.
    """
    count = (last - first).days + 1
    spot = {area: np.full((count, SLOTS_A_DAY), np.nan) for area in AREAS}
    reserve = {area: np.zeros((count, SLOTS_A_DAY)) for area in AREAS}
    for row in _rows(root, "jepx/jepx_spot_30min_*.csv.gz"):
        moment = datetime.fromisoformat(row["start_jst"]).astimezone(UTC)
        at = (market_day(moment) - first).days
        if 0 <= at < count:
            for area in AREAS:
                text = row[f"{area}_price_jpy_per_kwh"]
                spot[area][at, slot_of(moment).number - 1] = float(text) if text else np.nan
    for row in _rows(root, "eprx/eprx_results_*.csv.gz"):
        if row["area"] not in reserve or not row["price_avg_jpy_per_kw_30min"]:
            continue
        moment = datetime.fromisoformat(row["start_jst"]).astimezone(UTC)
        price = float(row["price_avg_jpy_per_kw_30min"])
        for step in range(int(row["block_min"]) * 60 // SLOT_S):
            inside = moment + timedelta(seconds=step * SLOT_S)
            at = (market_day(inside) - first).days
            if 0 <= at < count:
                cell = (at, slot_of(inside).number - 1)
                reserve[row["area"]][cell] = max(reserve[row["area"]][cell], price)
    if not any(np.isfinite(one).any() for one in spot.values()):
        raise ConfigError(f"{root}: no spot prices of {first} to {last} (jepx/jepx_spot_30min_*)")
    pairs, held = [], []
    for area in AREAS:
        whole = np.stack([spot[area][:-1], spot[area][1:]], axis=1)
        good = np.isfinite(whole).all(axis=(1, 2))
        pairs.append(whole[good])
        held.append(np.stack([reserve[area][:-1], reserve[area][1:]], axis=1)[good])
    return PriceDays(np.concatenate(pairs), np.minimum(np.concatenate(held), RESERVE_MAX))


def _rows(root: Path, pattern: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for path in sorted(root.glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            found.extend(csv.DictReader(text))
    return found
