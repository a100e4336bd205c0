"""The learned strategy: an actor, trained off-line, walks the day slot by slot.

The actor sees what :meth:`models.bidding.DayWalk.observe` tells and wishes energy and reserve;
the walk cuts its wishes to the ledger. Prices and products come from the menu, loads are offered
in full.
"""

from importlib.resources import files
from typing import Final

import numpy as np

from cloud_coordinator.services.bidding.parameters import MIDDLE_AIM, Expansion
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.prices import menu_of
from cloud_coordinator.services.bidding.worth import answer
from cloud_coordinator.services.search.policy import Policy
from models.bidding import ACTIONS, OBSERVATIONS, DayWalk
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError

IDLE: Final = 0.4
"""Wishes for less than this part of the power trade nothing. The actor learned from plans that
differ, so between them it wishes a little everywhere; each little lot would be paid for in wear."""
_FILE: Final = "policy.onnx"


class Learned:
    """Bids of a trained actor.

    Parameters
    ----------
    policy : Policy
        Opened.

    Raises
    ------
    ConfigError
        If the policy was trained for other observations or actions.
    """

    def __init__(self, policy: Policy) -> None:
        told = (policy.contract.observations, policy.contract.actions)
        if told != (OBSERVATIONS, ACTIONS):
            raise ConfigError(f"policy {policy.contract.policy_id}: is not a bidding policy")
        self._policy = policy

    @property
    def name(self) -> str:
        """What people call it."""
        return "rl"

    def bids(self, question: BidQuestion) -> BidBook:
        """Walk the day once."""
        menu = menu_of(question)
        expansion = Expansion(menu, question)
        level = expansion.levels(np.array([MIDDLE_AIM]))
        products = expansion.products(level)
        walk = None
        if products.day is not None:
            walk = DayWalk(products.day, 1)
            outlook = expansion.outlook(products)
            for _ in range(SLOTS_A_DAY):
                energy, reserve = self._policy.act(walk.observe(outlook))[0]
                walk.step(np.array([_meant(energy)]), np.array([0.5 * (reserve + 1.0)]))
        plans = expansion.plans(np.ones(1), level, products=products, walk=walk)
        return answer(
            plans, menu, question, strategy=self.name, notes=(self._policy.contract.policy_id,)
        )


def _meant(wish: float) -> float:
    """Energy that a wish means, -1 ... 1: nothing within :data:`IDLE`, all at the ends."""
    return float(np.sign(wish) * max(abs(wish) - IDLE, 0.0) / (1.0 - IDLE))


def load_learned() -> Learned:
    """Open the policy that comes with the package.

    Raises
    ------
    ConfigError
        If it is not there or cannot be run.
    """
    path = files("cloud_coordinator.services.bidding").joinpath(_FILE)
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{_FILE}: {error.strerror or error}; train it first") from error
    return Learned(Policy(model))
