"""The forecast port of the market day: 48 slots of quantiles, with where they came from.

Always an answer: what cannot be forecast by a model is continued from the days before
(persistence), with wider quantiles and the reason in words. Called by bidding and by the day;
the moment at which something must be known is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol

import numpy as np

from models.day_ahead.history import History, Series
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots

QUANTILES: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
PERSISTENCE: Final = "persistence"
WINDOW_DAYS: Final = 42
"""Days before the forecast day that are looked at."""
LEAST_VALUES: Final = 3
"""A slot with fewer known values takes those of the whole window."""
WIDENING: Final = 1.3
"""A fallback's quantiles lie this much further from its median than the past alone says."""
_CENTRES: Final = {
    Series.DEMAND: (7, 14, 2),
    Series.PV: (2, 3, 4),
    Series.SPOT: (1, 7, 2),
    Series.BALANCING: (1, 7, 2),
}
"""Days back whose values the median continues, the best known first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileForecast:
    """What a quantity will be in the 48 slots of a market day.

    Attributes
    ----------
    slot_start : tuple of datetime
        48, aware UTC.
    quantiles : tuple of float
        Rising, 0..1, with 0.5 among them.
    values : FloatArray
        Shape (48, q), rising along the last axis. Demand (positive = consumed) and PV in MW,
        spot price in JPY/kWh, balancing price in JPY per kW and half hour.
    source : str
        Model id, or ``persistence``.
    reason : str or None
        Why it is not the model's answer; None if it is.
    """

    slot_start: tuple[datetime, ...]
    quantiles: tuple[float, ...]
    values: FloatArray
    source: str
    reason: str | None

    def __post_init__(self) -> None:
        """Check shapes and order."""
        assert self.values.shape == (len(self.slot_start), len(self.quantiles)), "shape differs"
        assert (np.diff(self.values, axis=1) >= 0.0).all(), "quantiles cross"

    def at(self, quantile: float) -> FloatArray:
        """Values of a quantile, shape (48,); on a straight line between those there are."""
        if quantile in self.quantiles:
            return self.values[:, self.quantiles.index(quantile)]
        return np.array([np.interp(quantile, self.quantiles, row) for row in self.values])

    @property
    def median(self) -> FloatArray:
        """Shape (48,)."""
        return self.at(0.5)


class Forecasts(Protocol):
    """Forecasts of a market day; nothing published after ``known_at`` is used."""

    def demand(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area demand, MW."""

    def pv(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area PV output, MW."""

    def spot_price(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Price of the JEPX day-ahead spot market, JPY/kWh."""

    def balancing_price(
        self, product: str, area: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        """Mean accepted capacity price of EPRX, JPY per kW and half hour."""


class PastColumns(Protocol):
    """Where the columns come from."""

    def history(self, *, until: date, days: int) -> History:
        """Columns of the days up to and including ``until``; they may hold too much or less."""


def balancing_place(product: str, area: str) -> str:
    """Name of the column of a balancing product in an area."""
    return f"{product} {area}"


def persisted(
    history: History, series: Series, place: str, *, day: date, reason: str
) -> QuantileForecast:
    """Continue a column: as on the days before, as wide as those differ among themselves.

    Parameters
    ----------
    history : History
        Already cut to what is known.
    series, place : Series and str
        The column.
    day : date
        Market day.
    reason : str
        Why no model answers.

    Returns
    -------
    QuantileForecast
        Zeros, said so in the reason, when nothing at all is known of the column.
    """
    past = history.window(day, before=WINDOW_DAYS).column(series, place)
    centre = _continued(past, _CENTRES.get(series, (1, 7, 2)))
    if centre is None:
        reason = f"{reason}; nothing is known of {series.words} of {place}: zero assumed"
        centre = np.zeros(SLOTS_A_DAY)
    changes = _changes(past, _CENTRES.get(series, (1, 7, 2))[0])
    spread = np.stack([np.quantile(one, QUANTILES) for one in changes])
    values = np.maximum(centre[:, None] + WIDENING * spread, 0.0)
    values[:, QUANTILES.index(0.5)] = np.maximum(centre, 0.0)
    return QuantileForecast(
        slot_start=tuple(slot.interval.start for slot in day_slots(day)),
        quantiles=QUANTILES,
        values=np.maximum.accumulate(_around_median(values), axis=1),
        source=PERSISTENCE,
        reason=reason,
    )


def _around_median(values: FloatArray) -> FloatArray:
    """Lower quantiles not above the median, so that running maxima leave the median alone."""
    middle = QUANTILES.index(0.5)
    bound = values[:, [middle]]
    lower = np.minimum(values[:, :middle], bound)
    return np.concatenate(
        [np.minimum.accumulate(lower[:, ::-1], axis=1)[:, ::-1], values[:, middle:]], axis=1
    )


def _continued(past: FloatArray, days_back: Sequence[int]) -> FloatArray | None:
    """Value of each slot on the best known day back; means of the window fill what is left."""
    found = np.full(SLOTS_A_DAY, np.nan)
    for back in days_back:
        found = np.where(np.isfinite(found), found, past[-1 - back])
    if np.isfinite(found).all():
        return found
    known = np.isfinite(past)
    if not known.any():
        return None
    count = known.sum(axis=0)
    mean = np.where(known, past, 0.0).sum(axis=0) / np.maximum(count, 1)
    mean = np.where(count > 0, mean, past[known].mean())
    return np.where(np.isfinite(found), found, mean)


def _changes(past: FloatArray, back: int) -> list[FloatArray]:
    """Known changes of each slot over that many days, centred; of all slots where too few."""
    change = past[back:] - past[:-back]
    everything = change[np.isfinite(change)]
    if len(everything) == 0:
        values = past[np.isfinite(past)]
        everything = values - values.mean() if len(values) else np.zeros(1)
    found = []
    for slot in range(SLOTS_A_DAY):
        own = change[:, slot][np.isfinite(change[:, slot])]
        own = own if len(own) >= LEAST_VALUES else everything
        found.append(own - np.median(own))
    return found


class PersistenceForecasts:
    """Everything continues as on the days before.

    Parameters
    ----------
    past : PastColumns
        Columns to continue.
    reason : str
        Why persistence and no model.
    """

    def __init__(self, past: PastColumns, *, reason: str = "no model was asked for") -> None:
        self._past = past
        self._reason = reason

    def demand(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area demand, MW."""
        return self._answer(Series.DEMAND, area, day=day, known_at=known_at)

    def pv(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area PV output, MW."""
        return self._answer(Series.PV, area, day=day, known_at=known_at)

    def spot_price(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Price of the JEPX day-ahead spot market, JPY/kWh."""
        return self._answer(Series.SPOT, area, day=day, known_at=known_at)

    def balancing_price(
        self, product: str, area: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        """Mean accepted capacity price, JPY per kW and half hour."""
        place = balancing_place(product, area)
        return self._answer(Series.BALANCING, place, day=day, known_at=known_at)

    def _answer(
        self, series: Series, place: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        history = self._past.history(until=day, days=WINDOW_DAYS + 1).known_at(known_at)
        return persisted(history, series, place, day=day, reason=self._reason)
