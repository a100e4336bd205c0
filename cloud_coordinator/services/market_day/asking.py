"""Gate by gate: which products are open when, and the question to the strategy at each gate.

Nothing that was published after the moment of handing in reaches the question: forecasts are
asked with that moment, and cut the past at it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.areas import Area
from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.market.gates import ExchangeRule, bid_window
from cloud_coordinator.market.ledger import LedgerRule
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.market.rules import STEERING_RULE_SET, RuleBook
from cloud_coordinator.services.bidding.acceptance import acceptances
from cloud_coordinator.services.bidding.checking import check_bids
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion, BidStrategy, Terms
from cloud_coordinator.services.forecasting import Forecasts, QuantileForecast
from cloud_coordinator.services.market_day.offering import Offering, offering_of
from cloud_coordinator.services.market_day.portfolio import PATTERNS, Portfolio
from cloud_coordinator.services.market_day.records import Opening
from cloud_coordinator.services.market_day.signals import SignalRecords, expected_shares
from cloud_coordinator.services.market_history import KnownHistory, MarketHistory
from protocols.vocabulary.calendar import SLOTS_A_DAY, day_slots, market_day, slot_of
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.obligation import Service

BEFORE_GATE: Final = timedelta(minutes=10)
"""Bids are handed in so long before a gate closes."""
CALL_MARGIN: Final = 1.1
"""Energy of calls (V1) is offered at its replacement and wear, times this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One moment of handing in, and what is open then.

    Attributes
    ----------
    at : datetime
        Aware UTC.
    services : tuple of Service
        ENERGY is the exchange.
    """

    at: datetime
    services: tuple[Service, ...]

    @property
    def venues(self) -> tuple[Venue, ...]:
        """Markets that are open."""
        reserve = any(one is not Service.ENERGY for one in self.services)
        spot = Service.ENERGY in self.services
        return (Venue.RESERVE,) * reserve + (Venue.SPOT,) * spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Everything a day is asked of.

    Attributes
    ----------
    area : Area
        Where.
    history : MarketHistory
        What was published.
    forecasts : Forecasts
        What will be.
    signals : SignalRecords
        What operators ask for.
    strategy : BidStrategy
        Who bids.
    portfolio : Portfolio
        With what.
    book : RuleBook
        Product rules.
    exchange, ledger_rule
        Rules of the exchange and of the ledger.
    products : tuple of Service
        What is offered beside energy.
    rule_set_id : str
        Set to settle by, whatever the day; empty: the set in force.
    one_gate : bool
        Whether everything is decided at once, the day before: not a market there is, but the
        only way to decide best over all of them; of the ceiling.
    """

    area: Area
    history: MarketHistory
    forecasts: Forecasts
    signals: SignalRecords
    strategy: BidStrategy
    portfolio: Portfolio
    book: RuleBook
    exchange: ExchangeRule
    ledger_rule: LedgerRule
    products: tuple[Service, ...]
    rule_set_id: str = ""
    one_gate: bool = False

    def settling(self, service: Service, day: date) -> ProductRule:
        """Rule that settles a product on a day.

        Raises
        ------
        ConfigError
            If there is none.
        """
        found = (
            self.book.as_if(self.rule_set_id, service)
            if self.rule_set_id
            else self.book.settling(service, day)
        )
        if self.one_gate:
            found = replace(found, window=self.book.as_if(STEERING_RULE_SET, service).window)
        return found

    def rules(self, day: date) -> Mapping[Service, tuple[ProductRule, ...]]:
        """Return by product the set that steers and the one that settles.

        The set that steers is stricter in what is delivered; when and in which blocks bids are
        taken is the market's own to say.
        """
        found = {}
        for service in self.products:
            market = self.settling(service, day)
            steering = replace(
                self.book.as_if(STEERING_RULE_SET, service),
                window=market.window,
                block_minutes=market.block_minutes,
                price_cap_jpy_per_kw_30min=market.price_cap_jpy_per_kw_30min,
            )
            found[service] = (steering, market)
        return found

    def spot_at(self, day: date) -> datetime:
        """When bids to the exchange are handed in."""
        return self.exchange.spot_window(day_slots(day)[0]).end - BEFORE_GATE

    def gates(self, day: date) -> tuple[Gate, ...]:
        """Gates of a day of delivery, by time."""
        found: dict[datetime, list[Service]] = {}
        for service in self.products:
            closes = bid_window(self.settling(service, day), day).end
            found.setdefault(closes - BEFORE_GATE, []).append(service)
        at = self.spot_at(day)
        if self.one_gate and found:
            at = max(found)
        found.setdefault(at, []).append(Service.ENERGY)
        return tuple(Gate(at=at, services=tuple(found[at])) for at in sorted(found))


