"""Consenting: in an abnormal market the bids of a day wait for a person; nothing is bid meanwhile.

The same holds while a person has control of the fleet. What was handed in already stands.
"""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from cloud_coordinator.alerts.alert import Severity, Sighting
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.people_ports import Note, StateStore
from protocols.sansio.records import Change
from protocols.vocabulary.calendar import market_day

RULE: Final = "market-abnormal"
"""The alert whose acknowledgement is the consent."""
AGAIN_S: Final = 30.0
_PLACE: Final = "market/"
_KEY: Final = "consented"
_KEPT: Final = timedelta(days=30)


class Consents:
    """For which market days a person has said that the machine may bid.

    Parameters
    ----------
    state : StateStore
        Where consents are kept.
    note : Note
        The record.
    is_automatic : callable
        Whether the machine has control.
    """

    rule = RULE

    def __init__(self, state: StateStore, note: Note, is_automatic: Callable[[], bool]) -> None:
        self._state = state
        self._note = note
        self._is_automatic = is_automatic
        self._waiting: dict[date, str] = {}
        self._told_s: dict[date, float] = {}
        stored = json.loads(state.load().get(_KEY, b"[]"))
        self._given = {date.fromisoformat(text) for text in stored}

    def waits_for(self, day: date, cause: str) -> str:
        """Say what the bids of a day wait for; empty if they may be made.

        Parameters
        ----------
        day : date
            Market day, JST.
        cause : str
            What is abnormal; empty if nothing is.
        """
        if not self._is_automatic():
            return "a person has control"
        if not cause or day in self._given:
            self._waiting.pop(day, None)
            return ""
        if day not in self._waiting:
            self._note("consent.awaited", {"day": day.isoformat(), "cause": cause})
        self._waiting[day] = cause
        return f"a person's consent: {cause}"

    def look(self, now: Moment) -> list[Sighting]:
        """Return the days that wait, for the alerts."""
        today = market_day(now.at)
        for day in [one for one in self._waiting if one < today]:
            del self._waiting[day]
        due = [
            day for day in self._waiting if now.wall_s - self._told_s.get(day, -AGAIN_S) >= AGAIN_S
        ]
        self._told_s.update(dict.fromkeys(due, now.wall_s))
        return [
            Sighting(
                rule=RULE,
                place=f"{_PLACE}{day}",
                severity=Severity.HIGH,
                at_s=now.wall_s,
                evidence=f"bids wait for consent: {self._waiting[day]}"[:200],
            )
            for day in due
        ]

    def approve(self, place: str, *, by: str) -> None:
        """Let the machine bid for the day of an alert."""
        day = date.fromisoformat(place.removeprefix(_PLACE))
        cause = self._waiting.pop(day, "")
        if not cause:
            return
        self._given = {one for one in self._given if abs(one - day) < _KEPT} | {day}
        kept = json.dumps(sorted(one.isoformat() for one in self._given))
        self._state.put([Change(key=_KEY, value=kept.encode())])
        self._note("consent.given", {"day": day.isoformat(), "by": by, "cause": cause})
