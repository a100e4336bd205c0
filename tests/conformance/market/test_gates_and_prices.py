"""Slots, gates, bids and the imbalance price as japan-market R15, R16 and R18."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from cloud_coordinator.market.gates import (
    ReserveBid,
    bid_window,
    check_plan,
    check_reserve_bid,
    gate_closure,
    load_exchange_rule,
    parse_exchange_rule,
)
from cloud_coordinator.market.imbalance import load_imbalance_rule, parse_imbalance_rule
from cloud_coordinator.market.rules import STEERING_RULE_SET, load_rule_book
from cloud_coordinator.settlement.money import imbalance_yen
from protocols.vocabulary.calendar import Slot, day_slots, jst_moment, slot_of, slots_of
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

BOOK = load_rule_book()
IMBALANCE = load_imbalance_rule()
EXCHANGE = load_exchange_rule()
SEPTEMBER, OCTOBER = date(2026, 9, 30), date(2026, 10, 1)
DAY = date(2026, 7, 22)


@pytest.mark.parametrize(
    ("margin", "september", "october"),
    [
        ("5", "138.00", "200.00"),
        ("6.5", "91.50", "125.00"),
        ("8", "45", "50"),
        ("3", "200", "300"),
        ("0", "200", "300"),
        ("9", "22.50", "25.00"),
        ("10", "12.34", "12.34"),
        ("25", "12.34", "12.34"),
    ],
)
def test_r15_imbalance_price(margin: str, september: str, october: str) -> None:
    """If it fails, an hour of scarcity is planned with the price of an ordinary one."""
    base = Decimal("12.34")
    for day, price in ((SEPTEMBER, september), (OCTOBER, october)):
        assert IMBALANCE.price_jpy(day, Decimal(margin), base_jpy=base) == Decimal(price)


def test_r15_the_greater_price_and_what_it_costs() -> None:
    """If it fails, a shortage is settled below the price of the market."""
    assert IMBALANCE.price_jpy(SEPTEMBER, Decimal(5), base_jpy=Decimal(160)) == 160
    assert imbalance_yen(40_000, Decimal(138)) == 5520
    with pytest.raises(ConfigError, match="2020-01-01"):
        IMBALANCE.curve(date(2020, 1, 1))


@pytest.mark.parametrize(("high_slots", "capped"), [(30, True), (29, False)])
def test_r16_the_cap_comes_after_thirty_high_slots(high_slots: int, *, capped: bool) -> None:
    """If it fails, the price cap comes a day early, late or never."""
    prices = [Decimal(250)] * high_slots + [Decimal(20)] * (7 * 48 - high_slots)
    week = [prices[48 * k : 48 * (k + 1)] for k in range(7)]
    assert IMBALANCE.capped_days(week)[-1] is capped
    price = IMBALANCE.scarcity_jpy(SEPTEMBER, Decimal(5), capped=capped)
    assert price == (100 if capped else 138)


def test_r16_the_cap_goes_when_a_week_was_calm() -> None:
    """If it fails, the cap stays for ever, or goes while prices are high."""
    wild = [Decimal(200)] * 30 + [Decimal(20)] * 18
    calm = [Decimal("99.99")] * 48
    on = IMBALANCE.capped_days([wild, *[calm] * 8])
    assert on == (True,) * 7 + (False,) * 2


def test_r18_slots_and_gates() -> None:
    """If it fails, a plan is filed for the wrong half hour, or a minute too late."""
    slot = slot_of(jst_moment(DAY, time(17, 0)))
    assert slot == Slot(day=DAY, number=35)
    assert slot_of(jst_moment(DAY, time(17, 29, 59))) == slot
    assert slot_of(jst_moment(DAY, time(17, 30))).number == 36
    gate = gate_closure(slot, 60)
    assert gate == jst_moment(DAY, time(16, 0))
    rule = BOOK.settling(Service.SECONDARY_2, DAY)
    assert not check_plan(slot, gate, rule)
    (refused,) = check_plan(slot, gate + timedelta(seconds=1), rule)
    assert (refused.rule, refused.rule_set_id) == ("gate", "eprx-2026-03-14")
    assert EXCHANGE.intraday_window(slot).end == gate


def test_r18_every_day_has_48_slots() -> None:
    """If it fails, a day is short of slots where clocks change elsewhere, or at the year's end."""
    for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 12, 31), date(2028, 2, 29)):
        slots = day_slots(day)
        assert len(slots) == 48
        begin = jst_moment(day, time())
        whole = Interval(start=begin, end=begin + timedelta(days=1))
        assert slots_of(whole) == slots
        assert all(slot_of(slot.interval.start) == slot for slot in slots)
    assert slot_of(datetime(2026, 7, 21, 15, tzinfo=UTC)) == Slot(day=DAY, number=1)


