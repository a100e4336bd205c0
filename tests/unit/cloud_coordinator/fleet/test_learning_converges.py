"""A fleet with hidden delay, gain and reliability: learning finds them, and promises improve."""

from dataclasses import dataclass

import numpy as np
import pytest

from cloud_coordinator.fleet.characteristics import Characteristics, load_priors
from cloud_coordinator.fleet.event_fit import EventSeconds, fit_event, judge, screen, shifted
from cloud_coordinator.fleet.learning import Evidence, learn, pace
from protocols.vocabulary.arrays import FloatArray

SEED = 20_260_722
RESOURCES = 500
EVENTS = 30
LENGTH_S = 510
LEAD_S = 30
KINDS = ("battery", "ev-charger", "heat-pump", "load", "fuel-cell")
NOISE_PART = 0.02


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is known in the end, the truth, and the error of the promised total per event."""

    prior: Characteristics
    known: Characteristics
    delay_s: FloatArray
    gain: FloatArray
    reliability: FloatArray
    error_prior: FloatArray
    error_learned: FloatArray


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """Thirty events of five hundred resources."""
    random = np.random.default_rng(SEED)
    kinds = random.choice(KINDS, RESOURCES).tolist()
    prior = known = load_priors().columns([f"r{at}" for at in range(RESOURCES)], kinds)
    delay_s = random.uniform(0.5, 12.0, RESOURCES)
    gain = random.uniform(0.7, 1.0, RESOURCES)
    reliability = random.uniform(0.6, 0.99, RESOURCES)
    size_w = random.uniform(1_000.0, 6_000.0, RESOURCES)[:, None]
    errors = np.zeros((2, EVENTS))
    for event in range(EVENTS):
        steps = np.repeat(random.uniform(-1.0, 1.0, LENGTH_S // 30), 30)
        signal = np.convolve(steps, np.ones(8) / 8.0, mode="same")
        signal[:LEAD_S] = 0.0
        called_w = size_w * signal
        minutes = random.random((RESOURCES, LENGTH_S // 60 + 1)) < reliability[:, None]
        up = np.repeat(minutes, 60, axis=1)[:, -LENGTH_S:]
        delivered_w = gain[:, None] * shifted(called_w, delay_s) * up
        delivered_w += NOISE_PART * size_w * random.standard_normal(called_w.shape)
        for row, one in enumerate((prior, known)):
            expected_w = (one.delivery[:, None] * shifted(called_w, one.delay_s)).sum(axis=0)
            off_w = np.abs(expected_w - delivered_w.sum(axis=0))[LEAD_S:].mean()
            errors[row, event] = off_w / np.abs(called_w.sum(axis=0))[LEAD_S:].mean()
        known = _taught(known, called_w, delivered_w, size_w=size_w[:, 0])
    return Outcome(
        prior=prior,
        known=known,
        delay_s=delay_s,
        gain=gain,
        reliability=reliability,
        error_prior=errors[0],
        error_learned=errors[1],
    )


def _taught(
    known: Characteristics, called_w: FloatArray, delivered_w: FloatArray, *, size_w: FloatArray
) -> Characteristics:
    seconds = EventSeconds(
        called_w=called_w,
        delivered_w=delivered_w,
        good=np.ones(called_w.shape, dtype=np.bool_),
        power_w_min=-1.1 * size_w,
        power_w_max=1.1 * size_w,
        tolerance_w=np.zeros(len(size_w)),
    )
    screened = screen(seconds)
    fit = fit_event(screened)
    paced = pace(known, delay_s=fit.delay_s, gain=fit.gain)
    blocks = judge(screened, delay_s=paced.delay_s, gain=paced.gain)
    judged = np.maximum(blocks.judged.sum(axis=1), 1)
    kept = blocks.kept.sum(axis=1) / judged
    nothing = np.full(len(size_w), np.nan)
    return learn(
        known,
        Evidence(
            delay_s=fit.delay_s,
            gain=fit.gain,
            kept=kept,
            missed=blocks.judged.sum(axis=1) / judged - kept,
            efficiency=nothing,
            degradation_jpy_per_kwh=nothing,
            discarded_s=screened.discarded_s,
        ),
    )


def test_what_is_known_comes_near_the_truth(outcome: Outcome) -> None:
    """If it fails, the next allocation rests on characters that no resource has."""
    known = outcome.known
    delay_off = np.abs(known.delay_s - outcome.delay_s)
    gain_off = np.abs(known.gain - outcome.gain)
    reliability_off = np.abs(known.reliability - outcome.reliability)
    assert delay_off.mean() < 0.15
    assert np.quantile(delay_off, 0.95) < 0.5
    assert gain_off.mean() < 0.015
    assert reliability_off.mean() < 0.05
    assert (
        reliability_off.mean()
        < 0.5 * np.abs(outcome.prior.reliability - outcome.reliability).mean()
    )


def test_the_promised_total_comes_true(outcome: Outcome) -> None:
    """If it fails, what is promised of the whole fleet is no better after thirty events."""
    before, after = outcome.error_prior[-5:].mean(), outcome.error_learned[-5:].mean()
    assert outcome.error_learned[0] == outcome.error_prior[0]
    assert after < 0.05
    assert after < 0.3 * before
