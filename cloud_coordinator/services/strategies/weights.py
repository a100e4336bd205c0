"""Six strategy parameters, spread over all resources as costs; the engine makes a plan of them.

Searching six weights instead of n powers finds better plans in less time, and every candidate
keeps all limits, because the exact engine shares what they price.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from cloud_coordinator.services.strategies.exact import served, within
from cloud_coordinator.services.strategies.port import Aim, Plan, Question
from protocols.vocabulary.arrays import FloatArray

PARAMETERS: Final = (
    "running cost, times",
    "wear, times",
    "full feeders, JPY/kWh",
    "unreliability, JPY/kWh",
    "spread, JPY/kWh",
    "volume, of surplus or of what is owed",
)
LOW: Final = np.array([0.1, 0.0, 0.0, 0.0, 0.0, -0.2])
HIGH: Final = np.array([2.0, 2.0, 20.0, 40.0, 20.0, 1.0])
"""Bounds of the parameters."""
VOLUME: Final = len(PARAMETERS) - 1
"""Place of the volume."""
_FREE: Final = 1e-6
"""W below which a resource has no headroom to spread over."""


def plan_of(question: Question, aim: Aim, weights: FloatArray) -> Plan:
    """Make the plan that six weights price.

    Parameters
    ----------
    question : Question
        What is owed.
    aim : Aim
        Whether surplus may be sold at all.
    weights : FloatArray
        Shape (6,), within ``LOW`` and ``HIGH``. The last: of the power above what is owed, or
        if negative of what is owed itself, how much more is delivered.
    """
    cost, wear, grid, unreliable, spread, volume = weights.tolist()
    fleet = replace(
        question.columns(aim),
        price_jpy_per_kwh=cost * question.cost_jpy_per_kwh
        + wear * question.wear_jpy_per_kwh
        + grid * question.fullness
        + unreliable * (1.0 - question.reliability),
        steepness_jpy_per_kwh_w=cost * question.steepness_jpy_per_kwh_w
        + spread / np.maximum(question.power_w_max, _FREE),
    )
    owed = min(question.owed_w, question.sellable_w)
    above = question.sellable_w - owed
    required = owed + volume * (above if volume > 0.0 else owed)
    found = served(question, fleet, required_w=required, cap=np.inf)
    return Plan(
        power_w=within(question, np.maximum(found.power_w[0], 0.0)),
        relaxed=tuple(one.limit for one in found.relaxed),
        relative_gap=None,
    )