def test_r18_lots_and_ticks_of_the_exchange() -> None:
    """If it fails, an order is ten times too large, or is refused by the exchange."""
    assert EXCHANGE.lots(Decimal(1000)) == 10
    slot = Slot(day=DAY, number=35)
    window = EXCHANGE.spot_window(slot)
    assert window.start == jst_moment(date(2026, 7, 11), time())
    assert window.end == jst_moment(date(2026, 7, 21), time(10))

    def rules(energy: str, price: str, at: datetime = window.end) -> list[str]:
        found = EXCHANGE.check(Decimal(energy), Decimal(price), at=at, window=window)
        return [one.rule for one in found]

    assert rules("500", "10.01") == []
    assert rules("500", "10.005") == ["tick"]
    assert rules("525", "10.01") == ["lot"]
    assert rules("0", "10.01") == ["lot"]
    assert rules("500", "10.01", window.end + timedelta(seconds=1)) == ["gate"]
    assert rules("NaN", "10.01") == ["number"]


def reserve_bid(power: str = "1000", price: str = "10.00", least: str = "1000") -> ReserveBid:
    return ReserveBid(
        slot=Slot(day=DAY, number=35),
        power_kw=Decimal(power),
        least_kw=Decimal(least),
        price_jpy=Decimal(price),
    )


@pytest.mark.parametrize(
    ("bid", "broken"),
    [
        (reserve_bid(), set()),
        (reserve_bid("999", least="999"), {"minimum"}),
        (reserve_bid("1000.5"), {"step"}),
        (reserve_bid(least="1001"), {"acceptable"}),
        (reserve_bid(price="10.005"), {"tick"}),
        (reserve_bid(price="15.01"), {"cap"}),
        (reserve_bid(price="NaN"), {"number"}),
    ],
)
def test_r18_a_bid_passes_only_if_both_rule_sets_accept_it(
    bid: ReserveBid, broken: set[str]
) -> None:
    """If it fails, the market refuses a bid that we thought was placed."""
    rules = [
        BOOK.rule(STEERING_RULE_SET, Service.PRIMARY, DAY),
        BOOK.settling(Service.PRIMARY, DAY),
    ]
    at = jst_moment(date(2026, 7, 21), time(14))
    found = check_reserve_bid(bid, at, rules)
    assert {one.rule for one in found} == broken
    assert {one.rule_set_id for one in found} == (
        {r.rule_set_id for r in rules} if broken else set()
    )
    late = check_reserve_bid(bid, at + timedelta(seconds=1), rules)
    assert "number" in broken or "gate" in {one.rule for one in late}
    strict = check_reserve_bid(bid, at, rules, with_policy=True)
    assert "number" in broken or ("minimum", STEERING_RULE_SET) in {
        (one.rule, one.rule_set_id) for one in strict
    }


def test_r18_bid_windows_of_both_years() -> None:
    """If it fails, bids of a whole week come after the door is shut."""
    combined = BOOK.settling(Service.SECONDARY_1, date(2025, 7, 23))
    for day in (date(2025, 7, 19), date(2025, 7, 23), date(2025, 7, 25)):
        assert bid_window(combined, day) == Interval(
            start=jst_moment(date(2025, 7, 14), time(14)),
            end=jst_moment(date(2025, 7, 15), time(14)),
        )
    alone = BOOK.settling(Service.TERTIARY_2, date(2025, 7, 23))
    assert bid_window(alone, date(2025, 7, 23)).start == jst_moment(date(2025, 7, 22), time(12))
    today = BOOK.settling(Service.SECONDARY_1, DAY)
    assert bid_window(today, DAY) == Interval(
        start=jst_moment(date(2026, 7, 21), time(11, 30)),
        end=jst_moment(date(2026, 7, 21), time(14)),
    )


@pytest.mark.parametrize("text", ["", "[", 'id = "x"\nodd = 1', 'lot_kwh = "a"'])
def test_bad_files_of_prices_are_named(text: str) -> None:
    """If it fails, a broken file of figures stops the day with a stack trace."""
    for parse in (parse_exchange_rule, parse_imbalance_rule):
        with pytest.raises(ConfigError, match=r"odd\.toml"):
            parse(text, "odd.toml")
