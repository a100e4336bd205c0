"""The market of one area wired together: published data, shipped models, rules and plants."""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from cloud_coordinator.gateway.exchanges.catalogue import Catalogue
from cloud_coordinator.gateway.exchanges.signals import RecordedSignals
from cloud_coordinator.market.areas import load_areas
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.ledger import load_ledger_rule
from cloud_coordinator.market.rules import load_rule_book
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
from cloud_coordinator.services.market_history import MarketHistory
from cloud_coordinator.services.model_forecasts import ModelForecasts
from models.day_ahead.shipped import shipped_models
from protocols.vocabulary.errors import ConfigError

PORTFOLIO_BYTES_MAX: Final = 1_000_000
_SUMMARY_VERSION: Final = 2
"""Of what is kept of a day; days kept by an older one are run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a market is made of, as a person names it.

    Attributes
    ----------
    area, strategy : str
        Names.
    data : Path
        Folder of published data.
    rules : str
        Set to settle by whatever the day; empty: the set in force.
    portfolio : Path or None
        Plants; the example if None.
    """

    area: str
    data: Path
    strategy: str
    rules: str
    portfolio: Path | None

    def digest(self, seed: int) -> str:
        """Name of the question: saved days of another one do not count."""
        text = "" if self.portfolio is None else _text(self.portfolio)
        data = str(self.data.resolve())
        whole = repr((_SUMMARY_VERSION, self.area, data, self.strategy, self.rules, seed, text))
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def market_of(
    chosen: Chosen, *, first: date | None = None, history: MarketHistory | None = None
) -> Market:
    """Wire the market of a day, of a backtest, or of the running coordinator.

    Parameters
    ----------
    chosen : Chosen
        Of what.
    first : date or None
        Day for which there must be rules; None asks for none. It also asks for the data folder,
        which a running coordinator can do without.
    history : MarketHistory or None
        What was published; None reads the data folder.

    Raises
    ------
    ConfigError
        For an option that names nothing, or days without a rule set.
    """
    areas = load_areas()
    if chosen.area not in areas:
        raise ConfigError(f"--area: {chosen.area!r} is not one of {', '.join(areas)}")
    if first is not None and not chosen.data.is_dir():
        raise ConfigError(f"--data: {chosen.data} is no folder")
    history = history or Catalogue(chosen.data)
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
    if first is None:
        return market
    try:
        market.rules(first)
    except ConfigError as error:
        hint = "" if chosen.rules else "; name a set with --rules, for example eprx-2025-04-01"
        raise ConfigError(f"--rules: {error}{hint}") from error
    return market


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
