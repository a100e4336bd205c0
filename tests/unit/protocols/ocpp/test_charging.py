"""Powers as limits of a charger, and a charger's limits as powers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ocpp.charging import Supply, limit_of, limit_power_w
from protocols.ocpp.profiles import (
    PURPOSE_MAX,
    PURPOSE_TX_DEFAULT,
    Agreement,
    Profile,
    agreement,
    composite_of,
    profile_words,
)
from protocols.ocpp.states import VERSION_16, VERSION_201

NOW = datetime(2026, 7, 22, 3, 0, 0, 400_000, tzinfo=UTC)


def supply(unit: str = "A", *, step: float = 1.0, phases: int = 1, volts: float = 200.0) -> Supply:
    return Supply(
        unit=unit,
        phases=phases,
        voltage_v=volts,
        current_a_least=6.0,
        power_w_least=0.0,
        step=step,
        power_w_rated=6000.0,
    )


@pytest.mark.parametrize(
    ("power_w", "value", "becomes_w"),
    [
        (6000.0, 30.0, 6000.0),
        (3199.0, 15.0, 3000.0),
        (3200.0, 16.0, 3200.0),
        (1200.0, 6.0, 1200.0),
        (1199.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        (99_999.0, 30.0, 6000.0),
    ],
)
def test_whole_amperes_of_a_single_phase(power_w: float, value: float, becomes_w: float) -> None:
    """If it fails, a car charges with more than allowed, or with less than a car accepts."""
    limit = limit_of(supply(), power_w)
    assert (limit.value, limit.power_w) == (value, becomes_w)


@st.composite
def supplies(draw: st.DrawFn) -> Supply:
    """Draw a charger's supply."""
    return supply(
        draw(st.sampled_from(["A", "W"])),
        step=draw(st.sampled_from([0.1, 1.0, 100.0])),
        phases=draw(st.sampled_from([1, 3])),
    )


@given(supplies(), st.floats(0.0, 20_000.0), st.integers(1, 4))
def test_a_limit_is_never_above_what_is_allowed(
    charger: Supply, power_w: float, shares: int
) -> None:
    """If it fails, rounding lets a site break its contract."""
    limit = limit_of(charger, power_w, shares=shares)
    assert limit.power_w <= power_w + 1e-6
    assert limit.value == 0.0 or limit.power_w / shares >= 1200.0 * charger.phases - 1e-6
    assert limit.value == pytest.approx(round(limit.value / charger.step) * charger.step)


def test_a_limit_told_without_phases_is_of_the_chargers_own() -> None:
    """If it fails, 16 A of a single-phase charger count three times."""
    assert limit_power_w(supply(), "A", 16.0, phases=None) == 3200.0
    assert limit_power_w(supply(), "A", 16.0, phases=3) == 3200.0
    assert limit_power_w(supply(phases=3), "A", 16.0, phases=1) == 3200.0
    assert limit_power_w(supply(), "W", 3100.0, phases=3) == 3100.0


@pytest.mark.parametrize(
    ("version", "purpose", "name"),
    [
        (VERSION_16, PURPOSE_MAX, "ChargePointMaxProfile"),
        (VERSION_16, PURPOSE_TX_DEFAULT, "TxDefaultProfile"),
        (VERSION_201, PURPOSE_MAX, "ChargingStationMaxProfile"),
        (VERSION_201, PURPOSE_TX_DEFAULT, "TxDefaultProfile"),
    ],
)
def test_a_profile_has_a_start_a_duration_and_one_period(
    version: str, purpose: str, name: str
) -> None:
    """If it fails, a limit outlives the gateway that set it."""
    profile = Profile(
        version=version,
        purpose=purpose,
        stack_level=1,
        limit=limit_of(supply(), 3200.0),
        phases=1,
        duration_s=30,
    )
    words = profile_words(profile, NOW)
    assert words["charging_profile_purpose"] == name
    schedule = words["charging_schedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    assert isinstance(schedule, dict)
    assert schedule["start_schedule"] == "2026-07-22T02:59:55Z"
    assert schedule["duration"] == 35
    period = {"start_period": 0, "limit": 16.0, "number_phases": 1}
    assert schedule["charging_schedule_period"] == [period]


def _answer(
    *periods: tuple[float, float], unit: str = "W", duration: int | None = 60
) -> dict[str, object]:
    schedule: dict[str, object] = {
        "charging_rate_unit": unit,
        "charging_schedule_period": [
            {"start_period": start, "limit": limit} for start, limit in periods
        ],
    }
    if duration is not None:
        schedule["duration"] = duration
    return {"status": "Accepted", "charging_schedule": schedule}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (_answer((0, 3000.0), (60, 6000.0)), Agreement.SAME),
        (_answer((0, 3000.0), (58, 6000.0)), Agreement.SAME),
        (_answer((0, 15.0), unit="A"), Agreement.SAME),
        (_answer((0, 3000.0), duration=None), Agreement.SAME),
        (_answer((0, 2000.0)), Agreement.LOWER),
        (_answer((0, 6000.0)), Agreement.HIGHER),
        (_answer((0, 3000.0), (20, 6000.0)), Agreement.SHORT),
        (_answer((0, 3000.0), duration=20), Agreement.SHORT),
        (_answer((30, 3000.0)), Agreement.NONE),
        (_answer((0, -5.0)), Agreement.NONE),
        (_answer(), Agreement.NONE),
        (_answer((0, 3000.0), (0, 6000.0)), Agreement.NONE),
        (_answer((0, 3000.0), unit="hp"), Agreement.NONE),
        ({"status": "Rejected"}, Agreement.NONE),
        ({"status": "Accepted"}, Agreement.NONE),
        ({"status": "Accepted", "charging_schedule": "no"}, Agreement.NONE),
    ],
)
def test_a_schedule_is_compared_with_what_was_asked(
    answer: dict[str, object], found: Agreement
) -> None:
    """If it fails, an order counts as done that the charger does not follow."""
    composite = composite_of(VERSION_16, answer, supply())
    assert agreement(composite, 3000.0, 60.0) is found
