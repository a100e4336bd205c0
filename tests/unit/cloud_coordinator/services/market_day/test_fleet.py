"""The day's fleet gives what the ledger let be sold: stopped charging, energy that lasts."""

from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bids import Source
from cloud_coordinator.services.market_day.fleet import Asked, DayFleet, Plan, Supplied
from cloud_coordinator.services.market_day.portfolio import parse_portfolio
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from tests.unit.cloud_coordinator.services.market_day.days import PORTFOLIO

ONE = parse_portfolio(PORTFOLIO, "test")
ETA = ONE.one_way_efficiency
POWER_KW = 2000.0 * float(ONE.storage.known.gain[0])


def _ran(asked: Asked, *, start_kwh: float, traded_kw: float = 0.0) -> tuple[Supplied, DayFleet]:
    traded = np.zeros(SLOTS_A_DAY)
    traded[0] = traded_kw
    plan = Plan(
        traded_kw=traded,
        refill_kw=np.zeros(SLOTS_A_DAY),
        start_kwh=start_kwh,
        restore_kwh=0.0,
        charge_kw=np.full(SLOTS_A_DAY, 2000.0),
    )
    fleet = DayFleet(ONE, plan, np.random.default_rng(1))
    (supplied,) = fleet.run([asked])
    return supplied, fleet


def _award(kw: float, *, called: float, duration_s: int = SLOT_S) -> Asked:
    return Asked(
        source=Source.STORAGE,
        award_kw=Decimal(kw),
        price_jpy=Decimal(1),
        first_slot=0,
        slots=1,
        duration_s=duration_s,
        power_w=np.full(SLOT_S, called * 1e3),
    )


def test_charging_that_is_stopped_delivers() -> None:
    """If it fails, a battery that stops buying is charged penalties for what it delivered."""
    supplied, fleet = _ran(_award(2800.0, called=800.0), start_kwh=4000.0, traded_kw=-1000.0)
    assert supplied.available_kw == (2800.0,)
    ran = fleet.ran
    delivered = ran.called_kwh[0]
    assert delivered == pytest.approx(400.0, rel=0.02)
    assert ran.discharged_kwh[0] == 0.0
    assert ran.charged_kwh[0] == pytest.approx(500.0 - delivered)
    assert ran.contents_kwh[1] == pytest.approx(4000.0 + (500.0 - delivered) * ETA)


def test_what_there_is_no_room_for_cannot_be_stopped() -> None:
    """If it fails, power is promised from a purchase that a full battery does not take in."""
    supplied, _ = _ran(_award(2800.0, called=0.0), start_kwh=8000.0, traded_kw=-1000.0)
    assert supplied.available_kw[0] == pytest.approx(POWER_KW)


@pytest.mark.parametrize(("duration_s", "available_kw"), [(300, POWER_KW), (1800, 600.0 * ETA)])
def test_energy_is_held_as_long_as_a_product_may_be_called(
    duration_s: int, available_kw: float
) -> None:
    """If it fails, five minutes of primary are judged by half an hour of energy, or the reverse."""
    asked = _award(2000.0, called=0.0, duration_s=duration_s)
    supplied, _ = _ran(asked, start_kwh=300.0)
    assert supplied.available_kw[0] == pytest.approx(available_kw, abs=0.001)
