"""What really was, against what was expected: prices, PV and forecasts of a day.

A price or a measurement that is not there is replaced by a stated assumption, never by silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.imbalance import ImbalanceRule
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.asking import Gate, Market
from cloud_coordinator.services.market_day.fleet import SLOT_H
from cloud_coordinator.services.market_day.records import Compared
from cloud_coordinator.services.market_history import KnownHistory, MarketSeries
from cloud_coordinator.settlement.money import exact
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service

PV_YEAR: Final = 365 * SLOTS_A_DAY
FULL_RESERVE: Final = Decimal(100)
"""Reserve margin, percent, where none is published: no scarcity price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPrices:
    """Prices of the day, shape (48,), JPY/kWh; alerts say what was assumed."""

    spot: FloatArray
    intraday: FloatArray
    imbalance: FloatArray
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySun:
    """PV of the portfolio, shape (48,), kWh at the grid; alerts say what was assumed."""

    plan_kwh: FloatArray
    actual_kwh: FloatArray
    alerts: tuple[str, ...]


def day_prices(market: Market, day: date, *, imbalance: ImbalanceRule) -> DayPrices:
    """Prices of the day as published; what is missing is stated."""
    area = market.area.name
    alerts: list[str] = []
    spot = market.history.column(MarketSeries.SPOT, area).of_day(day)
    if np.isnan(spot).any():
        gate = market.gates(day)[-1]
        estimate = market.forecasts.spot_price(area, day, gate.at)
        alerts.append(
            f"spot price of {area}: not known in {int(np.isnan(spot).sum())} slots; settled "
            f"at the forecast ({estimate.source}) until it is"
        )
        spot = np.where(np.isnan(spot), np.round(estimate.median, 2), spot)
    intraday = market.history.column(MarketSeries.INTRADAY, area).of_day(day)
    if np.isnan(intraday).any():
        alerts.append("intraday price: not known; the spot price stands in")
        intraday = np.where(np.isnan(intraday), spot, intraday)
    charged = np.array([_imbalance_jpy(imbalance, day, base) for base in intraday.tolist()])
    return DayPrices(spot=spot, intraday=intraday, imbalance=charged, alerts=tuple(alerts))


def _imbalance_jpy(rule: ImbalanceRule, day: date, base: float) -> float:
    """Imbalance price where no reserve margin is known: its base."""
    try:
        price = rule.price_jpy(day, FULL_RESERVE, base_jpy=exact(base))
    except ConfigError:
        return base
    return float(price)


def day_sun(market: Market, day: date) -> DaySun:
    """PV: planned in whole lots from the forecast at the exchange's gate, and what came."""
    area = market.area.name
    nothing = np.zeros(SLOTS_A_DAY)
    if not market.portfolio.pv_kw:
        return DaySun(plan_kwh=nothing, actual_kwh=nothing, alerts=())
    gate = next(one for one in market.gates(day) if Service.ENERGY in one.services)
    known = KnownHistory(market.history, gate.at).column(MarketSeries.PV, area)
    past = known.values[-PV_YEAR:]
    if not np.isfinite(past).any() or float(np.nanmax(past)) <= 0.0:
        alert = f"PV of {area}: nothing known; none is sold"
        return DaySun(plan_kwh=nothing, actual_kwh=nothing, alerts=(alert,))
    part = market.portfolio.pv_kw / float(np.nanmax(past))
    forecast = market.forecasts.pv(area, day, gate.at)
    lot = float(market.exchange.lot_kwh)
    plan = np.floor(np.maximum(forecast.median, 0.0) * part * SLOT_H / lot) * lot
    actual = market.history.column(MarketSeries.PV, area).of_day(day) * part * SLOT_H
    alerts = []
    if forecast.reason is not None:
        alerts.append(f"forecast of pv: {forecast.source}: {forecast.reason}")
    if np.isnan(actual).any():
        alerts.append(f"PV of {area}: not known; taken as planned")
        actual = np.where(np.isnan(actual), plan, actual)
    return DaySun(plan_kwh=plan, actual_kwh=actual, alerts=tuple(alerts))


def compared(
    market: Market, day: date, used: Sequence[tuple[Gate, str, QuantileForecast]]
) -> tuple[Compared, ...]:
    """Forecasts of the day against what came."""
    area = market.area.name
    found = []
    for gate, name, forecast in used:
        if name == "spot":
            actual = market.history.column(MarketSeries.SPOT, area).of_day(day)
            unit = "JPY/kWh"
        else:
            actual = market.history.balancing(Service(name), area).price_mean.of_day(day)
            unit = "JPY/kW/30min"
        found.append(
            Compared(quantity=name, unit=unit, known_at=gate.at, forecast=forecast, actual=actual)
        )
    gate = next(one for one in market.gates(day) if Service.ENERGY in one.services)
    for name, series, forecast in (
        ("demand", MarketSeries.DEMAND, market.forecasts.demand(area, day, gate.at)),
        ("pv", MarketSeries.PV, market.forecasts.pv(area, day, gate.at)),
    ):
        found.append(
            Compared(
                quantity=name,
                unit="MW",
                known_at=gate.at,
                forecast=forecast,
                actual=market.history.column(series, area).of_day(day),
            )
        )
    return tuple(found)
