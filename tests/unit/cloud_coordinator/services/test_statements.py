"""The book of statements."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_coordinator.services.statements import StatementBook, StatementEntry
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.market_days import MarketDays

AT = datetime(2025, 5, 20, tzinfo=UTC)
RULES = ("eprx-2025-04-01@1",)


class _Memory:
    def __init__(self) -> None:
        self.kept: list[StatementEntry] = []

    def entries(self, prefix: str) -> Sequence[StatementEntry]:
        found = [one for one in self.kept if one.account.startswith(prefix)]
        return sorted(found, key=lambda one: (one.account, one.number))

    def append(self, entries: Sequence[StatementEntry]) -> None:
        self.kept.extend(entries)


def test_settling_again_changes_nothing() -> None:
    """If it fails, each run of settlement pays again."""
    store = _Memory()
    book = StatementBook(store)
    accounts = {"spot": (Decimal("1.50"), Decimal(2))}
    assert len(book.post("d/", accounts, rules=RULES, at=AT)) == 1
    again = book.post("d/", {"spot": (Decimal("1.5"), Decimal("2.0"))}, rules=RULES, at=AT)
    assert not again
    assert len(store.kept) == 1


def test_late_data_is_corrected_in_the_open(tmp_path: Path) -> None:
    """If it fails, an amount changes and nobody can see when, by how much or why."""
    database = open_database(tmp_path / "registry.sqlite3")
    book = StatementBook(MarketDays(database))
    book.post("d/", {"a": (Decimal(10), Decimal(5))}, rules=RULES, at=AT)
    (late,) = book.post(
        "d/", {"a": (Decimal(10), Decimal("7.25"))}, rules=RULES, at=AT + timedelta(days=3)
    )
    assert (late.kind, late.number, late.change_jpy) == ("correction", 2, Decimal("2.25"))
    assert late.reason == "data changed in slots 2"
    kept = MarketDays(database).entries("d/")
    assert [one.change_jpy for one in kept] == [Decimal(15), Decimal("2.25")]
    assert sum(one.change_jpy for one in kept) == kept[-1].amount_jpy
    database.close()


def test_an_account_that_is_gone_is_corrected_to_nothing_once() -> None:
    """If it fails, an award that turned out to be none stays paid."""
    book = StatementBook(_Memory())
    book.post("d/", {"a": (Decimal(10),)}, rules=RULES, at=AT)
    (gone,) = book.post("d/", {}, rules=RULES, at=AT)
    assert (gone.amount_jpy, gone.change_jpy) == (0, -10)
    assert not book.post("d/", {}, rules=RULES, at=AT)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "c"]),
            st.tuples(*[st.decimals(-1000, 1000, places=4)] * 3),
            max_size=3,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_changes_sum_to_the_amounts_and_slots_to_statements(
    runs: list[dict[str, tuple[Decimal, ...]]],
) -> None:
    """If it fails, the sum of the statements is not the sum of the slots after some correction."""
    store = _Memory()
    book = StatementBook(store)
    for accounts in runs:
        book.post("d/", accounts, rules=RULES, at=AT)
    slots = sum((amount for found in runs[-1].values() for amount in found), Decimal(0))
    assert sum((one.change_jpy for one in store.kept), Decimal(0)) == slots
    assert all(sum(one.slots_jpy, Decimal(0)) == one.amount_jpy for one in store.kept)
