"""Forecasts of the market day: always an answer, and the reason when it is not the model's."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from cloud_coordinator.services.forecast_columns import MarketColumns
from cloud_coordinator.services.forecasting import (
    PERSISTENCE,
    QUANTILES,
    PersistenceForecasts,
    QuantileForecast,
)
from cloud_coordinator.services.market_history import (
    EMPTY,
    NO_RESULTS,
    BalancingColumns,
    HalfHours,
    MarketSeries,
)
from cloud_coordinator.services.model_forecasts import ModelForecasts
from models.contract import ModelContract
from models.day_ahead.context import gate_of
from models.day_ahead.frame import DayFeatures
from models.day_ahead.history import History, Series
from models.drift import Advice, DayScore, judge, pinball
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.obligation import Service
from tests.unit.models.day_ahead.synthetic import LAST_DAY, country

HISTORY = country()
GATE = gate_of(LAST_DAY)


class Past:
    """Columns of the made-up country, or of a part of them."""

    def __init__(self, history: History) -> None:
        self._history = history

    def history(self, *, until: date, days: int) -> History:
        return self._history.window(until, before=days - 1)


class Made:
    """A model that answers the level times a factor, with a band of its own."""

    def __init__(self, *, factor: float = 1.0, band: float = 0.06, fault: str = "") -> None:
        self._factor, self._band, self._fault = factor, band, fault
        self.until = datetime(2024, 1, 1, tzinfo=UTC)

    def contract(self) -> ModelContract:
        return ModelContract(
            model_id=ModelId(f"made-{self.until:%Y}"),
            features_version=1,
            inputs=(),
            outputs=(),
            step_s=1800,
            lookback=48,
            horizon=48,
            scale_w=1.0,
            quantiles=QUANTILES,
            data_from=datetime(2020, 1, 1, tzinfo=UTC),
            data_until=self.until,
        )

    def answer(self, features: DayFeatures) -> FloatArray:
        if self._fault:
            raise ConfigError(self._fault)
        spread = 1.0 + self._band * (np.array(QUANTILES) - 0.5)
        like = features.offset if features.offset.any() else np.full(48, features.level)
        return self._factor * like[:, None] * spread[None, :]


def _rising(forecast: QuantileForecast) -> bool:
    return bool((np.diff(forecast.values, axis=1) >= 0.0).all())


def test_a_good_model_answers() -> None:
    """If it fails, a trained model lies unused and the day is bid by persistence."""
    forecast = ModelForecasts(Past(HISTORY), {Series.DEMAND: (Made(),)}).demand(
        "tokyo", LAST_DAY, GATE
    )
    assert forecast.source == "made-2024"
    assert forecast.reason is None
    assert forecast.slot_start[0] == GATE + timedelta(hours=14)
    assert _rising(forecast)
    assert forecast.at(0.3)[0] == pytest.approx(np.interp(0.3, QUANTILES, forecast.values[0]))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Made(fault="price.onnx: cannot be read"), "cannot be read"),
        (Made(factor=3.0), "drifted, over 14 days worse than persistence"),
    ],
    ids=["broken", "drifted"],
)
def test_a_model_that_cannot_be_trusted_is_replaced_with_the_reason(
    model: Made, words: str
) -> None:
    """If it fails, bids follow a model that has gone wrong, or no bid is made at all."""
    forecast = ModelForecasts(Past(HISTORY), {Series.DEMAND: (model,)}).demand(
        "tokyo", LAST_DAY, GATE
    )
    assert forecast.source == PERSISTENCE
    assert words in (forecast.reason or "")
    assert _rising(forecast)


def test_a_band_that_holds_too_little_is_widened() -> None:
    """If it fails, risk is priced from a band that is known to be too narrow."""
    narrow, fair = (
        ModelForecasts(Past(HISTORY), {Series.DEMAND: (Made(band=band),)}).demand(
            "tokyo", LAST_DAY, GATE
        )
        for band in (0.03, 0.06)
    )
    assert narrow.source == "made-2024"
    assert "band held" in (narrow.reason or "")
    plain = 0.03 * 0.9 * narrow.median
    wider = (narrow.at(0.95) - narrow.at(0.05)) / plain
    assert wider == pytest.approx(wider[0])
    assert 1.2 < wider[0] <= 2.0
    assert fair.reason is None


def test_a_day_is_never_forecast_by_a_model_that_has_seen_it() -> None:
    """If it fails, a backtest is won by a model that was trained on the answers."""
    newest, older = Made(), Made()
    for year, expected in ((2025, "made-2025"), (2026, "made-2024")):
        newest.until = datetime(year, 1, 1, tzinfo=UTC)
        forecasts = ModelForecasts(Past(HISTORY), {Series.DEMAND: (newest, older)})
        assert forecasts.demand("tokyo", LAST_DAY, GATE).source == expected
    older.until = newest.until
    answer = forecasts.demand("tokyo", LAST_DAY, GATE)
    assert answer.source == PERSISTENCE
    assert "was made from" in (answer.reason or "")


def test_no_model_no_place_no_time() -> None:
    """If it fails, a question outside the model's world gets a confident wrong answer."""
    forecasts = ModelForecasts(Past(HISTORY), {Series.SPOT: (Made(),)})
    assert "no model" in (forecasts.pv("tokyo", LAST_DAY, GATE).reason or "")
    assert "okinawa" in (forecasts.spot_price("okinawa", LAST_DAY, GATE).reason or "")
    early = forecasts.spot_price("tokyo", LAST_DAY, GATE - timedelta(days=2))
    assert "not earlier" in (early.reason or "")
    balancing = forecasts.balancing_price("tertiary2", "tokyo", day=LAST_DAY, known_at=GATE)
    assert balancing.source == PERSISTENCE
    assert np.isfinite(balancing.values).all()


