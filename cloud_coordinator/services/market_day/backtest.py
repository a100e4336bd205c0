"""Backtest: the same days for a strategy, for two baselines and with perfect foresight.

Days follow each other: storage carries over. Each day of each scenario is one summary, handed to
the caller as soon as it is there, so that an interrupted run goes on where it stopped and a
second run of the same question changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.imbalance import ImbalanceRule
from cloud_coordinator.services.market_day.actuals import day_prices, day_sun
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.causes import assessments_failed, causes_of
from cloud_coordinator.services.market_day.day import MarketDay
from cloud_coordinator.services.market_day.past import Foresight
from cloud_coordinator.services.market_day.portfolio import Plants, Portfolio
from cloud_coordinator.services.market_day.records import DayResult, Opening
from cloud_coordinator.services.market_day.settling import energy_slots
from cloud_coordinator.settlement.money import whole_yen
from protocols.vocabulary.obligation import Service

NO_MARKET: Final = "no-market"
ARBITRAGE: Final = "day-ahead-arbitrage"
CEILING: Final = "perfect-foresight"
CAPPED_CEILING: Final = "foresight-capped-only"
"""Foresight in the products that have a price cap: what has none pays a seer any price."""
_SURE: Final = 1e9
"""Events that a certain site has kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary:
    """A day of a scenario in the figures that a backtest adds up.

    Attributes
    ----------
    scenario, day
        Which.
    revenue_yen : int
        Sum of all statements, penalties taken off.
    capacity_jpy, penalties_jpy, degradation_jpy : Decimal
        Of it: fees for capacity and penalties; wear comes off besides.
    called_kwh : float
        Delivered for awards.
    award_kw_slots, failed_slots, award_slots : float, int, int
        Size of what was awarded, and slots in which Assessment I or II failed.
    alerts : int
        Fallbacks and assumptions of the day.
    causes : mapping of str to int
        Why it did not go as bid (:mod:`cloud_coordinator.services.market_day.causes`).
    end_kwh : float
        Contents it ends with.
    expected_kwh : tuple of float
        For the next day's opening.
    """

    scenario: str
    day: date
    revenue_yen: int
    capacity_jpy: Decimal
    penalties_jpy: Decimal
    degradation_jpy: Decimal
    called_kwh: float
    award_kw_slots: float
    award_slots: int
    failed_slots: int
    alerts: int
    causes: Mapping[str, int]
    end_kwh: float
    expected_kwh: tuple[float, ...]

    @property
    def profit_jpy(self) -> Decimal:
        """Revenue less wear."""
        return Decimal(self.revenue_yen) - self.degradation_jpy


Saved = Mapping[tuple[str, date], DaySummary]


class Backtest:
    """The use case.

    Parameters
    ----------
    market : Market
        Of the strategy that is tested.
    imbalance : ImbalanceRule
        Imbalance prices.
    seed : int
        As in :class:`MarketDay`.
    """

    def __init__(self, market: Market, *, imbalance: ImbalanceRule, seed: int = 1) -> None:
        self._market = market
        self._imbalance = imbalance
        certain = replace(
            market,
            forecasts=Foresight(market.history),
            portfolio=_certain(market.portfolio),
            one_gate=True,
        )
        self._days = {
            market.strategy.name: MarketDay(market, imbalance=imbalance, seed=seed),
            ARBITRAGE: MarketDay(replace(market, products=()), imbalance=imbalance, seed=seed),
            CEILING: MarketDay(certain, imbalance=imbalance, seed=seed),
            CAPPED_CEILING: MarketDay(
                replace(certain, products=_capped(market.products)), imbalance=imbalance, seed=seed
            ),
        }

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names: the strategy, the two baselines, the ceiling and that of capped products."""
        return (self._market.strategy.name, NO_MARKET, ARBITRAGE, CEILING, CAPPED_CEILING)

    def run(
        self,
        days: Sequence[date],
        *,
        scenario: str,
        saved: Saved,
        keep: Callable[[DaySummary], None],
    ) -> None:
        """Run the days of a scenario that are not saved yet.

        Parameters
        ----------
        days : sequence of date
            Consecutive.
        scenario : str
            One of :attr:`scenarios`.
        saved : mapping
            Days that were done before.
        keep : callable
            Given every summary, the saved ones too, in order.
        """
        opening: Opening | None = None
        for day in days:
            done = saved.get((scenario, day))
            if done is None:
                done = self._one(scenario, day, opening)
            opening = Opening(
                start_kwh=done.end_kwh, expected_kwh=np.array(done.expected_kwh, dtype=np.float64)
            )
            keep(done)

    def _one(self, scenario: str, day: date, opening: Opening | None) -> DaySummary:
        if scenario == NO_MARKET:
            return self._idle(day)
        use_case = self._days[scenario]
        result = use_case.run(day, opening or use_case.opening())
        following = use_case.next_opening(result)
        causes = causes_of(result, self._market.portfolio)
        return summary_of(result, following, scenario=scenario, causes=causes)

    def _idle(self, day: date) -> DaySummary:
        """Storage stands still; PV is paid the spot price of each slot, unplanned."""
        prices = day_prices(self._market, day, imbalance=self._imbalance)
        sun = day_sun(self._market, day)
        return DaySummary(
            scenario=NO_MARKET,
            day=day,
            revenue_yen=whole_yen(sum(energy_slots(sun.actual_kwh, prices.spot), Decimal(0))),
            capacity_jpy=Decimal(0),
            penalties_jpy=Decimal(0),
            degradation_jpy=Decimal(0),
            called_kwh=0.0,
            award_kw_slots=0.0,
            award_slots=0,
            failed_slots=0,
            alerts=len(prices.alerts) + len(sun.alerts),
            causes={},
            end_kwh=0.0,
            expected_kwh=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over days: a month, or all.

    Attributes
    ----------
    scenario, period
        Of what: ``YYYY-MM`` or ``all``.
    days, revenue_yen, capacity_jpy, penalties_jpy, degradation_jpy, called_kwh
        Sums.
    award_slots, failed_slots
        Assessed slots of awards, and those that failed.
    award_kw_slots : float
        Awarded kW times slots.
    causes : mapping of str to int
        Sums by cause.
    """

    scenario: str
    period: str
    days: int
    revenue_yen: int
    capacity_jpy: Decimal
    penalties_jpy: Decimal
    degradation_jpy: Decimal
    called_kwh: float
    award_kw_slots: float
    award_slots: int
    failed_slots: int
    causes: Mapping[str, int]

    @property
    def profit_jpy(self) -> Decimal:
        """Revenue less wear."""
        return Decimal(self.revenue_yen) - self.degradation_jpy

    @property
    def called_share(self) -> float:
        """Part of the awarded energy that was called, 0..1."""
        return 2.0 * self.called_kwh / self.award_kw_slots if self.award_kw_slots else 0.0


