"""The shipped models of load and PV on the site's own half hours, with persistence behind them.

Each of the two is asked by itself: PV may be forecast by its model while the load is not yet
known well enough. Whatever is missing or wrong, persistence answers and the reason is told. A
model is first run over the last two weeks as it would have been run then; when it lost against
persistence it is not asked, when its band held too little the band is widened.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol

import numpy as np

from edge_agent.forecast.half_hours import KEPT_SLOTS, HalfHours
from edge_agent.forecast.port import Forecaster, SiteForecast
from models.contract import ModelContract
from models.drift import WATCHED_DAYS, Advice, DayScore, Verdict, judge, pinball
from models.features import SiteHistory
from models.site.past import LEAST_DAYS, PAST_SLOTS, SitePast, SitePlace, by_day, known_days
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOT_S, SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.intervals import utc_from_seconds
from protocols.vocabulary.measurement import Quality

GIVES_MAX: Final = 0.02
"""Part of the half hours in which a load may seem to give power; above it is no load."""
LATEST_DAYS: Final = 0.9
"""Days of the last day that must be known: a model is not asked over an outage."""
SCORED_QUANTILES: Final = (0.1, 0.5, 0.9)


class Column(Enum):
    """What is forecast, as people say it."""

    LOAD = "load"
    PV = "PV"


class Model(Protocol):
    """A model of a site."""

    def contract(self) -> ModelContract:
        """Return what it promises."""

    def answer(self, past: SitePast) -> FloatArray:
        """Quantiles of shape (48, q), W, positive; raises ConfigError when it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteModels:
    """The two models and where the site stands."""

    load: Model
    pv: Model
    place: SitePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Quantiles of half hours from ``start`` on, the model, and what was done to its band."""

    start: datetime
    values_w: FloatArray
    contract: ModelContract
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """Why a model does not answer; ``is_fault`` when somebody should look at it."""

    reason: str
    is_fault: bool


class SiteModelForecaster:
    """The shipped models with a fallback behind each.

    Parameters
    ----------
    models : SiteModels
        Load and PV.
    half_hours : HalfHours
        The site's own past; filled by the cycle's advice.
    fallback : Forecaster
        Answers when a model cannot.
    """

    def __init__(self, models: SiteModels, half_hours: HalfHours, fallback: Forecaster) -> None:
        self._models = models
        self._half_hours = half_hours
        self._fallback = fallback
        self._at: datetime | None = None
        self._asked_by: dict[Column, tuple[Verdict, _Told | _Refused]] = {}
        self._scores: dict[tuple[Column, datetime], DayScore | None] = {}

    def forecast(self, history: SiteHistory, now: datetime) -> SiteForecast:
        """Forecast from ``now`` on, each column by its model or by the fallback."""
        until = utc_from_seconds(int(now.timestamp()) // SLOT_S * SLOT_S)
        if until != self._at:
            self._at, self._asked_by = until, {}
        answer = self._fallback.forecast(history, now)
        words, names, faults = [], [], []
        for column in self._asked():
            told = self._ask(column, until)
            if isinstance(told, _Refused):
                words.append(f"{column.value}: persistence, because {told.reason}")
                names.append(answer.model_id)
                faults += [f"{column.value}: {told.reason}"] if told.is_fault else []
            else:
                answer = _with(answer, column, told)
                words.append(f"{column.value}: model {told.contract.model_id}{told.remark}")
                names.append(told.contract.model_id)
        return replace(
            answer,
            reason="; ".join(words),
            model_id=ModelId(" + ".join(dict.fromkeys(names))),
            quality=Quality.SUBSTITUTED if faults else answer.quality,
            fault="; ".join(faults),
        )

    def _asked(self) -> tuple[Column, ...]:
        """Columns this site has."""
        return (Column.LOAD, Column.PV) if self._models.place.peak_w > 0.0 else (Column.LOAD,)

    def _ask(self, column: Column, until: datetime) -> _Told | _Refused:
        """Answer of a model for this half hour; one past day is scored with each call."""
        self._score_one(column, until)
        verdict = self._verdict(column, until)
        asked = self._asked_by.get(column)
        if asked is None or asked[0] != verdict:
            asked = (verdict, self._answer(column, until, verdict))
            self._asked_by[column] = asked
        return asked[1]

    def _answer(self, column: Column, until: datetime, verdict: Verdict) -> _Told | _Refused:
        past = self._past(column, until)
        if refused := _unfit(column, past):
            return _Refused(reason=refused, is_fault=False)
        if verdict.advice is Advice.FALL_BACK:
            return _Refused(reason=f"the model drifted, {verdict.reason}", is_fault=True)
        model = self._model(column)
        try:
            values_w, contract = model.answer(past), model.contract()
        except ConfigError as error:
            return _Refused(reason=str(error), is_fault=True)
        middle = values_w[:, [contract.median_index]]
        return _Told(
            start=until,
            values_w=np.maximum(middle + verdict.widening * (values_w - middle), 0.0),
            contract=contract,
            remark=f" ({verdict.reason})" if verdict.reason else "",
        )

    def _model(self, column: Column) -> Model:
        return self._models.load if column is Column.LOAD else self._models.pv

    def _past(self, column: Column, until: datetime) -> SitePast:
        """Two weeks up to a moment, as the models want them."""
        residual_w, pv_w = self._half_hours.columns(until)
        nothing = np.full(PAST_SLOTS, np.nan)
        is_load = column is Column.LOAD
        return SitePast(
            until=until,
            consumption_w=-residual_w[-PAST_SLOTS:] if is_load else nothing,
            pv_w=nothing if is_load else pv_w[-PAST_SLOTS:],
            place=self._models.place,
        )

    def _verdict(self, column: Column, until: datetime) -> Verdict:
        days = _watched(until)
        scores = [self._scores.get((column, day)) for day in days]
        return judge([one for one in scores if one is not None])

    def _score_one(self, column: Column, until: datetime) -> None:
        """Run the model on the latest past day that was not scored yet."""
        days = _watched(until)
        oldest = days[-1]
        self._scores = {key: one for key, one in self._scores.items() if key[1] >= oldest}
        for day in days:
            if (column, day) not in self._scores:
                self._scores[column, day] = self._day_score(column, day, until)
                return

    def _day_score(self, column: Column, start: datetime, until: datetime) -> DayScore | None:
        """Model against the day before, as asked at the start of a past day; None if it cannot."""
        past = self._past(column, start)
        if _unfit(column, past):
            return None
        model = self._model(column)
        try:
            values_w, contract = model.answer(past), model.contract()
        except ConfigError:
            return None
        back = int((until - start) / timedelta(seconds=SLOT_S))
        residual_w, pv_w = self._half_hours.columns(until)
        whole = -residual_w if column is Column.LOAD else pv_w
        first = KEPT_SLOTS - back
        truth = np.maximum(whole[first : first + SLOTS_A_DAY], 0.0)
        naive = whole[first - SLOTS_A_DAY : first]
        usable = np.isfinite(truth) & np.isfinite(naive) & (values_w[:, -1] > 0.0)
        if usable.sum() < SLOTS_A_DAY // 4:
            return None
        low, high = (contract.quantiles.index(one) for one in (0.1, 0.9))
        inside = (truth >= values_w[:, low]) & (truth <= values_w[:, high])
        repeated = np.repeat(naive[usable, None], len(contract.quantiles), axis=1)
        return DayScore(
            model_loss=pinball(values_w[usable], truth[usable], contract.quantiles),
            persistence_loss=pinball(repeated, truth[usable], contract.quantiles),
            coverage=float(inside[usable].mean()),
        )


def _watched(until: datetime) -> list[datetime]:
    """Return the starts of the last days that are over, newest first; days are those of UTC."""
    day_s = SLOT_S * SLOTS_A_DAY
    last = int(until.timestamp()) // day_s
    return [utc_from_seconds((last - back) * day_s) for back in range(1, WATCHED_DAYS + 1)]


def _unfit(column: Column, past: SitePast) -> str:
    """Why a past is too little for a model; empty if it is enough."""
    values = past.consumption_w if column is Column.LOAD else past.pv_w
    if known_days(values) < LEAST_DAYS or known_days(by_day(values)[-1]) < LATEST_DAYS:
        return f"less than a day of {column.value} up to now is known"
    known = values[np.isfinite(values)]
    if column is Column.LOAD and float((known < 0.0).mean()) > GIVES_MAX:
        return "the rest of the site gives power at times: there is generation nobody measures"
    return ""


def _with(answer: SiteForecast, column: Column, told: _Told) -> SiteForecast:
    """Put a model's answer into a forecast, on its grid."""
    shift = (answer.start - told.start).total_seconds()
    low, middle, high = (
        on_grid(told.values_w[:, told.contract.quantiles.index(part)], shift, answer)
        for part in SCORED_QUANTILES
    )
    band = np.stack([low, high], axis=1)
    if column is Column.PV:
        return replace(answer, pv_w=middle, pv_band_w=band)
    return replace(answer, load_w=-middle, load_band_w=-band[:, ::-1])


def on_grid(values: FloatArray, shift_s: float, answer: SiteForecast) -> FloatArray:
    """Means over steps that begin later than the half hours; after the last, the day repeats.

    Parameters
    ----------
    values : FloatArray
        Shape (48,), means of half hours.
    shift_s : float
        Begin of the steps after that of the half hours, 0 up to one half hour, s.
    answer : SiteForecast
        With the grid.

    Returns
    -------
    FloatArray
        Shape (answer's steps,).
    """
    energy = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values]))])
    steps = np.arange(len(answer.load_w) + 1) * answer.step_s + shift_s
    places = np.arange(len(energy)) * float(SLOT_S)
    assert steps[-1] <= places[-1], "a forecast of a day is asked for two days at most"
    found: FloatArray = np.diff(np.interp(steps, places, energy)) * (SLOT_S / answer.step_s)
    return found
