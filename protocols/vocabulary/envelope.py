"""Envelope and Baseline: what a target can do, and what it would have done."""

from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The powers and energies a target can reach, generator frame.

    Attributes
    ----------
    target : str
        Site, zone or fleet id.
    interval, step_s : Interval, float
        n = interval / step_s steps.
    power_w_min, power_w_max : FloatArray
        Shape (n,), W.
    energy_wh_min, energy_wh_max : FloatArray
        Shape (n+1,), Wh delivered since the start (+ toward the grid).
    ramp_w_per_s : float
        Greatest change of power, > 0.
    limited_by : str
        Name of the limit that binds first, for people.
    """

    target: str
    interval: Interval
    step_s: float
    power_w_min: FloatArray
    power_w_max: FloatArray
    energy_wh_min: FloatArray
    energy_wh_max: FloatArray
    ramp_w_per_s: float
    limited_by: str = ""

    def __post_init__(self) -> None:
        """Check shapes and order."""
        n = len(self.power_w_min)
        assert len(self.power_w_max) == n, "envelope power columns differ in length"
        assert len(self.energy_wh_min) == len(self.energy_wh_max) == n + 1, (
            "envelope energy columns must have n + 1 entries"
        )
        assert bool((self.power_w_min <= self.power_w_max).all()), "envelope is upside down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The power a target would have had without the obligation, generator frame.

    Attributes
    ----------
    target, interval, step_s
        As in :class:`Envelope`.
    power_w : FloatArray
        Shape (n,), W at the meter (a consuming site is negative).
    method : str
        Name of the rule that made it, for example ``"persistence-300s"``.
    computed_at, data_until : datetime
        When, and the latest measurement used; aware UTC.
    model_id : ModelId
        Model or rule version.
    """

    target: str
    interval: Interval
    step_s: float
    power_w: FloatArray
    method: str
    computed_at: datetime
    data_until: datetime
    model_id: ModelId
