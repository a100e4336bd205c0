"""Reconnecting without a storm."""

from edge_agent.link.connection import BACKOFF_MAX_S, backoff_s


def test_back_off_grows_to_a_bound_and_is_jittered() -> None:
    """After a broker's restart all gateways would come back in the same instant, or never."""
    assert backoff_s(0, 0.0) < backoff_s(0, 1.0) <= 0.3
    spans = [backoff_s(attempt, 1.0) for attempt in range(12)]
    assert spans == sorted(spans)
    assert spans[-1] == BACKOFF_MAX_S
    assert backoff_s(10_000, 1.0) == BACKOFF_MAX_S
