"""The capacity ledger: no kilowatt and no kilowatt hour is sold twice."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bids import Bid, Pattern, Source
from cloud_coordinator.market.gates import Refusal
from cloud_coordinator.market.ledger import (
    Holdings,
    Ledger,
    contents_of,
    judge,
    load_ledger_rule,
    parse_ledger_rule,
)
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service
from tests.bidding import DAY, energy_bid, holdings, reserve_bid, store

RULE = load_ledger_rule()
DURATIONS = {Service.TERTIARY_1: 1800, Service.TERTIARY_2: 1800, Service.SECONDARY_2: 1800}
REFILL = np.zeros(SLOTS_A_DAY)
HELD_OVER = energy_bid(2, -200)
"""Makes up for the standing loss of the day, so that the end of the day is as full as asked."""


def judged(
    bids: Sequence[Bid], *, refill: np.ndarray = REFILL, having: Holdings | None = None
) -> Mapping[str, Refusal]:
    """Refusals by the name of their rule."""
    ledger = Ledger(bids=tuple(bids), refill_kw=refill, durations_s=DURATIONS, refill_wait=3)
    return {one.rule: one for one in judge(ledger, having or holdings(), RULE)}


def compound(parts: Mapping[Service, int], kw: int) -> Bid:
    """Compound bid of some parts."""
    return Bid(
        **{
            **{name: getattr(reserve_bid(10, kw), name) for name in Bid.__slots__},
            "service": Service.COMPOUND,
            "parts": tuple((one, Decimal(power)) for one, power in parts.items()),
        }
    )


def test_a_modest_day_is_taken() -> None:
    """If it fails, nothing could be sold at all."""
    bids = [HELD_OVER, reserve_bid(20, 3000), reserve_bid(30, 1800, source=Source.LOAD)]
    assert judged(bids) == {}


def test_the_same_kilowatt_is_not_sold_twice() -> None:
    """If it fails, 2,000 kW are owed in the balancing market that were sold on the exchange."""
    refusal = judged([HELD_OVER, energy_bid(20, 2000), reserve_bid(20, 2500)])["sold-twice"]
    assert refusal.rule_set_id == RULE.rule_set_id
    assert "slot 20" in refusal.detail
    assert "one ledger per slot" in refusal.clause


def test_a_fast_product_cannot_use_slow_resources() -> None:
    """If it fails, secondary 2 is promised with resources that need a quarter of an hour."""
    found = judged([HELD_OVER, reserve_bid(20, 3500, service=Service.SECONDARY_2)])
    assert "3200.0 kW are there" in found["sold-twice"].detail


def test_planned_charging_can_be_stopped() -> None:
    """If it fails, a charging battery is held to offer no reserve although it could stop."""
    bids = [energy_bid(20, -1000), reserve_bid(20, 4500)]
    assert "sold-twice" not in judged(bids, having=holdings(size_kwh=20000.0))


def test_state_of_charge_covers_duration_times_award() -> None:
    """If it fails, a battery with 3 MWh above its floor promises 4 MW for two half hours."""
    assert "energy" not in judged([HELD_OVER, reserve_bid(20, 3500)])
    refusal = judged([HELD_OVER, reserve_bid(20, 3500), reserve_bid(21, 3500)])["energy"]
    assert "slot 21" in refusal.detail


def test_refilling_frees_energy_only_after_the_gate() -> None:
    """If it fails, energy is counted on that can be bought only after it is needed."""
    refill = np.zeros(SLOTS_A_DAY)
    refill[23] = 3300.0
    bids = [HELD_OVER, reserve_bid(20, 3000), reserve_bid(25, 3500)]
    assert "energy" in judged(bids)
    assert judged(bids, refill=refill) == {}
    refill = np.roll(refill, -2)
    assert "refilling" in judged(bids, refill=refill)


def test_charging_and_refilling_share_the_charger() -> None:
    """If it fails, storage is planned to take in more than it can."""
    refill = np.zeros(SLOTS_A_DAY)
    refill[30] = 3000.0
    bids = [energy_bid(31, -2000), reserve_bid(10, 3000)]
    assert "charging" in judged(bids, refill=refill)


def test_storage_is_never_planned_above_the_owners_ceiling() -> None:
    """If it fails, a purchase is made that nothing can take in."""
    bids = [energy_bid(slot, -4000) for slot in (10, 11)]
    assert "full" not in judged(bids[:1])
    assert "full" in judged(bids)


def test_the_end_of_the_day_is_kept() -> None:
    """If it fails, today sells what tomorrow was promised."""
    assert "end" in judged([energy_bid(20, 1000)])


def test_combined_market_and_tertiary_2_exclude_each_other() -> None:
    """If it fails, the same list is offered to both markets at once, which EPRX forbids."""
    bids = [reserve_bid(20, 1000), reserve_bid(20, 1000, service=Service.TERTIARY_2)]
    refusal = judged([HELD_OVER, *bids])["exclusive"]
    assert "slot 20" in refusal.detail
    assert refusal.clause.startswith("MF 4.2")
    other = reserve_bid(20, 1000, service=Service.TERTIARY_2, source=Source.LOAD)
    assert judged([HELD_OVER, bids[0], other]) == {}


@pytest.mark.parametrize(
    "bids",
    [
        [reserve_bid(20, 1000), reserve_bid(20, 1000, pattern=Pattern(system_code="S", number=2))],
        [reserve_bid(20, 1000, pattern=Pattern(system_code="S", number=21))],
        [reserve_bid(20, 1000), reserve_bid(21, 1000, source=Source.LOAD,
                                            pattern=Pattern(system_code="S"))],
    ],
)  # fmt: skip
def test_a_list_has_one_pattern_and_one_kind(bids: list[Bid]) -> None:
    """If it fails, EPRX counts a wrong pattern number as nothing submitted."""
    assert "pattern" in judged([HELD_OVER, *bids])


def test_a_compound_counts_as_its_greatest_part() -> None:
    """If it fails, 15 MW of compound block 38 MW of capacity, or are paid for 38 (R17)."""
    parts = {Service.SECONDARY_2: 800, Service.TERTIARY_1: 1500}
    able = holdings()
    power = {**able.capability_kw, (Source.STORAGE, Service.COMPOUND): np.full(48, 1500.0)}
    having = Holdings(capability_kw=power, store=able.store, load_energy_kwh=8000.0)
    assert judged([HELD_OVER, compound(parts, 1500)], having=having) == {}
    assert "compound" in judged([HELD_OVER, compound(parts, 2300)], having=having)
    late = {Service.TERTIARY_2: 1500}
    assert "compound" in judged([HELD_OVER, compound(late, 1500)], having=having)


@pytest.mark.parametrize(
    ("bid", "rule"),
    [
        (energy_bid(20, -1000, source=Source.LOAD), "kind"),
        (energy_bid(48, 1000, slots=2), "block"),
        (reserve_bid(20, 1000, service=Service.ENERGY), "kind"),
    ],
)
def test_a_bid_of_the_wrong_kind_is_refused(bid: Bid, rule: str) -> None:
    """If it fails, a bid means something that no resource of that kind can do."""
    assert rule in judged([HELD_OVER, bid])


def test_owners_of_loads_are_asked_for_no_more_than_they_allow() -> None:
    """If it fails, factories are switched off for longer than was agreed."""
    bids = [reserve_bid(slot, 1600, source=Source.LOAD) for slot in range(10, 21)]
    assert "load-energy" not in judged([HELD_OVER, *bids[:10]])
    assert "load-energy" in judged([HELD_OVER, *bids])


def test_contents_follow_both_extremes() -> None:
    """If it fails, a call that comes, or does not come, finds the battery too empty or full."""
    ledger = Ledger(
        bids=(energy_bid(1, -1000), reserve_bid(10, 1000)),
        refill_kw=REFILL,
        durations_s=DURATIONS,
        refill_wait=3,
    )
    found = contents_of(ledger, store())
    assert found.highest_kwh[-1] == pytest.approx(4000.0 + 500.0 * 0.95)
    assert found.planned_kwh[-1] == pytest.approx(found.highest_kwh[-1] - 24.0)
    assert found.lowest_kwh[-1] == pytest.approx(found.planned_kwh[-1] - 500.0 / 0.95)


def test_a_day_is_one_day() -> None:
    """If it fails, two days are booked over each other."""
    other = Slot(day=DAY.replace(day=1), number=20)
    bid = reserve_bid(20, 1000)
    moved = Bid(**{**{name: getattr(bid, name) for name in Bid.__slots__}, "slot": other})
    assert "block" in judged([HELD_OVER, moved])


def test_a_rule_without_a_clause_is_refused() -> None:
    """If it fails, a refusal could not say where its rule is written."""
    with pytest.raises(ConfigError, match="sold-twice: is missing"):
        parse_ledger_rule('id = "x"\n[clauses]\n', "x.toml")
