"""Writes a live step test down in the form of a recording, with the time of day of each row."""

import bisect
import csv
import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from edge_agent.points.table import FREQUENCY_HZ, POWER_W, point_id
from edge_agent.technician.ear import Heard, Sample
from edge_agent.technician.step_run import DeviceRun

HOLDS_S: Final = 1.0
"""A power that is older is not taken for the one at the moment of a command."""
_DIGITS: Final = 3

Cell = float | str
_Row = tuple[float, float, float | None]
"""Time in s, command and power in W."""


def recording_text(
    runs: Sequence[DeviceRun], heard: Heard, *, source: str, started_at: datetime
) -> str:
    """Write a recording: a row for each command and each power of the device under test.

    Parameters
    ----------
    runs : sequence of DeviceRun
        In the order of time.
    heard : Heard
        What the devices said.
    source : str
        Device whose frequency counts; empty for none.
    started_at : datetime
        Aware UTC, time 0 of the runs.

    Returns
    -------
    str
        CSV that ``primary test --recording`` reads.
    """
    moved = [run for run in runs if run.told]
    header: list[Cell] = ["time_s", "time_utc", "frequency_hz", "frequency_samples"]
    header += [f"{run.device_id}.{end}" for run in moved for end in ("command_w", "power_w")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    hertz = heard.series(point_id(source, FREQUENCY_HZ)) if source else ()
    times = [time_s for time_s, _ in hertz]
    seen = 0
    for number, run in enumerate(moved):
        for time_s, command_w, power_w in _rows(run, heard):
            known = bisect.bisect_right(times, time_s)
            fresh, seen = known - seen, known
            at = (started_at + timedelta(seconds=time_s)).isoformat(timespec="milliseconds")
            cells: list[Cell] = [time_s, at]
            cells += [round(hertz[known - 1][1], 4), fresh] if fresh else ["", 0]
            cells += ["", ""] * number
            cells += [command_w, "" if power_w is None else round(power_w, _DIGITS)]
            cells += ["", ""] * (len(moved) - number - 1)
            writer.writerow(cells)
    return text.getvalue()


def _rows(run: DeviceRun, heard: Heard) -> list[_Row]:
    """Rows of one device; at a command it gives what it gave just before."""
    powers = heard.series(point_id(run.device_id, POWER_W))
    times = [time_s for time_s, _ in powers]
    rows: dict[float, _Row] = {}
    for time_s, power_w in powers[bisect.bisect_left(times, run.told[0][0]) :]:
        if time_s <= run.ended_s:
            at_s = round(time_s, _DIGITS)
            rows[at_s] = (at_s, _command(run.told, time_s), power_w)
    for time_s, command_w in run.told:
        before = bisect.bisect_right(times, time_s) - 1
        young = before >= 0 and time_s - times[before] <= HOLDS_S
        at_s = round(time_s, _DIGITS)
        rows[at_s] = (at_s, command_w, powers[before][1] if young else None)
    return [rows[at_s] for at_s in sorted(rows)]


def _command(told: Sequence[Sample], time_s: float) -> float:
    """Return the command a device was under at a time after its first."""
    return told[bisect.bisect_right([at_s for at_s, _ in told], time_s) - 1][1]
