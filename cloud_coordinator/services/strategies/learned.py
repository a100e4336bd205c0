"""A policy that was trained off-line picks the six weights; one look, no search.

It learned on the fleets of :mod:`cloud_coordinator.services.strategies.scenes`; what it does
with another fleet is feasible all the same, because the engine makes the plan, but how good it
is nobody proved. What it is shown is in :mod:`cloud_coordinator.services.strategies.sight`.
"""

from importlib.resources import files
from typing import Final

import numpy as np

from cloud_coordinator.services.search.policy import Policy
from cloud_coordinator.services.strategies.port import Aim, Plan, Question
from cloud_coordinator.services.strategies.sight import OBSERVATIONS, observed, volume_of
from cloud_coordinator.services.strategies.weights import HIGH, LOW, PARAMETERS, VOLUME, plan_of
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError

_FILE: Final = "policy.onnx"
EDGE: Final = 0.9
"""Actions from here on mean the bound itself, which an actor that ends at 1 hardly reaches."""


def weights_of(action: FloatArray) -> FloatArray:
    """Turn an action in -1 ... 1 into weights, shape (6,)."""
    part = np.clip(action / EDGE, -1.0, 1.0)
    weights = LOW + (HIGH - LOW) * 0.5 * (1.0 + part)
    weights[VOLUME] = volume_of(float(part[VOLUME]))
    return np.asarray(weights)


def policy_bytes() -> bytes:
    """Read the policy that comes with the package."""
    return files("cloud_coordinator.services.strategies").joinpath(_FILE).read_bytes()


class Learned:
    """The policy.

    Parameters
    ----------
    model : bytes
        An ONNX file.

    Raises
    ------
    ConfigError
        If it was made for other observations or weights.
    """

    def __init__(self, model: bytes) -> None:
        self._policy = Policy(model)
        contract = self._policy.contract
        if contract.observations != OBSERVATIONS or contract.actions != PARAMETERS:
            raise ConfigError(
                f"policy {contract.policy_id}: made for other columns; train it again"
            )

    @property
    def name(self) -> str:
        """For tables."""
        return "policy"

    def plan(self, question: Question, aim: Aim) -> Plan:
        """Look, pick the weights, and let the engine make the plan."""
        action = self._policy.act(observed(question, aim)[None, :])[0]
        return plan_of(question, aim, weights_of(action))
