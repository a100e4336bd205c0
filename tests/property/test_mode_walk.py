"""Walks of any length through the fallback table."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.mode.conditions import ModeInputs, faults
from edge_agent.mode.table import DEFAULT_THRESHOLDS, next_mode
from protocols.vocabulary.mode import Mode

AGES = st.sampled_from([0.0, 1.0, 4.0, 9.0, 12.0, 31.0, 1e6, math.inf])


@st.composite
def looks(draw: st.DrawFn) -> ModeInputs:
    """Draw the health of a site."""
    return ModeInputs(
        link_silent_s=draw(AGES),
        link_steady_s=draw(AGES),
        meter_silent_s=draw(AGES),
        devices_lost=draw(st.integers(0, 3)),
        devices_total=3,
        clock_error_s=draw(st.sampled_from([0.0, 0.0, 0.0, -9.0, math.nan])),
        journal_failed_s=draw(st.sampled_from([0.0, 0.0, 0.0, 2.0])),
        healthy_s=draw(AGES),
        override_left_s=draw(AGES),
        stop=draw(st.sampled_from([False, False, False, True])),
    )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(Mode), st.lists(looks(), max_size=30), looks())
def test_after_any_walk_a_fault_is_safe_and_health_leads_out(
    mode: Mode, walk: list[ModeInputs], last: ModeInputs
) -> None:
    """Some history would leave a site that neither stops nor comes back."""
    for inputs in walk:
        decision = next_mode(mode, inputs)
        assert decision.changed == (decision.mode is not mode)
        assert decision.reason
        mode = decision.mode
    if faults(last, DEFAULT_THRESHOLDS):
        assert next_mode(mode, last).mode is Mode.SAFE
    well = ModeInputs(
        link_silent_s=0.0, link_steady_s=1e6, meter_silent_s=0.0, devices_lost=0, devices_total=3
    )
    assert next_mode(mode, well).mode is Mode.NORMAL
