"""Forecasts by the shipped models, watched for drift, with persistence behind them.

Columns, cut at the moment asked for, go through the one feature builder to the model. Whatever
is missing or wrong, persistence answers, wider, and says why. Every answer's model is first run
over the last two weeks, as it would have been run then; nothing need be remembered.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, Protocol

import numpy as np

from cloud_coordinator.services.forecasting import (
    QUANTILES,
    PastColumns,
    QuantileForecast,
    balancing_place,
    persisted,
)
from models.contract import ModelContract
from models.day_ahead.context import BEFORE_DAYS, context_of, gate_of
from models.day_ahead.frame import DayFeatures
from models.day_ahead.history import History, Series
from models.day_ahead.targets import TARGETS, Target
from models.drift import (
    WATCHED_DAYS,
    Advice,
    DayScore,
    judge,
    pinball,
)
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import day_slots, jst_moment
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId

EARLY: Final = timedelta(hours=3)
"""A model asked more than this before its gate would miss what it was taught to see."""
SCORES_KEPT: Final = 20_000
_BAND: Final = (QUANTILES.index(0.1), QUANTILES.index(0.9))


class Model(Protocol):
    """A day-ahead model."""

    def contract(self) -> ModelContract:
        """Return what it promises."""

    def answer(self, features: DayFeatures) -> FloatArray:
        """Quantiles of shape (48, q), in units; raises ConfigError when it cannot."""


class ModelForecasts:
    """The shipped models with persistence behind them.

    Parameters
    ----------
    past : PastColumns
        Columns of all areas and stations; what is missing is taken as not known.
    models : mapping of Series to sequence of Model
        Newest first; a day is asked of the first that was not made from it or later days, so
        that a day of the past is never forecast by what has seen it. A series without such a
        model is continued by persistence.
    """

    def __init__(self, past: PastColumns, models: Mapping[Series, Sequence[Model]]) -> None:
        self._past = past
        self._models = models
        self._targets = {target.series: target for target in TARGETS}
        self._scores: dict[tuple[ModelId, str, date], DayScore | None] = {}

    def demand(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area demand, MW."""
        return self._forecast(Series.DEMAND, area, day=day, known_at=known_at)

    def pv(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Area PV output, MW."""
        return self._forecast(Series.PV, area, day=day, known_at=known_at)

    def spot_price(self, area: str, day: date, known_at: datetime) -> QuantileForecast:
        """Price of the JEPX day-ahead spot market, JPY/kWh."""
        return self._forecast(Series.SPOT, area, day=day, known_at=known_at)

    def balancing_price(
        self, product: str, area: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        """Mean accepted capacity price, JPY per kW and half hour."""
        place = balancing_place(product, area)
        return self._forecast(Series.BALANCING, place, day=day, known_at=known_at)

    def _forecast(
        self, series: Series, place: str, *, day: date, known_at: datetime
    ) -> QuantileForecast:
        """Answer of the model, or of persistence with the reason."""
        target = self._targets[series]
        days = BEFORE_DAYS + WATCHED_DAYS + 3
        history = self._past.history(until=day, days=days).only(target.needs)
        known = history.known_at(known_at)
        try:
            model = self._model(series, day)
            _check(target, place, day=day, known_at=known_at)
            context = context_of(known, day, known_at=known_at)
            values = model.answer(target.build(context, place))
            contract = model.contract()
        except ConfigError as error:
            return persisted(known, series, place, day=day, reason=str(error))
        verdict = judge(self._past_scores(known, target, place, day=day, model=model))
        if verdict.advice is Advice.FALL_BACK:
            reason = f"{contract.model_id} drifted, {verdict.reason}"
            return persisted(known, series, place, day=day, reason=reason)
        return QuantileForecast(
            slot_start=tuple(slot.interval.start for slot in day_slots(day)),
            quantiles=contract.quantiles,
            values=_widened(values, verdict.widening, contract),
            source=contract.model_id,
            reason=verdict.reason,
        )

    def _model(self, series: Series, day: date) -> Model:
        """Newest model that has not seen a day."""
        models = self._models.get(series, ())
        if not models:
            raise ConfigError(f"there is no model of {series.words}")
        start = jst_moment(day, time())
        for one in models:
            if one.contract().data_until <= start:
                return one
        raise ConfigError(f"every model of {series.words} was made from {day} or later days")

    def _past_scores(
        self, known: History, target: Target, place: str, *, day: date, model: Model
    ) -> list[DayScore]:
        """Scores of the days before, as far as their truth is known by now."""
        found = []
        for back in range(2, WATCHED_DAYS + 2):
            then = day - timedelta(days=back)
            key = (model.contract().model_id, place, then)
            if key not in self._scores:
                if len(self._scores) >= SCORES_KEPT:
                    self._scores.clear()
                self._scores[key] = _day_score(known, target, place, day=then, model=model)
            if (one := self._scores[key]) is not None:
                found.append(one)
        return found


def _check(target: Target, place: str, *, day: date, known_at: datetime) -> None:
    """Refuse what the model was not made for.

    Raises
    ------
    ConfigError
        If the place is not one of its places, or it is asked long before its gate.
    """
    if place not in target.places:
        raise ConfigError(f"the {target.name} model does not know {place!r}")
    if known_at < gate_of(day) - EARLY:
        raise ConfigError(
            f"the {target.name} model is asked at 10:00 of the day before, not earlier"
        )


def _day_score(
    known: History, target: Target, place: str, *, day: date, model: Model
) -> DayScore | None:
    """Run the model and persistence of a past day as of its gate; None where that cannot be."""
    row = (day - known.first_day).days
    truth = known.column(target.series, place)[row]
    if not np.isfinite(truth).any():
        return None
    then = known.window(day, before=BEFORE_DAYS).known_at(gate_of(day))
    try:
        values = model.answer(target.build(context_of(then, day), place))
    except ConfigError:
        return None
    naive = persisted(then, target.series, place, day=day, reason="")
    usable = np.isfinite(truth) & (values[:, -1] > 0.0)
    low, high = _BAND
    inside = (truth >= values[:, low]) & (truth <= values[:, high])
    return DayScore(
        model_loss=pinball(values, truth, QUANTILES),
        persistence_loss=pinball(naive.values, truth, QUANTILES),
        coverage=float(inside[usable].mean()) if usable.any() else 1.0,
    )


def _widened(values: FloatArray, widening: float, contract: ModelContract) -> FloatArray:
    """Distances from the median times a factor, not below zero."""
    middle = values[:, [contract.median_index]]
    return np.maximum(middle + widening * (values - middle), 0.0)
