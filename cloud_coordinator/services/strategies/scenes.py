"""Fleets and questions from a seed: on them the strategies are compared and the policy learns.

Kinds and sizes of Japanese homes and small businesses, feeders of some sites, three mobile
networks, prices of the day-ahead market.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.groups import prepare_groups
from cloud_coordinator.allocation.problem import GroupCaps
from cloud_coordinator.allocation.promise import SharedOutage
from cloud_coordinator.fleet.characteristics import load_priors
from cloud_coordinator.services.market_history import HalfHours
from cloud_coordinator.services.strategies.aims import Aims
from cloud_coordinator.services.strategies.port import Question, fullness_of
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError

FEEDER_ROWS: Final = 40
NETWORKS: Final = 3
NETWORK_OUTAGE: Final = 0.0002
"""Probability that a mobile network is down in a half hour."""
DURATION_H: Final = 0.5
TIGHT: Final = 0.99
JST_S: Final = 9 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class KindMix:
    """One kind of a fleet: its part of the resources, usual headroom in W, and its spread."""

    kind: str
    part: float
    headroom_w: float
    spread: float


MIX: Final = (
    KindMix(kind="battery", part=0.40, headroom_w=3_500.0, spread=0.5),
    KindMix(kind="ev-v2h", part=0.10, headroom_w=5_000.0, spread=0.2),
    KindMix(kind="ev-charger", part=0.15, headroom_w=3_000.0, spread=0.4),
    KindMix(kind="heat-pump", part=0.15, headroom_w=900.0, spread=0.5),
    KindMix(kind="fuel-cell", part=0.08, headroom_w=500.0, spread=0.2),
    KindMix(kind="load", part=0.12, headroom_w=12_000.0, spread=1.2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is asked of a fleet.

    Attributes
    ----------
    name : str
        For tables.
    price_jpy_per_kwh : float
        Of the day-ahead market.
    load : float
        Owed power, of what the fleet can deliver in the mean.
    flow : float
        Usual part of a feeder's rating that flows already toward the grid; negative: from it.
    """

    name: str
    price_jpy_per_kwh: float
    load: float
    flow: float


SCENES: Final = (
    Scene(name="03:00", price_jpy_per_kwh=12.42, load=0.15, flow=0.1),
    Scene(name="12:00", price_jpy_per_kwh=10.65, load=0.30, flow=0.6),
    Scene(name="18:00", price_jpy_per_kwh=17.75, load=0.45, flow=-0.2),
    Scene(name="tight", price_jpy_per_kwh=23.0, load=0.30, flow=-0.2),
)
"""Prices: mean of the JEPX day-ahead price of the half hour, area Tokyo, fiscal year 2024; the
last is the price that one half hour in a hundred exceeded."""


def scenes_of(spot: HalfHours) -> tuple[Scene, ...]:
    """Make the same scenes with the prices of a history.

    Parameters
    ----------
    spot : HalfHours
        Day-ahead prices, JPY/kWh; what is missing is left out.

    Returns
    -------
    tuple of Scene
        The three half hours at their mean price, and the price that one half hour in a hundred
        exceeds.

    Raises
    ------
    ConfigError
        If there is no price of one of them.
    """
    slot = (spot.start_s + JST_S) // SLOT_S + np.arange(len(spot.values))
    known = np.isfinite(spot.values)
    found = []
    for scene in SCENES:
        wanted = known
        if ":" in scene.name:
            hour, minute = map(int, scene.name.split(":"))
            wanted = known & (slot % SLOTS_A_DAY == (hour * 3600 + minute * 60) // SLOT_S)
        if not wanted.any():
            raise ConfigError(f"no day-ahead price of {scene.name} in the history")
        prices = spot.values[wanted]
        price = prices.mean() if ":" in scene.name else np.quantile(prices, TIGHT)
        found.append(replace(scene, price_jpy_per_kwh=float(price)))
    return tuple(found)


def make_question(
    scene: Scene, aims: Aims, *, resources: int, random: np.random.Generator
) -> Question:
    """Make a fleet and ask it.

    Parameters
    ----------
    scene : Scene
        What is asked.
    aims : Aims
        Costs of the kinds.
    resources : int
        How many, >= 1.
    random : Generator
        Draws the fleet.
    """
    picked = random.choice(len(MIX), resources, p=[one.part for one in MIX])
    kinds = [MIX[at].kind for at in picked.tolist()]
    usual = np.array([one.headroom_w for one in MIX])[picked]
    spread = np.array([one.spread for one in MIX])[picked]
    headroom = usual * np.exp(spread * random.standard_normal(resources))
    known = load_priors().columns([str(row) for row in range(resources)], kinds)
    costs = [aims.up[kind] for kind in kinds]
    price = np.array(
        [one.energy_factor * scene.price_jpy_per_kwh + one.adder_jpy_per_kwh for one in costs]
    )
    rise = np.array([one.rise_jpy_per_kwh for one in costs])
    reliability = np.clip(known.reliability + random.normal(0.0, 0.03, resources), 0.5, 0.995)
    feeder = np.arange(resources) // FEEDER_ROWS
    ability = np.bincount(feeder, headroom)
    rating = ability * random.uniform(1.0, 3.0, len(ability))
    flow = rating * np.clip(random.normal(scene.flow, 0.2, len(ability)), 0.0, 0.95)
    delivery = known.gain * reliability
    able = float(delivery @ headroom)
    return Question(
        power_w_max=headroom,
        cost_jpy_per_kwh=price + random.normal(0.0, 1.0, resources),
        steepness_jpy_per_kwh_w=rise / headroom,
        wear_jpy_per_kwh=known.degradation_jpy_per_kwh * random.uniform(0.6, 1.4, resources),
        reliability=reliability,
        gain=known.gain,
        fullness=fullness_of(feeder, flow, rating),
        causes=_networks(resources, random),
        grid=_feeders(feeder, rating - flow),
        owed_w=scene.load * able,
        sellable_w=0.9 * able,
        price_jpy_per_kwh=scene.price_jpy_per_kwh,
        shortage_jpy_per_kwh=aims.shortage_jpy_per_kwh(scene.price_jpy_per_kwh),
        duration_h=DURATION_H,
    )


def _networks(resources: int, random: np.random.Generator) -> tuple[SharedOutage, ...]:
    of = random.integers(0, NETWORKS, resources)
    return tuple(
        SharedOutage(
            name=f"network-{at}",
            outage_probability=NETWORK_OUTAGE,
            members=np.flatnonzero(of == at).astype(np.int64),
        )
        for at in range(NETWORKS)
    )


def _feeders(feeder: np.ndarray[tuple[int], np.dtype[np.int64]], left_w: FloatArray) -> Grid:
    count = len(left_w)
    groups = prepare_groups(np.full(count, -1, dtype=np.int64), feeder)
    caps = GroupCaps(power_w_min=np.full(count, -np.inf), power_w_max=np.maximum(left_w, 0.0))
    return Grid(groups=groups, caps=caps)
