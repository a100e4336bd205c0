"""The bidding policy is trained anew to the same bytes."""

import gzip
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from models.bidding import ACTIONS, OBSERVATIONS, SLOTS
from models.training.bidding import (
    DAYS_AT_ONCE,
    BiddingDays,
    PriceDays,
    School,
    read_days,
    train_bidding,
)
from protocols.vocabulary.errors import ConfigError

SMALL = School(plans=16, stores=3, days=2, passes=5)


def some_days() -> PriceDays:
    """Days that repeat: cheap at night, dear in the evening."""
    shape = 12.0 + 8.0 * np.sin(np.arange(SLOTS) / SLOTS * 2.0 * np.pi)
    random = np.random.default_rng(5)
    spot = shape + random.normal(0.0, 1.0, (30, 2, SLOTS))
    return PriceDays(spot, random.uniform(0.0, 3.0, (30, 2, SLOTS)))


def trained(seed: int) -> bytes:
    """Train for one update."""
    steps = DAYS_AT_ONCE * SLOTS
    told: list[int] = []
    found = train_bidding(
        some_days(), seed=seed, steps=steps, told=lambda done, _: told.append(done), school=SMALL
    )
    assert told[-1] == steps
    return found.model


def test_the_same_seed_gives_the_same_bytes() -> None:
    """If it fails, nobody can make the shipped policy again, or say what it was made of."""
    first = trained(7)
    assert first == trained(7)
    assert first != trained(8)


def test_what_is_shown_is_a_good_plan_of_the_day() -> None:
    """If it fails, the policy begins by imitating plans that lose money."""
    world = BiddingDays(some_days(), 8, school=SMALL)
    world.reset(np.random.default_rng(1))
    seen, action = world.lessons()
    rows = SMALL.stores * SMALL.days * SLOTS
    assert seen.shape == (rows, len(OBSERVATIONS))
    assert action.shape == (rows, len(ACTIONS))
    assert np.abs(action).max() <= 1.0
    dear = seen[:, OBSERVATIONS.index("price against the day's mean, in day's spreads")]
    buys, sells = action[:, 0] < 0.0, action[:, 0] > 0.0
    assert dear[sells].mean() > dear[buys].mean()


def test_a_folder_without_prices_is_one_clear_line(tmp_path: Path) -> None:
    """If it fails, an empty folder ends in a traceback."""
    with pytest.raises(ConfigError, match="no spot prices"):
        read_days(tmp_path)
    (tmp_path / "jepx").mkdir()
    with gzip.open(tmp_path / "jepx" / "jepx_spot_30min_x.csv.gz", "wt") as text:
        text.write("start_jst\n")
    with pytest.raises(ConfigError, match="no spot prices"):
        read_days(tmp_path)