def test_nothing_at_all_is_known() -> None:
    """If it fails, a day without any file of any market stops the coordinator."""
    nothing = History(first_day=LAST_DAY, days=1, columns={})
    forecast = PersistenceForecasts(Past(nothing)).spot_price("tokyo", LAST_DAY, GATE)
    assert (forecast.values == 0.0).all()
    assert "nothing is known" in (forecast.reason or "")


def test_persistence_is_wider_than_the_past_and_blind_to_the_future() -> None:
    """If it fails, the fallback is as sure of itself as a model, or reads tomorrow's prices."""
    forecasts = PersistenceForecasts(Past(HISTORY))
    forecast = forecasts.spot_price("tokyo", LAST_DAY, GATE)
    assert forecast.median == pytest.approx(HISTORY.column(Series.SPOT, "tokyo")[-2])
    assert (forecast.at(0.9) > forecast.median).all()
    spoilt = {name: values.copy() for name, values in HISTORY.columns.items()}
    for values in spoilt.values():
        values[-1] = 9e9
    other = History(first_day=HISTORY.first_day, days=HISTORY.days, columns=spoilt)
    again = PersistenceForecasts(Past(other)).spot_price("tokyo", LAST_DAY, GATE)
    assert again.values.tobytes() == forecast.values.tobytes()


def test_drift_is_judged_by_losses_and_by_the_band() -> None:
    """If it fails, a model is dropped after one bad day, or kept for ever."""
    good = DayScore(model_loss=1.0, persistence_loss=2.0, coverage=0.8)
    bad = DayScore(model_loss=3.0, persistence_loss=2.0, coverage=0.8)
    tight = DayScore(model_loss=1.0, persistence_loss=2.0, coverage=0.3)
    assert judge([bad] * 3).advice is Advice.TAKE
    assert judge([good] * 13 + [bad]).advice is Advice.TAKE
    assert judge([bad] * 10).advice is Advice.FALL_BACK
    verdict = judge([tight] * 10)
    assert verdict.advice is Advice.WIDEN
    assert verdict.widening == pytest.approx(2.0)


def test_pinball_of_known_numbers() -> None:
    """If it fails, models are compared by a wrong measure."""
    values, truth = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([3.0, np.nan])
    assert pinball(values, truth, (0.1, 0.9)) == pytest.approx((0.1 * 2.0 + 0.9 * 1.0) / 2.0)
    assert np.isnan(pinball(values, np.full(2, np.nan), (0.1, 0.9)))


class Published:
    """A market history with one spot column."""

    def column(self, series: MarketSeries, area: str) -> HalfHours:
        if series is not MarketSeries.SPOT or area != "tokyo":
            return EMPTY
        start_s = int((GATE - timedelta(hours=10, days=1)).timestamp())
        return HalfHours(start_s=start_s, values=np.arange(96.0))

    def balancing(self, product: Service, area: str) -> BalancingColumns:
        return NO_RESULTS

    def missing(self) -> tuple[str, ...]:
        return ()


def test_published_columns_land_on_their_days() -> None:
    """If it fails, the models see the prices of another day or another hour."""
    columns = MarketColumns(Published(), products=(Service.TERTIARY_2,), areas=("tokyo",))
    history = columns.history(until=LAST_DAY, days=3)
    assert history.column(Series.SPOT, "tokyo")[:2].reshape(-1).tolist() == list(range(96))
    assert np.isnan(history.column(Series.SPOT, "kyushu")).all()
    assert np.isnan(history.column(Series.BALANCING, "tertiary2 tokyo")).all()
