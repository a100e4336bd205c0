"""What ``vpp market day`` and ``vpp market backtest`` are asked with, wired together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cloud_coordinator.gateway.exchanges.catalogue import Catalogue
from cloud_coordinator.gateway.exchanges.signals import RecordedSignals
from cloud_coordinator.market.areas import load_areas
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.ledger import load_ledger_rule
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.bidding.port import BidStrategy
from cloud_coordinator.services.bidding.strategies import STRATEGIES
from cloud_coordinator.services.forecast_columns import MarketColumns
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.portfolio import (
    STORAGE_PRODUCTS,
    Portfolio,
    load_portfolio,
    parse_portfolio,
)
from cloud_coordinator.services.market_day.records import DayResult
from cloud_coordinator.services.market_day.rows import rows_of
from cloud_coordinator.services.model_forecasts import ModelForecasts
from cloud_coordinator.services.statements import StatementBook, StatementEntry
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.market_days import MarketDays
from models.day_ahead.shipped import shipped_models
from protocols.vocabulary.errors import ConfigError

PORTFOLIO_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Options of both commands."""

    area: str
    data: Path
    strategy: str
    rules: str
    portfolio: Path | None

    def digest(self, seed: int) -> str:
        """Name of the question: saved days of another one do not count."""
        text = "" if self.portfolio is None else _text(self.portfolio)
        whole = repr((self.area, str(self.data.resolve()), self.strategy, self.rules, seed, text))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def market_of(chosen: Chosen, *, first: date) -> Market:
    """Wire the market of a day or a backtest.

    Raises
    ------
    ConfigError
        For an option that names nothing, or days without a rule set.
    """
    areas = load_areas()
    if chosen.area not in areas:
        raise ConfigError(f"--area: {chosen.area!r} is not one of {', '.join(areas)}")
    if not chosen.data.is_dir():
        raise ConfigError(f"--data: {chosen.data} is no folder")
    history = Catalogue(chosen.data)
    columns = MarketColumns(history, products=STORAGE_PRODUCTS, areas=(chosen.area,))
    market = Market(
        area=areas[chosen.area],
        history=history,
        forecasts=ModelForecasts(columns, shipped_models()),
        signals=RecordedSignals(chosen.data),
        strategy=_strategy(chosen.strategy),
        portfolio=_portfolio(chosen.portfolio),
        book=load_rule_book(),
        exchange=load_exchange_rule(),
        ledger_rule=load_ledger_rule(),
        products=STORAGE_PRODUCTS,
        rule_set_id=chosen.rules,
    )
    try:
        market.rules(first)
    except ConfigError as error:
        hint = "" if chosen.rules else "; name a set with --rules, for example eprx-2025-04-01"
        raise ConfigError(f"--rules: {error}{hint}") from error
    return market


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
        days.save(rows_of(result, portfolio))
        return StatementBook(days).post(
            f"{result.area}/{result.day}/{portfolio.name}/{result.strategy}/",
            result.accounts,
            rules=result.rule_versions,
            at=SystemClock().now(),
        )
    finally:
        database.close()


def _strategy(name: str) -> BidStrategy:
    if name not in STRATEGIES:
        raise ConfigError(f"--strategy: {name!r} is not one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]()


def _portfolio(path: Path | None) -> Portfolio:
    return load_portfolio() if path is None else parse_portfolio(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > PORTFOLIO_BYTES_MAX:
            raise ConfigError(f"--portfolio: {path} is larger than {PORTFOLIO_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--portfolio: {path}: {error}") from error
