"""Recorded grid signals of the data catalogue's ``frequency`` folder, as seconds.

Implements :class:`cloud_coordinator.services.market_day.signals.SignalRecords`. What is absent or
malformed is refused whole and gives an empty column; the day then says what it assumed.
"""

import csv
import gzip
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError

REGULATION: Final = ("pjm_regd_2s_*", "regd_pu")
FREQUENCY: Final = ("gmlc_grid_frequency_1s_*", "frequency_pu")
SECONDS_MAX: Final = 7 * 86_400
"""Longer records are cut: one week of different days is enough."""


class RecordedSignals:
    """Signals that were recorded once; several files of a kind follow each other.

    Parameters
    ----------
    root : Path
        The catalogue's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, FloatArray] = {}
        self.refused: list[str] = []

    def regulation(self) -> FloatArray:
        """Regulation signal, -1..1, one value a second."""
        return self._of(*REGULATION)

    def frequency_pu(self) -> FloatArray:
        """Frequency per unit of the nominal, one value a second."""
        return self._of(*FREQUENCY)

    def _of(self, pattern: str, name: str) -> FloatArray:
        if pattern not in self._read:
            paths = sorted((self._root / "frequency").glob(f"{pattern}.csv.gz"))
            parts = []
            for path in paths:
                try:
                    parts.append(_seconds(path, name))
                except ConfigError as error:
                    self.refused.append(str(error))
            whole = np.concatenate(parts) if parts else np.empty(0)
            self._read[pattern] = whole[:SECONDS_MAX]
        return self._read[pattern]


def _seconds(path: Path, name: str) -> FloatArray:
    """Read a column and hold each value until the next, one value a second."""
    times: list[float] = []
    values: list[float] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            rows = csv.reader(text)
            if next(rows, []) != ["second", name]:
                raise ConfigError(f"{path}:1: the header is not second,{name}")
            for line, row in enumerate(rows, start=2):
                try:
                    second, value = row
                    times.append(float(second))
                    values.append(float(value))
                except ValueError as error:
                    raise ConfigError(f"{path}:{line}: {error}") from error
    except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    found, at = np.array(values), np.array(times)
    if not len(at) or not np.isfinite(found).all() or (np.diff(at) <= 0.0).any():
        raise ConfigError(f"{path}: is empty, has gaps, or its seconds do not rise")
    seconds = np.arange(at[0], min(at[-1] + 1.0, at[0] + SECONDS_MAX))
    return np.asarray(found[np.searchsorted(at, seconds, side="right") - 1], dtype=np.float64)
