"""The exchange's connector against the exchange, over sockets, with everything going wrong."""

import asyncio
import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from cloud_coordinator.gateway.exchanges.jepx import JepxConnector
from cloud_coordinator.gateway.exchanges.line import VenueLine, open_line
from cloud_coordinator.market.bids import Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.trading import OutcomeUnknownError, SubmissionState, SubmissionStore
from firmware_sim.counterparts.jepx import JepxCounterpart
from firmware_sim.counterparts.jepx_book import simulated_book
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Fault, Mischief
from protocols.sansio.json_document import read_json_object, write_json_object
from tests.conformance.market.venues import (
    AFTER_GATE,
    BEFORE_GATE,
    DAY,
    LATE_S,
    MEMBERSHIP,
    Hand,
    Kept,
    order,
    served,
    submission,
)

BOOK = simulated_book()
HARMLESS = [Fault.BUSY, Fault.ERROR, Fault.LOST, Fault.LATE, Fault.GARBLED, Fault.CUT, Fault.TWICE]


def exchange(clock: Hand, mischief: Mischief, ledger: Ledger | None = None) -> JepxCounterpart:
    """Open the exchange."""
    return JepxCounterpart(ledger or Ledger(None), clock, book=BOOK, mischief=mischief)


def connector(line: VenueLine, store: SubmissionStore, clock: Hand) -> JepxConnector:
    """Open our side of it."""
    return JepxConnector(line, store, clock, rule=load_exchange_rule(), membership=MEMBERSHIP)


def test_orders_are_taken_cleared_and_published(tmp_path: Path) -> None:
    """If it fails, a day's orders would not come back as energy sold at the area price."""
    clock, mischief = Hand(BEFORE_GATE), Mischief()

    async def day() -> None:
        async with (
            served(exchange(clock, mischief).application()) as port,
            open_line(f"http://127.0.0.1:{port}", timeout_s=5.0) as line,
        ):
            jepx = connector(line, Kept(tmp_path / "r.db").open(), clock)
            sent = submission("d1", [order(35, "1000", "0.01"), order(1, "-200", "999"),
                                     order(20, "1000", "900")])  # fmt: skip
            receipt = await jepx.submit(sent)
            assert [answer.accepted for answer in receipt.answers] == [True, True, True]
            with pytest.raises(RejectedError, match="NOT_CLEARED"):
                await jepx.fills(sent)
            clock.at = AFTER_GATE
            fills = await jepx.fills(sent)
            assert [fill.power_kw for fill in fills] == [1000, -200, 0]
            published, _origin = await jepx.results(DAY)
            prices = {
                one.area: one.value for one in published.series if one.kind.startswith("spot_price")
            }
            assert float(fills[0].price_jpy) == prices["tokyo"][34]
            assert float(fills[1].price_jpy) == prices["system"][0]

    asyncio.run(day())


@pytest.mark.parametrize("fault", HARMLESS)
def test_a_lost_answer_never_makes_a_second_order(fault: Fault, tmp_path: Path) -> None:
    """If it fails, one fault on the way would sell the same energy twice, or lose the sale."""
    clock, mischief = Hand(BEFORE_GATE), Mischief([fault], late_s=LATE_S)
    ledger = Ledger(None)

    async def hand_in() -> None:
        async with (
            served(exchange(clock, mischief, ledger).application()) as port,
            open_line(f"http://127.0.0.1:{port}", timeout_s=0.3) as line,
        ):
            store = Kept(tmp_path / "r.db").open()
            receipt = await connector(line, store, clock).submit(
                submission("d1", [order(35, "1000", "10.01")])
            )
            assert receipt.answers[0].accepted
            found = store.find("d1")
            assert found is not None
            assert found.state is SubmissionState.ANSWERED
            assert found.rule_set_id == load_exchange_rule().rule_set_id
            assert len(ledger.entries("jepx-spot")) == 1

    asyncio.run(hand_in())


def test_an_answer_to_another_submission_is_not_believed(tmp_path: Path) -> None:
    """If it fails, a replayed answer would tell that rejected orders were accepted."""
    clock, mischief = Hand(BEFORE_GATE), Mischief()

    async def hand_in() -> None:
        async with (
            served(exchange(clock, mischief).application()) as port,
            open_line(f"http://127.0.0.1:{port}", timeout_s=0.3) as line,
        ):
            jepx = connector(line, Kept(tmp_path / "r.db").open(), clock)
            await jepx.submit(submission("d1", [order(35, "1000", "10.01")]))
            mischief.add(Fault.REPLAY)
            sent = submission("d2", [order(36, "1000", "10.01"), order(37, "100", "1")])
            receipt = await jepx.submit(sent)
            assert receipt.request_id == "d2"
            assert len(receipt.answers) == 2

    asyncio.run(hand_in())


