"""Trains the bidding policy on published prices: real spot days, real balancing days.

Not part of any program: needs the extra ``train`` and the data catalogue. What the actor sees is
the day before, carried forward; what it earns is the day itself. Run as
``python -m models.training.bidding --data DIR --output FILE``; the same seed gives the same file.
"""

import argparse
import csv
import gzip
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from models.bidding import ACTIONS, OBSERVATIONS, SLOT_H, SLOTS, DayWalk, Outlook, StoreDay
from models.training.actor_critic import BoolArray, Named, Settings, Trained, train_actor
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, market_day, slot_of

POLICY_ID: Final = "bidding-actor-1"
SEED: Final = 7
STEPS: Final = 1_500_000
DAYS_AT_ONCE: Final = 64
LAST_DAY: Final = date(2024, 9, 30)
"""Days after it are kept to judge by."""
FIRST_DAY: Final = date(2021, 4, 1)
AREAS: Final = ("tokyo", "kansai", "kyushu", "hokkaido", "chubu", "tohoku")
ASKED: Final = 0.7
"""Part of the day before's price that is asked; more is paid less often."""
RESERVE_MAX: Final = 15.0
"""JPY per kW and half hour: the cap of today's rules; older prices above it teach nothing."""
REWARD_SCALE: Final = 1e-4
"""Rewards are 10,000 JPY per MW of power."""
_POWER_KW: Final = 10_000.0


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
    """

    def __init__(self, days: PriceDays, count: int) -> None:
        self._days = days
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


def train_bidding(days: PriceDays, *, seed: int = SEED, steps: int = STEPS) -> Trained:
    """Train the policy."""

    def told(done: int, reward: float) -> None:
        filled = int(40 * done / steps)
        sys.stderr.write(f"\r[{'#' * filled:<40}] {done:,} steps, reward {reward:.4f}")

    named = Named(policy_id=POLICY_ID, observations=OBSERVATIONS, actions=ACTIONS)
    settings = Settings(steps=steps, horizon=SLOTS, discount=1.0, hidden=48, rate=1e-3)
    found = train_actor(
        BiddingDays(days, DAYS_AT_ONCE), named, seed=seed, settings=settings, told=told
    )
    sys.stderr.write("\n")
    return found


def read_days(root: Path, *, first: date = FIRST_DAY, last: date = LAST_DAY) -> PriceDays:
    """Read spot prices of some areas, and the dearest product of the balancing market of each.

    Parameters
    ----------
    root : Path
        The catalogue folder.
    first, last : date
        Market days that are used.
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


def main() -> None:
    """Train and write the policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    found = train_bidding(read_days(given.data), seed=given.seed, steps=given.steps)
    given.output.write_bytes(found.model)
    sys.stdout.write(
        f"{given.output}: {len(found.model):,} bytes, parity {found.parity:.1e}, "
        f"reward {found.rewards[0]:.4f} -> {found.rewards[-1]:.4f}\n"
    )


if __name__ == "__main__":
    main()
