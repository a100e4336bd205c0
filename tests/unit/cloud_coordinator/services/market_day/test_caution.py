"""What an abnormal market is."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from cloud_coordinator.services.market_day.caution import abnormality
from cloud_coordinator.services.market_history import EMPTY, HalfHours
from protocols.vocabulary.calendar import day_slots

DAY = date(2025, 5, 14)
GATE = datetime.fromisoformat("2025-05-13T09:30+09:00")
FIRST = DAY - timedelta(days=30)


def prices(changes: dict[tuple[int, int], float], *, usual: float = 12.0) -> HalfHours:
    """Thirty days before the day at a usual price, with other ones in some half hours."""
    values = np.full(30 * 48, usual)
    for (back, slot), price in changes.items():
        values[(30 - back) * 48 + slot] = price
    start = day_slots(FIRST)[0].interval.start
    return HalfHours(start_s=int(start.timestamp()), values=values)


DEAR = {(1, slot): 40.0 for slot in range(48)}


@pytest.mark.parametrize(
    ("spot", "said"),
    [
        (prices({}), ""),
        (EMPTY, ""),
        (prices({(1, 35): 80.0}), ""),
        (prices({(1, 35): 80.01}), "2025-05-13: 80.01 JPY/kWh day-ahead"),
        (prices({(2, 0): 200.0}), "2025-05-12: 200.00 JPY/kWh day-ahead"),
        (prices({(3, 0): 200.0}), ""),
        (prices(DEAR), "2025-05-13: 40.00 JPY/kWh on average, usual are 12.00"),
        (prices(DEAR, usual=20.0), ""),
        (prices(DEAR, usual=0.01), "2025-05-13: 40.00 JPY/kWh on average, usual are 0.01"),
        (prices({(1, slot): 2.9 for slot in range(48)}, usual=0.01), ""),
    ],
)
def test_only_what_was_hardly_ever_seen_wants_a_person(spot: HalfHours, said: str) -> None:
    """If it fails, a crisis is traded by rote, or an ordinary day waits for somebody asleep."""
    assert abnormality(spot, DAY, GATE) == said


def test_nothing_later_than_the_gate_is_judged() -> None:
    """If it fails, a backtest is careful about what nobody could know."""
    spot = prices({(1, 35): 300.0})
    assert abnormality(spot, DAY, datetime.fromisoformat("2025-05-12T09:30+09:00")) == ""
