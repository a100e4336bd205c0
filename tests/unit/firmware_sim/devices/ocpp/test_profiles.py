"""Profiles in a simulated charger: which limit holds when."""

from datetime import UTC, datetime, timedelta

import pytest

from firmware_sim.devices.ocpp.profiles import ProfileStore, stored_profile
from protocols.ocpp.charging import Supply
from protocols.ocpp.states import VERSION_16, VERSION_201

NOW = datetime(2026, 7, 22, 3, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()
SUPPLY = Supply(
    unit="A",
    phases=1,
    voltage_v=200.0,
    current_a_least=6.0,
    power_w_least=0.0,
    step=1.0,
    power_w_rated=6000.0,
)


def words(
    limit_a: float,
    *,
    number: int = 1,
    purpose: str = "ChargePointMaxProfile",
    level: int = 0,
    duration_s: int | None = 60,
) -> dict[str, object]:
    """Write a profile of 1.6 that begins now."""
    schedule: dict[str, object] = {
        "start_schedule": NOW.isoformat(),
        "charging_rate_unit": "A",
        "charging_schedule_period": [
            {"start_period": 0, "limit": limit_a, "number_phases": 1},
        ],
    }
    if duration_s is not None:
        schedule["duration"] = duration_s
    return {
        "charging_profile_id": number,
        "stack_level": level,
        "charging_profile_purpose": purpose,
        "charging_profile_kind": "Absolute",
        "charging_schedule": schedule,
    }


def store(*profiles: dict[str, object], connectors: int = 1) -> ProfileStore:
    """Put profiles into a charger."""
    made = ProfileStore(SUPPLY, connectors)
    for profile in profiles:
        kept = stored_profile(VERSION_16, profile, SUPPLY, now_s=NOW_S)
        assert kept is not None
        assert made.put(kept)
    return made


def test_a_limit_holds_for_its_duration_and_no_longer() -> None:
    """If it fails, the simulated charger holds limits that a real one has dropped."""
    profiles = store(words(10.0))
    assert profiles.station_w(NOW_S - 1.0) == 6000.0
    assert profiles.station_w(NOW_S) == 2000.0
    assert profiles.station_w(NOW_S + 59.9) == 2000.0
    assert profiles.station_w(NOW_S + 60.0) == 6000.0
    profiles.forget_ended(NOW_S + 60.0)
    assert not profiles.clear(1)


def test_below_the_least_current_it_rests() -> None:
    """If it fails, a simulated car charges with less than any car accepts."""
    assert store(words(5.0)).connector_w(NOW_S) == 0.0
    assert store(words(6.0)).connector_w(NOW_S) == 1200.0


def test_the_greatest_level_counts_and_the_smallest_limit_of_the_purposes() -> None:
    """If it fails, an order over an installer's limit is judged wrongly."""
    installer = words(20.0, number=1, level=0, duration_s=None)
    ours = words(10.0, number=2, level=1)
    default = words(8.0, number=3, purpose="TxDefaultProfile")
    profiles = store(installer, ours)
    assert profiles.station_w(NOW_S) == 2000.0
    assert profiles.station_w(NOW_S + 61.0) == 4000.0, "what the installer set is still there"
    assert store(installer, ours, default).connector_w(NOW_S) == 1600.0


def test_a_default_bounds_each_connector() -> None:
    """If it fails, four outlets draw four times what was allowed."""
    profiles = store(words(7.0, purpose="TxDefaultProfile"), connectors=4)
    assert profiles.connector_w(NOW_S) == 1400.0
    assert profiles.station_w(NOW_S) == 5600.0


def test_the_composite_schedule_says_when_it_changes() -> None:
    """If it fails, the driver reads back what does not hold."""
    profiles = store(words(10.0))
    told = profiles.composite(whole=True, now_s=NOW_S + 20.0, duration_s=100.0)
    assert told == ((0.0, 2000.0), (40.0, 6000.0))
    assert profiles.composite(whole=True, now_s=NOW_S, duration_s=30.0) == ((0.0, 2000.0),)


@pytest.mark.parametrize(
    "change",
    [
        {"charging_profile_kind": "Recurring"},
        {"charging_profile_purpose": "Nonsense"},
        {"charging_schedule": {}},
        {"charging_profile_id": "one"},
    ],
)
def test_a_profile_it_cannot_follow_is_refused(change: dict[str, object]) -> None:
    """If it fails, the simulated charger accepts what it then does not do."""
    assert stored_profile(VERSION_16, {**words(10.0), **change}, SUPPLY, now_s=NOW_S) is None
    assert stored_profile(VERSION_201, words(10.0), SUPPLY, now_s=NOW_S) is None


def test_another_unit_is_refused() -> None:
    """If it fails, 2500 W are taken for 2500 A."""
    profile = words(10.0)
    schedule = profile["charging_schedule"]
    assert isinstance(schedule, dict)
    changed = {**profile, "charging_schedule": {**schedule, "charging_rate_unit": "W"}}
    assert stored_profile(VERSION_16, changed, SUPPLY, now_s=NOW_S) is None


def test_a_profile_of_the_same_id_or_place_is_replaced() -> None:
    """If it fails, old orders of ours fill a charger."""
    profiles = store(words(10.0), words(12.0), words(14.0, number=9))
    assert profiles.station_w(NOW_S) == 2800.0
    assert profiles.clear(9)
    assert profiles.station_w(NOW_S + timedelta(seconds=1).total_seconds()) == 6000.0
