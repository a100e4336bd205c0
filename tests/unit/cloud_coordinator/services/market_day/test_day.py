"""A day from bid to yen, by hand."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.bids import Venue
from cloud_coordinator.market.imbalance import load_imbalance_rule
from cloud_coordinator.services.market_day.causes import causes_of
from cloud_coordinator.services.market_day.day import MarketDay
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import CALLED_ACCOUNT, SPOT_ACCOUNT, DayResult
from cloud_coordinator.services.market_day.rows import rows_of
from cloud_coordinator.services.market_history import MarketSeries
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Service
from tests.unit.cloud_coordinator.services.market_day.days import (
    DAY,
    Columns,
    Given,
    broken,
    flat,
    history,
    market,
    one_battery,
    reserve_bid,
    results,
    spot_bid,
)

AWARD = "tokyo-tertiary2-storage-20250514-25-2.00"


def _run(
    columns: Columns | None = None,
    *,
    strategy: Given | None = None,
    portfolio: Portfolio | None = None,
) -> DayResult:
    asked = market(columns, strategy=strategy, portfolio=portfolio)
    use_case = MarketDay(asked, imbalance=load_imbalance_rule())
    return use_case.run(DAY, use_case.opening())


def test_a_small_day_is_worth_what_it_is_worth_by_hand() -> None:
    """If it fails, the statement of a day is not the sum a person gets with pencil and paper."""
    result = _run()
    # Fee 1000 kW x 2.00; a quarter of it called for half an hour: 125 kWh at V1 =
    # 1.1 x (10 / 0.88 + 11.0845) = 24.69; 250 kWh sold at 20.00.
    assert result.account(AWARD) == Decimal("2000.00")
    assert result.account(CALLED_ACCOUNT) == Decimal("3086.25")
    assert result.account(SPOT_ACCOUNT) == Decimal(5000)
    assert result.exact_jpy == Decimal("10086.25")
    assert result.amount_yen == 10086
    assert result.penalties_jpy == 0
    assert "calls of the slower products are assumed" in " ".join(result.alerts)


def test_a_battery_that_does_not_answer_pays_the_penalty() -> None:
    """If it fails, capacity that was never there is paid as if it had been."""
    result = _run(portfolio=broken(one_battery()))
    # Penalty I: 2.00 x 1000 x 1.5 = 3000; nothing was available, so no penalty II.
    assert result.penalties_jpy == 3000
    assert result.account(AWARD) == -1000
    assert CALLED_ACCOUNT not in result.accounts


def test_a_bid_above_the_highest_accepted_price_is_not_awarded() -> None:
    """If it fails, a backtest earns money the market would never have paid."""
    result = _run(strategy=Given({Venue.RESERVE: [reserve_bid("2.51")]}))
    refused = [one for stage in result.stages for one in stage.cleared]
    assert [one.accepted_kw for one in refused] == [0]
    assert "2.51 is above the highest accepted 2.5" in refused[0].reason
    assert not result.awards


def test_a_bid_that_breaks_a_rule_is_named_and_nothing_goes_out() -> None:
    """If it fails, a bid below the minimum reaches the market."""
    result = _run(strategy=Given({Venue.RESERVE: [reserve_bid(kw=999)]}))
    assert not [one for stage in result.stages for one in stage.cleared]
    assert any("minimum" in alert and "eprx-2025-04-01" in alert for alert in result.alerts)
    causes = causes_of(result, one_battery())
    assert causes["refused: eprx-2025-04-01 minimum"] == 1
    assert all(cause.startswith("refused: ") for cause in causes)


def test_a_failed_slot_says_what_was_lacking() -> None:
    """If it fails, a person cannot tell an absent battery from one that follows badly."""
    away = causes_of(_run(portfolio=broken(one_battery())), one_battery())
    assert list(away) == ["failed: I+II tertiary2/storage: sites away"]


def test_a_day_begins_with_what_its_bids_counted_on() -> None:
    """If it fails, calls of an evening leave the next day's awards without energy."""
    asked = market(strategy=Given({}))
    use_case = MarketDay(asked, imbalance=load_imbalance_rule())
    opening = replace(use_case.opening(), start_kwh=1000.0)
    assert opening.expected_kwh[0] == 4000.0
    assert use_case.run(DAY, opening).ran.contents_kwh[-1] == pytest.approx(4000.0)


