"""Tells values of now from values that waited in a charger's queue. Pure.

A charger that was offline sends its queue when it is back, each message with the time it was
made. Its clock may be wrong, so its times count only against each other: what arrives live has
the same distance to our clock each time, what waited is further behind. A value that came a little
late is as old as it is behind; a value that waited is none of now.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

TOLERANCE_S: Final = 10.0
"""How far a live message may be behind the clock of its charger."""
AGREE_S: Final = 2.0
"""Two distances this near to each other are the same."""
WHOLE_S: Final = 1.0
"""Chargers may write whole seconds, so this much behind means nothing."""
APART_S: Final = 0.5
"""Messages of a queue arrive faster than this after each other."""
DRIFT: Final = 0.1
"""How fast the distance may grow by itself, seconds in a second."""
DRIFT_S_MAX: Final = 0.2
"""And at most this from one message to the next: a queue must not drag it along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerClock:
    """What is known of a charger's clock.

    Attributes
    ----------
    offset_s : float
        Its time minus ours; 0 until something else is seen, for it takes its time from us.
    doubted_s : float or None
        Distance of the last message that did not fit.
    doubted_at : datetime or None
        When that arrived.
    heard_at : datetime or None
        When the last message arrived that did fit.
    """

    offset_s: float = 0.0
    doubted_s: float | None = None
    doubted_at: datetime | None = None
    heard_at: datetime | None = None

    def followed(self, distance_s: float, received_at: datetime) -> "ChargerClock":
        """Follow a live message: at once where it is nearer, slowly where it is further behind."""
        drift_s = DRIFT_S_MAX
        if self.heard_at is not None:
            drift_s = min(drift_s, DRIFT * max((received_at - self.heard_at).total_seconds(), 0.0))
        offset_s = max(distance_s, self.offset_s - drift_s)
        return ChargerClock(offset_s=offset_s, heard_at=received_at)


def judged(
    clock: ChargerClock, stamped_at: datetime, received_at: datetime, *, asked_for: bool
) -> tuple[ChargerClock, float | None]:
    """Judge a time stamp.

    Parameters
    ----------
    clock : ChargerClock
        What was known before.
    stamped_at : datetime
        What the charger wrote.
    received_at : datetime
        When the message arrived here.
    asked_for : bool
        The values were taken because we asked: they are of now, whatever their time.

    Returns
    -------
    tuple of ChargerClock and float or None
        What is known now, and how old the values were on arrival, s; None if they waited.
    """
    distance_s = (stamped_at - received_at).total_seconds()
    if asked_for:
        return ChargerClock(offset_s=distance_s, heard_at=received_at), 0.0
    behind_s = clock.offset_s - distance_s
    if abs(behind_s) <= TOLERANCE_S:
        age_s = behind_s if behind_s > WHOLE_S else 0.0
        return clock.followed(distance_s, received_at), age_s
    if clock.doubted_s is not None and clock.doubted_at is not None:
        steady = abs(distance_s - clock.doubted_s) <= AGREE_S
        apart_s = (received_at - clock.doubted_at).total_seconds()
        if steady and apart_s >= APART_S:
            return ChargerClock(offset_s=distance_s, heard_at=received_at), 0.0
    doubt = replace(clock, doubted_s=distance_s, doubted_at=received_at)
    return doubt, None
