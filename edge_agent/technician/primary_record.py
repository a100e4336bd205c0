"""The record of primary reserve as a technician reads it: from the journal, and from files.

Reads only. A recording is CSV: ``time_s``, ``frequency_hz`` and ``frequency_samples`` (both may
be missing or empty), and per device ``<id>.command_w`` and ``<id>.power_w``; ``primary show
--csv`` writes the same form, so a day of the log can be judged like a test.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from edge_agent.control.recording import Recording, by_law
from edge_agent.cycle.primary_log import LOGGED_KIND
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.technician.primary_lines import PrimaryLines
from protocols.link.messages import Plain
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import (
    AbnormalVerdict,
    NormalVerdict,
    Owing,
    Trace,
    assess_abnormal,
    assess_normal,
)
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.setpoint import JournalEntry

ROWS_MAX: Final = 500_000
LAG_S: Final = 2
"""Delay that the normal-time assessment takes out."""

Row = Mapping[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimarySummary:
    """What the log says of primary reserve. Powers in W, generator frame.

    Attributes
    ----------
    seconds, gaps : int
        Lines, and seconds missing between the first and the last.
    first, last : datetime or None
        Seconds they speak of.
    followed, held, without : int
        Seconds with a good frequency, at the last one, and without (or with an expired grant).
    samples_per_s : float
        Mean number of good measurements.
    source : str
        Where the frequency comes from.
    frequency_hz, age_s : float or None
        Of the last line.
    asked_w, response_w, power_w, base_w : float or None
        Of the last line.
    normal : NormalVerdict
        Slope of power over base point against frequency.
    falls : tuple of AbnormalVerdict
        One for each time the frequency fell below the threshold.
    """

    seconds: int
    gaps: int
    first: datetime | None
    last: datetime | None
    followed: int
    held: int
    without: int
    samples_per_s: float
    source: str
    frequency_hz: float | None
    age_s: float | None
    asked_w: float | None
    response_w: float | None
    power_w: float | None
    base_w: float | None
    normal: NormalVerdict
    falls: tuple[AbnormalVerdict, ...]


def logged_rows(reader: JournalReader, *, seconds: int) -> list[Row]:
    """Return the newest lines of the record, ascending, at most ``seconds`` of them."""
    first, last = reader.bounds(JournalStream.EVENT)
    entries: list[JournalEntry] = []
    until = last
    while until >= first and len(entries) < min(seconds, ROWS_MAX):
        entry = reader.last_of_kind(JournalStream.EVENT, LOGGED_KIND, until=until)
        if entry is None:
            break
        entries.append(entry)
        until = entry.sequence - 1
    lines = PrimaryLines(reader)
    found = (lines.whole(entry) for entry in reversed(entries))
    return [line for line in found if line is not None]


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _known(row: Row | None, name: str) -> float | None:
    value = math.nan if row is None else _number(row, name)
    return None if math.isnan(value) else value


def summary_of(rows: Sequence[Row]) -> PrimarySummary:
    """Sum the record up and judge it as the assessments do."""
    seconds = [round(_number(row, "second")) for row in rows]
    last = rows[-1] if rows else None
    basis = [str(row.get("basis")) for row in rows]
    count = len(rows)
    return PrimarySummary(
        seconds=count,
        gaps=seconds[-1] - seconds[0] + 1 - count if rows else 0,
        first=utc_from_seconds(seconds[0]) if rows else None,
        last=utc_from_seconds(seconds[-1]) if rows else None,
        followed=basis.count("following"),
        held=basis.count("held"),
        without=count - basis.count("following") - basis.count("held"),
        samples_per_s=math.fsum(_number(row, "samples") for row in rows) / count if rows else 0.0,
        source="" if last is None else str(last.get("source")),
        frequency_hz=_known(last, "frequency_hz"),
        age_s=_known(last, "age_s"),
        asked_w=_known(last, "asked_w"),
        response_w=_known(last, "response_w"),
        power_w=_known(last, "power_w"),
        base_w=_known(last, "base_w"),
        normal=_normal(rows),
        falls=tuple(_falls(rows)),
    )


def _normal(rows: Sequence[Row]) -> NormalVerdict:
    """Slope of the supplied power against the frequency two seconds before."""
    by_second = {round(_number(row, "second")): row for row in rows}
    deviations, powers = [], []
    for second, row in by_second.items():
        earlier = by_second.get(second - LAG_S)
        if earlier is not None:
            deviations.append(_number(earlier, "frequency_hz") - _number(earlier, "nominal_hz"))
            powers.append(_number(row, "power_w") - _number(row, "base_w"))
    return assess_normal(deviations, powers)


def _owing(row: Row) -> Owing:
    return Owing(
        droop=Droop(
            nominal_hz=_number(row, "nominal_hz"),
            droop=_number(row, "droop"),
            dead_band_hz=_number(row, "dead_band_hz"),
            delay_s=0.0,
        ),
        rated_w=_number(row, "rated_w"),
        award_w=_number(row, "award_w"),
    )


def _falls(rows: Sequence[Row]) -> Iterable[AbnormalVerdict]:
    """Judge each fall below the threshold, from the last second at or above the nominal on."""
    began, inside = 0, False
    for at, row in enumerate(rows):
        frequency_hz, owing = _number(row, "frequency_hz"), _owing(row)
        if frequency_hz >= owing.droop.nominal_hz:
            began = at
        low = owing.is_low(frequency_hz)
        if low and not inside:
            yield assess_abnormal(
                owing, _trace(rows[began:]), began_s=_number(rows[began], "second")
            )
        inside = low


def _trace(rows: Sequence[Row]) -> Trace:
    return Trace(
        times_s=[_number(row, "second") for row in rows],
        frequency_hz=[_number(row, "frequency_hz") for row in rows],
        power_w=[_number(row, "power_w") - _number(row, "base_w") for row in rows],
    )


def csv_of(rows: Sequence[Row]) -> str:
    """Write the record in the form of a recording, with what else a line says."""
    columns = ["frequency_hz", "frequency_hz_min", "frequency_hz_max", "samples", "quality"]
    columns += ["age_s", "source", "basis", "base_w", "asked_w", "response_w", "power_w"]
    columns += ["power_quality", "limit_w_min", "limit_w_max", "award_w", "rated_w"]
    devices = list(dict.fromkeys(name for row in rows for name in _members(row)))
    header = ["time_s", *("frequency_samples" if name == "samples" else name for name in columns)]
    header += [f"{name}.{ending}" for name in devices for ending in ("command_w", "power_w")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        members = _members(row)
        cells = [row.get("second"), *(row.get(name) for name in columns)]
        for name in devices:
            cells += members.get(name, (None, None))
        writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()


def _members(row: Row) -> dict[str, tuple[Plain, Plain]]:
    """Per device of a line, by its id: what it was told and what it gave."""
    members = row.get("members")
    return {
        str(one[0]).rpartition("/")[2]: (one[1], one[2])
        for one in (members if isinstance(members, list) else [])
        if isinstance(one, list)
    }


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Raises
    ------
    ConfigError
        If the file is missing, or a line is not as it must be; the message names it.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not lines or "time_s" not in lines[0]:
        raise ConfigError(f"{path}: the first line must name the columns, one of them time_s")
    if len(lines) - 1 > ROWS_MAX:
        raise ConfigError(f"{path}: more than {ROWS_MAX} lines")
    wanted = [
        name
        for name in lines[0]
        if name in {"time_s", "frequency_hz", "frequency_samples"}
        or name.endswith((".command_w", ".power_w"))
    ]
    table: dict[str, list[float]] = {name: [] for name in wanted}
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(lines[0]):
            raise ConfigError(f"{path}: line {number} has {len(cells)} of {len(lines[0])} cells")
        row = dict(zip(lines[0], cells, strict=True))
        for name in wanted:
            table[name].append(_cell(row[name], f"{path}: line {number}, {name}"))
    return _recording(table, path)


def _cell(text: str, place: str) -> float:
    """Read the number of a cell; NaN for an empty one."""
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{place}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise ConfigError(f"{place}: {text!r} is not a finite number")
    return value


def _recording(table: Mapping[str, list[float]], path: Path) -> Recording:
    times = table["time_s"]
    rising = all(b > a for a, b in pairwise(times))
    if len(times) < 2 or not rising:  # noqa: PLR2004 - two rows make a step
        raise ConfigError(f"{path}: time_s must rise, over two lines at least")
    unknown, once = [math.nan] * len(times), [1.0] * len(times)

    def columns(ending: str) -> dict[str, tuple[float, ...]]:
        found = (name for name in table if name.endswith(ending))
        return {name.removesuffix(ending): tuple(table[name]) for name in found}

    return Recording(
        times_s=tuple(times),
        frequency_hz=tuple(table.get("frequency_hz", unknown)),
        samples=tuple(table.get("frequency_samples", once)),
        commands_w=columns(".command_w"),
        powers_w=columns(".power_w"),
    )


def with_injected(recording: Recording, rated_w: Mapping[str, float], droop: Droop) -> Recording:
    """Return the recording with what the law makes of its frequency as the command.

    Parameters
    ----------
    recording : Recording
        With an injected frequency.
    rated_w : mapping of str to float
        Devices that followed it, and the power the droop is counted from, W.
    droop : Droop
        The law they were set to.

    Raises
    ------
    ConfigError
        If a device is not in the recording.
    """
    if strangers := sorted(set(rated_w) - set(recording.powers_w)):
        raise ConfigError(f"--rated: not in the recording: {', '.join(strangers)}")
    commands_w = {**recording.commands_w, **by_law(recording, droop, rated_w)}
    return replace(recording, commands_w=commands_w)
