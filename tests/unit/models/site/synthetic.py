"""A drawn home with PV: a morning, an evening, a weekend, clouds."""

from datetime import UTC, datetime

import numpy as np

from models.site.past import PAST_SLOTS, SitePast, SitePlace

PLACE = SitePlace(latitude=35.6, longitude=139.7, clock_s=32_400, peak_w=4000.0)
UNTIL = datetime(2026, 7, 22, 1, 30, tzinfo=UTC)


def home_columns(until: datetime, count: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Consumption and PV of the half hours before a moment, W, positive."""
    random = np.random.default_rng(seed)
    first = until.timestamp() / 1800.0 - count
    hour = ((first + np.arange(count) + 0.5) / 2.0 + 9.0) % 24.0
    habit = 300.0 + 500.0 * np.exp(-((hour - 7.5) ** 2)) + 900.0 * np.exp(-((hour - 19.5) ** 2) / 4)
    sun = np.maximum(np.sin(np.pi * (hour - 5.0) / 14.0), 0.0) * ((hour > 5.0) & (hour < 19.0))
    days = np.floor((first + np.arange(count)) / 48.0 + 9.0 / 24.0).astype(int)
    cloud = np.random.default_rng(9).uniform(0.2, 1.0, 400)[days % 400]
    return habit * random.uniform(0.8, 1.2, count), 3600.0 * sun**1.3 * cloud


def home_past(until: datetime = UNTIL) -> SitePast:
    """Two weeks of it."""
    consumption, pv = home_columns(until, PAST_SLOTS)
    return SitePast(until=until, consumption_w=consumption, pv_w=pv, place=PLACE)
