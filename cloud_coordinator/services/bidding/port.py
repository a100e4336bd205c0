"""The port of bid strategies: one question about one day, one book of bids as the answer.

A strategy sees forecasts, what there is to sell and the rules; it never sees what really
happened. Called by the day, by ``vpp bids`` and by tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from cloud_coordinator.market.bids import Bid, Pattern, Source, Venue
from cloud_coordinator.market.gates import ExchangeRule, Refusal
from cloud_coordinator.market.ledger import Holdings, LedgerRule
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.bidding.acceptance import Acceptance
from cloud_coordinator.services.bidding.risk import RiskCurve
from cloud_coordinator.services.forecasting import QuantileForecast
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.obligation import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What using the portfolio costs, and what is expected of calls.

    Attributes
    ----------
    degradation_jpy_per_kwh : float
        Of energy that leaves storage.
    load_jpy_per_kwh : float
        Paid to owners of loads per reduced kWh, and to the retailer (ネガワット調整金).
    call_jpy_per_kwh : float
        Energy price offered for calls (V1).
    called_share : mapping
        By product, expected part of the award's whole-slot energy that is called, 0..1.
    fee_jpy_per_kw : float
        The market's fee per awarded kW and half hour.
    buy_limit_jpy_per_kwh, sell_limit_jpy_per_kwh : Decimal
        Limits of exchange orders: the plan needs them to be taken, the limit only bounds the harm.
    """

    degradation_jpy_per_kwh: float
    load_jpy_per_kwh: float
    call_jpy_per_kwh: float
    called_share: Mapping[Service, float]
    fee_jpy_per_kw: float = 0.0
    buy_limit_jpy_per_kwh: Decimal = Decimal(200)
    sell_limit_jpy_per_kwh: Decimal = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class BidQuestion:
    """What may be bid, for one day of delivery.

    Attributes
    ----------
    area, day
        Of delivery; the day is the market's (JST).
    handed_in : mapping
        When bids are handed in, aware UTC, for each venue that is open to this question; a
        venue that is missing gets no bids.
    rules : mapping
        By product that may be offered, all rule sets that must accept a bid.
    exchange, ledger_rule
        Rules of the exchange and of the ledger.
    spot : QuantileForecast
        JPY/kWh.
    balancing : mapping
        By product, accepted capacity price, JPY per kW and half hour. A product without one is
        not offered.
    holdings : Holdings
        What there is to sell.
    risk : mapping
        By source and product, what a promise risks.
    terms : Terms
        What using it costs.
    patterns : mapping
        By source, the list its reserve bids name.
    committed : tuple of Bid
        Already awarded for the day.
    acceptance : mapping
        By product, what is taken of an offer at which price. A product that is missing is
        judged by its price forecast alone, which says nothing of slots in which none is bought.
    seed : int
        Of strategies that draw.
    """

    area: str
    day: date
    handed_in: Mapping[Venue, datetime]
    rules: Mapping[Service, tuple[ProductRule, ...]]
    exchange: ExchangeRule
    ledger_rule: LedgerRule
    spot: QuantileForecast
    balancing: Mapping[Service, QuantileForecast]
    holdings: Holdings
    risk: Mapping[tuple[Source, Service], RiskCurve]
    terms: Terms
    patterns: Mapping[Source, Pattern]
    committed: tuple[Bid, ...] = ()
    acceptance: Mapping[Service, Acceptance] = field(default_factory=dict)
    seed: int = 1

    def at_moment(self, moment: datetime) -> "BidQuestion":
        """Ask the same with everything handed in at one moment (aware)."""
        return replace(self, handed_in=dict.fromkeys(self.handed_in, moment))


@dataclass(frozen=True, slots=True, kw_only=True)
class BidBook:
    """All bids of one answer.

    Attributes
    ----------
    bids : tuple of Bid
        By venue, product and slot.
    refill_kw : FloatArray
        Shape (48,), charging power kept free to buy back intraday what reserve used.
    strategy : str
        Who answered.
    expected_jpy : Decimal
        Profit of the day that is expected (:mod:`cloud_coordinator.services.bidding.worth`).
    notes : tuple of str
        Fallbacks and limits that were met, for people.
    refusals : tuple of Refusal
        Why the strategy's own bids are not in it, if they broke a rule.
    """

    bids: tuple[Bid, ...]
    refill_kw: FloatArray
    strategy: str
    expected_jpy: Decimal = Decimal(0)
    notes: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class BidStrategy(Protocol):
    """Makes bids that break no rule."""

    @property
    def name(self) -> str:
        """What people call it."""

    def bids(self, question: BidQuestion) -> BidBook:
        """Answer a question; the same question has the same answer."""
