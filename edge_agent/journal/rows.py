"""A telemetry row as the payload of a ``row`` entry of the telemetry stream.

Written by the cycle, read by the link and the technician. Columns are SITE_COLUMNS and then
RESOURCE_COLUMNS per resource of the layout (:mod:`protocols.link.messages`).
"""

from dataclasses import dataclass
from typing import Final, cast

import msgpack
import numpy as np

from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Float32Block
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import SignalId
from protocols.vocabulary.offer import NO_CURVE

ROW_KIND: Final = "row"
_PARTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryRow:
    """What the site says of one second.

    Attributes
    ----------
    time_s : int
        Unix second it speaks of.
    signal_id : SignalId
        The dispatch signal in force.
    layout_version : int
        The layout its columns follow.
    values : Float32Block
        Shape (6 + 4 r,), read-only; NaN where there is no number.
    curve_version : int
        Version of the committed curve in use; NO_CURVE without one.
    """

    time_s: int
    signal_id: SignalId
    layout_version: int
    values: Float32Block
    curve_version: int = NO_CURVE


def telemetry_row_encode(row: TelemetryRow) -> bytes:
    """Encode a row: msgpack [time_s, signal_id, layout_version, float32 little endian, curve]."""
    assert row.values.ndim == 1, "a row has one dimension"
    assert _fits(row.values.size), "a row has 6 + 4 r columns"
    block = row.values.astype("<f4").tobytes()
    parts = [row.time_s, row.signal_id, row.layout_version, block, row.curve_version]
    return cast("bytes", msgpack.packb(parts))


def telemetry_row_decode(payload: bytes) -> TelemetryRow:
    """Decode a row, bit for bit.

    Raises
    ------
    JournalError
        If the payload is not a row.
    """
    try:
        parts = msgpack.unpackb(payload)
    except ValueError as error:
        raise JournalError(f"telemetry row is not msgpack: {error}") from None
    if not isinstance(parts, list) or len(parts) not in {_PARTS - 1, _PARTS}:
        raise JournalError("telemetry row has not five parts, or four as before")
    time_s, signal_id, layout_version, block, curve_version = [*parts, NO_CURVE][:_PARTS]
    numbers = (time_s, signal_id, layout_version, curve_version)
    whole = all(type(number) is int for number in numbers)
    if not whole or not isinstance(block, bytes) or len(block) % 4 or not _fits(len(block) // 4):
        raise JournalError("telemetry row has parts of a wrong type or length")
    return TelemetryRow(
        time_s=time_s,
        signal_id=SignalId(signal_id),
        layout_version=layout_version,
        values=np.frombuffer(block, dtype="<f4"),
        curve_version=curve_version,
    )


def _fits(columns: int) -> bool:
    beyond = columns - len(SITE_COLUMNS)
    return beyond >= 0 and beyond % len(RESOURCE_COLUMNS) == 0
