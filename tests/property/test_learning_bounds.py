"""Whatever a site reports, one event moves what is known of it by no more than the bounds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_coordinator.fleet.characteristics import Characteristics, load_priors
from cloud_coordinator.fleet.event_fit import EventSeconds, fit_event, judge, screen, shifted
from cloud_coordinator.fleet.learning import (
    DELAY_DOWN_S,
    DELAY_UP_S,
    DELIVERY_UP,
    EFFICIENCY_DOWN,
    EFFICIENCY_UP,
    GAIN_DOWN,
    GAIN_UP,
    RELIABILITY_DOWN,
    RELIABILITY_UP,
    WEAR_PART,
    Evidence,
    learn,
    pace,
)
from protocols.vocabulary.arrays import FloatArray

PRIORS = load_priors()
LENGTH_S = 300
CALL_W = 5_000.0 * np.sin(np.arange(LENGTH_S) / 17.0)[None, :]
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
SLACK = 1e-9


def after(
    before: Characteristics, delivered_w: FloatArray, *, good: bool = True
) -> Characteristics:
    """Learn from one row's telemetry, as the service does."""
    seconds = EventSeconds(
        called_w=CALL_W,
        delivered_w=delivered_w,
        good=np.full(CALL_W.shape, good),
        power_w_min=np.array([-6_000.0]),
        power_w_max=np.array([6_000.0]),
        tolerance_w=np.zeros(1),
    )
    screened = screen(seconds)
    fit = fit_event(screened)
    paced = pace(before, delay_s=fit.delay_s, gain=fit.gain)
    blocks = judge(screened, delay_s=paced.delay_s, gain=paced.gain)
    judged = np.maximum(blocks.judged.sum(axis=1), 1)
    kept = (blocks.kept & blocks.judged).sum(axis=1) / judged
    nothing = np.full(1, np.nan)
    return learn(
        before,
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


def lies() -> st.SearchStrategy[FloatArray]:
    """Telemetry of any kind: noise, flattery, frozen, huge, missing, shifted."""
    seeds = st.integers(0, 2**32 - 1)
    scales = st.sampled_from([0.0, 0.5, 1.0, 1.3, -1.0, 1e3, 1e308])

    def made(seed: int, scale: float, odd: float) -> FloatArray:
        random = np.random.default_rng(seed)
        lag = random.uniform(0.0, 40.0)
        with np.errstate(over="ignore"):
            row = scale * shifted(CALL_W, np.array([lag]))
        row = row + random.choice([0.0, 50.0, 3_000.0]) * random.standard_normal(row.shape)
        holes = random.random(row.shape) < random.choice([0.0, 0.1, 0.9])
        frozen = random.integers(0, LENGTH_S)
        if random.random() < 0.3:
            row[:, frozen:] = row[:, frozen : frozen + 1]
        return np.where(holes, odd, row)

    return st.builds(made, seeds, scales, NUMBERS)


@settings(max_examples=60, deadline=None)
@given(reported=st.lists(lies(), min_size=1, max_size=4), kind=st.sampled_from(["site", "battery"]))
def test_one_event_moves_nothing_far(reported: list[FloatArray], kind: str) -> None:
    """If it fails, one forged event makes a site look like another."""
    known = PRIORS.columns(["x"], [kind])
    for delivered_w in reported:
        new = after(known, delivered_w)
        for name, down, up in (
            ("delay_s", DELAY_DOWN_S, DELAY_UP_S),
            ("gain", GAIN_DOWN, GAIN_UP),
            ("reliability", RELIABILITY_DOWN, RELIABILITY_UP),
        ):
            step = float(getattr(new, name)[0] - getattr(known, name)[0])
            assert -down - SLACK <= step <= up + SLACK, name
        assert new.delivery[0] <= known.delivery[0] + DELIVERY_UP + SLACK
        assert 0.0 < new.gain[0] <= 1.0
        assert 0.0 < new.reliability[0] < 1.0
        assert new.delay_s[0] >= 0.0
        known = new


@settings(max_examples=15, deadline=None)
@given(reported=st.lists(lies(), min_size=1, max_size=12), bad=st.floats(0.05, 0.6))
def test_lies_buy_no_rank_before_their_time(reported: list[FloatArray], bad: float) -> None:
    """If it fails, a bad site that starts to lie is asked before an honest good one at once."""
    honest = PRIORS.columns(["good"], ["site"])
    liar = PRIORS.columns(["bad"], ["site"])
    liar = learned_reliability(liar, bad)
    gap = float(honest.delivery[0] - liar.delivery[0])
    events = int(np.floor(gap / DELIVERY_UP))
    truth_w = shifted(CALL_W, np.array([2.5]))
    for number, delivered_w in enumerate(reported):
        honest, liar = after(honest, truth_w), after(liar, delivered_w)
        if number < events:
            assert liar.delivery[0] <= honest.delivery[0] + SLACK


def learned_reliability(known: Characteristics, reliability: float) -> Characteristics:
    """Let a row have been found as reliable as that."""
    while float(known.reliability[0]) > reliability:
        known = after(known, np.zeros(CALL_W.shape))
    return known


@given(gain=st.floats(1.0, 1.04))
@settings(max_examples=10, deadline=None)
def test_more_than_promised_is_worth_no_more(gain: float) -> None:
    """If it fails, delivering too much buys influence."""
    known = PRIORS.columns(["x"], ["site"])
    exact = after(known, shifted(CALL_W, np.array([2.5])))
    over = after(known, gain * shifted(CALL_W, np.array([2.5])))
    assert over.delivery[0] <= exact.delivery[0] + 1e-4  # the fit of an exact answer


def test_without_good_quality_nothing_rises() -> None:
    """If it fails, a site whose meter is broken gains trust."""
    known = PRIORS.columns(["x"], ["site"])
    new = after(known, shifted(CALL_W, np.array([1.0])), good=False)
    assert (new.delay_s, new.gain) == (known.delay_s, known.gain)
    assert new.reliability[0] < known.reliability[0]
    assert new.discarded_s[0] == LENGTH_S


@given(shown=st.lists(NUMBERS, min_size=2, max_size=2), kept=st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_batteries_move_within_bounds(shown: list[float], kept: float) -> None:
    """If it fails, one false state of charge makes a battery free of wear or of losses."""
    known = PRIORS.columns(["x"], ["battery"])
    one = np.full(1, np.nan)
    new = learn(
        known,
        Evidence(
            delay_s=one,
            gain=one,
            kept=np.array([kept]),
            missed=np.array([1.0 - kept]),
            efficiency=np.array([shown[0]]),
            degradation_jpy_per_kwh=np.array([shown[1]]),
            discarded_s=np.zeros(1, dtype=np.int64),
        ),
    )
    step = float(new.efficiency[0] - known.efficiency[0])
    assert -EFFICIENCY_DOWN - SLACK <= step <= EFFICIENCY_UP + SLACK
    wear, before = float(new.degradation_jpy_per_kwh[0]), float(known.degradation_jpy_per_kwh[0])
    assert abs(wear - before) <= WEAR_PART * before + SLACK
