"""How often the balancing market buys a product at all, from the past alone."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.services.market_history import MarketHistory
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.obligation import Service

WINDOW_DAYS: Final = 28
"""Days before the day of delivery that are looked at."""
PRIOR_DAYS: Final = 4.0
"""Days that the mean of all slots weighs against what one slot has shown."""


def bought_shares(
    known: MarketHistory, services: Sequence[Service], *, area: str, day: date
) -> Mapping[Service, FloatArray]:
    """Probability that any of a product is bought in each slot, shape (48,).

    Parameters
    ----------
    known : MarketHistory
        Already cut to what was published at the gate.
    services : sequence of Service
        Products; one without any result in the window is left out.
    area, day
        Of delivery.

    Notes
    -----
    A slot counts as published up to the last one that has a price; the part of those days in
    which the slot had one is drawn towards the mean of all slots.
    """
    first = day_slots(day - timedelta(days=WINDOW_DAYS))[0]
    first_s = int(first.interval.start.timestamp())
    found = {}
    for service in services:
        price = known.balancing(service, area).price_mean
        rows = np.isfinite(price.between(first_s, WINDOW_DAYS * SLOTS_A_DAY))
        rows = rows.reshape(WINDOW_DAYS, SLOTS_A_DAY)
        seen = np.flatnonzero(rows.any(axis=1))
        if not len(seen):
            continue
        rows = rows[: int(seen[-1]) + 1]
        mean = float(rows.mean())
        found[service] = (rows.sum(axis=0) + PRIOR_DAYS * mean) / (len(rows) + PRIOR_DAYS)
    return found
