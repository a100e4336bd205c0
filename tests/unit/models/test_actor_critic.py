"""Training of an actor: it learns, again the same, and the file acts as the trained actor did."""

import numpy as np
import numpy.typing as npt
import pytest

from cloud_coordinator.services.search.policy import Policy
from protocols.vocabulary.arrays import FloatArray

trainer = pytest.importorskip("models.training.actor_critic", reason="extra train: no torch here")


class Follow:
    """The best action is the observation itself."""

    def reset(self, random: np.random.Generator) -> FloatArray:
        self._random = random
        return self._look()

    def step(self, action: FloatArray) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        reward = -((action - self._seen[:, :1] / 100.0) ** 2).sum(1)
        return self._look(), reward, np.ones(32, dtype=np.bool_)

    def _look(self) -> FloatArray:
        self._seen = self._random.uniform(-100.0, 100.0, (32, 2))
        return self._seen


def test_an_actor_learns_and_is_exported() -> None:
    """If it fails, the policy that is shipped could not be made again."""
    named = trainer.Named(policy_id="follow/1", observations=("a", "b"), actions=("c",))
    made = [
        trainer.train_actor(
            Follow(),
            named,
            seed=3,
            settings=trainer.Settings(steps=20_000),
            told=lambda steps, reward: None,
        )
        for _ in range(2)
    ]
    assert made[0].model == made[1].model
    assert made[0].rewards[-1] > made[0].rewards[0] / 3.0
    action = Policy(made[0].model).act(np.array([[60.0, 0.0], [-60.0, 0.0]]))[:, 0]
    assert action[0] > 0.3 > -0.3 > action[1]