def totals(summaries: Iterable[DaySummary]) -> tuple[Totals, ...]:
    """Add up: per scenario each month, then all, in the order of appearance."""
    groups: dict[tuple[str, str], list[DaySummary]] = {}
    for one in summaries:
        groups.setdefault((one.scenario, f"{one.day:%Y-%m}"), []).append(one)
        groups.setdefault((one.scenario, "all"), []).append(one)
    return tuple(
        Totals(
            scenario=scenario,
            period=period,
            days=len(some),
            revenue_yen=sum(one.revenue_yen for one in some),
            capacity_jpy=sum((one.capacity_jpy for one in some), Decimal(0)),
            penalties_jpy=sum((one.penalties_jpy for one in some), Decimal(0)),
            degradation_jpy=sum((one.degradation_jpy for one in some), Decimal(0)),
            called_kwh=sum(one.called_kwh for one in some),
            award_kw_slots=sum(one.award_kw_slots for one in some),
            award_slots=sum(one.award_slots for one in some),
            failed_slots=sum(one.failed_slots for one in some),
            causes=sum((Counter(one.causes) for one in some), Counter()),
        )
        for (scenario, period), some in groups.items()
    )


def summary_of(
    result: DayResult, following: Opening, *, scenario: str, causes: Mapping[str, int]
) -> DaySummary:
    """Summary of a day."""
    slots = [slot for one in result.awards for slot in one.statement.slots]
    return DaySummary(
        scenario=scenario,
        day=result.day,
        revenue_yen=result.amount_yen,
        capacity_jpy=result.capacity_jpy,
        penalties_jpy=result.penalties_jpy,
        degradation_jpy=result.degradation_jpy,
        called_kwh=float(sum(sum(one.delivered_kwh) for one in result.awards)),
        award_kw_slots=float(sum(float(slot.charge.award_kw) for slot in slots)),
        award_slots=len(slots),
        failed_slots=sum(bool(assessments_failed(slot)) for slot in slots),
        alerts=len(result.alerts),
        causes=causes,
        end_kwh=following.start_kwh,
        expected_kwh=tuple(following.expected_kwh.tolist()),
    )


def days_between(first: date, last: date) -> tuple[date, ...]:
    """All days from the first to the last, both included."""
    return tuple(first + timedelta(days=k) for k in range((last - first).days + 1))


def _capped(products: Sequence[Service]) -> tuple[Service, ...]:
    """Products whose price has a cap."""
    return tuple(one for one in products if one is not Service.TERTIARY_2)


def _certain(portfolio: Portfolio) -> Portfolio:
    """Return the same plants, of which none ever fails."""
    return replace(portfolio, storage=_sure(portfolio.storage), load=_sure(portfolio.load))


def _sure(plants: Plants) -> Plants:
    known = plants.known
    return replace(
        plants,
        answers=np.ones_like(plants.answers),
        known=replace(
            known, kept=np.full_like(known.kept, _SURE), missed=np.full_like(known.missed, 1.0)
        ),
    )
