"""The resources of a whole fleet as columns: what was asked, and what the devices do. Pure.

A resource answers its part of the site's share after its own delay, with its own gain, no
faster than its ramp and inside its rating; the site's load moves slowly about its baseline.
Sites whose power has tripped fall to their baseline. Generator frame, W. Time and drawn
randomness are arguments. Called by :mod:`firmware_sim.fleet.gateways`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocols.vocabulary.arrays import FloatArray

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

STEP_S: Final = 0.1
"""Length of a step."""
DELAY_S_MAX: Final = 0.8
GAIN_SPREAD: Final = 0.02
RATING_W: Final = (1_500.0, 6_000.0)
RAMP_PART_PER_S: Final = (0.5, 2.0)
"""Part of its rating a resource can move in a second."""
ENERGY_H: Final = 2.0
LOAD_W: Final = (500.0, 4_000.0)
LOAD_SPREAD: Final = 0.01
LOAD_TIME_S: Final = 60.0
PRICE_CLASSES: Final = 8
PRICE_FIRST: Final = (3.0, 8.0)
PRICE_STEP: Final = (0.5, 2.5)
_TRACE: Final = 16
_HEADROOM: Final = 0.9
"""Part of the rating that is offered: the rest covers gain and load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters:
    """What the resources are, shape (n, m) unless said otherwise.

    Attributes
    ----------
    rating_w, ramp_w_per_s, gain, part : Float32
        Rating in both directions, greatest change, delivered by called, part of the site's
        share (rows sum to 1).
    delay_steps : ndarray of int64
        Steps before a call shows.
    baseline_w : FloatArray
        Shape (n,), the sites' load, <= 0.
    multipliers, power_w : FloatArray
        Shape (n, 2 c + 2), the sites' offer curves, JPY/kWh and W.
    """

    rating_w: Float32
    ramp_w_per_s: Float32
    gain: Float32
    part: Float32
    delay_steps: npt.NDArray[np.int64]
    baseline_w: FloatArray
    multipliers: FloatArray
    power_w: FloatArray


def draw(gateways: int, resources: int, dice: np.random.Generator) -> Characters:
    """Draw a fleet.

    Parameters
    ----------
    gateways, resources : int
        n sites of m resources.
    dice : numpy.random.Generator
        The same state draws the same fleet.
    """
    shape = (gateways, resources)
    rating_w = dice.uniform(*RATING_W, shape)
    prices = dice.uniform(*PRICE_FIRST, (gateways, 1)) + np.concatenate(
        [np.zeros((gateways, 1)), dice.uniform(*PRICE_STEP, (gateways, PRICE_CLASSES)).cumsum(1)],
        axis=1,
    )
    weights = dice.uniform(0.5, 1.5, (gateways, PRICE_CLASSES))
    steps_w = weights / weights.sum(1, keepdims=True) * rating_w.sum(1, keepdims=True) * _HEADROOM
    rising_w = np.concatenate([np.zeros((gateways, 1)), steps_w.cumsum(axis=1)], axis=1)
    return Characters(
        rating_w=rating_w.astype(np.float32),
        ramp_w_per_s=(rating_w * dice.uniform(*RAMP_PART_PER_S, shape)).astype(np.float32),
        gain=(1.0 + GAIN_SPREAD * dice.standard_normal(shape)).astype(np.float32),
        part=(rating_w / rating_w.sum(axis=1, keepdims=True)).astype(np.float32),
        delay_steps=dice.integers(0, round(DELAY_S_MAX / STEP_S) + 1, shape),
        baseline_w=np.round(-dice.uniform(*LOAD_W, gateways)),
        multipliers=np.concatenate([-prices[:, ::-1], prices], axis=1),
        power_w=np.concatenate([-rising_w[:, ::-1], rising_w], axis=1),
    )


def shares(multipliers: FloatArray, power_w: FloatArray, price: FloatArray) -> FloatArray:
    """Evaluate many curves as :func:`protocols.vocabulary.offer.share` does one.

    Parameters
    ----------
    multipliers, power_w : FloatArray
        Shape (k, m), rows strictly increasing and not decreasing.
    price : FloatArray
        Shape (k,), JPY/kWh.

    Returns
    -------
    FloatArray
        Shape (k,), W.
    """
    rows, last = np.arange(len(price)), multipliers.shape[1] - 1
    upper = (multipliers <= price[:, None]).sum(axis=1)
    high = np.clip(upper, 1, last)
    low_price, high_price = multipliers[rows, high - 1], multipliers[rows, high]
    low_w, high_w = power_w[rows, high - 1], power_w[rows, high]
    between = low_w + (high_w - low_w) * ((price - low_price) / (high_price - low_price))
    below = np.where(upper == 0, power_w[:, 0], between)
    return np.asarray(np.where(upper > last, power_w[:, -1], below), dtype=np.float64)


class Plant:
    """The physics of n sites.

    Parameters
    ----------
    characters : Characters
        What they are.
    dice : numpy.random.Generator
        For the loads.

    Attributes
    ----------
    power_w : Float32
        Shape (n, m), what the resources deliver above their rest.
    energy_part : Float32
        Shape (n, m), state of charge, 0..1.
    load_w : FloatArray
        Shape (n,), the sites' load, <= 0 mostly.
    tripped : Mask
        Shape (n,), sites whose power is gone.
    """

    def __init__(self, characters: Characters, dice: np.random.Generator) -> None:
        self._characters = characters
        self._dice = dice
        shape = characters.rating_w.shape
        self._called_w = np.zeros((_TRACE, shape[0]), dtype=np.float32)
        self._step = 0
        self._sites = np.arange(shape[0])[:, None]
        self._most_w = characters.ramp_w_per_s * np.float32(STEP_S)
        self._loss = np.float32(STEP_S / 3600.0 / ENERGY_H) / characters.rating_w
        self._load_off = np.zeros(shape[0])
        self.power_w = np.zeros(shape, dtype=np.float32)
        self.energy_part = np.full(shape, 0.5, dtype=np.float32)
        self.load_w = characters.baseline_w.copy()
        self.tripped = np.zeros(shape[0], dtype=np.bool_)

    @property
    def meter_w(self) -> FloatArray:
        """Power at the sites' meters, shape (n,), W."""
        return np.asarray(self.load_w + self.power_w.sum(axis=1), dtype=np.float64)

    def step(self, share_w: FloatArray) -> None:
        """Let one step pass.

        Parameters
        ----------
        share_w : FloatArray
            Shape (n,), what each gateway asks of its resources together, W.
        """
        one = self._characters
        self._called_w[self._step % _TRACE] = share_w
        called_w = self._called_w[(self._step - one.delay_steps) % _TRACE, self._sites]
        called_w = np.clip(called_w * one.part * one.gain, -one.rating_w, one.rating_w)
        self.power_w += np.clip(called_w - self.power_w, -self._most_w, self._most_w)
        self.power_w[self.tripped] = 0.0
        self.energy_part -= self.power_w * self._loss
        np.clip(self.energy_part, 0.0, 1.0, out=self.energy_part)
        self._step += 1
        fade = STEP_S / LOAD_TIME_S
        noise = self._dice.standard_normal(len(self.load_w)) * LOAD_SPREAD * np.sqrt(2.0 * fade)
        self._load_off += noise - fade * self._load_off
        self.load_w = one.baseline_w * (1.0 + self._load_off)
