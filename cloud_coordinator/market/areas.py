"""Areas of the system operators: frequency and command periods, from ``areas.csv``."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from protocols.vocabulary.errors import ConfigError

_COLUMNS = (
    "area",
    "nominal_hz",
    "abnormal_hz",
    "dead_band_hz",
    "lfc_period_s",
    "edc_period_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One area.

    Attributes
    ----------
    name : str
        As zones are named.
    nominal_hz : float
        50 or 60.
    abnormal_hz : float
        Fall from which on primary reserve is judged as in abnormal time, Hz.
    dead_band_hz : float
        Greatest dead band of primary reserve, Hz.
    lfc_period_s, edc_period_s : float
        Spacing of commands on a dedicated line, s.
    """

    name: str
    nominal_hz: float
    abnormal_hz: float
    dead_band_hz: float
    lfc_period_s: float
    edc_period_s: float


def load_areas() -> Mapping[str, Area]:
    """Read the areas that come with the package, by name."""
    text = files("cloud_coordinator.market").joinpath("areas.csv").read_text("utf-8")
    return parse_areas(text, "areas.csv")


def parse_areas(text: str, source: str) -> Mapping[str, Area]:
    """Parse areas from CSV.

    Raises
    ------
    ConfigError
        Naming file, line and cause.
    """
    reader = csv.reader(io.StringIO(text))
    if tuple(next(reader, ())) != _COLUMNS:
        raise ConfigError(f"{source}:1: the header is not {','.join(_COLUMNS)}")
    found: dict[str, Area] = {}
    for row in reader:
        where = f"{source}:{reader.line_num}"
        if len(row) != len(_COLUMNS) or not row[0] or row[0] in found:
            raise ConfigError(f"{where}: not one new area with {len(_COLUMNS) - 1} numbers")
        numbers = [_positive(cell, where) for cell in row[1:]]
        found[row[0]] = Area(
            name=row[0],
            nominal_hz=numbers[0],
            abnormal_hz=numbers[1],
            dead_band_hz=numbers[2],
            lfc_period_s=numbers[3],
            edc_period_s=numbers[4],
        )
    return found


def _positive(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        raise ConfigError(f"{where}: {cell!r} is not a number") from None
    if not (math.isfinite(value) and value > 0.0):
        raise ConfigError(f"{where}: {cell} is not above 0")
    return value
