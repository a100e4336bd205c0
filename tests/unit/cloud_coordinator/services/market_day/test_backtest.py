"""Many days: storage carries over, an interrupted run goes on, sums are sums."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cloud_coordinator.commands.market_day_saved import SavedDays
from cloud_coordinator.market.imbalance import load_imbalance_rule
from cloud_coordinator.services.market_day.backtest import (
    NO_MARKET,
    Backtest,
    DaySummary,
    totals,
)
from protocols.vocabulary.errors import ConfigError
from tests.unit.cloud_coordinator.services.market_day.days import (
    DAY,
    Given,
    days_from,
    history,
    market,
)


def _run(days: list[date], book: SavedDays, strategy: Given | None = None) -> list[DaySummary]:
    asked = market(history(days=len(days)), strategy=strategy)
    use_case = Backtest(asked, imbalance=load_imbalance_rule())
    found: list[DaySummary] = []

    def keep(one: DaySummary) -> None:
        found.append(one)
        book.keep(one)

    with book:
        for scenario in use_case.scenarios:
            use_case.run(days, scenario=scenario, saved=book.days, keep=keep)
    return found


def test_three_days_in_five_scenarios_add_up() -> None:
    """If it fails, the table of a backtest is not the sum of its days."""
    found = _run(days_from(DAY, 3), SavedDays(None, "q"))
    sums = {(one.scenario, one.period): one for one in totals(found)}
    assert len(found) == 15
    whole = sums["given", "all"]
    assert (whole.days, whole.capacity_jpy, whole.award_slots) == (3, Decimal(6000), 3)
    assert whole.revenue_yen == sum(o.revenue_yen for o in found if o.scenario == "given")
    # The second and the third day buy back what the call before them used after the gate:
    # 125 kWh / 0.88 at 20.00.
    assert whole.revenue_yen == 10086 + 2 * (10086 - 142 * 20)
    assert sums["given", "2025-05"].revenue_yen == whole.revenue_yen
    assert sums[NO_MARKET, "all"].revenue_yen == 0
    assert sums["day-ahead-arbitrage", "all"].revenue_yen == 15000
    assert whole.called_share == pytest.approx(0.25, abs=0.001)


def test_an_interrupted_run_goes_on_and_a_second_one_changes_nothing(tmp_path: Path) -> None:
    """If it fails, a night of work is lost with the terminal, or counted twice."""
    path, days = tmp_path / "days.jsonl", days_from(DAY, 3)
    first = Given({})
    _run(days[:2], SavedDays(path, "q"), first)
    path.write_text(path.read_text() + '{"question": "q", "torn')
    second = Given({})
    whole = _run(days, SavedDays(path, "q"), second)
    assert 0 < len(second.asked) < len(first.asked)
    again = _run(days, SavedDays(path, "q"), third := Given({}))
    assert not third.asked
    assert again == whole
    assert not SavedDays(path, "another question").days


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """If it fails, half of a file of saved days is silently forgotten."""
    path = tmp_path / "days.jsonl"
    path.write_text("{}\n{}\n")
    with pytest.raises(ConfigError, match=r"days\.jsonl:1"):
        SavedDays(path, "q")
