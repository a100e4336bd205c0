"""Telemetry rows as raw blocks: the hot path of the wire.

``[journal id, first sequence, layout version, times, signal ids, values]``: int64 Unix seconds,
int64 signal ids and float32 rows, each as little-endian bytes; the number of rows is that of the
times, the number of columns follows. Used by :mod:`protocols.link.wire` alone, except for
:func:`rows_per_message`.
"""

from typing import Final

import numpy as np

from protocols.link.fields import (
    MAX_MAGNITUDE,
    MAX_SECONDS,
    MAX_SEQUENCE,
    fields,
    integer,
    journal_id,
    octets,
    refuse,
)
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Telemetry
from protocols.vocabulary.errors import LocalProtocolError

MAX_MESSAGE_BYTES: Final = 65_536
MAX_ROWS: Final = 200

_ROW_OVERHEAD_BYTES: Final = 16
_MESSAGE_OVERHEAD_BYTES: Final = 256
_I8: Final = np.dtype("<i8")
_F4: Final = np.dtype("<f4")
_SITE: Final = len(SITE_COLUMNS)
_PER_RESOURCE: Final = len(RESOURCE_COLUMNS)


def rows_per_message(resources: int) -> int:
    """Rows of a layout with that many resources that fit one telemetry message, 1..200."""
    row_bytes = _F4.itemsize * (_SITE + _PER_RESOURCE * resources) + _ROW_OVERHEAD_BYTES
    return max(1, min(MAX_ROWS, (MAX_MESSAGE_BYTES - _MESSAGE_OVERHEAD_BYTES) // row_bytes))


def telemetry_to_plain(message: Telemetry) -> list[object]:
    """Fields of a telemetry message.

    Raises
    ------
    LocalProtocolError
        If the columns do not agree.
    """
    rows, columns = message.values.shape
    if not 1 <= rows <= MAX_ROWS or (columns - _SITE) % _PER_RESOURCE or columns < _SITE:
        text = f"{rows} rows of {columns} columns"
        raise LocalProtocolError(text)
    if not len(message.times_s) == len(message.signal_ids) == rows:
        text = f"{rows} rows, {len(message.times_s)} times, {len(message.signal_ids)} signal ids"
        raise LocalProtocolError(text)
    return [
        message.journal_id,
        message.first_sequence,
        message.layout_version,
        message.times_s.astype(_I8, copy=False).tobytes(),
        message.signal_ids.astype(_I8, copy=False).tobytes(),
        message.values.astype(_F4, copy=False).tobytes(),
    ]


def telemetry_from_plain(values: list[object]) -> Telemetry:
    """Read a telemetry message; its arrays are read-only views of the message's bytes.

    Raises
    ------
    RemoteProtocolError
        If the columns do not agree, or hold what no row can hold.
    """
    journal, first, layout_version, times, signals, block = fields(values, 6, "telemetry")
    times = octets(times, "telemetry times", MAX_ROWS * _I8.itemsize)
    signals = octets(signals, "telemetry signal ids", MAX_ROWS * _I8.itemsize)
    block = octets(block, "telemetry values", MAX_MESSAGE_BYTES)
    rows, rest = divmod(len(times), _I8.itemsize)
    if rows == 0 or rest or len(signals) != len(times):
        refuse("telemetry rows", len(times), f"1..{MAX_ROWS} times and as many signal ids")
    columns, rest = divmod(len(block), rows * _F4.itemsize)
    if rest or columns < _SITE or (columns - _SITE) % _PER_RESOURCE:
        refuse(
            "telemetry values", len(block), f"{rows} rows of {_SITE} + {_PER_RESOURCE} r float32"
        )
    times_s, signal_ids = np.frombuffer(times, _I8), np.frombuffer(signals, _I8)
    matrix = np.frombuffer(block, _F4).reshape(rows, columns)
    if times_s.min() < 0 or times_s.max() >= MAX_SECONDS or signal_ids.min() < 0:
        refuse("telemetry times", int(times_s[0]), "Unix seconds, and signal ids from 0")
    if (np.abs(matrix) > MAX_MAGNITUDE).any():
        refuse("telemetry values", "...", f"finite numbers or NaN, {MAX_MAGNITUDE:g} at most")
    return Telemetry(
        journal_id=journal_id(journal),
        first_sequence=integer(first, "telemetry first sequence", low=1, high=MAX_SEQUENCE),
        layout_version=integer(layout_version, "telemetry layout version"),
        times_s=times_s,
        signal_ids=signal_ids,
        values=matrix,
    )
