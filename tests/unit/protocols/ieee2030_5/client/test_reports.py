"""What a site says of itself, in the standard's own numbers."""

from dataclasses import replace

import pytest

from protocols.ieee2030_5.client.clock import ServerClock
from protocols.ieee2030_5.client.means import Means
from protocols.ieee2030_5.client.reports import (
    SITE_ROLE,
    SiteFacts,
    availability,
    capability,
    doe_bits,
    mirrored,
    mode_bits,
    status,
)
from protocols.ieee2030_5.resources.devices import Time
from protocols.ieee2030_5.resources.elements import ActivePower, DateTimeInterval
from tests.unit.protocols.ieee2030_5.client.pair import RATINGS

FACTS = SiteFacts(
    at_s=0.0, meter_w=-1000.0, der_w=2500.0, store_w=-700.0, soc=0.25, ratings=RATINGS
)


@pytest.mark.parametrize(
    ("mode", "bit"),
    [
        ("opModConnect", 2),
        ("opModEnergize", 3),
        ("opModFixedW", 7),
        ("opModFreqWatt", 9),
        ("opModMaxLimW", 20),
        ("opModTargetW", 22),
    ],
)
def test_mode_bits_worked(mode: str, bit: int) -> None:
    """If it fails, a utility sends what the site cannot do, and never what it can."""
    assert mode_bits([mode]) == 1 << bit


def test_doe_bits() -> None:
    """If it fails, export and import limits are mixed up in Australia."""
    assert doe_bits(["opModExpLimW"]) == 1
    assert doe_bits(["opModImpLimW", "opModLoadLimW"]) == 0b1010
    assert mode_bits(["opModExpLimW", "rampTms"]) == 0


def test_capability() -> None:
    """If it fails, percentages count from another power than the site's."""
    told = capability(RATINGS, ["opModMaxLimW"])
    assert told.rtg_max_w == ActivePower(multiplier=0, value=10_000)
    assert told.modes_supported == 1 << 20


def test_status_leaves_out_what_is_not_known() -> None:
    """If it fails, an old state of charge looks fresh."""
    told = status(FACTS, 1000.0)
    assert told.state_of_charge_status is not None
    assert told.state_of_charge_status.value == 2500
    assert told.storage_mode_status is not None
    assert told.storage_mode_status.value == 0, "charging"
    blind = status(replace(FACTS, der_w=None, store_w=None, soc=None), 1000.0)
    assert (blind.gen_connect_status, blind.state_of_charge_status) == (None, None)
    assert blind.storage_mode_status is None


def test_availability() -> None:
    """If it fails, a utility counts on energy that is not there."""
    told = availability(FACTS, 1000.0)
    assert told.stat_w_avail == ActivePower(multiplier=0, value=7500)
    assert told.availability_duration == 1620, "a quarter of 9 kWh at 5 kW"
    assert told.max_charge_duration == 4860


def test_a_site_reading_is_positive_when_the_customer_takes() -> None:
    """If it fails, a house that imports looks like one that exports."""
    period = DateTimeInterval(start=0, duration=60)
    told = mirrored("AB" * 16, SITE_ROLE, -1000.4, period=period)
    assert told.reading is not None
    assert told.reading.value == 1000


def test_means_of_what_was_measured() -> None:
    """If it fails, a gap in the measurements counts as 0 W, or a reading is lost."""
    means = Means()
    for at_s, power_w in [(0.0, 100.0), (1.0, None), (2.0, 300.0)]:
        means.add(1, power_w, at_s)
    sent = means.mean(1)
    assert sent is not None
    assert (sent.power_w, sent.since_s, sent.until_s) == (200.0, 0.0, 2.0)
    means.add(1, 800.0, 3.0)
    means.restart(1, sent)
    rest = means.mean(1)
    assert rest is not None
    assert (rest.power_w, rest.since_s, rest.until_s) == (800.0, 2.0, 3.0)


def time(at: int, *, summer: int = 0) -> Time:
    return Time(
        current_time=at,
        dst_start_time=summer,
        dst_end_time=summer + 15_000_000,
        dst_offset=3600 if summer else 0,
        local_time=at + 36_000,
        quality=7,
        tz_offset=36_000,
    )


def test_the_offset_is_kept_until_it_is_proved_wrong() -> None:
    """If it fails, every poll moves every event by a part of a second."""
    clock = ServerClock().heard(time(1000), sent_at_s=0.2, received_at_s=0.4)
    assert clock.offset_s == pytest.approx(1000.2, abs=0.5)
    for second in range(1, 60):
        later = clock.heard(
            time(1000 + second), sent_at_s=second + 0.25, received_at_s=second + 0.3
        )
        assert later is clock
    moved = clock.heard(time(2000), sent_at_s=60.0, received_at_s=60.1)
    assert moved.offset_s == pytest.approx(1940.5, abs=0.1)


def test_daylight_saving_time_is_not_counted() -> None:
    """If it fails, an event in summer is an hour off."""
    winter = ServerClock().heard(time(1000), sent_at_s=0.0, received_at_s=0.1)
    summer = ServerClock().heard(time(1000, summer=900), sent_at_s=0.0, received_at_s=0.1)
    assert winter == summer
