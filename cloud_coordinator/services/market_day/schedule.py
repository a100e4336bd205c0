"""What is due when in the trading of a day: a pure function of the gates and of what is done.

A step has a name that is the same after a restart, a moment from which it is done and one after
which it makes no sense any more. Nothing here does anything.
"""

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from cloud_coordinator.market.bids import Venue
from cloud_coordinator.market.gates import ExchangeRule
from cloud_coordinator.services.market_day.asking import BEFORE_GATE, Gate
from protocols.vocabulary.calendar import day_slots, jst_moment, market_day

AHEAD_DAYS: Final = 12
"""Weekly gates close so long before a day of delivery at most, and a little."""
SETTLED_FOR_DAYS: Final = 7
"""A day is settled again each morning so often: until what is late can have come."""
SETTLE_AT: Final = time(10)
"""JST of the days after delivery."""
NEXT_DAY_PLAN: Final = time(12)
"""JST of the day before, until when OCCTO takes plans of the next day (japan-market 5)."""
NEXT_DAY: Final = "next"
"""Name of the round of that plan."""
CLOSE_BEFORE: Final = timedelta(minutes=15)
"""A round of the intraday market, or the plan of the next day, is made so long before its gate."""
ROUND_STEP: Final = timedelta(minutes=5)
"""From the orders of the first round to their plan, and from a plan to its gate."""
RESULTS_AFTER: Final = {
    Venue.SPOT: timedelta(minutes=30),
    Venue.INTRADAY: timedelta(0),
    Venue.RESERVE: timedelta(hours=1),
}
"""From a gate to the first question for its results; a market that is late is asked again."""


class Step(enum.Enum):
    """What is done for a day: CLOSE is a round of the intraday market, PLAN one of OCCTO's."""

    BID = "bid"
    RESULTS = "results"
    PLAN = "plan"
    CLOSE = "close"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step of one day.

    Attributes
    ----------
    step : Step
        What.
    day : date
        Of delivery.
    name : str
        Which of its kind: number of the gate, gate and venue, or day of settling.
    opens, closes : datetime
        Done from, and no more after; aware UTC.
    """

    step: Step
    day: date
    name: str
    opens: datetime
    closes: datetime

    @property
    def key(self) -> str:
        """Name in the journal."""
        return f"{self.day}/{self.step.value}/{self.name}"


def days_around(now: datetime) -> tuple[date, ...]:
    """Days of delivery of which something may be due."""
    today = market_day(now)
    return tuple(today + timedelta(days=k) for k in range(-SETTLED_FOR_DAYS - 1, AHEAD_DAYS + 1))


def actions_of(day: date, gates: Sequence[Gate], *, now: datetime) -> tuple[Action, ...]:
    """Every step of a day, by its time; of the settlings only the last that is due.

    Parameters
    ----------
    day : date
        Of delivery.
    gates : sequence of Gate
        Of that day, by time.
    now : datetime
        Aware UTC.
    """
    ends = jst_moment(day + timedelta(days=1), time())
    found = []
    for number, gate in enumerate(gates):
        closes = gate.at + BEFORE_GATE
        found.append(Action(step=Step.BID, day=day, name=str(number), opens=gate.at, closes=closes))
        found += [
            Action(
                step=Step.RESULTS,
                day=day,
                name=f"{number}.{venue.value}",
                opens=closes + RESULTS_AFTER[venue],
                closes=ends,
            )
            for venue in gate.venues
        ]
    for late in range(SETTLED_FOR_DAYS, 0, -1):
        on = day + timedelta(days=late)
        opens = jst_moment(on, SETTLE_AT)
        if opens <= now:
            closes = opens + timedelta(days=1)
            found.append(
                Action(step=Step.SETTLE, day=day, name=str(on), opens=opens, closes=closes)
            )
            break
    return tuple(sorted(found, key=lambda one: (one.opens, one.key)))


def rounds_of(day: date, exchange: ExchangeRule, *, now: datetime) -> tuple[Action, ...]:
    """Find the rounds of the intraday market and of plans whose time it is.

    A round that nobody was there for is not made up for: the next one sees the whole position.

    Parameters
    ----------
    day : date
        Of delivery.
    exchange : ExchangeRule
        Its intraday gates; plans of the same day have the same (japan-market 5).
    now : datetime
        Aware UTC.
    """
    first_at, last_at = (jst_moment(day + timedelta(days=k), time()) for k in (-1, 1))
    if not first_at <= now < last_at:
        return ()
    gates = [exchange.intraday_window(slot).end for slot in day_slots(day)]
    noon = jst_moment(day - timedelta(days=1), NEXT_DAY_PLAN)
    opens = exchange.intraday_window(day_slots(day)[0]).start
    first, until = opens + ROUND_STEP, gates[0] - CLOSE_BEFORE - ROUND_STEP
    found = [
        Action(step=Step.PLAN, day=day, name=NEXT_DAY, opens=noon - CLOSE_BEFORE, closes=noon),
        Action(step=Step.CLOSE, day=day, name="00", opens=first, closes=until),
        Action(step=Step.PLAN, day=day, name="00", opens=first + ROUND_STEP, closes=until),
    ]
    for number, gate in enumerate(gates, start=1):
        for step, before in ((Step.CLOSE, CLOSE_BEFORE), (Step.PLAN, ROUND_STEP)):
            found.append(
                Action(step=step, day=day, name=f"{number:02}", opens=gate - before, closes=gate)
            )
    current = [one for one in found if one.opens <= now < one.closes]
    return tuple(sorted(current, key=lambda one: (one.opens, one.key)))


def due(actions: Sequence[Action], done: Collection[str], now: datetime) -> tuple[Action, ...]:
    """Return the steps whose time has come and that are not done; those too late among them."""
    return tuple(one for one in actions if one.opens <= now and one.key not in done)
