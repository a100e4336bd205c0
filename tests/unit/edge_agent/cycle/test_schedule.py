"""When a site's second begins."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.cycle.schedule import NS_PER_S, missed_slots, next_slot, phase_ns
from protocols.vocabulary.identifiers import SiteId

PHASE = 250_000_000


def test_phases_spread_over_the_second() -> None:
    """A hundred gateways on one broker would all speak in the same instant."""
    phases = {phase_ns(SiteId(f"site-{number:03}")) for number in range(100)}
    assert len(phases) > 80
    assert max(phases) < NS_PER_S
    assert min(phases) >= 0


def test_waits_for_the_phase_of_this_second() -> None:
    """A cycle would run at the wrong moment of its second."""
    assert next_slot(100 * NS_PER_S, PHASE, 99) == (100, PHASE)
    assert next_slot(100 * NS_PER_S + PHASE, PHASE, 99) == (100, 0)
    assert next_slot(100 * NS_PER_S + PHASE + 1, PHASE, 100) == (101, NS_PER_S - 1)


def test_a_slow_cycle_skips_seconds_and_says_so() -> None:
    """Seconds without a sample would look as if they had been measured."""
    slot, _ = next_slot(105 * NS_PER_S, PHASE, 100)
    assert slot == 105
    assert missed_slots(100, slot) == 4
    assert missed_slots(0, slot) == 0
    assert missed_slots(104, slot) == 0


def test_a_clock_set_back_never_repeats_a_second() -> None:
    """Two samples of the same second would be counted twice in the settlement."""
    slot, wait_ns = next_slot(50 * NS_PER_S, PHASE, 100)
    assert slot == 101
    assert wait_ns <= NS_PER_S


@given(
    now=st.integers(min_value=0, max_value=4 * 10**18),
    phase=st.integers(min_value=0, max_value=799).map(lambda ms: ms * 1_000_000),
    last=st.integers(min_value=0, max_value=4 * 10**9),
)
def test_slots_rise_and_waits_are_bounded(now: int, phase: int, last: int) -> None:
    """The loop could stall, or run a second twice, at some reading of the clock."""
    slot, wait_ns = next_slot(now, phase, last)
    assert slot > last
    assert 0 <= wait_ns <= NS_PER_S
