"""Telemetry rows as journal payloads."""

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.journal.rows import TelemetryRow, telemetry_row_decode, telemetry_row_encode
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import SignalId
from protocols.vocabulary.offer import NO_CURVE

floats = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(st.integers(0, 2**60), st.integers(0, 50), st.data())
def test_a_row_comes_back_bit_for_bit(signal_id: int, resources: int, data: st.DataObject) -> None:
    """If this fails, what is settled is not what the site measured."""
    time_s = data.draw(st.integers(0, 2**40))
    count = 6 + 4 * resources
    values = np.array(data.draw(st.lists(floats, min_size=count, max_size=count)), dtype="<f4")
    row = TelemetryRow(
        time_s=time_s,
        signal_id=SignalId(signal_id),
        layout_version=resources,
        values=values,
        curve_version=resources + 1,
    )
    again = telemetry_row_decode(telemetry_row_encode(row))
    assert again.curve_version == resources + 1
    assert (again.time_s, again.signal_id, again.layout_version) == (time_s, signal_id, resources)
    assert again.values.tobytes() == values.tobytes()


def test_a_row_of_before_tells_no_curve() -> None:
    """If this fails, an updated agent cannot send what it journaled before the update."""
    again = telemetry_row_decode(msgpack.packb([1, 2, 3, b"x" * 24]))
    assert (again.time_s, again.curve_version) == (1, NO_CURVE)


@given(st.binary(max_size=80))
def test_garbage_is_refused_by_name(payload: bytes) -> None:
    """If this fails, one damaged row stops the link instead of being named."""
    try:
        telemetry_row_decode(payload)
    except JournalError:
        return


@pytest.mark.parametrize(
    "parts",
    [
        [1, 2, 3],
        [1, 2, 3, b"x" * 23],
        [1, 2, 3, b"x" * 20],
        ["1", 2, 3, b"x" * 24],
        [True, 2, 3, b"x" * 24],
        7,
    ],
)
def test_a_wrong_shape_is_refused(parts: object) -> None:
    """If this fails, a column of one resource is read as another's."""
    with pytest.raises(JournalError):
        telemetry_row_decode(msgpack.packb(parts))
