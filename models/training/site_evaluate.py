"""Score the models of a site against what they must beat, on days and homes not learned from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from models.day_ahead.frame import Float32Array
from models.site.run import SITE_VERSION
from models.training.baselines import SCORED, Linear, trees
from models.training.evaluate import TREE_SEED, Evaluation, Row, run_all
from models.training.samples import Samples
from models.training.scores import score
from models.training.site_samples import TEST_FROM, TEST_PART, SiteSamples, SiteTarget
from protocols.vocabulary.calendar import SLOTS_A_DAY

NEW: Final = "new sites"
UNIT: Final = "W/kW"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errors:
    """Quantiles of a rule's own errors over the level, by half hour of the local day."""

    low: Float32Array
    high: Float32Array


def evaluate_site(
    made: SiteSamples, target: SiteTarget, *, path: Path, tick: Callable[[], None]
) -> Evaluation:
    """Score a shipped model and the baselines.

    Parameters
    ----------
    made : SiteSamples
        Of all sites.
    target : SiteTarget
        Quantity.
    path : Path
        The shipped model.
    tick : callable
        Called after each of STEPS.

    Returns
    -------
    Evaluation
        The last fifth of every site, and of the sites that were never learned from.

    Raises
    ------
    ConfigError
        If the model is not one for this program.
    """
    samples, role = made.samples, made.by_role()
    before = samples.ordinal < TEST_FROM.toordinal()
    fitted, asked = samples.of(before & ~role["new"]), samples.of(~before)
    answers: dict[str, Float32Array] = {}
    for name, back in (("naive day", 1), ("naive week", 7)):
        answers[name] = _with_errors(repeated(made, back), made)[~before]
        tick()
    linear = Linear(fitted).answer(samples)
    answers["linear"] = _with_errors(linear, made)[~before]
    tick()
    answers["lightgbm"] = trees(fitted, asked, seed=TREE_SEED, tick=tick)
    shipped, _, run_ms = run_all(path, asked, features_version=SITE_VERSION)
    answers |= shipped
    tick()
    new = role["new"][~before]
    strangers = asked.of(new)
    return Evaluation(
        target=target.name,
        shown=NEW,
        unit=UNIT,
        test_from=TEST_FROM,
        test_until=_last(asked),
        rows=tuple(
            Row(model=name, everywhere=score(one, asked), shown=score(one[new], strangers))
            for name, one in answers.items()
        ),
        seen=False,
        run_ms=run_ms,
    )


def _last(samples: Samples) -> date:
    """Last day scored, counted from TEST_FROM."""
    return date.fromordinal(int(samples.ordinal.max()))


def repeated(made: SiteSamples, back: int) -> Float32Array:
    """Repeat what the site did that many days before, where known, else the day before.

    Parameters
    ----------
    made : SiteSamples
        Samples.
    back : int
        1 for the day, 7 for the week.

    Returns
    -------
    Float32Array
        Shape (n, 48), W; NaN where neither is known.
    """
    samples = made.samples
    found = np.full(samples.truth.shape, np.nan, dtype=np.float32)
    test = {}
    for number, site in enumerate(made.sites):
        days = len(site.values_w) // SLOTS_A_DAY
        test[number] = round((1.0 - TEST_PART) * days)
    for row in range(len(found)):
        site = made.sites[samples.place[row]]
        day = int(samples.ordinal[row]) - TEST_FROM.toordinal() + test[int(samples.place[row])]
        end = day * SLOTS_A_DAY + int(made.clock[row])
        for days in (1, back):
            first = end - days * SLOTS_A_DAY
            if first >= 0:
                then = site.values_w[first : first + SLOTS_A_DAY]
                found[row] = np.where(np.isfinite(then), then, found[row])
    return found


def _with_errors(answer: Float32Array, made: SiteSamples) -> Float32Array:
    """Add quantiles of a point forecast's own errors before the test, by site and time of day."""
    samples = made.samples
    learn = samples.ordinal < TEST_FROM.toordinal()
    learn &= samples.ordinal >= (TEST_FROM - timedelta(days=365)).toordinal()
    error = (samples.truth - answer) / samples.level[:, None]
    clock = (made.clock[:, None] + np.arange(SLOTS_A_DAY)) % SLOTS_A_DAY
    result = np.repeat(answer[:, :, None], len(SCORED), axis=2)
    for place in np.unique(samples.place):
        here = samples.place == place
        rows = here & learn if (here & learn).any() else learn
        errors = _by_clock(error[rows], clock[rows])
        level = samples.level[here, None]
        result[here, :, 0] += errors.low[clock[here]] * level
        result[here, :, 2] += errors.high[clock[here]] * level
    return np.sort(np.maximum(result, 0.0), axis=2)


def _by_clock(
    error: Float32Array, clock: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> _Errors:
    """Low and high quantile of the errors of each half hour of the day and its neighbours."""
    rolled = np.full(error.shape, np.nan, dtype=np.float32)
    np.put_along_axis(rolled, clock, error, axis=1)
    wide = np.concatenate([np.roll(rolled, 1, axis=1), rolled, np.roll(rolled, -1, axis=1)])
    wide = np.where(np.isfinite(wide).any(axis=0)[None, :], wide, 0.0)
    low, high = np.nanquantile(wide, [SCORED[0], SCORED[-1]], axis=0)
    return _Errors(low=low.astype(np.float32), high=high.astype(np.float32))
