"""Settlement: whatever comes in whatever order, the same data gives the same bill."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_coordinator.market.availability import Outcome, SlotAward, charge, share_out
from cloud_coordinator.market.bands import Called, CommandStep, band
from cloud_coordinator.market.performance import judge
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.settlement.assessing import Ruling
from cloud_coordinator.settlement.records import AwardTermsOf, DeliveredRows, Promise
from cloud_coordinator.settlement.settle import settle
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

BOOK = load_rule_book()
DAY = date(2026, 7, 22)
START = datetime(2026, 7, 22, tzinfo=UTC)
FIRST = int(START.timestamp())
COMMANDED = st.sampled_from([Service.SECONDARY_1, Service.SECONDARY_2, Service.TERTIARY_1])
ANY = st.sampled_from([one for one in Service if one is not Service.ENERGY])
POWERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6)
MONEY = st.decimals("0", "20", places=2)
KW = st.decimals("0", "5000", places=1)


def steps(powers: list[float], *, every_s: int = 240) -> tuple[CommandStep, ...]:
    return tuple(
        CommandStep(at_s=float(FIRST + every_s * k), power_w=p) for k, p in enumerate(powers)
    )


@settings(max_examples=40, deadline=None)
@given(service=COMMANDED, powers=POWERS, seed=st.integers(0, 2**32 - 1), lost=st.integers(0, 900))
def test_the_bill_does_not_depend_on_how_telemetry_came(
    service: Service, *, powers: list[float], seed: int, lost: int
) -> None:
    """If it fails, settling again after rows came late, twice or shuffled gives another bill."""
    chance = np.random.default_rng(seed)
    about = AwardTermsOf(
        obligation_id=ObligationId("a"),
        zone=ZoneId("tokyo"),
        service=service,
        interval=Interval(start=START, end=START + timedelta(minutes=45)),
        award_w=1e6,
        tolerance_w=5e4,
        price_jpy_per_kw_30min=Decimal("3.33"),
        sites=(SiteId("b"), SiteId("a")),
        child_w=(5e5, 5e5),
        available_w=(1e6, 9e5),
        final_at=START,
    )
    second = np.repeat(np.arange(FIRST, FIRST + 2700), 2)[: 5400 - lost]
    index = np.tile([0, 1], 2700)[: 5400 - lost]
    delivered = chance.normal(2e5, 1e5, len(second))
    order = np.concatenate([chance.permutation(len(second)), chance.integers(0, len(second), 99)])
    rule = BOOK.settling(service, DAY)
    bills = [
        settle(
            about,
            Promise(steps=steps(powers)),
            DeliveredRows(
                site_index=index[chosen], second=second[chosen], delivered_w=delivered[chosen]
            ),
            ruling=Ruling(rule=rule),
        )
        for chosen in (np.arange(len(second)), order)
    ]
    assert bills[0] == bills[1]
    bill = bills[0]
    assert bill.capacity_value_jpy == sum(one.fee_jpy for one in bill.slots)
    total = bill.penalty_availability_jpy + bill.penalty_performance_jpy
    assert total == sum(one.charge.total_jpy for one in bill.slots)
    assert abs(bill.capacity_value_jpy - total - bill.amount_yen) < 1


@settings(max_examples=60, deadline=None)
@given(service=COMMANDED, powers=POWERS, seed=st.integers(0, 2**32 - 1))
def test_what_follows_the_command_is_inside_and_what_is_missing_never_helps(
    service: Service, *, powers: list[float], seed: int
) -> None:
    """If it fails, perfect delivery is charged, or silence is worth more than delivery."""
    rule = BOOK.settling(service, DAY)
    called = Called(award_w=1e6, steps=steps(powers))
    seconds = np.arange(FIRST, FIRST + 1800, dtype=np.float64)
    found = band(seconds, called, rule)
    assert (found.lower_w < found.upper_w).all()
    perfect = np.clip(np.repeat(powers, 240)[:1800], -1e6, 1e6)
    perfect = np.concatenate([perfect, np.full(1800 - len(perfect), powers[-1])])
    whole = judge(FIRST, perfect, called=called, rule=rule)
    assert whole.passed.all()
    chance = np.random.default_rng(seed)
    noisy = perfect + chance.normal(0.0, 1e5, 1800)
    holes = np.where(chance.random(1800) < 0.2, np.nan, noisy)
    if rule.telemetry_period_s == 1:
        fewer = judge(FIRST, holes, called=called, rule=rule).inside
        assert (fewer <= judge(FIRST, noisy, called=called, rule=rule).inside).all()
    many = judge(FIRST, np.stack([perfect, noisy, holes]), called=called, rule=rule)
    alone = [judge(FIRST, one, called=called, rule=rule) for one in (perfect, noisy, holes)]
    assert many.inside.tolist() == [one.inside.tolist() for one in alone]


@given(service=ANY, award=KW, available=KW, unable=KW, price=MONEY, performed=st.booleans())
def test_a_penalty_is_never_negative_and_never_beyond_its_factor(
    service: Service,
    *,
    award: Decimal,
    available: Decimal,
    unable: Decimal,
    price: Decimal,
    performed: bool,
) -> None:
    """If it fails, a bad slot pays, or costs more than the rules let it."""
    rule = BOOK.settling(service, DAY)
    outcome = Outcome(available_kw=available, performed=performed, unable_kw=unable)
    found = charge(SlotAward(award_kw=award, price_jpy=price), outcome, rule)
    assert 0 <= found.available_kw <= found.award_kw <= award
    assert 0 <= found.total_jpy <= price * award * rule.penalty.availability
    assert 0 <= found.shortfall_ratio <= 1


@given(awards=st.lists(st.tuples(KW, MONEY), max_size=5), available=KW)
def test_nothing_is_shared_out_twice(
    awards: list[tuple[Decimal, Decimal]], available: Decimal
) -> None:
    """If it fails, one kilowatt counts as available for two awards."""
    slots = [SlotAward(award_kw=kw, price_jpy=price) for kw, price in awards]
    shared = share_out(slots, available)
    assert sum(shared) == min(available, sum(one.award_kw for one in slots))
    assert all(0 <= part <= one.award_kw for part, one in zip(shared, slots, strict=True))
