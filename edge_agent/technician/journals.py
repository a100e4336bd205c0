"""What a journal file holds, counted: chain, seconds, gaps and why, modes, cycle times.

The demo's report is built from it, so its fields are a contract (``doctor --json``).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgpack
import numpy as np

from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream, VerifyReport
from edge_agent.journal.rows import telemetry_row_decode
from edge_agent.journal.verify import verify
from edge_agent.technician.happening import Happening, happening_of
from edge_agent.technician.history import History
from protocols.link.messages import Plain
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.intervals import utc_from_seconds

GAPS_MAX: Final = 1000
_STEPS_PART: Final = 3
_WAITING_STEP: Final = "read"
_NOT_A_STEP: Final = "cycle"
_QUANTILES: Final = (("p50", 50.0), ("p99", 99.0), ("p999", 99.9), ("max", 100.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """Entries of one stream; times aware UTC, None when it is empty."""

    first: int
    last: int
    count: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Seconds without a sample, ``from_s`` to ``to_s`` inclusive, and why."""

    from_s: int
    to_s: int
    seconds: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """One change of the mode."""

    at: datetime
    cycle: int
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSummary:
    """One journal file.

    Attributes
    ----------
    path : str
        The file.
    aside : bool
        Whether it was kept aside.
    journal_id, site_id : str
        Empty if it cannot be read.
    chain_ok : bool
        Whether every digest fits and no sequence is missing.
    fault : str
        The first fault; empty if all is well.
    tel_first, tel_last, tel_count : int
        Sequences of the telemetry stream.
    tel_first_s, tel_last_s : int
        Unix seconds of its first and last row; 0 when it is empty.
    tel_repeated_s : int
        Seconds that have more than one row.
    streams : mapping of str to StreamSummary
        Per stream.
    cycles : int
        Cycles held.
    mode_changes : tuple of ModeChange
        In order.
    skipped_s : int
        Seconds between first and last row without a row.
    gaps : tuple of Gap
        Where they are; at most :data:`GAPS_MAX`.
    cycle_ms : mapping of str to float
        p50, p99, p999, max and samples of a cycle's own work: all steps but waiting for devices.
    steps_ms : mapping of str to mapping
        The same per step, ``read`` (waiting for devices) among them.
    """

    path: str
    aside: bool
    journal_id: str
    site_id: str
    chain_ok: bool
    fault: str
    tel_first: int = 0
    tel_last: int = 0
    tel_count: int = 0
    tel_first_s: int = 0
    tel_last_s: int = 0
    tel_repeated_s: int = 0
    streams: Mapping[str, StreamSummary]
    cycles: int = 0
    mode_changes: tuple[ModeChange, ...] = ()
    skipped_s: int = 0
    gaps: tuple[Gap, ...] = ()
    cycle_ms: Mapping[str, float]
    steps_ms: Mapping[str, Mapping[str, float]]


def summarise(path: Path, *, aside: bool) -> JournalSummary:
    """Verify and count one journal file; a bad one is told, not raised.

    Parameters
    ----------
    path : Path
        The file; a running agent may be writing it.
    aside : bool
        Whether it was kept aside.
    """
    report = verify(path)
    fault = report.fault
    if report.streams:
        try:
            return _counted(path, report, aside=aside)
        except JournalError as error:
            fault = fault or str(error)
        except (ValueError, TypeError) as error:
            fault = fault or f"an entry is not what this program writes: {error}"
    return JournalSummary(
        path=str(path),
        aside=aside,
        journal_id=report.journal_id,
        site_id=report.site_id,
        chain_ok=False,
        fault=fault,
        streams=_streams(report),
        cycle_ms={},
        steps_ms={},
    )


