"""The digest that runs through telemetry rows, made at the gateway and made again by a referee.

It covers what both ends hold of a row, bit for bit: sequence, second, signal, layout, values.
Pure; called by the gateway, which signs it as an event, and by the evidence of an obligation.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from protocols.link.messages import Event, Float32Block
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, SiteId

DIGEST_KIND: Final = "telemetry.digest"
ROWS_MAX: Final = 60
"""Rows under one digest; so many seconds are without one after a sudden death."""
_HEAD: Final = struct.Struct(">qqqII")
_ORIGIN: Final = b"vpp-rows-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSeen:
    """A telemetry row, as far as it is covered.

    Attributes
    ----------
    sequence, time_s, signal_id, layout_version : int
        As in the telemetry stream.
    values : Float32Block
        Shape (6 + 4 r,).
    """

    sequence: int
    time_s: int
    signal_id: int
    layout_version: int
    values: Float32Block


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDigest:
    """What a gateway says of consecutive rows of one journal.

    Attributes
    ----------
    journal_id : JournalId
        Whose.
    first, last : int
        Sequences.
    first_s, last_s : int
        Seconds of the first and the last row.
    before, digest : bytes
        The chain before the first row and after the last.
    """

    journal_id: JournalId
    first: int
    last: int
    first_s: int
    last_s: int
    before: bytes
    digest: bytes


def origin_of(site_id: SiteId, journal_id: JournalId) -> bytes:
    """Digest that stands before the first row of a chain, 32 bytes."""
    return hashlib.sha256(b"\0".join((_ORIGIN, site_id.encode(), journal_id.encode()))).digest()


def digest_after(before: bytes, row: RowSeen) -> bytes:
    """Digest after one more row, 32 bytes; every NaN counts as the same."""
    values = np.where(np.isnan(row.values), np.float32(np.nan), row.values).astype("<f4").tobytes()
    head = _HEAD.pack(row.sequence, row.time_s, row.signal_id, row.layout_version, len(values))
    return hashlib.sha256(before + head + values).digest()


def digest_of(event: Event) -> RowDigest:
    """Read the event of a digest.

    Raises
    ------
    RemoteProtocolError
        If it is something else.
    """
    payload = event.payload
    numbers = [payload.get(name) for name in ("first", "last", "first_s", "last_s")]
    texts = [payload.get(name) for name in ("before", "digest")]
    whole = [number for number in numbers if isinstance(number, int)]
    hexes = [text for text in texts if isinstance(text, str)]
    if event.kind != DIGEST_KIND or len(whole) != len(numbers) or len(hexes) != len(texts):
        raise RemoteProtocolError(f"{event.kind}: is no digest of telemetry")
    try:
        before, digest = (bytes.fromhex(text) for text in hexes)
    except ValueError:
        raise RemoteProtocolError(f"{event.kind}: its digests are not hexadecimal") from None
    first, last, first_s, last_s = whole
    return RowDigest(
        journal_id=event.journal_id,
        first=first,
        last=last,
        first_s=first_s,
        last_s=last_s,
        before=before,
        digest=digest,
    )
