"""The day as one pipeline: forecast, bids before each gate, award, obligation, delivery, yen.

Every step is a function of what the step before it gave and of published data; the moment of
each gate is an argument, and the same day asked twice has the same answer. What is missing is
replaced by a stated assumption, in the result's alerts; it never stops the day.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.market.imbalance import ImbalanceRule
from cloud_coordinator.services.forecasting import QuantileForecast
from cloud_coordinator.services.market_day.accounts import Happened, accounts_of
from cloud_coordinator.services.market_day.actuals import compared, day_prices, day_sun
from cloud_coordinator.services.market_day.asking import Asker, Gate, Market, call_price
from cloud_coordinator.services.market_day.clearing import Cleared, clear, traded_kw
from cloud_coordinator.services.market_day.fleet import SLOT_H, DayFleet, Plan, Ran
from cloud_coordinator.services.market_day.records import (
    DayResult,
    Opening,
    SettledAward,
    Stage,
)
from cloud_coordinator.services.market_day.settling import owed, settled
from cloud_coordinator.services.market_day.signals import DaySignals, day_signals
from cloud_coordinator.settlement.money import exact
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traded:
    """All gates of the day."""

    stages: tuple[Stage, ...]
    forecasts: tuple[tuple[Gate, str, QuantileForecast], ...]
    refill_kw: FloatArray
    alerts: tuple[str, ...]

    @property
    def accepted(self) -> tuple[Cleared, ...]:
        return tuple(one for stage in self.stages for one in stage.cleared if one.accepted_kw)

    @property
    def reserve(self) -> tuple[Cleared, ...]:
        return tuple(one for one in self.accepted if one.bid.venue is Venue.RESERVE)

    @property
    def spot(self) -> QuantileForecast:
        """Return the price forecast of the last gate."""
        return [one for _, name, one in self.forecasts if name == "spot"][-1]


class MarketDay:
    """The use case of a day.

    Parameters
    ----------
    market : Market
        Data, rules, forecasts, strategy and plants.
    imbalance : ImbalanceRule
        Imbalance prices.
    seed : int
        Of absences and inexact following, together with the day.
    """

    def __init__(self, market: Market, *, imbalance: ImbalanceRule, seed: int = 1) -> None:
        self._market = market
        self._imbalance = imbalance
        self._seed = seed
        self._asker = Asker(market, seed=seed)

    def opening(self) -> Opening:
        """Return storage as it begins before any day was run."""
        portfolio = self._market.portfolio
        return Opening(
            start_kwh=portfolio.start_soc * portfolio.contents_kwh,
            expected_kwh=np.full(SLOTS_A_DAY, portfolio.start_soc * portfolio.contents_kwh),
        )

    def run(self, day: date, opening: Opening) -> DayResult:
        """Run a day.

        Parameters
        ----------
        day : date
            Market day of delivery.
        opening : Opening
            Storage as it begins.

        Raises
        ------
        ConfigError
            If no rule set settles the day and none was named.
        """
        market = self._market
        prices = day_prices(market, day, imbalance=self._imbalance)
        traded = self._trade(day, opening, spot=prices.spot)
        signals = day_signals(market.signals, market.history, area=market.area, day=day)
        plan = Plan(
            traded_kw=traded_kw(traded.accepted, Source.STORAGE),
            refill_kw=traded.refill_kw,
            start_kwh=opening.start_kwh,
            restore_kwh=max(0.0, self._counted_kwh(day, opening) - opening.start_kwh),
            charge_kw=self._asker.offering(day).charge_kw,
        )
        awards, ran = self._deliver(day, traded.reserve, plan=plan, signals=signals)
        sun = day_sun(market, day)
        accounts = accounts_of(
            Happened(
                accepted=traded.accepted,
                awards=awards,
                ran=ran,
                prices=prices,
                sun=sun,
                call_jpy=call_price(market.portfolio, traded.spot),
            ),
            market.portfolio,
        )
        versions = {one.statement.rule_version for one in awards} or {
            market.settling(service, day).version for service in market.products
        }
        wear = exact(round(market.portfolio.degradation_jpy_per_kwh, 6))
        discharged = exact(round(float(ran.discharged_kwh.sum()), 6))
        return DayResult(
            day=day,
            area=market.area.name,
            strategy=market.strategy.name,
            rule_versions=tuple(sorted(versions)),
            as_if=bool(market.rule_set_id),
            compared=compared(market, day, traded.forecasts),
            stages=traded.stages,
            awards=awards,
            ran=ran,
            pv_plan_kwh=sun.plan_kwh,
            pv_actual_kwh=sun.actual_kwh,
            accounts=accounts,
            degradation_jpy=wear * discharged,
            alerts=_once((*prices.alerts, *traded.alerts, *signals.alerts, *sun.alerts)),
        )

    def next_opening(self, result: DayResult) -> Opening:
        """Carry storage into the next day, with what was expected of it on the way."""
        contents = result.ran.contents_kwh
        accepted = [one for stage in result.stages for one in stage.cleared]
        trades = traded_kw(accepted, Source.STORAGE) * SLOT_H
        eta = self._market.portfolio.one_way_efficiency
        change = np.where(trades > 0.0, -trades / eta, -trades * eta)
        left = change[::-1].cumsum()[::-1]
        highest = self._market.portfolio.contents_kwh
        return Opening(
            start_kwh=float(contents[-1]),
            expected_kwh=np.clip(contents[:-1] + left, 0.0, highest),
        )

    def _counted_kwh(self, day: date, opening: Opening) -> float:
        """Most that the bids of any gate counted on in storage as the day begins."""
        return self._asker.counted_kwh(self._market.gates(day)[-1], day, opening)

    def _trade(self, day: date, opening: Opening, *, spot: FloatArray) -> _Traded:
        """Hand in bids gate by gate; what an earlier gate awarded is committed at the next."""
        market = self._market
        committed: list[Bid] = []
        stages: list[Stage] = []
        used: list[tuple[Gate, str, QuantileForecast]] = []
        alerts: list[str] = []
        refill_kw = np.zeros(SLOTS_A_DAY)
        for gate in market.gates(day):
            book, forecasts, said = self._asker.book(
                gate, day, opening=opening, committed=committed
            )
            cleared = self._clear(gate, book.bids, spot=spot)
            committed.extend(
                replace(one.bid, power_kw=one.accepted_kw) for one in cleared if one.accepted_kw
            )
            if book.bids or book.refill_kw.any():
                refill_kw = book.refill_kw
            stages.append(Stage(at=gate.at, services=gate.services, book=book, cleared=cleared))
            used.extend((gate, name, one) for name, one in forecasts.items())
            alerts.extend(said)
        return _Traded(
            stages=tuple(stages),
            forecasts=tuple(used),
            refill_kw=refill_kw,
            alerts=tuple(alerts),
        )

    def _clear(self, gate: Gate, bids: Sequence[Bid], *, spot: FloatArray) -> tuple[Cleared, ...]:
        """Clear each product by its own results, energy by the area price."""
        market = self._market
        found = list(
            clear([b for b in bids if b.venue is not Venue.RESERVE], results=None, spot_jpy=spot)
        )
        for service in gate.services:
            mine = [b for b in bids if b.venue is Venue.RESERVE and b.service is service]
            results = market.history.balancing(service, market.area.name)
            found.extend(clear(mine, results=results, spot_jpy=spot))
        return tuple(found)

    def _deliver(
        self, day: date, cleared: Sequence[Cleared], *, plan: Plan, signals: DaySignals
    ) -> tuple[tuple[SettledAward, ...], Ran]:
        """Awards become obligations, the fleet follows them, the market's engine settles."""
        market = self._market
        obligations = [
            owed(one, market.settling(one.bid.service, day), signals, area=market.area)
            for one in sorted(cleared, key=lambda one: (one.bid.slot, one.bid.service.value))
        ]
        random = np.random.default_rng((self._seed, day.toordinal()))
        fleet = DayFleet(market.portfolio, plan, random)
        supplied = fleet.run([one.asked for one in obligations])
        awards = tuple(
            settled(one, got, portfolio=market.portfolio, area=market.area.name, signals=signals)
            for one, got in zip(obligations, supplied, strict=True)
        )
        return awards, fleet.ran


def _once(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))
