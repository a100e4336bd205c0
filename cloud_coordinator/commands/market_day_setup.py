"""Keeps the days that ``vpp market day`` ran."""

from collections.abc import Sequence
from pathlib import Path

from cloud_coordinator.commands.recorded import shell_deed, trail_of
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_day.records import DayResult
from cloud_coordinator.services.market_day.rows import rows_of
from cloud_coordinator.services.statements import StatementBook, StatementEntry
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.market_days import MarketDays


def keep_day(where: Path, result: DayResult, portfolio: Portfolio) -> Sequence[StatementEntry]:
    """Keep a day in a registry; return what was posted or corrected.

    Raises
    ------
    StoreError
        If the registry is damaged, foreign or newer.
    """
    database = open_database(where)
    try:
        days = MarketDays(database)
        with trail_of(database).act(shell_deed(f"market day: {result.area} {result.day}")):
            days.save(rows_of(result, portfolio))
            return StatementBook(days).post(
                f"{result.area}/{result.day}/{portfolio.name}/{result.strategy}/",
                result.accounts,
                rules=result.rule_versions,
                at=SystemClock().now(),
            )
    finally:
        database.close()
