"""Plan: what the horizon problem decided, as plain columns.

Made by :mod:`edge_agent.control.solver` in a worker; read by
:mod:`edge_agent.control.decide`, which takes from it only the value of stored energy. Kept
apart from the solver so that deciding and replaying need no solver.
"""

import enum
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Interval, step_index


class PlanStatus(enum.Enum):
    """Where a plan comes from."""

    SOLVED = "solved"
    SHIFTED = "shifted"
    PROJECTED = "projected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Power of every planned resource over the horizon, generator frame.

    Attributes
    ----------
    plan_id : str
        Unique within a journal; the replay finds a plan by it.
    interval, step_s : Interval, float
        n = interval / step_s steps.
    resource_ids : tuple of ResourceId
        r resources, the order of the rows below.
    power_w : FloatArray
        Shape (r, n), W.
    soc : FloatArray
        Shape (r, n+1), 0..1; zeros for a resource without storage.
    meter_w : FloatArray
        Shape (n,), expected power at the meter, W.
    price_jpy_per_kwh : FloatArray
        Shape (n,), marginal price of power at the meter.
    stored_value_jpy_per_kwh : FloatArray
        Shape (r, n), marginal value of stored energy; 0 without storage.
    status : PlanStatus
        SOLVED by the solver; SHIFTED from the plan before; PROJECTED from idle.
    iterations : int
        Of the solver.
    reason : str
        Why it is what it is, for people.
    computed_at : datetime
        Aware UTC.
    """

    plan_id: str
    interval: Interval
    step_s: float
    resource_ids: tuple[ResourceId, ...]
    power_w: FloatArray
    soc: FloatArray
    meter_w: FloatArray
    price_jpy_per_kwh: FloatArray
    stored_value_jpy_per_kwh: FloatArray
    status: PlanStatus
    iterations: int
    reason: str
    computed_at: datetime

    def __post_init__(self) -> None:
        """Check shapes."""
        n, r = len(self.meter_w), len(self.resource_ids)
        assert self.power_w.shape == (r, n), "plan power has a wrong shape"
        assert self.soc.shape == (r, n + 1), "plan soc has a wrong shape"
        assert self.stored_value_jpy_per_kwh.shape == (r, n), "plan value has a wrong shape"
        assert self.price_jpy_per_kwh.shape == (n,), "plan price has a wrong shape"
        assert bool(np.isfinite(self.power_w).all()), "plan power must be finite"

    def step_at(self, moment: datetime) -> int | None:
        """Index of the step that holds the moment, or None outside the plan."""
        if not self.interval.contains(moment):
            return None
        return min(step_index(self.interval, self.step_s, moment), len(self.meter_w) - 1)
