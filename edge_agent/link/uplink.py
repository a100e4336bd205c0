"""Messages made from what is journaled: rows, events, offers and the hello.

What goes up the link is read back from the journal, so nothing is ever sent that is not on
disk first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Protocol, cast

import msgpack
import numpy as np

from edge_agent.journal.records import JournalStream
from edge_agent.journal.rows import TelemetryRow, telemetry_row_decode
from protocols.link.messages import (
    Event,
    Hello,
    Layout,
    Message,
    Offer,
    Plain,
    Stream,
    Telemetry,
)
from protocols.link.plain import (
    baseline_from_plain,
    baseline_to_plain,
    envelope_from_plain,
    envelope_to_plain,
    offer_from_plain,
    offer_to_plain,
)
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import JournalId, ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.offer import OfferCurve
from protocols.vocabulary.setpoint import JournalEntry

AGENT_VERSION: Final = "0.1.0"


class EntrySource(Protocol):
    """The journal, read."""

    def read(self, stream: JournalStream, first: int, last: int) -> list[JournalEntry]:
        """Entries ``first..last`` that are held, ascending."""

    def last(self, stream: JournalStream) -> int:
        """Last committed sequence."""

    def oldest(self, stream: JournalStream) -> int:
        """First sequence still held; one past the last if none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What the cycle holds, for a hello.

    Attributes
    ----------
    durable : mapping of Stream to int
        Durable acknowledgements known.
    epochs : mapping of str to int
        Highest epoch per lease.
    obligations : mapping of ObligationId to int
        Version of each commitment held.
    offer_version : int
        Of the last offer.
    layout : Layout
        The present one.
    signal_id : SignalId
        The signal in force.
    """

    durable: Mapping[Stream, int]
    epochs: Mapping[str, int]
    obligations: Mapping[ObligationId, int]
    offer_version: int
    layout: Layout
    signal_id: SignalId


def pack_event(payload: Mapping[str, Plain]) -> bytes:
    """Payload of an entry of the event stream; the entry's kind is the event's."""
    return cast("bytes", msgpack.packb(dict(payload)))


def pack_offer(curve: OfferCurve, envelope: Envelope, baseline: Baseline) -> bytes:
    """Payload of an entry of the offer stream."""
    parts = [offer_to_plain(curve), envelope_to_plain(envelope), baseline_to_plain(baseline)]
    return cast("bytes", msgpack.packb(parts))


class JournalUplink:
    """The ``Uplink`` of a site link.

    Parameters
    ----------
    source : EntrySource
        The journal.
    site_id, zone, journal_id : SiteId, ZoneId, JournalId
        Who speaks.
    holding : callable
        Gives what the cycle holds now.
    """

    def __init__(
        self,
        source: EntrySource,
        *,
        site_id: SiteId,
        zone: ZoneId,
        journal_id: JournalId,
        holding: Callable[[], Holding],
    ) -> None:
        self._source = source
        self._site_id = site_id
        self._zone = zone
        self._journal_id = journal_id
        self._holding = holding

    def hello(self) -> Hello:
        """Say what the journal and the cycle hold now."""
        holding = self._holding()
        streams = {stream: JournalStream(stream.value) for stream in Stream}
        return Hello(
            site_id=self._site_id,
            zone=self._zone,
            journal_id=self._journal_id,
            agent_version=AGENT_VERSION,
            held={stream: self._source.last(name) for stream, name in streams.items()},
            durable_known=dict(holding.durable),
            oldest={stream: self._source.oldest(name) for stream, name in streams.items()},
            epochs=holding.epochs,
            obligations=holding.obligations,
            offer_version=holding.offer_version,
            layout=holding.layout,
            signal_id=holding.signal_id,
        )

    def telemetry(self, first: int, last: int) -> list[Message]:
        """Rows ``first..last``, one message for each run of one layout and one curve."""
        entries = self._source.read(JournalStream.TELEMETRY, first, last)
        rows = [(entry.sequence, telemetry_row_decode(entry.payload)) for entry in entries]
        return [self._message(list(run)) for _, run in groupby(rows, key=_stretch)]

    def entries(self, stream: Stream, first: int, last: int) -> list[Message]:
        """Entries ``first..last`` of EVENT or OFFER, one message each."""
        entries = self._source.read(JournalStream(stream.value), first, last)
        if stream is Stream.OFFER:
            return [self._offer(entry) for entry in entries]
        return [self._event(entry) for entry in entries]

    def _message(self, rows: list[tuple[int, TelemetryRow]]) -> Telemetry:
        return Telemetry(
            journal_id=self._journal_id,
            first_sequence=rows[0][0],
            layout_version=rows[0][1].layout_version,
            times_s=np.array([row.time_s for _, row in rows], dtype=np.int64),
            signal_ids=np.array([row.signal_id for _, row in rows], dtype=np.int64),
            values=np.stack([row.values for _, row in rows]),
            curve_version=rows[0][1].curve_version,
        )

    def _event(self, entry: JournalEntry) -> Event:
        return Event(
            journal_id=self._journal_id,
            sequence=entry.sequence,
            recorded_at=entry.recorded_at,
            kind=entry.kind,
            payload=cast("dict[str, Plain]", msgpack.unpackb(entry.payload)),
        )

    def _offer(self, entry: JournalEntry) -> Offer:
        curve, envelope, baseline = msgpack.unpackb(entry.payload)
        return Offer(
            journal_id=self._journal_id,
            sequence=entry.sequence,
            curve=offer_from_plain(curve),
            envelope=envelope_from_plain(envelope),
            baseline=baseline_from_plain(baseline),
        )


def _stretch(row: tuple[int, TelemetryRow]) -> tuple[int, int]:
    """Return what rows of one message have in common."""
    return row[1].layout_version, row[1].curve_version
