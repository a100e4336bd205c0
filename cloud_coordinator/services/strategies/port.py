"""The port of all strategies: one question, one plan. All powers go in the question's direction.

A question that takes power from the grid is turned around before it gets here, so every power
is positive. Called by the use case of :mod:`cloud_coordinator.services.optimizing` and by the
comparison of the strategies.
"""

import enum
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.allocation.allocate import Grid
from cloud_coordinator.allocation.problem import FleetColumns
from cloud_coordinator.allocation.promise import SharedOutage
from protocols.vocabulary.arrays import FloatArray, IntArray

MEAN: Final = 0.5
"""A probability that asks for the mean."""


class Objective(enum.Enum):
    """What is wanted; what each means is data (``aims.toml``)."""

    PROFIT_MAX = "PROFIT_MAX"
    STABILITY_FIRST = "STABILITY_FIRST"
    COST_MIN = "COST_MIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is owed at a time, by whom, at which prices.

    Attributes
    ----------
    power_w_max : FloatArray
        Shape (n,), what each resource can add, W >= 0.
    cost_jpy_per_kwh, steepness_jpy_per_kwh_w : FloatArray
        Shape (n,): marginal cost at 0 W without wear, and how it rises with each W.
    wear_jpy_per_kwh : FloatArray
        Shape (n,), degradation of what has a battery.
    reliability, gain : FloatArray
        Shape (n,): probability that a promise is kept, and the part that arrives if it is.
    fullness : FloatArray
        Shape (n,), how full the feeder of each is already, 0 ... ; 0 where nothing is known.
    causes : tuple of SharedOutage
        What takes several down at once.
    spared : float
        Probability that nothing happens that would take all of them down, 0 < s <= 1.
    grid : Grid or None
        Hard caps on groups.
    owed_w : float
        W >= 0 that must arrive.
    sellable_w : float
        W that may be delivered in all, >= 0: what the fleet has less the reserve.
    price_jpy_per_kwh, shortage_jpy_per_kwh : float
        What a delivered kWh earns, and what a missing one costs beyond that.
    duration_h : float
        How long it is kept up, h.
    """

    power_w_max: FloatArray
    cost_jpy_per_kwh: FloatArray
    steepness_jpy_per_kwh_w: FloatArray
    wear_jpy_per_kwh: FloatArray
    reliability: FloatArray
    gain: FloatArray
    fullness: FloatArray
    causes: tuple[SharedOutage, ...] = ()
    spared: float = 1.0
    grid: Grid | None = None
    owed_w: float
    sellable_w: float
    price_jpy_per_kwh: float
    shortage_jpy_per_kwh: float
    duration_h: float

    @property
    def delivery(self) -> FloatArray:
        """What arrives of each promised W in the mean, 0 ... 1."""
        spared = np.ones(len(self.gain))
        for cause in self.causes:
            spared[cause.members] -= cause.outage_probability
        return self.gain * self.reliability * (self.spared * np.maximum(spared, 0.0))

    def columns(self, aim: "Aim") -> FleetColumns:
        """Lay out the engine's columns, wear and grid impact priced as an aim says."""
        return FleetColumns(
            price_jpy_per_kwh=self.cost_jpy_per_kwh
            + self.wear_jpy_per_kwh
            + aim.grid_jpy_per_kwh * self.fullness,
            steepness_jpy_per_kwh_w=self.steepness_jpy_per_kwh_w,
            power_w_min=np.zeros(len(self.power_w_max)),
            power_w_max=self.power_w_max,
            delivery=self.delivery,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a named objective means.

    Attributes
    ----------
    objective : Objective
        Its name.
    sells_surplus : bool
        Whether more than what is owed may be delivered, as far as it earns more than it costs.
    probability : float
        With which what is owed is to be delivered; 0.5 asks for the mean only.
    grid_jpy_per_kwh : float
        Price of a kWh that goes over a feeder which is full already.
    """

    objective: Objective
    sells_surplus: bool
    probability: float
    grid_jpy_per_kwh: float

    @property
    def asks_for_mean(self) -> bool:
        """Whether what is owed is to be delivered in the mean, and no surer."""
        return self.probability <= MEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who promises what.

    Attributes
    ----------
    power_w : FloatArray
        Shape (n,), W >= 0, feasible.
    relaxed : tuple of str
        Limits that had to give way.
    relative_gap : float or None
        How far it is at most from the optimum of its own problem; None where nobody proved it.
    """

    power_w: FloatArray
    relaxed: tuple[str, ...]
    relative_gap: float | None


class Strategy(Protocol):
    """A way to answer."""

    @property
    def name(self) -> str:
        """For tables."""
        ...

    def plan(self, question: Question, aim: Aim) -> Plan:
        """Answer; always feasible."""
        ...


def fullness_of(feeder: IntArray, flow_w: FloatArray, rating_w: FloatArray) -> FloatArray:
    """How full the feeder of each resource is, by feeder.

    Parameters
    ----------
    feeder : IntArray
        Shape (n,), of each resource.
    flow_w, rating_w : FloatArray
        Shape (f,): flow now in the question's direction, W, and what it may be, W > 0.
    """
    return np.asarray(np.maximum(flow_w, 0.0) / rating_w)[feeder]
