"""The primary loop's answer, whatever the frequency, the limits and the devices."""

import math
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.control.grant import Grant, GrantedMember, GrantedSum
from edge_agent.control.primary import HeldFrequency, respond
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.droop import DeadBand, droop_response_w
from protocols.vocabulary.identifiers import ObligationId, ResourceId

T0 = datetime(2026, 7, 22, tzinfo=UTC)
SLACK_W = 1e-6

droops = st.builds(
    Droop,
    nominal_hz=st.sampled_from([50.0, 60.0]),
    droop=st.floats(0.001, 0.05),
    dead_band_hz=st.floats(0.0, 0.1),
    delay_s=st.just(2.0),
)
deviations = st.floats(-4.0, 4.0)
watts = st.floats(0.0, 1e5)


@st.composite
def members(draw: st.DrawFn, number: int) -> GrantedMember:
    low_w, high_w = -draw(watts), draw(watts)
    base_w = draw(st.floats(low_w, high_w))
    return GrantedMember(
        resource_id=ResourceId(f"site-001/d{number}"),
        base_w=base_w,
        low_w=low_w,
        high_w=high_w,
        rated_w=max(high_w, -low_w, 1.0),
    )


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    devices = [draw(members(number)) for number in range(draw(st.integers(1, 5)))]
    sums = []
    if draw(st.booleans()):
        base_w = math.fsum(one.base_w for one in devices)
        sums.append(
            GrantedSum(
                members=tuple(one.resource_id for one in devices),
                low_w=base_w - draw(watts),
                high_w=base_w + draw(watts),
            )
        )
    if len(devices) > 2 and draw(st.booleans()):
        pair = devices[:2]
        base_w = math.fsum(one.base_w for one in pair)
        sums.append(
            GrantedSum(
                members=tuple(one.resource_id for one in pair),
                low_w=base_w - draw(watts),
                high_w=base_w + draw(watts),
            )
        )
    return Grant(
        cycle=1,
        obligations=(ObligationId("award"),),
        droop=draw(droops),
        rated_w=draw(watts),
        award_w=draw(watts),
        members=tuple(devices),
        sums=tuple(sums),
        headroom_w=0.0,
        lease_s=3.0,
        setpoint_s=10.0,
        deadband_w=2.0,
        sequence_first=1,
        sequence_last=1000,
    )


def _answer(grant: Grant, deviation_hz: float, stuck: dict[ResourceId, float] | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a helper of two lines
    held = HeldFrequency(frequency_hz=grant.droop.nominal_hz + deviation_hz, measured_ns=0)
    return respond(grant, held, 0, stuck=stuck)


@given(grants(), deviations)
def test_the_response_never_leaves_the_limits(grant: Grant, deviation_hz: float) -> None:
    """If it fails, the frequency breaks a contract, a fuse or a ban of reverse flow."""
    answer = _answer(grant, deviation_hz)
    told = {one.resource_id: one.power_w for one in answer.told}
    for one in grant.members:
        assert one.low_w - SLACK_W <= told[one.resource_id] <= one.high_w + SLACK_W
    for bound in grant.sums:
        total_w = math.fsum(told[name] for name in bound.members)
        assert bound.low_w - SLACK_W <= total_w <= bound.high_w + SLACK_W
    assert abs(answer.response_w) <= grant.award_w + SLACK_W
    assert abs(answer.response_w) <= abs(answer.asked_w) + SLACK_W


@given(grants(), deviations, deviations)
def test_more_frequency_never_means_more_power(grant: Grant, one_hz: float, two_hz: float) -> None:
    """If it fails, somewhere a falling frequency makes the site take more from the grid."""
    low_hz, high_hz = sorted([one_hz, two_hz])
    at_low = {one.resource_id: one.power_w for one in _answer(grant, low_hz).told}
    at_high = {one.resource_id: one.power_w for one in _answer(grant, high_hz).told}
    for name, power_w in at_low.items():
        assert power_w >= at_high[name] - SLACK_W


@given(grants(), st.floats(0.0, 1.0))
def test_the_dead_band_is_dead(grant: Grant, part: float) -> None:
    """If it fails, a battery is worn by the noise of a healthy grid."""
    band_hz = grant.droop.dead_band_hz * part * (1.0 - 1e-9)
    for deviation_hz in (band_hz, -band_hz):
        frequency_hz = grant.droop.nominal_hz + deviation_hz
        if abs(grant.droop.nominal_hz - frequency_hz) <= grant.droop.dead_band_hz:
            assert _answer(grant, deviation_hz).response_w == 0.0


@given(
    droop=droops,
    rated_w=watts,
    deviation_hz=st.floats(0.0, 4.0),
    shape=st.sampled_from(DeadBand),
)
def test_the_law_is_symmetric(
    droop: Droop, rated_w: float, *, deviation_hz: float, shape: DeadBand
) -> None:
    """If it fails, a resource gives by another law than it takes."""
    below = droop_response_w(droop, rated_w, droop.nominal_hz - deviation_hz, shape=shape)
    above = droop_response_w(droop, rated_w, droop.nominal_hz + deviation_hz, shape=shape)
    edge = abs(deviation_hz - droop.dead_band_hz) < 1e-9
    assert edge or math.isclose(below, -above, rel_tol=1e-6, abs_tol=1e-3)


@settings(max_examples=60)
@given(grants(), deviations, st.integers(0, 4))
def test_the_others_make_up_for_a_stuck_device(
    grant: Grant, deviation_hz: float, which: int
) -> None:
    """If it fails, a device that hangs is told what it will not do, or the others too much."""
    stuck = grant.members[which % len(grant.members)]
    answer = _answer(grant, deviation_hz, {stuck.resource_id: stuck.base_w})
    told = {one.resource_id: one for one in answer.told}
    assert told[stuck.resource_id].power_w == stuck.base_w
    for one in grant.members:
        assert one.low_w - SLACK_W <= told[one.resource_id].power_w <= one.high_w + SLACK_W
    assert abs(answer.response_w) <= abs(answer.asked_w) + SLACK_W
