"""The dispatch signal: two columns, time and -1..1, from a file or drawn from a seed.

What is wrong with a file is said in one line: file, line and cause. Called by the plan of the
demo; nothing here posts a command.
"""

import gzip
import math
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from protocols.vocabulary.errors import ConfigError

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
STEP_S_MIN: Final = 1.0
STEP_S_MAX: Final = 60.0
GENERATED_STEP_S: Final = 2.0
_COLUMNS: Final = 2
_ROWS_MIN: Final = 2
_TIME_TOLERANCE: Final = 1e-3
_PULL: Final = 0.03
_PUSH: Final = 0.01
_MOMENTUM: Final = 0.9
"""Chosen for the mileage of a recorded fast regulation signal, 0.013 to 0.02 per step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchFile:
    """A dispatch signal on an even grid.

    Attributes
    ----------
    source : str
        Where it is from, for the report.
    generated : bool
        Whether it was drawn, not recorded.
    start_s : float
        Time of the first value, in the file's own time.
    step_s : float
        Distance of two values, s.
    values : tuple of float
        Parts of the award, -1..1, + upward.
    """

    source: str
    generated: bool
    start_s: float
    step_s: float
    values: tuple[float, ...]

    @property
    def length_s(self) -> float:
        """How long it is, the last value holding for one step."""
        return len(self.values) * self.step_s

    def cut(self, offset_s: float, length_s: float) -> "DispatchFile":
        """Take a piece that begins ``offset_s`` after the first value.

        Raises
        ------
        ConfigError
            If the piece is not inside the signal.
        """
        first = math.floor(offset_s / self.step_s + _TIME_TOLERANCE)
        count = math.ceil(length_s / self.step_s - _TIME_TOLERANCE)
        if offset_s < 0.0 or first + count > len(self.values):
            raise ConfigError(
                f"{self.source}: holds {self.length_s:.0f} s; {length_s:.0f} s from "
                f"--signal-start {offset_s:g} are not in it"
            )
        return DispatchFile(
            source=self.source,
            generated=self.generated,
            start_s=self.start_s + first * self.step_s,
            step_s=self.step_s,
            values=self.values[first : first + count],
        )


def generate_signal(seed: int, length_s: float) -> DispatchFile:
    """Draw a signal that moves like a fast regulation signal: smooth, bounded, about zero.

    Parameters
    ----------
    seed : int
        The same seed draws the same signal.
    length_s : float
        How long it has to be at least, s.
    """
    dice = random.Random(f"dispatch-{seed}")  # noqa: S311  a test signal, no secret
    value, slope = 0.0, 0.0
    values = []
    for _ in range(max(_ROWS_MIN, math.ceil(length_s / GENERATED_STEP_S))):
        values.append(round(value, 4))
        slope = _MOMENTUM * slope + dice.gauss(-_PULL * (1.0 - _MOMENTUM) * value, _PUSH)
        value += slope
        if abs(value) > 1.0:
            value, slope = math.copysign(1.0, value), 0.0
    return DispatchFile(
        source=f"generated from seed {seed} (no --signal was given)",
        generated=True,
        start_s=0.0,
        step_s=GENERATED_STEP_S,
        values=tuple(values),
    )


def read_signal(path: Path) -> DispatchFile:
    """Read and check a whole signal file.

    Parameters
    ----------
    path : Path
        CSV, gzipped or not; a header line is allowed. Times are seconds or ISO 8601, evenly
        spaced by 1 to 60 s; values are -1..1.

    Raises
    ------
    ConfigError
        ``<file>:<line>: <cause>`` for the first thing that is wrong.
    """
    times: list[float] = []
    values: list[float] = []
    step_s = 0.0
    for number, line in _lines(path):
        try:
            time_s, value = _row(line)
            step_s = _stepped(times, time_s, step_s)
        except ValueError as error:
            if not times and number == 1 and _is_header(line):
                continue
            raise ConfigError(f"{path}:{number}: {error}") from None
        times.append(time_s)
        values.append(value)
    if len(values) < _ROWS_MIN:
        raise ConfigError(f"{path}: holds {len(values)} values; a signal needs two or more")
    return DispatchFile(
        source=str(path),
        generated=False,
        start_s=times[0],
        step_s=step_s,
        values=tuple(values),
    )


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    text = _text(path)
    numbered = enumerate(text.splitlines(), start=1)
    return [(number, line) for number, line in numbered if line.strip()]


def _text(path: Path) -> str:
    """Return the file's text, unpacked if it is gzipped."""
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except gzip.BadGzipFile as error:
        raise ConfigError(f"{path}: is not a whole gzip file: {error}") from None
    except (EOFError, zlib.error):
        raise ConfigError(f"{path}: is not a whole gzip file: it is cut off or damaged") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text") from None


def _row(line: str) -> tuple[float, float]:
    """Read one line; ValueError says what is wrong with it."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != _COLUMNS:
        raise ValueError(f"has {len(cells)} columns; a signal has two, time and value")
    if not cells[0] or not cells[1]:
        raise ValueError("the time is missing" if not cells[0] else "the value is missing")
    time_s = _time(cells[0])
    value = _number(cells[1], "value")
    if not -1.0 <= value <= 1.0:
        raise ValueError(f"value {cells[1]} is outside -1..1")
    return time_s, value


def _time(cell: str) -> float:
    """Seconds, or an ISO 8601 time as Unix seconds."""
    try:
        return _number(cell, "time")
    except ValueError:
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            raise ValueError(f"time {cell[:40]!r} is neither seconds nor ISO 8601") from None
        if moment.tzinfo is None:
            raise ValueError(f"time {cell!r} has no offset from UTC") from None
        return moment.timestamp()


def _number(cell: str, what: str) -> float:
    """Read a finite number, and nothing that only Python takes for one."""
    try:
        number = float(cell)
    except ValueError:
        raise ValueError(f"{what} {cell[:40]!r} is not a number") from None
    if not math.isfinite(number) or "_" in cell:
        raise ValueError(f"{what} {cell[:40]!r} is not a number")
    return number


def _stepped(times: Sequence[float], time_s: float, step_s: float) -> float:
    """Check the distance to the line before; return the grid's step."""
    if not times:
        return 0.0
    found_s = time_s - times[-1]
    if found_s <= 0.0:
        raise ValueError(f"time {time_s:g} does not rise (before it {times[-1]:g})")
    if len(times) == 1:
        if not STEP_S_MIN <= found_s <= STEP_S_MAX:
            raise ValueError(f"step {found_s:g} s; use {STEP_S_MIN:g} to {STEP_S_MAX:g} s")
        return found_s
    if abs(found_s - step_s) > _TIME_TOLERANCE * step_s:
        raise ValueError(
            f"a gap: {found_s:g} s after the line before, the step of this file is {step_s:g} s"
        )
    return step_s


def _is_header(line: str) -> bool:
    """Whether the first line names columns: two cells, none of them a number."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != _COLUMNS or not all(cells):
        return False
    return not any(_parses(cell) for cell in cells)


def _parses(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
