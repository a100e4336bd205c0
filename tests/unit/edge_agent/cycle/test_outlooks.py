"""What of the forecasts is told and kept: each change once, and enough for a next life."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edge_agent.cycle.outlooks import ALARM, FORECAST_KEY, Outlooks, outlooked
from edge_agent.forecast.half_hours import STATE_KEY, HalfHours
from edge_agent.forecast.port import SiteForecast
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import ModelId
from protocols.vocabulary.measurement import Quality

NOW = datetime(2026, 7, 22, 1, 30, tzinfo=UTC)
FORECAST = SiteForecast(
    start=NOW,
    step_s=1800.0,
    load_w=np.full(48, -500.0),
    pv_w=np.full(48, 100.0),
    quality=Quality.GOOD,
    reason="load: model site-load-1",
    model_id=ModelId("site-load-1"),
    data_until=NOW,
    load_band_w=np.tile([-900.0, -300.0], (48, 1)),
)


def test_a_change_of_model_is_told_once_and_so_is_a_fault() -> None:
    """If it fails, nobody can say who forecast last month, or the journal is full of it."""
    outlooks = Outlooks(HalfHours())
    for _ in range(3):
        outlooks.look(FORECAST)
    (told,) = outlooks.told()
    assert (told.kind, told.payload["model"]) == ("forecast.changed", "site-load-1")
    assert outlooks.told() == ()
    assert outlooks.trouble() == (ALARM, "")
    outlooks.look(replace(FORECAST, reason="x", fault="load: drifted", model_id=ModelId("p")))
    assert outlooks.trouble() == (ALARM, "load: drifted")
    assert [one.payload["reason"] for one in outlooks.told()] == ["x"]


def test_the_technician_reads_what_the_cycle_kept() -> None:
    """If it fails, the status shows another forecast than the one the plan was made from."""
    outlooks = Outlooks(HalfHours())
    outlooks.look(FORECAST)
    shown = outlooked(outlooks.kept()[FORECAST_KEY])
    assert (shown.load_w, shown.load_band_w) == (-500.0, (-900.0, -300.0))
    assert shown.pv_band_w is None
    assert shown.day_load_wh == pytest.approx(-12_000.0)
    assert (shown.start, shown.reason, shown.quality) == (NOW, FORECAST.reason, "GOOD")
    assert outlooks.kept() == {}
    for torn in (b"", b"\x93\x01\x02\x03", b"\x9b" + b"\x07" * 11):
        with pytest.raises(JournalError, match="forecast"):
            outlooked(torn)


def test_half_hours_are_kept_when_one_is_over_and_not_each_second() -> None:
    """If it fails, a restart loses the site's past, or the disk is written each second."""
    half_hours = HalfHours()
    outlooks = Outlooks(half_hours)
    kept = []
    for second in range(3700):
        half_hours.add(NOW + timedelta(seconds=second), -500.0, 0.0)
        kept += [outlooks.kept()]
    written = [one for one in kept if STATE_KEY in one]
    assert len(written) == 2
    assert HalfHours(written[-1][STATE_KEY]).latest == NOW + timedelta(hours=1)