def test_nothing_after_a_gate_changes_a_question() -> None:
    """If it fails, a bid was made with prices nobody could know."""
    plain, later = Given({}), Given({})
    _run(strategy=plain)
    columns = history(highest=99.0, spot=999.0)
    columns.columns[MarketSeries.DEMAND] = flat(1.0)
    _run(columns, strategy=later)
    assert [one.handed_in for one in plain.asked] == [one.handed_in for one in later.asked]
    for before, after in zip(plain.asked, later.asked, strict=True):
        assert before.terms == after.terms
        assert np.array_equal(before.spot.values, after.spot.values)
        assert max(before.handed_in.values()) < before.spot.slot_start[0]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (Columns(results={Service.TERTIARY_2: results(2.5)}), "spot price of tokyo: not known"),
        (Columns(columns={MarketSeries.SPOT: flat(20.0)}), ""),
        (Columns(), "spot price of tokyo: not known"),
    ],
)
def test_a_missing_input_never_stops_the_day(columns: Columns, said: str) -> None:
    """If it fails, one late file of a publisher leaves the aggregator without a day."""
    result = _run(columns)
    assert not said or any(said in alert for alert in result.alerts)
    if not columns.results:
        refused = [one for stage in result.stages for one in stage.cleared if one.reason]
        assert refused[0].reason == "nothing was accepted in its block"


def test_pv_that_nobody_knows_is_not_sold() -> None:
    """If it fails, missing PV data sells energy that may not come."""
    result = _run(portfolio=replace(one_battery(), pv_kw=1000.0))
    assert any("PV of tokyo: nothing known" in alert for alert in result.alerts)
    assert not result.pv_plan_kwh.any()


def test_the_same_day_again_is_the_same_to_the_last_digit() -> None:
    """If it fails, running settlement twice pays twice, or differently."""
    one, two = _run(), _run()
    assert one.accounts == two.accounts
    assert [a.statement.statement_id for a in one.awards] == [
        a.statement.statement_id for a in two.awards
    ]


def test_a_day_without_a_rule_set_asks_for_one_by_name() -> None:
    """If it fails, days before the first rule set are settled by a set nobody chose."""
    use_case = MarketDay(market(), imbalance=load_imbalance_rule())
    with pytest.raises(ConfigError, match="no rule set settles tertiary2"):
        use_case.run(DAY.replace(year=2024), use_case.opening())
    named = MarketDay(
        replace(market(), rule_set_id="eprx-2025-04-01"), imbalance=load_imbalance_rule()
    )
    result = named.run(DAY.replace(year=2024), named.opening())
    assert result.as_if
    assert result.rule_versions[0].startswith("eprx-2025-04-01@")


def test_the_five_tables_hold_the_day() -> None:
    """If it fails, the customer's tables say something else than the statements."""
    result = _run()
    rows = rows_of(result, one_battery())
    assert rows.resources["battery-1"]["resource_type"] == "BATTERY"
    assert len(rows.performance) == 48
    revenue = sum(Decimal(str(row["market_revenue_yen"])) for row in rows.performance.values())
    assert revenue == result.exact_jpy
    bid = rows.transactions[AWARD]
    assert (bid["market_type"], bid["settlement_amount"]) == ("TERTIARY_RESERVE", 2000)
    (control,) = rows.controls.values()
    assert control["target_value"] == Decimal("250.00")
    assert len(rows.predictions) == 48 * len(result.compared)


def test_energy_leaves_the_battery_once() -> None:
    """If it fails, the same kilowatt hour is delivered twice."""
    result = _run(strategy=Given({Venue.SPOT: [spot_bid()]}))
    eta = one_battery().one_way_efficiency
    assert result.ran.contents_kwh[-1] == pytest.approx(4000.0 - 250.0 / eta)
