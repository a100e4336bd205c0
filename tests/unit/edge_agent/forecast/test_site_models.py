"""The site's models on the gateway: asked when they can be, watched, and never the only answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgpack
import numpy as np
import pytest

from edge_agent.forecast.half_hours import KEPT_SLOTS, HalfHours
from edge_agent.forecast.persistence import PersistenceForecaster
from edge_agent.forecast.port import Grid, SiteForecast
from edge_agent.forecast.site_models import Model, SiteModelForecaster, SiteModels, on_grid
from models.contract import ModelContract, TensorSpec
from models.day_ahead.frame import QUANTILES
from models.features import SiteHistory
from models.site.past import SitePast
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.errors import ConfigError, JournalError
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.measurement import Quality
from tests.unit.models.site.synthetic import PLACE, home_columns

NOW = datetime(2026, 7, 22, 1, 40, tzinfo=UTC)
UNTIL = datetime(2026, 7, 22, 1, 30, tzinfo=UTC)
SPEC = TensorSpec(name="forecast", shape=(1, 48, 7), unit="W")


class Repeats:
    """A model that says what the site did a day before, and so much around it."""

    def __init__(self, factor: float = 1.0, around: float = 0.3, fault: str = "") -> None:
        self.factor, self.around, self.fault = factor, around, fault
        self.asked: list[datetime] = []

    def contract(self) -> ModelContract:
        return ModelContract(
            model_id=ModelId("made-1"),
            features_version=1,
            inputs=(SPEC,),
            outputs=(SPEC,),
            step_s=1800,
            lookback=672,
            horizon=48,
            scale_w=1.0,
            quantiles=QUANTILES,
            data_from=datetime(2016, 1, 1, tzinfo=UTC),
            data_until=datetime(2017, 1, 1, tzinfo=UTC),
        )

    def answer(self, past: SitePast) -> FloatArray:
        if self.fault:
            raise ConfigError(self.fault)
        self.asked.append(past.until)
        is_pv = np.isnan(past.consumption_w).all()
        last = (past.pv_w if is_pv else past.consumption_w)[-48:]
        spread = 1.0 + self.around * (np.array(QUANTILES) - 0.5)
        found: FloatArray = self.factor * last[:, None] * spread[None, :]
        return found


def lived(days: float, *, gives_w: float = 0.0) -> HalfHours:
    """Half hours of a drawn home that has run for some days."""
    count = min(round(days * 48), KEPT_SLOTS)
    consumption, pv = home_columns(UNTIL, count)
    last = int(UNTIL.timestamp()) // 1800
    columns = [values.astype(np.float32).tobytes() for values in (gives_w - consumption, pv)]
    return HalfHours(msgpack.packb([1, list(range(last - count, last)), *columns]))


MONTH = lived(29.0)


def ask(
    load: Model, pv: Model, half_hours: HalfHours = MONTH, *, times: int = 1, peak_w: float = 4000.0
) -> SiteForecast:
    """Ask a forecaster, minute by minute."""
    place = replace(PLACE, peak_w=peak_w)
    grid = Grid(step_s=1800.0, steps=48)
    models = SiteModels(load=load, pv=pv, place=place)
    forecaster = SiteModelForecaster(models, half_hours, PersistenceForecaster(grid=grid))
    past = SiteHistory(until=NOW, step_s=60.0, load_w=np.full(60, -700.0), pv_w=np.full(60, 100.0))
    for _ in range(times):
        answer = forecaster.forecast(past, NOW)
    return answer


def test_models_answer_in_the_generators_frame_on_the_plans_own_grid() -> None:
    """If it fails, the plan sees a load as generation, or everything ten minutes late."""
    answer = ask(Repeats(), Repeats())
    consumption, pv = home_columns(UNTIL, KEPT_SLOTS)
    day, sun = consumption[-48:], pv[-48:]
    assert answer.start == NOW
    assert answer.load_w[0] == pytest.approx(-(day[0] * 2 + day[1]) / 3, rel=1e-3)
    assert answer.pv_w[10] == pytest.approx((sun[10] * 2 + sun[11]) / 3, rel=1e-3, abs=1.0)
    assert answer.reason == "load: model made-1; PV: model made-1"
    assert answer.model_id == "made-1"
    assert (answer.quality, answer.fault) == (Quality.GOOD, "")
    assert answer.load_band_w is not None
    assert (answer.load_band_w[:, 0] <= answer.load_w).all()
    assert (answer.load_band_w[:, 1] >= answer.load_w).all()


def test_a_new_site_is_forecast_by_persistence_and_says_why_without_an_alarm() -> None:
    """If it fails, every new site raises an alarm on its first day, or plans on two hours."""
    model = Repeats()
    answer = ask(model, model, lived(0.5))
    assert model.asked == []
    assert "persistence, because less than a day of load" in answer.reason
    assert (answer.fault, answer.quality) == ("", Quality.GOOD)
    assert answer.load_w[0] == -700.0


@pytest.mark.parametrize("times", [1, 3])
def test_a_broken_model_is_a_fault_and_persistence_answers_for_it_alone(times: int) -> None:
    """If it fails, a damaged file stops the plan, or nobody hears of it."""
    answer = ask(Repeats(fault="site-load.onnx: no usable ONNX model"), Repeats(), times=times)
    assert answer.load_w[0] == -700.0
    assert answer.fault == "load: site-load.onnx: no usable ONNX model"
    assert answer.quality is Quality.SUBSTITUTED
    assert "PV: model made-1" in answer.reason


def test_a_model_that_lost_to_yesterday_for_two_weeks_is_not_asked_any_more() -> None:
    """If it fails, a site goes on planning by a model that its own meter proves wrong."""
    answer = ask(Repeats(factor=2.0), Repeats(), times=16)
    assert "drifted" in answer.fault
    assert "worse than persistence" in answer.reason
    assert answer.load_w[0] == -700.0


def test_a_band_that_holds_too_little_is_widened_and_says_so() -> None:
    """If it fails, a confident model promises reserve that the site has not got."""
    narrow = ask(Repeats(around=0.02), Repeats(), times=16)
    assert narrow.load_band_w is not None
    width = narrow.load_band_w[5, 1] - narrow.load_band_w[5, 0]
    assert width > 1.5 * 0.8 * 0.02 * -narrow.load_w[5]
    assert "as wide" in narrow.reason


def test_one_past_day_is_scored_with_each_call_and_the_half_hour_is_asked_once() -> None:
    """If it fails, the second in which a model is checked is late for its devices."""
    model = Repeats()
    ask(model, Repeats(), times=4)
    assert len(model.asked) == 5
    assert model.asked.count(UNTIL) == 1


def test_pv_that_nobody_measures_is_not_learned_as_a_load() -> None:
    """If it fails, a house is forecast to consume sunshine."""
    answer = ask(Repeats(), Repeats(), lived(3.0, gives_w=900.0))
    assert "generation nobody measures" in answer.reason
    assert "PV: model made-1" in answer.reason


def test_a_site_without_pv_is_not_asked_about_it() -> None:
    """If it fails, each site without a roof carries a reason about one."""
    pv = Repeats()
    assert "PV" not in ask(Repeats(), pv, peak_w=0.0).reason
    assert pv.asked == []


def test_half_hours_survive_a_restart_and_a_damaged_memory_is_refused() -> None:
    """If it fails, each restart makes a site new again, or a torn one is believed."""
    again = HalfHours(MONTH.packed())
    for one, two in zip(again.columns(UNTIL), MONTH.columns(UNTIL), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)
    assert again.latest == UNTIL
    for torn in (b"", b"\x01", MONTH.packed()[:-4], b"\x92\x02\x90"):
        with pytest.raises(JournalError, match="half_hours"):
            HalfHours(torn)


def test_a_half_hour_seen_for_less_than_half_stays_unknown() -> None:
    """If it fails, ten minutes after a restart count for thirty."""
    half_hours = HalfHours()
    for second in range(600):
        half_hours.add(UNTIL + timedelta(seconds=second), -1000.0, 0.0)
    half_hours.add(UNTIL + timedelta(minutes=31), -1000.0, 0.0)
    assert np.isnan(half_hours.columns(UNTIL + timedelta(minutes=30))[0]).all()


def test_energy_is_kept_when_half_hours_move_to_another_grid() -> None:
    """If it fails, the store is planned for more or less than the house will take."""
    values = np.arange(48.0)
    day = SiteForecast(
        start=NOW,
        step_s=1800.0,
        load_w=np.zeros(48),
        pv_w=np.zeros(48),
        quality=Quality.GOOD,
        reason="",
        model_id=ModelId("m"),
        data_until=NOW,
    )
    assert on_grid(values, 0.0, day) == pytest.approx(values)
    assert on_grid(values, 900.0, day).sum() == pytest.approx(values.sum())