class Asker:
    """Puts the questions of many days.

    Parameters
    ----------
    market : Market
        Of whom.
    seed : int
        For strategies that draw.
    """

    def __init__(self, market: Market, *, seed: int) -> None:
        self._market = market
        self._seed = seed
        self._offerings: dict[tuple[ProductRule, ...], Offering] = {}

    def book(
        self, gate: Gate, day: date, *, opening: Opening, committed: Sequence[Bid]
    ) -> tuple[BidBook, Mapping[str, QuantileForecast], tuple[str, ...]]:
        """Ask the strategy at a gate.

        Returns
        -------
        tuple of BidBook, mapping of str to QuantileForecast, tuple of str
            Bids that no rule refuses, the forecasts they rest on, and alerts. A strategy that
            finds no answer hands in nothing.
        """
        market, area = self._market, self._market.area.name
        balancing: dict[Service, QuantileForecast] = {
            service: market.forecasts.balancing_price(
                service.value, area, day=day, known_at=gate.at
            )
            for service in gate.services
            if service is not Service.ENERGY
        }
        spot = market.forecasts.spot_price(area, day, gate.at)
        question = self._question(
            gate, day, opening=opening, committed=committed, prices=(spot, balancing)
        )
        used = {"spot": spot, **{service.value: one for service, one in balancing.items()}}
        alerts = list(_fallbacks(used, gate.at))
        try:
            book = market.strategy.bids(question)
        except VppError as error:
            alerts.append(f"strategy {market.strategy.name}: {error}; nothing is bid")
            book = BidBook(bids=(), refill_kw=np.zeros(SLOTS_A_DAY), strategy=market.strategy.name)
        refusals = check_bids(book, question) if book.bids else ()
        if refusals:
            names = ", ".join(dict.fromkeys(f"{o.rule_set_id} {o.rule}" for o in refusals))
            alerts.append(
                f"{len(refusals)} refusals ({names}), nothing is bid: {refusals[0].detail}"
            )
            book = BidBook(
                bids=(),
                refill_kw=np.zeros(SLOTS_A_DAY),
                strategy=book.strategy,
                refusals=refusals,
            )
        closed = tuple(f"{one.value}:" for one in Service if one not in gate.services)
        notes = [
            note
            for note in book.notes
            if not note.startswith(closed) and " price from " not in note  # said above
        ]
        return book, used, (*alerts, *notes)

    def offering(self, day: date) -> Offering:
        """Find what may be offered on a day; once for the same rules."""
        rules = self._market.rules(day)
        key = tuple(rule for service in self._market.products for rule in rules[service])
        if key not in self._offerings:
            at = day_slots(day)[0].interval.start
            self._offerings[key] = offering_of(self._market.portfolio, rules, at=at)
        return self._offerings[key]

    def _question(
        self,
        gate: Gate,
        day: date,
        *,
        opening: Opening,
        committed: Sequence[Bid],
        prices: tuple[QuantileForecast, Mapping[Service, QuantileForecast]],
    ) -> BidQuestion:
        market, offering = self._market, self.offering(day)
        spot, balancing = prices
        known = KnownHistory(market.history, gate.at)
        rules = market.rules(day)
        return BidQuestion(
            area=market.area.name,
            day=day,
            handed_in={
                venue: min(gate.at, market.spot_at(day)) if venue is Venue.SPOT else gate.at
                for venue in gate.venues
            },
            rules=rules,
            exchange=market.exchange,
            ledger_rule=market.ledger_rule,
            spot=spot,
            balancing=balancing,
            holdings=offering.holdings(market.portfolio, self.counted_kwh(gate, day, opening)),
            risk=offering.risk,
            terms=Terms(
                degradation_jpy_per_kwh=market.portfolio.degradation_jpy_per_kwh,
                load_jpy_per_kwh=market.portfolio.load_jpy_per_kwh,
                call_jpy_per_kwh=call_price(market.portfolio, spot),
                called_share=expected_shares(market.signals, known, area=market.area, day=day),
                fee_jpy_per_kw=float(market.portfolio.fee_jpy_per_kw_30min),
                sell_limit_jpy_per_kwh=Decimal("0.01"),
            ),
            patterns=PATTERNS,
            committed=tuple(committed),
            acceptance=acceptances(
                known,
                rules,
                balancing=balancing,
                capability_kw=offering.capability_kw,
                place=(market.area.name, day),
            ),
            seed=self._seed,
        )

    def counted_kwh(self, gate: Gate, day: date, opening: Opening) -> float:
        """Contents that bids up to a gate count on at the begin of the day, as far as they know.

        What is lacking of it is bought intraday before the day has well begun, so a later gate
        counts on no less than an earlier one did.
        """
        before = [
            one.at
            for one in self._market.gates(day)
            if one.at <= gate.at and market_day(one.at) == day - timedelta(days=1)
        ]
        expected = (float(opening.expected_kwh[slot_of(at).number - 1]) for at in before)
        return max(self._market.portfolio.planned_kwh, *expected, 0.0)


def call_price(portfolio: Portfolio, spot: QuantileForecast) -> float:
    """Price of called energy (V1), JPY/kWh: what it costs to put back, and wear, with a margin."""
    both = portfolio.one_way_efficiency**2
    cost = float(spot.median.mean()) / both + portfolio.degradation_jpy_per_kwh
    return round(CALL_MARGIN * cost, 2)


def _fallbacks(used: Mapping[str, QuantileForecast], at: datetime) -> tuple[str, ...]:
    """One line per reason why a forecast is not a model's."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, one in used.items():
        if one.reason is not None:
            names.setdefault((one.source, one.reason), []).append(name)
    return tuple(
        f"forecast of {', '.join(some)} at {at:%Y-%m-%d %H:%M}Z: {source}: {reason}"
        for (source, reason), some in names.items()
    )
