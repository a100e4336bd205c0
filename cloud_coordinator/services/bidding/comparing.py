"""Strategies on the same days: what they expected, what came, and how sure it was.

Each strategy bids on forecasts alone. Then the published results decide what was taken, and
drawn outages and calls decide what was delivered; penalties are the market engine's own
(:func:`cloud_coordinator.market.availability.charge`). The draws are the same for all. This is
a quick judgement of bids, not the market day: nothing is dispatched second by second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from cloud_coordinator.market.availability import Outcome, SlotAward, charge, share_out
from cloud_coordinator.market.bids import Bid, Source, Venue
from cloud_coordinator.services.bidding.asking import JointAsker
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion, BidStrategy
from cloud_coordinator.services.bidding.prices import SLOT_H, SOURCES
from cloud_coordinator.services.forecasting import Forecasts
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.clearing import Cleared, clear
from cloud_coordinator.services.market_day.portfolio import Portfolio
from cloud_coordinator.services.market_history import MarketHistory, MarketSeries
from cloud_coordinator.settlement.money import exact
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import VppError

DRAWS: Final = 20
WORST: Final = 0.05
"""Part of all draws of all days whose mean is the conditional value at risk."""
SURE: Final = 1.96
"""Standard errors of a 95 % interval."""
REFERENCE: Final = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What one book came to in each draw, shape (n,), JPY."""

    profit_jpy: FloatArray
    penalty_jpy: FloatArray
    wear_jpy: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One strategy over all days, per day.

    Attributes
    ----------
    strategy : str
        Who.
    days : int
        Days it answered.
    expected_jpy, profit_jpy, penalty_jpy, wear_jpy : float
        Mean of a day: as expected by its own book, and as it came.
    error_jpy : float
        Half width of the 95 % interval of the mean profit, days being the sample.
    optimism_jpy, optimism_error_jpy : float
        Expected less came, a day, and half width of its interval.
    deviation_jpy : float
        Standard deviation over days, seeds and draws.
    worst_jpy : float
        Mean of the worst twentieth (CVaR).
    seconds : float
        Mean of a question.
    expected_gap, profit_gap, gap_error : float or None
        Part that is missing to the exact strategy on the days that both answered, and half
        width of the interval of the latter; None without it.
    failed : tuple of str
        Days it had no answer for, and why.
    """

    strategy: str
    days: int
    expected_jpy: float
    profit_jpy: float
    penalty_jpy: float
    wear_jpy: float
    error_jpy: float
    optimism_jpy: float
    optimism_error_jpy: float
    deviation_jpy: float
    worst_jpy: float
    seconds: float
    expected_gap: float | None
    profit_gap: float | None
    gap_error: float | None
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A strategy, and the forecasts it is given."""

    name: str
    strategy: BidStrategy
    forecasts: Forecasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A clock that never goes back, in s, and who is told of each question that is done."""

    clock_s: Callable[[], float]
    done: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One book: what it expected, JPY, what it came to, and how long it took, s."""

    expected_jpy: float
    outcomes: Outcomes
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    answers: dict[date, list[_Answer]]
    failed: list[str]

    def expected_jpy(self, days: Sequence[date]) -> FloatArray:
        """Mean of each day over seeds."""
        return np.array([np.mean([one.expected_jpy for one in self.answers[day]]) for day in days])

    def profit_jpy(self, days: Sequence[date]) -> FloatArray:
        """Mean of each day over seeds and draws."""
        return np.array(
            [np.mean([one.outcomes.profit_jpy.mean() for one in self.answers[day]]) for day in days]
        )


