"""What a fault does to the bytes of a wire, without any wire."""

import pytest

from firmware_sim.faults import Fault, FaultKind, FaultState
from firmware_sim.wire_faults import EXTRA_BYTES, Departure, shape

FRAME = bytes(range(12))


def under(*faults: Fault) -> FaultState:
    """State with these faults."""
    state = FaultState()
    for fault in faults:
        state = state.with_fault(fault)
    return state


def test_a_healthy_device_sends_what_it_means_at_once() -> None:
    """If it fails, every comparison with a faulty device is one of two faulty ones."""
    assert shape(FaultState(), FRAME, 0) == (Departure(delay_s=0.0, data=FRAME),)


@pytest.mark.parametrize("kind", [FaultKind.SILENT, FaultKind.HALF_OPEN])
def test_a_mute_device_sends_nothing(kind: FaultKind) -> None:
    """If it fails, a test of a lost device is one of a living one."""
    assert shape(under(Fault(kind=kind)), FRAME, 0) == ()


def test_split_gives_the_same_bytes_in_two_parts() -> None:
    """If it fails, a reader of half a frame is never tried, or is given a wrong one."""
    first, second = shape(under(Fault(kind=FaultKind.SPLIT, delay_s=0.2)), FRAME, 0)
    assert first.data + second.data == FRAME
    assert (first.delay_s, second.delay_s) == (0.0, 0.2)


def test_truncated_loses_the_end_and_over_long_gains_one() -> None:
    """If it fails, a driver that trusts a length is never shown a wrong one."""
    (short,) = shape(under(Fault(kind=FaultKind.TRUNCATED)), FRAME, 0)
    (long,) = shape(under(Fault(kind=FaultKind.OVER_LONG)), FRAME, 0)
    assert FRAME.startswith(short.data)
    assert 0 < len(short.data) < len(FRAME)
    assert long.data == FRAME + EXTRA_BYTES
    (least,) = shape(under(Fault(kind=FaultKind.TRUNCATED)), b"\x01", 0)
    assert least.data == b"\x01"


def test_a_flood_is_as_many_frames_as_it_says() -> None:
    """If it fails, a buffer without a bound is never filled."""
    assert len(shape(under(Fault(kind=FaultKind.FLOOD, every=20)), FRAME, 0)) == 20


def test_faults_of_one_device_add_up() -> None:
    """If it fails, a late duplicate in two parts is something else than its name says."""
    faults = under(
        Fault(kind=FaultKind.LATE, delay_s=3.0, every=2),
        Fault(kind=FaultKind.SPLIT, delay_s=0.1),
        Fault(kind=FaultKind.DUPLICATE, delay_s=1.0),
    )
    assert [part.delay_s for part in shape(faults, FRAME, 0)] == [0.0, 0.1, 1.0, 1.1]
    assert [part.delay_s for part in shape(faults, FRAME, 1)] == [3.0, 3.1, 4.0, 4.1]