def _counted(path: Path, report: VerifyReport, *, aside: bool) -> JournalSummary:
    reader = JournalReader(path)
    try:
        with reader.snapshot():
            history = History(reader)
            seconds = _seconds(reader)
            gaps, skipped_s = _gaps(history, seconds)
            cycles, steps = _step_times(history)
            changes = _mode_changes(reader)
    finally:
        reader.close()
    telemetry = report.streams[JournalStream.TELEMETRY]
    own = [sum(ms for step, ms in one.items() if step != _WAITING_STEP) for one in steps]
    names = dict.fromkeys(step for one in steps for step in one)
    return JournalSummary(
        path=str(path),
        aside=aside,
        journal_id=report.journal_id,
        site_id=report.site_id,
        chain_ok=report.ok,
        fault=report.fault,
        tel_first=telemetry.first,
        tel_last=telemetry.last,
        tel_count=telemetry.count,
        tel_first_s=seconds[0] if seconds else 0,
        tel_last_s=seconds[-1] if seconds else 0,
        tel_repeated_s=len(seconds) - len(set(seconds)),
        streams=_streams(report),
        cycles=cycles,
        mode_changes=changes,
        skipped_s=skipped_s,
        gaps=gaps,
        cycle_ms=quantiles(own),
        steps_ms={name: quantiles([one[name] for one in steps if name in one]) for name in names},
    )


def quantiles(samples_ms: Sequence[float]) -> dict[str, float]:
    """Return p50, p99, p999, max of some times in ms and their number; zeros without samples."""
    values = (
        np.percentile(samples_ms, [q for _, q in _QUANTILES])
        if samples_ms
        else [0.0] * len(_QUANTILES)
    )
    found = {name: round(float(v), 3) for (name, _), v in zip(_QUANTILES, values, strict=True)}
    return {**found, "samples": float(len(samples_ms))}


def _streams(report: VerifyReport) -> dict[str, StreamSummary]:
    return {
        name.value: StreamSummary(
            first=found.first,
            last=found.last,
            count=found.count,
            first_at=found.first_at,
            last_at=found.last_at,
        )
        for name, found in report.streams.items()
    }


def _seconds(reader: JournalReader) -> list[int]:
    """Unix second of every row, in the order of the sequence."""
    first, last = reader.bounds(JournalStream.TELEMETRY)
    entries = reader.scan(JournalStream.TELEMETRY, first, last)
    return [telemetry_row_decode(entry.payload).time_s for entry in entries]


def _gaps(history: History, seconds: Sequence[int]) -> tuple[tuple[Gap, ...], int]:
    """Gaps between the first and the last second, and how many seconds they are."""
    there = sorted(set(seconds))
    gaps: list[Gap] = []
    skipped_s = 0
    for before, after in itertools.pairwise(there):
        missing = after - before - 1
        skipped_s += missing
        if missing and len(gaps) < GAPS_MAX:
            reason = _reason(history, before, after)
            gaps.append(Gap(from_s=before + 1, to_s=after - 1, seconds=missing, reason=reason))
    return tuple(gaps), skipped_s


def _reason(history: History, before: int, after: int) -> str:
    """Why there are no samples between two seconds, from the events around them."""
    near = history.events(utc_from_seconds(before), utc_from_seconds(after + 2))
    kinds = [event.kind for event in near]
    if "agent.started" in kinds:
        return "agent stopped" if "agent.stopped" in kinds else "agent killed or power lost"
    skipped = [event for event in near if event.kind == "cycle.skipped"]
    for event in skipped:
        reason = event.payload.get("reason")
        if isinstance(reason, str) and reason:
            return reason
    return "cycle skipped: the one before took too long" if skipped else "not recorded"


def _step_times(history: History) -> tuple[int, list[dict[str, float]]]:
    """Count the cycles and collect the times of their steps, in ms."""
    cycles = 0
    steps: list[dict[str, float]] = []
    for entry in history.cycles():
        cycles += 1
        parts = msgpack.unpackb(entry.payload)
        times = parts[_STEPS_PART] if len(parts) > _STEPS_PART else {}
        times = {name: float(ms) for name, ms in times.items() if name != _NOT_A_STEP}
        if times:
            steps.append(times)
    return cycles, steps


def _mode_changes(reader: JournalReader) -> tuple[ModeChange, ...]:
    first, last = reader.bounds(JournalStream.EVENT)
    entries = reader.scan(JournalStream.EVENT, first, last, kind="mode.changed")
    return tuple(mode_change(happening_of(entry)) for entry in entries)


def mode_change(event: Happening) -> ModeChange:
    """Read a ``mode.changed`` event."""
    return ModeChange(
        at=event.recorded_at,
        cycle=event.cycle,
        before=_text(event.payload, "from"),
        after=_text(event.payload, "to"),
        reason=_text(event.payload, "reason"),
    )


def _text(payload: Mapping[str, Plain], key: str) -> str:
    return str(payload.get(key, ""))
