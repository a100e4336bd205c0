"""What a site is doing now, and the last good value of each of its points.

From the journal and two lock files; nothing is asked of the agent or of a device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgpack

from edge_agent.config.site import SiteConfig
from edge_agent.cycle.outlooks import FORECAST_KEY, Outlooked, outlooked
from edge_agent.journal.opening import writer_pid
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.points.table import points_of
from edge_agent.technician.happening import happening_of
from edge_agent.technician.history import History, Tick
from edge_agent.technician.why import EVENTS_AROUND, WhyPage, page_of
from edge_agent.watchdog.lock import running_pid
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.measurement import Measurement, Quality

GOOD_LOOK_BACK: Final = 600
"""Cycles looked through for the last good value of a point that has none now."""
ALARM_LOOK_BACK: Final = 10_000
DURABLE_KEY: Final = "durable"
WATCHDOG_FOLDER: Final = "watchdog"
LATE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm that stands."""

    name: str
    detail: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A site now.

    Attributes
    ----------
    site_id, journal_id : str
        Who.
    agent_pid, watchdog_pid : int or None
        None when it does not run.
    age_s : float or None
        Since the last cycle; None when there never was one.
    unsent : mapping of str to int
        Entries per stream that the coordinator has not made durable.
    alarms : tuple of Alarm
        Standing ones.
    forecast : Outlooked or None
        In use, with the model or the reason why persistence; None before the first.
    last : WhyPage or None
        The last cycle.
    """

    site_id: str
    journal_id: str
    agent_pid: int | None
    watchdog_pid: int | None
    age_s: float | None
    unsent: Mapping[str, int]
    alarms: tuple[Alarm, ...]
    forecast: Outlooked | None
    last: WhyPage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLine:
    """One point: what it is now, and what it last was for certain.

    Attributes
    ----------
    point_id, unit : str
        Which one.
    value : float or None
        As the last cycle saw it.
    quality : str
        GOOD, STALE, SUBSTITUTED or BAD.
    reason : str
        Why it is not GOOD.
    good_value : float or None
        Last good value; None if none was found.
    good_at : datetime or None
        When that was measured.
    good_age_s : float or None
        How long ago, by the wall clock.
    """

    point_id: str
    unit: str
    value: float | None
    quality: str
    reason: str
    good_value: float | None
    good_at: datetime | None
    good_age_s: float | None


def status_of(config: SiteConfig, reader: JournalReader, now: datetime) -> Status:
    """Say what a site is doing.

    Parameters
    ----------
    config : SiteConfig
        The site.
    reader : JournalReader
        Its journal.
    now : datetime
        Aware UTC.
    """
    history = History(reader)
    tick = history.last()
    page = None
    age_s = None
    if tick is not None:
        events = history.events(tick.inputs.now - EVENTS_AROUND, now + EVENTS_AROUND)
        page = page_of(history, tick, tuple(events))
        age_s = (now - tick.inputs.now).total_seconds()
    return Status(
        site_id=config.site_id,
        journal_id=reader.meta.journal_id,
        agent_pid=writer_pid(reader.path),
        watchdog_pid=running_pid(config.data_dir / WATCHDOG_FOLDER),
        age_s=age_s,
        unsent=_unsent(reader),
        alarms=_alarms(reader),
        forecast=_forecast(reader),
        last=page,
    )


def points_now(config: SiteConfig, reader: JournalReader, now: datetime) -> tuple[PointLine, ...]:
    """List every configured point as the last cycle saw it.

    Raises
    ------
    JournalError
        If there was no cycle yet.
    """
    history = History(reader)
    tick = history.last()
    if tick is None:
        raise JournalError(f"{reader.path}: no cycle yet")
    good = _last_good(history, tick)
    lines = []
    for spec in points_of(config):
        seen = tick.inputs.image.points.get(spec.point_id)
        last = good.get(spec.point_id)
        lines.append(
            PointLine(
                point_id=spec.point_id,
                unit=spec.unit,
                value=None if seen is None else seen.value,
                quality="BAD" if seen is None else seen.quality.name,
                reason="not in the image" if seen is None else seen.reason,
                good_value=None if last is None else last.value,
                good_at=None if last is None else last.measured_at,
                good_age_s=None if last is None else (now - last.measured_at).total_seconds(),
            )
        )
    return tuple(lines)


def _last_good(history: History, tick: Tick) -> dict[str, Measurement]:
    """Newest GOOD measurement of each point, or a STALE one that once was good."""
    good: dict[str, Measurement] = {}
    wanted = set(tick.inputs.image.points)
    cycle = tick.inputs.cycle
    for number in range(cycle, max(cycle - GOOD_LOOK_BACK, 0), -1):
        if number != cycle:
            older = history.of_cycle(number)
            if older is None:
                break
            tick = older
        for point in list(wanted):
            seen = tick.inputs.image.points.get(point)
            if seen is not None and seen.value is not None and seen.quality is not Quality.BAD:
                good[point] = seen
                wanted.discard(point)
        if not wanted:
            break
    return good


def _unsent(reader: JournalReader) -> dict[str, int]:
    packed = reader.state(DURABLE_KEY)
    durable: dict[str, int] = msgpack.unpackb(packed) if packed else {}
    return {
        stream.value: max(reader.bounds(stream)[1] - durable.get(stream.value, 0), 0)
        for stream in JournalStream
        if stream is not JournalStream.TICK
    }


def _forecast(reader: JournalReader) -> Outlooked | None:
    packed = reader.state(FORECAST_KEY)
    return None if packed is None else outlooked(packed)


def _alarms(reader: JournalReader) -> tuple[Alarm, ...]:
    first, last = reader.bounds(JournalStream.EVENT)
    standing: dict[str, Alarm] = {}
    start = max(first, last - ALARM_LOOK_BACK + 1)
    for entry in reader.scan(JournalStream.EVENT, start, last):
        if entry.kind not in {"alarm.raised", "alarm.cleared", "agent.started"}:
            continue
        event = happening_of(entry)
        if event.kind == "agent.started":
            standing.clear()
            continue
        name = str(event.payload.get("alarm", ""))
        standing.pop(name, None)
        if event.kind == "alarm.raised":
            detail = str(event.payload.get("detail", ""))
            standing[name] = Alarm(name=name, detail=detail, since=event.recorded_at)
    return tuple(standing.values())
