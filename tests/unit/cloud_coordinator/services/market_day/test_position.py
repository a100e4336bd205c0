"""What is sold, what can come, and the orders between them."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.past import certain
from cloud_coordinator.services.market_day.position import (
    HIGHEST_JPY,
    LOWEST_JPY,
    Prices,
    closing_orders,
    gaps_kwh,
    position_of,
    present_kw,
    sun_orders,
)
from cloud_coordinator.services.market_day.sun import followed
from cloud_coordinator.services.trading import Fill
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.identifiers import SiteId
from tests.unit.cloud_coordinator.services.market_day.days import (
    DAY,
    one_battery,
    reserve_bid,
    spot_bid,
)

RULE = load_exchange_rule()
NOTHING = np.zeros(SLOTS_A_DAY)


def fill(bid: Bid, kw: int | None = None) -> Fill:
    """Clear a bid, whole if not told otherwise."""
    power = bid.power_kw if kw is None else Decimal(kw)
    return Fill(request_id="r", number=0, bid=bid, power_kw=power, price_jpy=bid.price_jpy)


def orders(
    gap_kwh: float, *, price: float = 20.0, forecast: QuantileForecast | None = None
) -> tuple[Bid, ...]:
    """Close a gap of slot 1."""
    gaps = {Source.PV: np.where(np.arange(SLOTS_A_DAY) == 0, gap_kwh, 0.0)}
    return closing_orders(
        gaps,
        day=DAY,
        slots=[0, 1],
        prices=Prices(
            published=np.full(SLOTS_A_DAY, price),
            forecast=forecast or certain(NOTHING, DAY),
        ),
        rule=RULE,
    )


def test_what_is_left_of_storage_is_kept_for_its_awards() -> None:
    """If it fails, a lost battery costs penalties although energy could be bought for yen."""
    award = replace(reserve_bid(), slot=spot_bid().slot)
    position = position_of([fill(spot_bid()), fill(award)])
    gaps = gaps_kwh(position, present={Source.STORAGE: 1200.0}, sun_kwh=NOTHING)
    assert gaps[Source.STORAGE][39] == -150.0
    assert not gaps[Source.STORAGE][:39].any()


def test_a_battery_that_is_gone_is_bought_back_whole() -> None:
    """If it fails, energy stays sold that nobody will deliver."""
    portfolio = one_battery()
    there, gone = present_kw(portfolio, ()), present_kw(portfolio, [SiteId("battery-1")])
    position = position_of([fill(spot_bid())])
    assert not gaps_kwh(position, present=there, sun_kwh=NOTHING)[Source.STORAGE].any()
    assert gaps_kwh(position, present=gone, sun_kwh=NOTHING)[Source.STORAGE][39] == -250.0


@pytest.mark.parametrize(
    ("gap_kwh", "kw", "price"),
    [
        (149.0, "200", "15.00"),
        (-149.0, "-200", "25.00"),
        (49.9, None, ""),
        (-50.0, "-100", "25.00"),
    ],
)
def test_orders_are_whole_lots_within_a_limit(gap_kwh: float, kw: str | None, price: str) -> None:
    """If it fails, an order breaks a lot or is filled at any price."""
    found = [(str(one.power_kw), f"{one.price_jpy:.2f}") for one in orders(gap_kwh)]
    assert found == ([] if kw is None else [(kw, price)])
    for one in orders(gap_kwh):
        assert (one.venue, one.slot.number) == (Venue.INTRADAY, 1)
        assert one.price_jpy % RULE.price_tick_jpy == 0


def test_limits_stay_between_the_least_and_the_greatest_price() -> None:
    """If it fails, a night without a price sells below nothing, or buys at any price."""
    assert orders(100.0, price=0.01)[0].price_jpy == LOWEST_JPY
    assert orders(-100.0, price=900.0)[0].price_jpy == HIGHEST_JPY


def test_a_price_that_is_not_known_is_taken_wide() -> None:
    """If it fails, a missing price file keeps the position open."""
    wide = replace(
        certain(NOTHING, DAY),
        values=np.tile(np.array([4.0, 5.0, 8.0, 10.0, 12.0, 16.0, 20.0]), (SLOTS_A_DAY, 1)),
    )
    assert orders(100.0, price=np.nan, forecast=wide)[0].price_jpy == Decimal(3)
    assert orders(-100.0, price=np.nan, forecast=wide)[0].price_jpy == Decimal(20)


def test_sun_is_sold_in_whole_lots_only() -> None:
    """If it fails, the exchange refuses the whole submission for one half lot."""
    found = sun_orders(np.where(np.arange(SLOTS_A_DAY) == 24, 130.0, 49.0), day=DAY, rule=RULE)
    assert [(one.slot.number, one.power_kw, one.source) for one in found] == [
        (25, Decimal(200), Source.PV)
    ]


def test_a_dull_morning_lowers_the_next_hours_most() -> None:
    """If it fails, the forecast of the day before is believed against the meters."""
    forecast = np.full(SLOTS_A_DAY, 100.0)
    seen = np.where(np.arange(SLOTS_A_DAY) < 20, 50.0, np.nan)
    found = followed(forecast, seen)
    assert found[:20].tolist() == [50.0] * 20
    assert (np.diff(found[20:]) > 0).all()
    assert found[20] == pytest.approx(100 - 50 * np.exp(-1 / 6))
    assert followed(forecast, np.full(SLOTS_A_DAY, np.nan)).tolist() == forecast.tolist()