def compare(
    entrants: Sequence[Entrant],
    market: Market,
    days: Sequence[date],
    *,
    seeds: Sequence[int],
    watch: Watch,
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Let strategies bid on the same days.

    Parameters
    ----------
    entrants : sequence of Entrant
        The one named ``exact`` is what the others are measured by.
    market : Market
        What stays.
    days : sequence of date
        Market days, at least one.
    seeds : sequence of int
        Of strategies and of draws, at least one; every day is asked with each.
    watch : Watch
        Measures, and is told of each book.

    Returns
    -------
    tuple
        Rows, and notes about days that were left out and fallbacks.
    """
    asker = JointAsker(market, seed=seeds[0])
    tallies = {one.name: _Tally(answers={}, failed=[]) for one in entrants}
    notes: dict[str, None] = {}
    for day in days:
        spot = market.history.column(MarketSeries.SPOT, market.area.name).of_day(day)
        if not np.isfinite(spot).all():
            notes[f"{day}: left out, not all area prices are published"] = None
            continue
        asked: dict[int, BidQuestion] = {}
        for one in entrants:
            if id(one.forecasts) not in asked:
                asked[id(one.forecasts)] = asker.question(day, one.forecasts)
            question, tally = asked[id(one.forecasts)], tallies[one.name]
            for seed in seeds:
                watch.done()
                begin = watch.clock_s()
                try:
                    book = one.strategy.bids(replace(question, seed=seed))
                except VppError as error:
                    tally.failed.append(f"{day}: {error}")
                    continue
                seconds = watch.clock_s() - begin
                random = np.random.default_rng([seed, day.toordinal()])
                outcomes = realise(
                    book, question, market.history, portfolio=market.portfolio, random=random
                )
                tally.answers.setdefault(day, []).append(
                    _Answer(
                        expected_jpy=float(book.expected_jpy), outcomes=outcomes, seconds=seconds
                    )
                )
                notes |= {f"{one.name}: {note}": None for note in book.notes}
    return _rows(tallies), tuple(notes)


def days_of(first: date, count: int, *, every: int = 1) -> tuple[date, ...]:
    """Market days, each so many days after the one before."""
    return tuple(first + timedelta(days=at * every) for at in range(count))


def realise(
    book: BidBook,
    question: BidQuestion,
    history: MarketHistory,
    *,
    portfolio: Portfolio,
    random: np.random.Generator,
) -> Outcomes:
    """Find what a book comes to under published results, in each of :data:`DRAWS` draws.

    Orders of the exchange are paid at the area price; one beyond its limit is made good
    intraday at that price too. Curtailment is sold where the area price is not below its limit.
    """
    area, terms = question.area, question.terms
    spot = history.column(MarketSeries.SPOT, area).of_day(question.day)
    cleared = _cleared(book, history, area=area, spot=spot)
    energy, wear = _energy(book, question, spot)
    profit = np.full(DRAWS, energy - wear)
    wears = np.full(DRAWS, wear)
    penalty = np.zeros(DRAWS)
    store = question.holdings.store
    both = store.charge_efficiency * store.discharge_efficiency if store is not None else 1.0
    held: dict[Source, list[Cleared]] = {source: [] for source in Source}
    for one in cleared:
        bid, power = one.bid, float(one.accepted_kw)
        held[bid.source].append(one)
        hours = SLOT_H * bid.slots
        profit += power * bid.slots * (float(one.price_jpy) - terms.fee_jpy_per_kw)
        share = terms.called_share.get(bid.service, 0.0)
        called_kwh = power * hours * np.minimum(random.uniform(0.0, 2.0, DRAWS) * share, 1.0)
        is_store = bid.source is Source.STORAGE
        worn = called_kwh * terms.degradation_jpy_per_kwh * is_store
        cost = float(spot.mean()) / both if is_store else terms.load_jpy_per_kwh
        profit += called_kwh * (terms.call_jpy_per_kwh - cost) - worn
        wears += worn
    for source in SOURCES:
        there = _delivered_kw(portfolio, source, random) + _charging_kw(book, source)
        penalty += _penalties(held[source], there, question)
    return Outcomes(profit_jpy=profit - penalty, penalty_jpy=penalty, wear_jpy=wears)


def _cleared(
    book: BidBook, history: MarketHistory, *, area: str, spot: FloatArray
) -> tuple[Cleared, ...]:
    """Reserve bids that were taken."""
    found: list[Cleared] = []
    for service in dict.fromkeys(bid.service for bid in book.bids if bid.venue is Venue.RESERVE):
        bids = [bid for bid in book.bids if bid.service is service]
        found.extend(clear(bids, results=history.balancing(service, area), spot_jpy=spot))
    return tuple(one for one in found if one.accepted_kw > 0)


def _energy(book: BidBook, question: BidQuestion, spot: FloatArray) -> tuple[float, float]:
    """Earned by energy, and wear of it, JPY."""
    terms, earned, wear = question.terms, 0.0, 0.0
    for bid in book.bids:
        if bid.venue is Venue.RESERVE:
            continue
        price = spot[np.array(bid.slot_range)]
        power = float(bid.power_kw)
        if bid.source is Source.LOAD:
            sold = price[price >= float(bid.price_jpy)]
            earned += SLOT_H * power * float((sold - terms.load_jpy_per_kwh).sum())
        else:
            earned += SLOT_H * power * float(price.sum())
            wear += SLOT_H * max(power, 0.0) * bid.slots * terms.degradation_jpy_per_kwh
    return earned, wear


def _delivered_kw(portfolio: Portfolio, source: Source, random: np.random.Generator) -> FloatArray:
    """Power that is there in each draw and slot, shape (n, 48), kW."""
    plants = portfolio.plants(source)
    known = plants.known
    up = random.random((DRAWS, SLOTS_A_DAY, len(plants.power_kw))) < known.reliability
    return np.asarray(up @ (plants.power_kw * known.gain), dtype=np.float64)


def _charging_kw(book: BidBook, source: Source) -> FloatArray:
    """Purchases that can be stopped when reserve is called, as the ledger counts, (48,), kW."""
    found = np.zeros(SLOTS_A_DAY)
    for bid in book.bids:
        if bid.source is source and bid.power_kw < 0:
            found[bid.slot_range] -= float(bid.power_kw)
    return found


def _penalties(
    cleared: Sequence[Cleared], there_kw: FloatArray, question: BidQuestion
) -> FloatArray:
    """Penalties I and II of each draw, JPY."""
    by_slot: dict[int, list[Cleared]] = {}
    for one in cleared:
        for at in one.bid.slot_range:
            by_slot.setdefault(at, []).append(one)
    found = np.zeros(len(there_kw))
    for at, those in by_slot.items():
        awards = [SlotAward(award_kw=one.accepted_kw, price_jpy=one.price_jpy) for one in those]
        needed = float(sum(one.award_kw for one in awards))
        for draw in np.flatnonzero(there_kw[:, at] < needed):
            available = share_out(awards, exact(float(there_kw[draw, at])))
            found[draw] += sum(
                _charged(bid.bid, award, kw, question=question)
                for bid, award, kw in zip(those, awards, available, strict=True)
            )
    return found


def _charged(bid: Bid, award: SlotAward, available_kw: Decimal, *, question: BidQuestion) -> float:
    rule = question.rules[bid.service][-1]
    least = award.award_kw * (1 - rule.tolerance.pct / 100)
    outcome = Outcome(available_kw=available_kw, performed=available_kw >= least)
    return float(charge(award, outcome, rule).total_jpy)


def _rows(tallies: Mapping[str, _Tally]) -> tuple[Row, ...]:
    rows = {name: _row(name, tally) for name, tally in tallies.items()}
    reference = tallies.get(REFERENCE)
    if reference is None:
        return tuple(rows.values())
    return tuple(_measured(row, tallies[name], reference) for name, row in rows.items())


def _measured(row: Row, tally: _Tally, reference: _Tally) -> Row:
    """Put the distance to the reference into a row, by the days both answered."""
    days = [day for day in tally.answers if day in reference.answers]
    if not days:
        return row
    best = reference.profit_jpy(days)
    return replace(
        row,
        expected_gap=_gap(tally.expected_jpy(days), reference.expected_jpy(days)),
        profit_gap=_gap(tally.profit_jpy(days), best),
        gap_error=_error(best - tally.profit_jpy(days)) / abs(best.mean()) if best.mean() else None,
    )


def _row(name: str, tally: _Tally) -> Row:
    days = list(tally.answers)
    answers = [one for some in tally.answers.values() for one in some]
    profit = np.concatenate([one.outcomes.profit_jpy for one in answers] or [np.zeros(0)])
    worst = np.sort(profit)[: max(1, round(WORST * len(profit)))]
    expected, came = tally.expected_jpy(days), tally.profit_jpy(days)
    return Row(
        strategy=name,
        days=len(days),
        expected_jpy=_mean(expected),
        profit_jpy=_mean(came),
        penalty_jpy=_mean([float(one.outcomes.penalty_jpy.mean()) for one in answers]),
        wear_jpy=_mean([float(one.outcomes.wear_jpy.mean()) for one in answers]),
        error_jpy=_error(came),
        optimism_jpy=_mean(expected - came),
        optimism_error_jpy=_error(expected - came),
        deviation_jpy=float(profit.std()) if len(profit) else 0.0,
        worst_jpy=_mean(worst),
        seconds=_mean([one.seconds for one in answers]),
        expected_gap=None,
        profit_gap=None,
        gap_error=None,
        failed=tuple(tally.failed),
    )


def _mean(values: Sequence[float] | FloatArray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _error(values: FloatArray) -> float:
    """Half width of the 95 % interval of a mean; days that follow each other are no help twice."""
    if len(values) <= 1:
        return 0.0
    return float(SURE * values.std(ddof=1) / np.sqrt(len(values)))


def _gap(values: FloatArray, reference: FloatArray) -> float | None:
    return float(1.0 - values.mean() / reference.mean()) if reference.mean() else None
