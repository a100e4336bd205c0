"""What the run shows while it goes on: stage, fleet, course, events. Written by the run."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TextIO

EVENTS_KEPT: Final = 400
POINTS_KEPT: Final = 21_600


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNow:
    """One site as the coordinator last heard it; None where there is no number."""

    site_id: str
    link: str
    mode: str
    age_s: float | None
    share_w: float | None
    delivered_w: float | None
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PointNow:
    """One second of the award, live: booked is what unheard sites are taken to hold."""

    second: int
    promised_w: float
    measured_w: float
    booked_w: float


@dataclass(slots=True, kw_only=True)
class Board:
    """The state of the screen.

    Attributes
    ----------
    page, out : str
        Address of the live page; folder of the run.
    now_s : callable
        Unix time.
    journal : TextIO or None
        Every event also goes there, a JSON line each.
    stage, step, steps : str, float, float
        What is being done and how far it is; ``steps`` 0 when that is unknown.
    award_w : float
        0 before the award.
    sites, points, events
        The fleet, the course of the award, and what happened.
    """

    page: str
    out: str
    now_s: Callable[[], float]
    journal: TextIO | None = None
    stage: str = ""
    step: float = 0.0
    steps: float = 0.0
    award_w: float = 0.0
    sites: tuple[SiteNow, ...] = ()
    points: dict[int, PointNow] = field(default_factory=dict)
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))

    def begin(self, stage: str, steps: float = 0.0) -> None:
        """Begin a stage."""
        self.stage, self.step, self.steps = stage, 0.0, steps
        self.say(stage)

    def say(self, text: str) -> None:
        """Tell an event."""
        at_s = self.now_s()
        self.events.append((at_s, text))
        if self.journal is not None:
            at = datetime.fromtimestamp(at_s, tz=UTC).isoformat()
            self.journal.write(json.dumps({"at": at, "text": text}, ensure_ascii=False) + "\n")
            self.journal.flush()

    def add_point(self, point: PointNow) -> None:
        """Add or renew a second; the oldest go when there are too many."""
        self.points[point.second] = point
        while len(self.points) > POINTS_KEPT:
            del self.points[min(self.points)]
