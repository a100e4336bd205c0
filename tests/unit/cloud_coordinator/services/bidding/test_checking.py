"""Books are checked by every market's rules and by the ledger, each refusal by its own name."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.market.gates import Refusal
from cloud_coordinator.services.bidding.book_file import read_book, to_data
from cloud_coordinator.services.bidding.checking import check_bids, store_of
from cloud_coordinator.services.bidding.port import BidBook
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service
from tests.bidding import RESERVE_AT, SPOT_AT, energy_bid, question, reserve_bid

HELD_OVER = energy_bid(2, -200)


def book(*bids: Bid) -> BidBook:
    """Book of some bids."""
    return BidBook(bids=bids, refill_kw=np.zeros(SLOTS_A_DAY), strategy="hand")


def refused(*bids: Bid) -> dict[str, Refusal]:
    """Refusals by rule."""
    return {one.rule: one for one in check_bids(book(HELD_OVER, *bids), question())}


@pytest.mark.parametrize(
    ("bid", "rule", "rule_set"),
    [
        (replace(reserve_bid(20, 1500), price_jpy=Decimal("1.505")), "tick", "eprx-2026-03-14"),
        (replace(reserve_bid(20, 1500), price_jpy=Decimal("7.22")), "cap", "eprx-2026-03-14"),
        (reserve_bid(20, 999), "minimum", "seed-internal"),
        (replace(reserve_bid(20, 1500), power_kw=Decimal("1500.5")), "step", "eprx-2026-03-14"),
        (replace(reserve_bid(20, 1500), least_kw=Decimal(1600)), "acceptable", "eprx-2026-03-14"),
        (replace(reserve_bid(20, 1500), slots=2), "block", "ledger-2026-03-14"),
        (energy_bid(20, -150), "lot", "jepx-2025-04-01"),
        (replace(energy_bid(20, -200), price_jpy=Decimal("10.005")), "tick", "jepx-2025-04-01"),
        (reserve_bid(20, 5000), "sold-twice", "ledger-2026-03-14"),
        (reserve_bid(20, 1500, service=Service.PRIMARY), "kind", "ledger-2026-03-14"),
        (replace(energy_bid(20, 200), venue=Venue.INTRADAY), "kind", "ledger-2026-03-14"),
    ],
)
def test_each_broken_rule_is_named_with_its_set(bid: Bid, rule: str, rule_set: str) -> None:
    """If it fails, the operator hears "rejected" from the market instead of why from us."""
    refusals = check_bids(book(HELD_OVER, bid), question())
    found = [one for one in refusals if (one.rule, one.rule_set_id) == (rule, rule_set)]
    assert found, [f"{one.rule_set_id} {one.rule}" for one in refusals]
    assert all(one.clause for one in refusals)


def test_the_end_asks_for_no_more_than_doing_nothing_leaves() -> None:
    """If it fails, yesterday's sale forbids every bid of today, or pays for one sale too many."""
    sold = energy_bid(2, 1000)
    asked = question(committed=(sold,))
    assert asked.holdings.store is not None
    left = store_of(asked)
    assert left is not None
    assert left.end_kwh < asked.holdings.store.end_kwh

    def rules(*bids: Bid) -> set[str]:
        return {one.rule for one in check_bids(book(*bids), asked)}

    assert "end" not in rules()
    assert "end" in rules(energy_bid(20, 200))
    assert "end" not in rules(energy_bid(10, -400), energy_bid(20, 200))
    full = store_of(question(committed=(energy_bid(2, -1000),)))
    assert full is not None
    assert full.end_kwh == asked.holdings.store.end_kwh


def test_a_gate_that_closed_refuses_all_of_its_market() -> None:
    """If it fails, bids are handed in that the exchange does not take any more."""
    asked = question()
    late = {Venue.SPOT: SPOT_AT + timedelta(minutes=16), Venue.RESERVE: RESERVE_AT}
    refusals = check_bids(book(HELD_OVER), replace(asked, handed_in=late))
    assert [(one.rule, one.rule_set_id) for one in refusals] == [("gate", "jepx-2025-04-01")]
    moved = asked.at_moment(RESERVE_AT + timedelta(minutes=31))
    rules = {one.rule for one in check_bids(book(reserve_bid(20, 1500)), moved)}
    assert "gate" in rules


def test_awards_are_in_the_ledger() -> None:
    """If it fails, the second gate of the day sells what the first one sold."""
    asked = question(committed=(HELD_OVER, reserve_bid(20, 2000)))
    assert not check_bids(book(reserve_bid(20, 1500)), asked)
    refusals = check_bids(book(reserve_bid(20, 1700)), asked)
    assert [one.rule for one in refusals] == ["sold-twice"]


def test_a_good_bid_is_taken() -> None:
    """If it fails, the checks above refuse everything and prove nothing."""
    assert refused(reserve_bid(20, 1500)) == {}


def test_a_book_survives_its_file() -> None:
    """If it fails, what was checked is not what is handed in."""
    asked = question()
    written = replace(
        book(HELD_OVER, reserve_bid(20, 1500)), refill_kw=np.linspace(0.0, 1.0 / 3.0, 48)
    )
    found, area, day = read_book(to_data(written, area=asked.area, day=asked.day), "book.json")
    assert (found.bids, area, day) == (written.bids, "tokyo", asked.day)
    assert (found.refill_kw <= written.refill_kw).all()
    assert found.refill_kw == pytest.approx(written.refill_kw, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"format": "x"}, "book.json.format"),
        ({"day": "22.7."}, "book.json.day"),
        ({"refill_kw": [1.0]}, "book.json.refill_kw"),
        ({"refill_kw": [float("nan")] * 48}, r"book.json.refill_kw\[0\]"),
        ({"bids": [{"venue": "moon"}]}, r"book.json.bids\[0\].venue"),
        ({"more": 1}, None),
    ],
)
def test_a_bad_file_is_refused_with_its_place(change: dict[str, object], cause: str | None) -> None:
    """If it fails, a person searches a file of a thousand lines for a typing error."""
    plain = {**to_data(book(HELD_OVER), area=question().area, day=question().day), **change}
    if cause is None:
        assert read_book(plain, "book.json")[0].bids == (HELD_OVER,)
        return
    with pytest.raises(ConfigError, match=cause):
        read_book(plain, "book.json")
