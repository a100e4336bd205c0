"""Actor and critic trained by proximal policy optimisation; the actor becomes an ONNX file.

Not part of any program: needs the extra ``train`` (torch, onnx). The environments are plain
NumPy behind :class:`Environment`, many at once. Same seed, same threads: same actor.

Notes
-----
Schulman et al. (2017), Proximal policy optimization algorithms; advantages after Schulman et
al. (2016), generalised advantage estimation.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper, reference
from torch import nn

from models.contract import POLICY_METADATA_KEY, POLICY_VERSION
from models.training.imitation import Teaching, imitate
from protocols.vocabulary.arrays import FloatArray

OPSET: Final = 17
IR_VERSION: Final = 8
PARITY: Final = 1e-5
"""Actions of the exported actor may differ by this from those of the trained one."""
NORMAL_MAX: Final = 10.0
"""Normalised observations end here."""
GRADIENT_MAX: Final = 0.5
WIDTH_MIN: Final = 1e-3
"""An observation that varies less is not blown up."""

BoolArray = npt.NDArray[np.bool_]


class Environment(Protocol):
    """n environments at once; one that is done begins anew by itself."""

    def reset(self, random: np.random.Generator) -> FloatArray:
        """Begin everywhere; return the observations (n, o). The draws of later steps too."""

    def step(self, action: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Take actions (n, a) in -1 ... 1; return observations, rewards (n,), done (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to train.

    Attributes
    ----------
    steps : int
        Of all environments together.
    horizon : int
        Steps of each environment between two updates.
    hidden : int
        Width of the two layers.
    epochs, batches : int
        Passes over what was seen, and parts of a pass.
    discount, trace : float
        Of rewards to come (gamma) and of advantages (lambda).
    rate, clip, entropy : float
        Adam's rate, falling to zero; how far a probability may move; worth of trying around.
    log_spread : float
        Logarithm of the spread of what the actor tries at first.
    lessons : int
        Passes over what a teaching environment shows, before anything is tried.
    """

    steps: int
    horizon: int = 32
    hidden: int = 32
    epochs: int = 4
    batches: int = 4
    discount: float = 0.99
    trace: float = 0.95
    rate: float = 3e-3
    clip: float = 0.2
    entropy: float = 1e-3
    log_spread: float = -0.5
    lessons: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the file says of itself: its id, and the columns in and out, with units."""

    policy_id: str
    observations: Sequence[str]
    actions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it.

    Attributes
    ----------
    model : bytes
        The actor as an ONNX file.
    rewards : tuple of float
        Mean reward of a step between each two updates.
    parity : float
        Largest difference between the file's actions and the trained actor's.
    """

    model: bytes
    rewards: tuple[float, ...]
    parity: float


