"""The question of a whole day at once: exchange, curtailment and balancing market together.

All is decided on what is known before the gate of the exchange. The market day asks gate by
gate instead (:mod:`cloud_coordinator.services.market_day.asking`); to compare strategies one
joint question is fairer, for nothing is decided between.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.market.bids import Source, Venue
from cloud_coordinator.market.ledger import Holdings
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.bidding.acceptance import acceptances
from cloud_coordinator.services.bidding.port import BidQuestion, Terms
from cloud_coordinator.services.forecasting import Forecasts
from cloud_coordinator.services.market_day.asking import Market, call_price
from cloud_coordinator.services.market_day.offering import Offering, offering_of
from cloud_coordinator.services.market_day.portfolio import PATTERNS
from cloud_coordinator.services.market_day.signals import expected_shares
from cloud_coordinator.services.market_history import KnownHistory
from protocols.vocabulary.calendar import jst_moment
from protocols.vocabulary.obligation import Service

SPOT_AT: Final = time(9, 45)
"""JST of the day before: a quarter of an hour before the gate of the exchange."""
RESERVE_AT: Final = time(13, 30)
"""JST of the day before: half an hour before the gate of the balancing market."""


class JointAsker:
    """Asks for whole days.

    Parameters
    ----------
    market : Market
        What stays.
    seed : int
        For strategies that draw.
    """

    def __init__(self, market: Market, *, seed: int) -> None:
        self._market = market
        self._seed = seed
        self._offerings: dict[tuple[ProductRule, ...], Offering] = {}

    def question(self, day: date, forecasts: Forecasts) -> BidQuestion:
        """Ask for a day that begins with the contents planned for its end."""
        market, at = self._market, jst_moment(day - timedelta(days=1), SPOT_AT)
        area = market.area.name
        spot = forecasts.spot_price(area, day, at)
        known = KnownHistory(market.history, at)
        rules = market.rules(day)
        offering = self._offering(rules, at)
        balancing = {
            service: forecasts.balancing_price(service.value, area, day=day, known_at=at)
            for service in rules
        }
        holdings = self._holdings(offering)
        return BidQuestion(
            area=area,
            day=day,
            handed_in=_handed_in(day),
            rules=rules,
            exchange=market.exchange,
            ledger_rule=market.ledger_rule,
            spot=spot,
            balancing=balancing,
            holdings=holdings,
            risk=offering.risk,
            terms=Terms(
                degradation_jpy_per_kwh=market.portfolio.degradation_jpy_per_kwh,
                load_jpy_per_kwh=market.portfolio.load_jpy_per_kwh,
                call_jpy_per_kwh=call_price(market.portfolio, spot),
                called_share=expected_shares(market.signals, known, area=market.area, day=day),
                fee_jpy_per_kw=float(market.portfolio.fee_jpy_per_kw_30min),
            ),
            patterns=PATTERNS,
            acceptance=acceptances(
                known,
                rules,
                balancing=balancing,
                capability_kw=holdings.capability_kw,
                place=(area, day),
            ),
            seed=self._seed,
        )

    def _offering(self, rules: Mapping[Service, tuple[ProductRule, ...]], at: datetime) -> Offering:
        """Find what may be offered; once for the same rules."""
        key = tuple(one for sets in rules.values() for one in sets)
        if key not in self._offerings:
            self._offerings[key] = offering_of(self._market.portfolio, rules, at=at)
        return self._offerings[key]

    def _holdings(self, offering: Offering) -> Holdings:
        """Find what there is to sell; loads give as energy what their slowest product can."""
        portfolio = self._market.portfolio
        found = offering.holdings(portfolio, portfolio.end_soc * portfolio.contents_kwh)
        power = dict(found.capability_kw)
        loads = [one for (source, _), one in power.items() if source is Source.LOAD]
        if loads:
            power[Source.LOAD, Service.ENERGY] = np.max(loads, axis=0)
        return replace(found, capability_kw=power)


def _handed_in(day: date) -> dict[Venue, datetime]:
    before = day - timedelta(days=1)
    spot = jst_moment(before, SPOT_AT)
    return {
        Venue.SPOT: spot,
        Venue.CURTAILMENT: spot,
        Venue.RESERVE: jst_moment(before, RESERVE_AT),
    }
