"""The forecasts a gate's bids rested on, kept as they were, and later compared with what came.

Called by the trading of days; the rows are those of the requirement's ``prediction_data``.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import numpy as np

from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.records import Compared
from cloud_coordinator.services.market_day.rows import RequirementRows, prediction_rows
from cloud_coordinator.services.market_history import MarketSeries
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.obligation import Service

_KEPT: Final = (0.1, 0.5, 0.9)
_UNITS: Final = {"spot": "JPY/kWh", "demand": "MW", "pv": "MW"}
_SERIES: Final = {
    "spot": MarketSeries.SPOT,
    "demand": MarketSeries.DEMAND,
    "pv": MarketSeries.PV,
}


def kept_text(used: Mapping[str, QuantileForecast], known_at: datetime) -> str:
    """Write what was foretold: by quantity its source, reason, and three quantiles."""
    quantities = {
        name: [one.source, one.reason, [one.at(part).round(6).tolist() for part in _KEPT]]
        for name, one in used.items()
    }
    return json.dumps([known_at.isoformat(), quantities])


def foretold_rows(text: str, day: date, *, area: str, market: Market | None) -> RequirementRows:
    """Turn what was kept into rows.

    Parameters
    ----------
    text : str
        Of :func:`kept_text`.
    day : date
        Of delivery.
    area : str
        Where.
    market : Market or None
        Whose history says what came; None where nothing has come yet.

    Raises
    ------
    StoreError
        If the text cannot be understood.
    """
    starts = tuple(slot.interval.start for slot in day_slots(day))
    try:
        moment, quantities = json.loads(text)
        compared = [
            Compared(
                quantity=name,
                unit=_UNITS.get(name, "JPY/kW/30min"),
                known_at=datetime.fromisoformat(moment),
                forecast=QuantileForecast(
                    slot_start=starts,
                    quantiles=_KEPT,
                    values=np.array(values, dtype=np.float64).T,
                    source=source,
                    reason=reason,
                ),
                actual=_actual(name, day, market),
            )
            for name, (source, reason, values) in quantities.items()
        ]
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"forecasts of {day}: {error!r}") from error
    return RequirementRows(predictions=prediction_rows(area, compared))


def _actual(name: str, day: date, market: Market | None) -> FloatArray:
    """Return what was published of a quantity; NaN where nothing was."""
    if market is None:
        return np.full(SLOTS_A_DAY, np.nan)
    if name in _SERIES:
        return market.history.column(_SERIES[name], market.area.name).of_day(day)
    results = market.history.balancing(Service(name), market.area.name)
    return results.price_mean.of_day(day)
