"""What a simulated or settled day is: questions, bids, awards, money, and what was assumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from cloud_coordinator.services.bidding.port import BidBook
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.clearing import Cleared
from cloud_coordinator.services.market_day.fleet import Ran
from cloud_coordinator.settlement.money import whole_yen
from cloud_coordinator.settlement.records import Statement
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.obligation import Service

SPOT_ACCOUNT: Final = "spot"
REFILL_ACCOUNT: Final = "intraday"
CALLED_ACCOUNT: Final = "called-energy"
IMBALANCE_ACCOUNT: Final = "imbalance"
FEE_ACCOUNT: Final = "fees"
OWNERS_ACCOUNT: Final = "owners-of-loads"
Slots = tuple[Decimal, ...]
"""48 exact amounts, JPY, + received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Storage as a day begins, and as it was expected to be when bids were made.

    Attributes
    ----------
    start_kwh : float
        What is really there.
    expected_kwh : FloatArray
        Shape (48,), of each slot of the day before: what was expected then for this day's start.
    """

    start_kwh: float
    expected_kwh: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A forecast against what came.

    Attributes
    ----------
    quantity : str
        ``spot``, ``demand``, ``pv``, or the product of a balancing price.
    unit : str
        Of the values.
    known_at : datetime
        The gate it was made for.
    forecast : QuantileForecast
        48 slots.
    actual : FloatArray
        Shape (48,); NaN where not known.
    """

    quantity: str
    unit: str
    known_at: datetime
    forecast: QuantileForecast
    actual: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One gate: when bids were handed in, and the book.

    Attributes
    ----------
    at : datetime
        Aware UTC.
    services : tuple of Service
        What was open; ENERGY is the exchange.
    book : BidBook
        As the strategy gave it, less what a rule refused.
    cleared : tuple of Cleared
        What became of every bid.
    """

    at: datetime
    services: tuple[Service, ...]
    book: BidBook
    cleared: tuple[Cleared, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledAward:
    """An award of the balancing market, assessed.

    Attributes
    ----------
    cleared : Cleared
        The bid and what was taken of it.
    statement : Statement
        By the market's engine.
    available_kw, asked_kw, delivered_kwh : tuple of float
        Per slot of the award; the mean of what was asked for.
    """

    cleared: Cleared
    statement: Statement
    available_kw: tuple[float, ...]
    asked_kw: tuple[float, ...]
    delivered_kwh: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """A day from forecast to settled yen.

    Attributes
    ----------
    day, area, strategy
        Which.
    rule_versions : tuple of str
        Sets that settled, with digests.
    as_if : bool
        Whether the set was named because none covers the day.
    compared : tuple of Compared
        Forecasts.
    stages : tuple of Stage
        By gate.
    awards : tuple of SettledAward
        By slot.
    ran : Ran
        Storage and sites.
    pv_plan_kwh, pv_actual_kwh : FloatArray
        Shape (48,).
    accounts : mapping of str to Slots
        Money by account and slot, exact; awards have accounts of their own.
    degradation_jpy : Decimal
        Wear of storage: a cost, in nobody's statement.
    alerts : tuple of str
        Fallbacks and assumptions.
    """

    day: date
    area: str
    strategy: str
    rule_versions: tuple[str, ...]
    as_if: bool
    compared: tuple[Compared, ...]
    stages: tuple[Stage, ...]
    awards: tuple[SettledAward, ...]
    ran: Ran
    pv_plan_kwh: FloatArray
    pv_actual_kwh: FloatArray
    accounts: Mapping[str, Slots]
    degradation_jpy: Decimal
    alerts: tuple[str, ...]

    @property
    def exact_jpy(self) -> Decimal:
        """All accounts, nothing cut."""
        return sum((sum(slots, Decimal(0)) for slots in self.accounts.values()), Decimal(0))

    @property
    def amount_yen(self) -> int:
        """Sum of the statements, each cut to whole yen as the market does."""
        return sum(whole_yen(sum(slots, Decimal(0))) for slots in self.accounts.values())

    @property
    def penalties_jpy(self) -> Decimal:
        """Penalties of both kinds, JPY >= 0."""
        return sum(
            (
                one.statement.penalty_availability_jpy + one.statement.penalty_performance_jpy
                for one in self.awards
            ),
            Decimal(0),
        )

    @property
    def capacity_jpy(self) -> Decimal:
        """Fees for capacity before penalties."""
        return sum((one.statement.capacity_value_jpy for one in self.awards), Decimal(0))

    @property
    def profit_jpy(self) -> Decimal:
        """All accounts less wear."""
        return self.exact_jpy - self.degradation_jpy

    def account(self, name: str) -> Decimal:
        """Sum of an account; 0 where there is none."""
        return sum(self.accounts.get(name, ()), Decimal(0))