def test_what_nobody_answered_stays_open_and_is_asked_for_after_a_restart(tmp_path: Path) -> None:
    """If it fails, a restart in the wrong moment would forget an order, or place it again."""
    clock, ledger = Hand(BEFORE_GATE), Ledger(None)
    mischief = Mischief()
    kept = Kept(tmp_path / "r.db")
    sent = submission("d1", [order(35, "1000", "10.01")])

    async def silent() -> None:
        store = kept.open()
        async with open_line("http://127.0.0.1:9", timeout_s=0.2) as line:
            with pytest.raises(OutcomeUnknownError):
                await connector(line, store, clock).submit(sent)
        assert [one.request_id for one in store.submissions(state=SubmissionState.OPEN)] == ["d1"]

    async def received_but_not_known() -> None:
        """Let the exchange have it while our process is dead."""
        async with (
            served(exchange(clock, mischief, ledger).application()) as port,
            open_line(f"http://127.0.0.1:{port}", timeout_s=1.0) as line,
        ):
            store = kept.open()
            record = store.find("d1")
            assert record is not None
            await line.call("POST", "/jepx/v1/spot", body=record.sent)
            clock.at = AFTER_GATE
            before = mischief.posts
            receipt = await connector(line, store, clock).submit(sent)
            assert receipt.answers[0].accepted
            assert mischief.posts == before, "it is asked for, not sent again"

    asyncio.run(silent())
    asyncio.run(received_but_not_known())


def test_the_exchange_judges_by_itself(tmp_path: Path) -> None:
    """If it fails, an order that breaks a rule would be taken, since nobody else looks at it."""
    clock = Hand(BEFORE_GATE)
    rows = [
        (35, "sell", "500", "10.01", ""),
        (35, "sell", "525", "10.01", "E02"),
        (35, "sell", "500.001", "10.01", "E02"),
        (35, "sell", "0", "10.01", "E02"),
        (35, "sell", "500", "10.005", "E03"),
        (35, "sell", "500", "1000", "E04"),
        (35, "sell", "500", "-1", "E04"),
        (49, "sell", "500", "10", "E05"),
        (35, "hold", "500", "10", "E07"),
        (35, "sell", "many", "10", "E08"),
    ]
    orders = [
        {"number": n, "slot": slot, "side": side, "energy_kwh": energy, "price": price}
        for n, (slot, side, energy, price, _code) in enumerate(rows)
    ]

    async def judge(request_id: str, area: str) -> list[object]:
        body = write_json_object(
            {"request_id": request_id, "member": "M", "day": "2026-04-01", "area": area,
             "orders": orders}
        )  # fmt: skip
        async with (
            served(exchange(clock, Mischief()).application()) as port,
            open_line(f"http://127.0.0.1:{port}") as line,
        ):
            reply = await line.call("POST", "/jepx/v1/spot", body=body)
            answer = read_json_object(reply.body)
            assert answer["digest"] == hashlib.sha256(body).hexdigest()
            results = answer["results"]
            assert isinstance(results, list)
            return [result["code"] for result in results]

    assert asyncio.run(judge("a", "tokyo")) == [code for *_rest, code in rows]
    assert set(asyncio.run(judge("b", "okinawa"))) == {"E06"}
    clock.at = AFTER_GATE
    assert asyncio.run(judge("c", "tokyo"))[0] == "E01"


def test_our_side_refuses_first_and_sends_nothing(tmp_path: Path) -> None:
    """If it fails, a broken rule would be told by the exchange, or by nobody after the gate."""
    clock, mischief = Hand(BEFORE_GATE), Mischief()

    async def refuse() -> None:
        async with (
            served(exchange(clock, mischief).application()) as port,
            open_line(f"http://127.0.0.1:{port}") as line,
        ):
            store = Kept(tmp_path / "r.db").open()
            jepx = connector(line, store, clock)
            for kw, price, rule in (("1050", "10", "lot"), ("1000", "10.005", "tick")):
                with pytest.raises(RejectedError, match=f"jepx-2025-04-01: {rule}"):
                    await jepx.submit(submission("d1", [order(35, kw, price)]))
            clock.at = AFTER_GATE
            with pytest.raises(RejectedError, match="jepx-2025-04-01: gate"):
                await jepx.submit(submission("d1", [order(35, "1000", "10")]))
            assert mischief.posts == 0
            assert not store.submissions()
            clock.at = BEFORE_GATE
            await jepx.submit(submission("d1", [order(35, "1000", "10")]))
            with pytest.raises(ConflictError):
                await jepx.submit(submission("d1", [order(35, "2000", "10")]))
            assert mischief.posts == 1

    asyncio.run(refuse())


def test_intraday_orders_meet_quotes_until_an_hour_before(tmp_path: Path) -> None:
    """If it fails, the last correction before delivery would be refused, or filled from nothing."""
    clock, mischief = Hand(BEFORE_GATE.replace(hour=18)), Mischief()

    async def trade() -> None:
        async with (
            served(exchange(clock, mischief).application()) as port,
            open_line(f"http://127.0.0.1:{port}") as line,
        ):
            jepx = connector(line, Kept(tmp_path / "r.db").open(), clock)
            sent = submission(
                "i1",
                [
                    order(35, "8000", "0.01", venue=Venue.INTRADAY),
                    order(35, "4000", "0.01", venue=Venue.INTRADAY),
                    order(36, "1000", "500", venue=Venue.INTRADAY),
                ],
            )
            await jepx.submit(sent)
            fills = await jepx.fills(sent)
            assert [fill.power_kw for fill in fills] == [8000, 2000, 0], "5,000 kWh stand there"
            assert fills[0].price_jpy > Decimal("0.01")
            clock.at = BEFORE_GATE.replace(month=4, day=1, hour=16, minute=0, second=1)
            with pytest.raises(RejectedError, match="gate"):
                await jepx.submit(submission("i2", [order(35, "1000", "1", venue=Venue.INTRADAY)]))

    asyncio.run(trade())
