"""What is known at a moment: half-hour columns of market days, and since when each value is known.

The one gate. Features, forecasts and their fallbacks read columns through :meth:`History.known_at`
and see nothing that was published later. Pure; the moment is an argument. Called by the feature
builders, the training and the coordinator's forecasts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import Final, NamedTuple

import numpy as np

from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY, jst_moment

DAY_S: Final = 86_400
HOUR_S: Final = 3_600


class Series(Enum):
    """What a column holds; the value says from when on a slot's number is known.

    Notes
    -----
    Offset in s from the start of the slot's market day; None: from the end of the slot on.
    JEPX prints the spot result of the next day by the early afternoon; EPRX the day-ahead
    products in the afternoon (japan-market, gates). Both are taken late rather than early.
    """

    DEMAND = ("demand", "MW", None)
    PV = ("pv", "MW", None)
    SPOT = ("spot", "JPY/kWh", -9 * 3600)
    SELL_BIDS = ("sell bids", "kWh", -9 * 3600)
    BUY_BIDS = ("buy bids", "kWh", -9 * 3600)
    BALANCING = ("balancing", "JPY/kW/30min", -6 * 3600)
    TEMPERATURE = ("temperature", "degC", None)
    DEW_POINT = ("dew point", "degC", None)
    PRESSURE = ("pressure", "hPa", None)
    IRRADIANCE = ("irradiance", "W/m2", None)
    WIND = ("wind", "m/s", None)
    RAIN = ("rain", "mm/h", None)

    def __init__(self, words: str, unit: str, known_after_s: int | None) -> None:
        self.words = words
        self.unit = unit
        self.known_after_s = known_after_s


class Column(NamedTuple):
    """Name of a column: what, and where (area, station, or product and area)."""

    series: Series
    place: str


OF_THE_HOUR: Final = frozenset(
    {
        Series.DEMAND,
        Series.TEMPERATURE,
        Series.DEW_POINT,
        Series.PRESSURE,
        Series.IRRADIANCE,
        Series.WIND,
        Series.RAIN,
    }
)
"""Published by the hour: its half hours are known when the hour is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Columns of market days.

    Attributes
    ----------
    first_day : date
        Market day (JST) of the first row.
    days : int
        Number of rows.
    columns : mapping of Column to FloatArray
        Shape (days, 48), in the unit of its series; NaN where not known.
    """

    first_day: date
    days: int
    columns: Mapping[Column, FloatArray]

    def __post_init__(self) -> None:
        """Check shapes."""
        shape = (self.days, SLOTS_A_DAY)
        wrong = [name for name, values in self.columns.items() if values.shape != shape]
        assert not wrong, f"columns {wrong} are not of shape {shape}"

    def known_at(self, moment: datetime) -> "History":
        """Return the same columns with everything that was not known yet taken out.

        Parameters
        ----------
        moment : datetime
            Aware.

        Returns
        -------
        History
            Of the same shape.
        """
        since_s = (moment - jst_moment(self.first_day, time())) / timedelta(seconds=1)
        late = {
            name.series: _known_from_s(name.series, self.days) > since_s for name in self.columns
        }
        return History(
            first_day=self.first_day,
            days=self.days,
            columns={
                name: np.where(late[name.series], np.nan, values)
                for name, values in self.columns.items()
            },
        )

    def window(self, day: date, *, before: int) -> "History":
        """Rows of a day and of the days before it; NaN where the history does not reach.

        Parameters
        ----------
        day : date
            Last row.
        before : int
            Days before it.
        """
        first = (day - self.first_day).days - before
        count = before + 1
        low, high = max(first, 0), min(first + count, self.days)
        found: dict[Column, FloatArray] = {}
        for name, values in self.columns.items():
            rows = np.full((count, SLOTS_A_DAY), np.nan)
            if low < high:
                rows[low - first : high - first] = values[low:high]
            found[name] = rows
        return History(first_day=day - timedelta(days=before), days=count, columns=found)

    def only(self, series: frozenset[Series]) -> "History":
        """Columns of some series alone."""
        kept = {name: values for name, values in self.columns.items() if name.series in series}
        return History(first_day=self.first_day, days=self.days, columns=kept)

    def column(self, series: Series, place: str) -> FloatArray:
        """Values of a column, shape (days, 48); all NaN where there is no such column."""
        found = self.columns.get(Column(series, place))
        return np.full((self.days, SLOTS_A_DAY), np.nan) if found is None else found


def _known_from_s(series: Series, days: int) -> FloatArray:
    """Since when each slot is known, s from the start of the first day, shape (days, 48)."""
    day_s = np.arange(days)[:, None] * float(DAY_S)
    if series.known_after_s is not None:
        return np.broadcast_to(day_s + series.known_after_s, (days, SLOTS_A_DAY))
    every_s = HOUR_S if series in OF_THE_HOUR else SLOT_S
    slot_ends_s = (np.arange(SLOTS_A_DAY)[None, :] + 1.0) * SLOT_S
    ends_s: FloatArray = day_s + np.ceil(slot_ends_s / every_s) * every_s
    return ends_s
