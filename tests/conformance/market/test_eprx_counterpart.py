"""The balancing market's connector against the market, over sockets; awards into obligations."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cloud_coordinator.gateway.exchanges.eprx import EprxConnector
from cloud_coordinator.gateway.exchanges.line import open_line
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.errors import RejectedError
from cloud_coordinator.services.trading import award_of
from firmware_sim.counterparts.eprx import Demand, EprxCounterpart
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Fault, Mischief
from firmware_sim.counterparts.reserve_auction import Offer, award
from protocols.sansio.json_document import read_json_object, write_json_object
from protocols.vocabulary.calendar import Slot
from protocols.vocabulary.identifiers import ZoneId
from protocols.vocabulary.obligation import Service
from tests.conformance.market.venues import (
    DAY,
    LATE_S,
    MEMBERSHIP,
    RESERVE_CLEARED,
    RESERVE_OPEN,
    Hand,
    Kept,
    reserve,
    served,
    submission,
)

RULES = load_rule_book()


def seek(product: str, block: int) -> Demand:
    """Seek 5 MW in Tokyo; somebody offers 3 MW at 2 JPY there."""
    other = Offer(owner="", area="tokyo", power_kw=3_000, least_kw=1_000, price_sen=200)
    return Demand(sought_kw={"tokyo": 5_000}, others=(other,))


def trade(  # noqa: PLR0917  where, when, what goes wrong, and what is done
    path: Path, clock: Hand, mischief: Mischief, deed: Callable[[EprxConnector], Awaitable[None]]
) -> None:
    """Do something at a market that is open."""

    async def run() -> None:
        market = EprxCounterpart(Ledger(None), clock, demand=seek, mischief=mischief)
        async with (
            served(market.application()) as port,
            open_line(f"http://127.0.0.1:{port}", timeout_s=0.3) as line,
        ):
            store = Kept(path / "r.db").open()
            await deed(EprxConnector(line, store, clock, rules=RULES, membership=MEMBERSHIP))

    asyncio.run(run())


def test_bids_are_awarded_in_merit_order_and_become_awards_once(tmp_path: Path) -> None:
    """If it fails, what the market bought would not be owed by the fleet, or be owed twice."""
    clock = Hand(RESERVE_OPEN)

    async def deed(eprx: EprxConnector) -> None:
        bids = [
            reserve(18, "1500", "1.50"),
            reserve(18, "4000", "3.00", least="500"),
            reserve(18, "2000", "3.50", least="2000"),
        ]
        sent = submission("r1", bids)
        receipt = await eprx.submit(sent)
        assert all(answer.accepted for answer in receipt.answers)
        with pytest.raises(RejectedError, match="NOT_CLEARED"):
            await eprx.fills(sent)
        clock.at = RESERVE_CLEARED
        fills = await eprx.fills(sent)
        assert [(fill.power_kw, str(fill.price_jpy)) for fill in fills] == [
            (1500, "1.50"),
            (500, "3.00"),
            (0, "3.50"),
        ]
        rule = RULES.settling(Service.SECONDARY_1, DAY)
        awards = [award_of(fill, zone=ZoneId("tokyo"), rule=rule) for fill in fills]
        assert awards[2] is None
        first = awards[0]
        assert first is not None
        assert first.obligation_id == "r1-0"
        assert first.interval == Slot(day=DAY, number=18).interval
        assert (first.power_w, first.tolerance_w) == (1_500_000.0, 150_000.0)
        assert awards == [
            award_of(fill, zone=ZoneId("tokyo"), rule=rule) for fill in await eprx.fills(sent)
        ]
        published, _origin = await eprx.results(DAY, Service.SECONDARY_1)
        series = {(one.kind, one.area): one.value for one in published.series}
        assert series["secondary1_awarded_w", "tokyo"][17] == 5_000_000.0
        assert series["secondary1_highest_jpy_per_kw_30min", "tokyo"][17] == 3.0
        assert series["secondary1_offers_count", "total"][17] == 4

    trade(tmp_path, clock, Mischief(), deed)


@pytest.mark.parametrize("fault", [f for f in Fault if f is not Fault.REPLAY])
def test_a_fault_on_the_way_does_not_bid_twice(fault: Fault, tmp_path: Path) -> None:
    """If it fails, capacity would be sold twice and every second award be a penalty."""

    async def deed(eprx: EprxConnector) -> None:
        receipt = await eprx.submit(submission("r1", [reserve(18, "4000", "3.00")]))
        assert receipt.answers[0].accepted
        again = await eprx.submit(submission("r1", [reserve(18, "4000", "3.00")]))
        assert again == receipt
        clock.at = RESERVE_CLEARED
        fills = await eprx.fills(submission("r1", [reserve(18, "4000", "3.00")]))
        assert [fill.power_kw for fill in fills] == [2000]

    clock = Hand(RESERVE_OPEN)
    trade(tmp_path, clock, Mischief([fault], late_s=LATE_S), deed)


@pytest.mark.parametrize(
    ("bid", "rule"),
    [
        (reserve(18, "999", "3.00", least="999"), "eprx-2026-03-14: minimum"),
        (reserve(18, "1500.5", "3.00"), "eprx-2026-03-14: step"),
        (reserve(18, "1500", "3.005"), "eprx-2026-03-14: tick"),
        (reserve(18, "1500", "15.01"), "eprx-2026-03-14: cap"),
        (reserve(18, "1500", "3.00", least="1600"), "eprx-2026-03-14: acceptable"),
        (reserve(19, "1500", "3.00", slots=6), "eprx-2026-03-14: block"),
    ],
)
def test_a_broken_rule_is_named_and_nothing_is_sent(bid: object, rule: str, tmp_path: Path) -> None:
    """If it fails, the market would see bids that we must not make."""
    mischief = Mischief()

    async def deed(eprx: EprxConnector) -> None:
        with pytest.raises(RejectedError, match=rule):
            await eprx.submit(submission("r1", [bid]))  # type: ignore[list-item]  # a Bid

    trade(tmp_path, Hand(RESERVE_OPEN), mischief, deed)
    assert mischief.posts == 0


def judged(bids: list[dict[str, object]], *, day: str, at: str) -> list[str]:
    """Codes of the market for raw bids that our side would not send."""
    whole = {"unit": "L", "pattern": 1, "power_kw": "1000", "least_kw": "0", "price": "1"}
    rows = [
        {"product": "secondary1", "block": 1, **whole, **bid, "number": number}
        for number, bid in enumerate(bids)
    ]
    body = write_json_object(
        {"request_id": "x", "member": "M", "day": day, "area": "tokyo", "bids": rows}
    )

    async def run() -> list[str]:
        clock = Hand(datetime.fromisoformat(at))
        market = EprxCounterpart(Ledger(None), clock, mischief=Mischief())
        async with (
            served(market.application()) as port,
            open_line(f"http://127.0.0.1:{port}") as line,
        ):
            answer = read_json_object((await line.call("POST", "/eprx/v1/bids", body=body)).body)
            results = answer["results"]
            assert isinstance(results, list)
            return [str(result["code"]) for result in results]

    return asyncio.run(run())


def test_the_market_judges_by_itself() -> None:
    """If it fails, an error of our validator would be found with real money."""
    now = "2026-03-31T13:00:00+09:00"
    found = judged(
        [
            {},
            {"power_kw": "999"},
            {"power_kw": "1000.5"},
            {"least_kw": "1001"},
            {"price": "1.005"},
            {"price": "15.01"},
            {"block": 49},
            {"product": "quaternary"},
            {"pattern": 21},
            {"pattern": 2},
            {"product": "tertiary2"},
            {"product": "tertiary2", "block": 2, "price": "99.99"},
        ],
        day="2026-04-01",
        at=now,
    )
    assert found == ["", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B10", "B11", "B12", ""]


@pytest.mark.parametrize(
    ("product", "day", "at", "code"),
    [
        ("secondary1", "2026-04-01", "2026-03-31T11:29:59+09:00", "B01"),
        ("secondary1", "2026-04-01", "2026-03-31T11:30:00+09:00", ""),
        ("secondary1", "2026-04-01", "2026-03-31T14:00:00+09:00", ""),
        ("secondary1", "2026-04-01", "2026-03-31T14:00:01+09:00", "B01"),
        # 2025-06-11 is a Wednesday; its week began on Saturday 06-07, bids on Monday 06-02.
        ("secondary1", "2025-06-11", "2025-06-02T13:59:59+09:00", "B01"),
        ("secondary1", "2025-06-11", "2025-06-02T14:00:00+09:00", ""),
        ("secondary1", "2025-06-11", "2025-06-03T14:00:00+09:00", ""),
        ("secondary1", "2025-06-11", "2025-06-03T14:00:01+09:00", "B01"),
        ("tertiary2", "2025-06-11", "2025-06-10T12:00:00+09:00", ""),
        ("tertiary2", "2025-06-11", "2025-06-10T14:00:01+09:00", "B01"),
    ],
)
def test_windows_of_both_rule_sets(*, product: str, day: str, at: str, code: str) -> None:
    """If it fails, bids of a whole week would come a second late, or a rule set too early."""
    assert judged([{"product": product}], day=day, at=at) == [code]


def test_a_week_of_2025_is_bid_in_blocks_of_three_hours(tmp_path: Path) -> None:
    """If it fails, bids by the rules of 2025 would be what that market never took."""
    day = date(2025, 6, 11)
    clock = Hand(datetime.fromisoformat("2025-06-02T15:00:00+09:00"))

    async def deed(eprx: EprxConnector) -> None:
        sent = submission("w1", [reserve(7, "1500", "1.50", day=day, slots=6)], day=day)
        receipt = await eprx.submit(sent)
        assert receipt.answers[0].accepted
        clock.at = datetime.fromisoformat("2025-06-03T15:00:00+09:00")
        fills = await eprx.fills(sent)
        found = award_of(
            fills[0], zone=ZoneId("tokyo"), rule=RULES.settling(Service.SECONDARY_1, day)
        )
        assert found is not None
        assert found.interval.duration_s == 3 * 3600
        assert fills[0].price_jpy == Decimal("1.50")

    trade(tmp_path, clock, Mischief(), deed)


def test_ties_go_by_interconnectors_then_area() -> None:
    """If it fails, the counterpart would award what the market's own rules give to others."""
    near = Offer(owner="n", area="tokyo", power_kw=1000, least_kw=0, price_sen=100)
    far = Offer(owner="f", area="kyushu", power_kw=1000, least_kw=0, price_sen=100)
    north = Offer(owner="h", area="tohoku", power_kw=1000, least_kw=0, price_sen=100)
    found = award([far, north, near], {"tokyo": 1500}, product="tertiary1")
    assert found == ({}, {"tokyo": 500}, {"tokyo": 1000})
    cheap = Offer(owner="c", area="kyushu", power_kw=1000, least_kw=0, price_sen=99)
    assert award([near, cheap], {"tokyo": 1000}, product="tertiary1") == ({}, {"tokyo": 1000})
    assert award([near, cheap], {"tokyo": 1000}, product="secondary1") == ({"tokyo": 1000}, {})
