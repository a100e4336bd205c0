"""Telemetry rows as raw blocks: the hot path of the wire.

``[journal id, first sequence, layout version, times, signal ids, values, curve version]``: int64
Unix seconds, int64 signal ids and float32 rows, each as little-endian bytes; the number of rows is
that of the times, the number of columns follows. The curve version came later: it is left out
where there is none, and what is no such number in its place says none. Used by
:mod:`protocols.link.wire` alone, except for :func:`rows_per_message`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgpack
import numpy as np
import numpy.typing as npt

from protocols.link.fields import (
    JOURNAL_ID,
    MAX_INTEGER,
    MAX_MAGNITUDE,
    MAX_SECONDS,
    MAX_SEQUENCE,
    fields,
    integer,
    journal_id,
    octets,
    refuse,
)
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Float32Block, Telemetry
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.errors import LocalProtocolError
from protocols.vocabulary.identifiers import JournalId
from protocols.vocabulary.offer import NO_CURVE

MAX_MESSAGE_BYTES: Final = 65_536
MAX_ROWS: Final = 200

_ROW_OVERHEAD_BYTES: Final = 16
_MESSAGE_OVERHEAD_BYTES: Final = 256
_I8: Final = np.dtype("<i8")
_F4: Final = np.dtype("<f4")
_SITE: Final = len(SITE_COLUMNS)
_PER_RESOURCE: Final = len(RESOURCE_COLUMNS)
_TYPES: Final = [str, int, int, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBlock:
    """Telemetry messages of one row each, of many sites, as columns.

    Attributes
    ----------
    positions : list of int
        Which message each row came in.
    journal_ids : list of JournalId
        By row.
    sequences, layout_versions, times_s, signal_ids, curve_versions : IntArray
        Shape (n,), as in :class:`protocols.link.messages.Telemetry`.
    values : Float32Block
        Shape (n, c).
    """

    positions: list[int]
    journal_ids: list[JournalId]
    sequences: IntArray
    layout_versions: IntArray
    times_s: IntArray
    signal_ids: IntArray
    values: Float32Block
    curve_versions: IntArray

    def only(self, rows: Sequence[int]) -> "RowBlock":
        """Keep some rows, in that order; the block itself if these are all."""
        if len(rows) == len(self.positions):
            return self
        return RowBlock(
            positions=[self.positions[row] for row in rows],
            journal_ids=[self.journal_ids[row] for row in rows],
            sequences=self.sequences[rows],
            layout_versions=self.layout_versions[rows],
            times_s=self.times_s[rows],
            signal_ids=self.signal_ids[rows],
            values=self.values[rows],
            curve_versions=self.curve_versions[rows],
        )

    def message(self, row: int) -> Telemetry:
        """One row as the message it came in."""
        return Telemetry(
            journal_id=self.journal_ids[row],
            first_sequence=int(self.sequences[row]),
            layout_version=int(self.layout_versions[row]),
            times_s=self.times_s[row : row + 1],
            signal_ids=self.signal_ids[row : row + 1],
            values=self.values[row : row + 1],
            curve_version=int(self.curve_versions[row]),
        )


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
    plain: list[object] = [
        message.journal_id,
        message.first_sequence,
        message.layout_version,
        message.times_s.astype(_I8, copy=False).tobytes(),
        message.signal_ids.astype(_I8, copy=False).tobytes(),
        message.values.astype(_F4, copy=False).tobytes(),
    ]
    return plain if message.curve_version == NO_CURVE else [*plain, message.curve_version]


def _curve_version(values: Sequence[object], place: int) -> int:
    """Curve version at its place; none if something else stands there, as from before it was."""
    version = values[place] if len(values) > place else NO_CURVE
    return version if type(version) is int and 0 <= version <= MAX_INTEGER else NO_CURVE


def decode_rows(payloads: Sequence[bytes], version: int) -> tuple[list[RowBlock], list[int]]:
    """Decode many live messages at once.

    Parameters
    ----------
    payloads : sequence of bytes
        As they came on the topics ``up/tel``.
    version : int
        The version of the wire.

    Returns
    -------
    tuple of list of RowBlock and list of int
        A block for each width, and the positions of all other messages: of several rows, newer,
        or wrong. What is wrong with those, :func:`protocols.link.wire.decode` says.
    """
    by_width: dict[int, _Read] = {}
    rest = []
    for position, payload in enumerate(payloads):
        row = _one_row(payload, version)
        if row is None:
            rest.append(position)
        else:
            width = len(row[5])
            by_width.setdefault(width, []).append((position, *row))
    blocks = []
    for read in by_width.values():
        block = _block(read)
        good = _plausible(block)
        rest += [read[row][0] for row in np.flatnonzero(~good)]
        if good.any():
            blocks.append(block.only(np.flatnonzero(good).tolist()))
    return blocks, sorted(rest)


_Row = tuple[JournalId, int, int, bytes, bytes, bytes, int]
_Read = list[tuple[int, JournalId, int, int, bytes, bytes, bytes, int]]


def _one_row(payload: bytes, version: int) -> _Row | None:
    """Return the fields of a message of one row; None for any other message."""
    if len(payload) > MAX_MESSAGE_BYTES:
        return None
    try:
        values = msgpack.unpackb(payload, raw=False, strict_map_key=True)
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    if type(values) is not list or len(values) <= len(_TYPES) or values[0] != version:
        return None
    row = values[1 : 1 + len(_TYPES)]
    if [type(value) for value in row] != _TYPES:
        return None
    journal, first, layout, times, signals, block = row
    fits = _fits(journal, (first, layout), times, signals, block)
    if not fits:
        return None
    curve = _curve_version(values, 1 + len(_TYPES))
    return JournalId(journal), first, layout, times, signals, block, curve


def _fits(journal: str, counts: tuple[int, int], *blocks: bytes) -> bool:
    """Whether the fields are those of one row."""
    times, signals, values = map(len, blocks)
    rest = (values - _SITE * _F4.itemsize) % (_PER_RESOURCE * _F4.itemsize)
    return (
        times == signals == _I8.itemsize
        and values >= _SITE * _F4.itemsize
        and not rest
        and 1 <= counts[0] <= MAX_SEQUENCE
        and 0 <= counts[1] <= MAX_INTEGER
        and JOURNAL_ID.match(journal) is not None
    )


def _block(read: _Read) -> RowBlock:
    positions, journals, sequences, layouts, times, signals, blocks, curves = zip(
        *read, strict=True
    )
    return RowBlock(
        positions=list(positions),
        journal_ids=list(journals),
        sequences=np.array(sequences, dtype=np.int64),
        layout_versions=np.array(layouts, dtype=np.int64),
        times_s=np.frombuffer(b"".join(times), _I8),
        signal_ids=np.frombuffer(b"".join(signals), _I8),
        values=np.frombuffer(b"".join(blocks), _F4).reshape(len(read), -1),
        curve_versions=np.array(curves, dtype=np.int64),
    )


def _plausible(block: RowBlock) -> npt.NDArray[np.bool_]:
    """Which rows hold what a row can hold, as :func:`telemetry_from_plain` judges."""
    good = (block.times_s >= 0) & (block.times_s < MAX_SECONDS) & (block.signal_ids >= 0)
    return np.asarray(good & ~(np.abs(block.values) > MAX_MAGNITUDE).any(axis=1))


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
        curve_version=_curve_version(values, len(_TYPES)),
    )
