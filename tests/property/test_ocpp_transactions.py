"""Transactions: whatever order, however often, the book says the same."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from protocols.ocpp.transactions import (
    TRANSITIONS,
    Phase,
    Step,
    Transaction,
    TransactionEvent,
    merged,
    number_of_start,
)

NOW = datetime(2026, 7, 22, 3, 0, tzinfo=UTC)


def _event(name: str, step: Step, minute: int, *, meter_wh: float) -> TransactionEvent:
    return TransactionEvent(
        charge_point="cp-1",
        transaction_id=name,
        step=step,
        at=NOW + timedelta(minutes=minute),
        connector=1 if step is Step.STARTED else None,
        sequence=minute,
        id_token="CAR" if step is Step.STARTED else "",
        meter_wh=meter_wh,
        reason="Local" if step is Step.ENDED else "",
    )


def _history(name: str, updates: int) -> list[TransactionEvent]:
    middle = [
        _event(name, Step.UPDATED, number + 1, meter_wh=10.0 * number) for number in range(updates)
    ]
    first = _event(name, Step.STARTED, 0, meter_wh=0.0)
    last = _event(name, Step.ENDED, updates + 1, meter_wh=10.0 * updates)
    return [first, *middle, last]


def _book(events: Sequence[TransactionEvent]) -> dict[str, Transaction]:
    book: dict[str, Transaction] = {}
    for event in events:
        book[event.transaction_id] = merged(book.get(event.transaction_id), event)
    return book


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[TransactionEvent], list[TransactionEvent]]:
    """Draw what happened, and what arrived: some of it more than once, in any order."""
    happened = [
        event
        for index in range(draw(st.integers(1, 3)))
        for event in _history(f"tx-{index}", draw(st.integers(0, 5)))
    ]
    again = draw(st.lists(st.sampled_from(happened), max_size=10))
    return happened, draw(st.permutations([*happened, *again]))


@given(deliveries())
def test_any_interleaving_gives_the_same_book(
    delivery: tuple[list[TransactionEvent], list[TransactionEvent]],
) -> None:
    """If it fails, what a charge cost depends on when the connection broke."""
    happened, arrived = delivery
    book = _book(arrived)
    assert book == _book(happened)
    for transaction in book.values():
        assert transaction.complete
        assert transaction.meter_wh_stop == transaction.meter_wh_last
        assert transaction.started_at == NOW


@given(deliveries(), st.data())
def test_a_gap_is_seen_and_closed_by_what_comes_late(
    delivery: tuple[list[TransactionEvent], list[TransactionEvent]], data: st.DataObject
) -> None:
    """If it fails, a transaction with a hole counts as complete, or one without as broken."""
    _, arrived = delivery
    inner = [event for event in arrived if event.step is Step.UPDATED]
    if not inner:
        return
    missing = data.draw(st.sampled_from(inner))
    without = [event for event in arrived if event != missing]
    assert not _book(without)[missing.transaction_id].complete
    assert _book([*without, missing])[missing.transaction_id].complete


def test_the_table_knows_every_event_in_every_phase() -> None:
    """If it fails, a message in an unexpected order ends the connection."""
    phases = set(Phase)
    assert set(TRANSITIONS) == {(phase, step) for phase in phases for step in Step}
    assert Phase.NOTHING not in TRANSITIONS.values()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_repeated_start_keeps_its_number_and_a_new_one_gets_its_own(
    starts: list[tuple[int, int]],
) -> None:
    """If it fails, one charge is booked twice, or two cars share one (OCPP 1.6)."""
    book: dict[str, Transaction] = {}
    numbers: dict[tuple[int, int], int] = {}
    for connector, minute in starts:
        event = TransactionEvent(
            charge_point="cp-1",
            transaction_id="",
            step=Step.STARTED,
            at=NOW + timedelta(minutes=minute),
            connector=connector,
            id_token="CAR",
            meter_wh=float(minute),
        )
        number = number_of_start(book.values(), event)
        known = TransactionEvent(
            charge_point="cp-1",
            transaction_id=str(number),
            step=Step.STARTED,
            at=event.at,
            connector=connector,
            id_token="CAR",
            meter_wh=event.meter_wh,
        )
        book[str(number)] = merged(book.get(str(number)), known)
        assert numbers.setdefault((connector, minute), number) == number
    assert len(set(numbers.values())) == len(numbers) == len(book)