@dataclass(slots=True, kw_only=True)
class _Seen:
    """Running mean and variance of observations, shape (o,)."""

    count: float
    mean: FloatArray
    variance: FloatArray

    def take(self, rows: FloatArray) -> None:
        """Learn from rows (n, o)."""
        total = self.count + len(rows)
        off = rows.mean(axis=0) - self.mean
        self.variance = (
            self.variance * self.count
            + rows.var(axis=0) * len(rows)
            + off**2 * self.count * len(rows) / total
        ) / total
        self.mean = self.mean + off * len(rows) / total
        self.count = total

    def normal(self, rows: FloatArray) -> FloatArray:
        """Turn observations into numbers around zero."""
        scaled = (rows - self.mean) / np.maximum(np.sqrt(self.variance), WIDTH_MIN)
        return np.asarray(np.clip(scaled, -NORMAL_MAX, NORMAL_MAX), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agent:
    """Actor, critic, and the spread of what the actor tries."""

    actor: nn.Sequential
    critic: nn.Sequential
    log_spread: torch.Tensor

    def tried(self, observation: torch.Tensor) -> torch.distributions.Normal:
        """Law of the actions."""
        return torch.distributions.Normal(self.actor(observation), self.log_spread.exp())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roll:
    """What was seen between two updates; one row per environment and step."""

    observation: torch.Tensor
    action: torch.Tensor
    likelihood: torch.Tensor
    advantage: torch.Tensor
    worth: torch.Tensor


def _layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    layers = [nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()]
    last = nn.Linear(hidden, outputs)
    with torch.no_grad():
        last.weight.mul_(0.01)
        last.bias.zero_()
    return nn.Sequential(*layers, last)


def train_actor(
    environment: Environment,
    named: Named,
    *,
    seed: int,
    settings: Settings,
    told: Callable[[int, float], None],
) -> Trained:
    """Train an actor and export it.

    Parameters
    ----------
    environment : Environment
        To act in.
    named : Named
        Columns of its observations and actions.
    seed : int
        Of every draw.
    settings : Settings
        How.
    told : callable
        Is told of steps done and mean reward after each update.

    Returns
    -------
    Trained
        The file and how it went.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    observation = environment.reset(np.random.default_rng(seed))
    count, width = observation.shape
    actions = len(named.actions)
    actor = _layers(width, settings.hidden, actions)
    actor.append(nn.Tanh())
    agent = _Agent(
        actor=actor,
        critic=_layers(width, settings.hidden, 1),
        log_spread=nn.Parameter(torch.full((actions,), settings.log_spread)),
    )
    learned = [*agent.actor.parameters(), *agent.critic.parameters(), agent.log_spread]
    optimiser = torch.optim.Adam(learned, lr=settings.rate, eps=1e-5)
    seen = _Seen(count=1e-4, mean=np.zeros(width), variance=np.ones(width))
    if isinstance(environment, Teaching) and settings.lessons:
        shown, action = environment.lessons()
        seen.take(shown)
        imitate(agent.actor, seen.normal(shown), action, passes=settings.lessons)
    updates = max(settings.steps // (count * settings.horizon), 1)
    rewards: list[float] = []
    for update in range(updates):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1.0 - update / updates)
        roll, observation, reward = _rolled(
            environment, agent, observation, seen=seen, settings=settings
        )
        _update(agent, optimiser, learned, roll=roll, settings=settings)
        rewards.append(reward)
        told((update + 1) * count * settings.horizon, reward)
    model = _exported(agent.actor, seen, named, seed=seed, steps=updates * count * settings.horizon)
    return Trained(
        model=model,
        rewards=tuple(rewards),
        parity=_parity(agent.actor, seen, model=model, observation=observation),
    )


def _rolled(
    environment: Environment,
    agent: _Agent,
    observation: FloatArray,
    *,
    seen: _Seen,
    settings: Settings,
) -> tuple[_Roll, FloatArray, float]:
    """Act for a horizon."""
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in ("o", "a", "l", "r", "v", "d")}
    for _ in range(settings.horizon):
        seen.take(observation)
        normal = torch.as_tensor(seen.normal(observation), dtype=torch.float32)
        with torch.no_grad():
            law = agent.tried(normal)
            action = law.sample()
            value = agent.critic(normal)[:, 0]
        observation, reward, done = environment.step(
            np.clip(action.numpy().astype(np.float64), -1.0, 1.0)
        )
        new = (normal, action, law.log_prob(action).sum(1), reward, value, done)
        for name, one in zip(rows, new, strict=True):
            rows[name].append(torch.as_tensor(one, dtype=torch.float32))
    with torch.no_grad():
        normal = torch.as_tensor(seen.normal(observation), dtype=torch.float32)
        later = agent.critic(normal)[:, 0]
    reward_t, value_t, done_t = (torch.stack(rows[name]) for name in ("r", "v", "d"))
    advantage = _advantages(reward_t, torch.cat([value_t, later[None]]), done_t, settings=settings)
    roll = _Roll(
        observation=torch.cat(rows["o"]),
        action=torch.cat(rows["a"]),
        likelihood=torch.cat(rows["l"]),
        advantage=advantage.flatten(),
        worth=(advantage + value_t).flatten(),
    )
    return roll, observation, float(reward_t.mean())


def _advantages(
    reward: torch.Tensor, value: torch.Tensor, done: torch.Tensor, *, settings: Settings
) -> torch.Tensor:
    """How much better than expected each action was: (h, n), the value one longer."""
    advantage = torch.zeros_like(reward)
    later = torch.zeros_like(reward[0])
    for at in reversed(range(len(reward))):
        goes_on = 1.0 - done[at]
        off = reward[at] + settings.discount * value[at + 1] * goes_on - value[at]
        later = off + settings.discount * settings.trace * goes_on * later
        advantage[at] = later
    return advantage


def _update(
    agent: _Agent,
    optimiser: torch.optim.Adam,
    learned: Sequence[torch.Tensor],
    *,
    roll: _Roll,
    settings: Settings,
) -> None:
    """Move actor and critic by what was seen."""
    size = max(len(roll.advantage) // settings.batches, 1)
    for _ in range(settings.epochs):
        for part in torch.randperm(len(roll.advantage)).split(size):
            advantage = roll.advantage[part]
            advantage = (advantage - advantage.mean()) / (advantage.std(unbiased=False) + 1e-8)
            law = agent.tried(roll.observation[part])
            likelihood = law.log_prob(roll.action[part]).sum(1)
            ratio = (likelihood - roll.likelihood[part]).exp()
            near = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
            gain = torch.minimum(ratio * advantage, near * advantage).mean()
            off = (agent.critic(roll.observation[part])[:, 0] - roll.worth[part]).square().mean()
            loss = 0.5 * off - gain - settings.entropy * law.entropy().sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learned, GRADIENT_MAX)
            optimiser.step()


def _exported(actor: nn.Sequential, seen: _Seen, named: Named, *, seed: int, steps: int) -> bytes:
    """Write normalisation and layers as one ONNX graph."""
    width = np.maximum(np.sqrt(seen.variance), WIDTH_MIN)
    constants = {
        "mean": seen.mean,
        "width": width,
        "least": np.array(-NORMAL_MAX),
        "most": np.array(NORMAL_MAX),
    }
    nodes = [
        helper.make_node("Sub", ["observation", "mean"], ["off"]),
        helper.make_node("Div", ["off", "width"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "least", "most"], ["x0"]),
    ]
    last = len(actor) - 1
    for at, layer in enumerate(actor):
        into = "action" if at == last else f"x{at + 1}"
        if isinstance(layer, nn.Linear):
            constants |= {
                f"w{at}": layer.weight.detach().numpy(),
                f"b{at}": layer.bias.detach().numpy(),
            }
            given = [f"x{at}", f"w{at}", f"b{at}"]
            nodes.append(helper.make_node("Gemm", given, [into], transB=1))
        else:
            nodes.append(helper.make_node("Tanh", [f"x{at}"], [into]))
    graph = helper.make_graph(
        nodes,
        "actor",
        [
            helper.make_tensor_value_info(
                "observation", TensorProto.FLOAT, ["n", len(named.observations)]
            )
        ],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["n", len(named.actions)])],
        [numpy_helper.from_array(one.astype(np.float32), name) for name, one in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    told = {
        "version": POLICY_VERSION,
        "policy_id": named.policy_id,
        "observations": list(named.observations),
        "actions": list(named.actions),
        "seed": seed,
        "steps": steps,
    }
    helper.set_model_props(model, {POLICY_METADATA_KEY: json.dumps(told, sort_keys=True)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _parity(actor: nn.Sequential, seen: _Seen, *, model: bytes, observation: FloatArray) -> float:
    """Compare the file's actions with the trained actor's, as onnx itself runs the file."""
    given = observation.astype(np.float32)
    (told,) = reference.ReferenceEvaluator(onnx.load_from_string(model)).run(
        None, {"observation": given}
    )
    with torch.no_grad():
        normal = torch.as_tensor(seen.normal(given.astype(np.float64)), dtype=torch.float32)
        wanted = actor(normal).numpy()
    worst = float(np.abs(told - wanted).max())
    assert worst <= PARITY, f"the exported actor differs by {worst}"
    return worst
