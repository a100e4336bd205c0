"""The coordinator's half of the link: one session per site, keyed by (journal, stream).

A pure record of what is contiguously received and what is durable. History advances only by
the row that follows; rows it has are counted as duplicates and dropped; rows ahead update the
live picture and come again by backfill. Only what is durable survives a restart, so after one
the session falls back to it and the gateway sends the rest again. The shell
(``cloud_coordinator.gateway``) stores what is accepted and publishes what is due.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.link.downlink import Downlink
from protocols.link.messages import (
    Acknowledgement,
    Event,
    Hello,
    Lane,
    Offer,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.outbox import NS_PER_S
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, SiteId
from protocols.vocabulary.offer import DispatchSignal

MAX_JOURNALS = 1024
"""Journals of one site; more means a gateway that loses its disk at each start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteParameters:
    """Times of the session.

    Attributes
    ----------
    acknowledge_s, acknowledge_backfill_s : float
        Between acknowledgements of a journal that is complete, that has rows missing.
    heard_s : float
        A journal that was silent for longer gets none: the gateway must notice that it is not
        heard, even if it can hear.
    downlink_first_s, downlink_most_s : float
        Waits before an unreceipted obligation or command is sent again.
    """

    acknowledge_s: float = 1.0
    acknowledge_backfill_s: float = 0.25
    heard_s: float = 3.0
    downlink_first_s: float = 1.0
    downlink_most_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """What to do with the rows of a telemetry message.

    Attributes
    ----------
    history : slice or None
        Rows that continue the history, to be stored; None if there are none.
    live : bool
        Whether the last row came live and is the newest of its journal that did.
    duplicates : int
        Rows the history already has.
    ahead : int
        Rows beyond a gap; they will come again.
    """

    history: slice | None
    live: bool
    duplicates: int
    ahead: int


class Verdict(enum.Enum):
    """What to do with an event or an offer."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Entries ``first..last`` that a journal no longer has and the history never had.

    They are lost (a store restored from an old copy, a journal cut for space); the history goes
    on behind them. An alert for the operator.
    """

    journal_id: JournalId
    stream: Stream
    first: int
    last: int


@dataclass(slots=True)
class _Progress:
    received: int = 0
    durable: int = 0
    seen: int = 0


@dataclass(slots=True)
class _Journal:
    streams: dict[Stream, _Progress] = field(
        default_factory=lambda: {stream: _Progress() for stream in Stream}
    )
    live_last: int = 0
    heard_ns: int | None = None
    acknowledge_ns: int = 0

    @property
    def missing_rows(self) -> int:
        telemetry, _, _ = self.streams.values()  # not by name: asked for every row
        return telemetry.seen - telemetry.received

    @property
    def behind(self) -> bool:
        telemetry, event, offer = self.streams.values()  # not any(): asked for every row
        return (
            telemetry.seen > telemetry.received
            or event.seen > event.received
            or offer.seen > offer.received
        )


class SiteSession:
    """Sequence, acknowledgement and resume of one site, coordinator side.

    Parameters
    ----------
    site_id : SiteId
        Whose it is.
    epoch : int
        Epoch of the partition's lease; must be higher than any this coordinator or another
        used for the partition before, also after a plain restart.
    parameters : SiteParameters
        Times.

    Attributes
    ----------
    backfill_per_s : int
        The site's share of the backfill budget (:func:`protocols.link.grants.grants`), rows per
        second; set by the shell, goes out with the acknowledgements.
    downlink : Downlink
        Obligations and commands that await their receipt.
    """

    def __init__(
        self, site_id: SiteId, epoch: int, parameters: SiteParameters = SiteParameters()
    ) -> None:
        self.site_id = site_id
        self.epoch = epoch
        self.downlink = Downlink(
            first_s=parameters.downlink_first_s, most_s=parameters.downlink_most_s
        )
        self._parameters = parameters
        self._journals: dict[JournalId, _Journal] = {}
        self._current: JournalId | None = None
        self.backfill_per_s = 0

    @property
    def current_journal(self) -> JournalId | None:
        """The journal of the latest hello; None until the site has greeted this session."""
        return self._current

    @property
    def missing_rows(self) -> int:
        """Telemetry rows known to exist at the site and not in the history."""
        missing = 0
        for journal in self._journals.values():
            missing += journal.missing_rows
        return missing

    def restore(self, durable: Mapping[tuple[JournalId, Stream], int]) -> None:
        """Begin from what the store holds: received falls back to durable."""
        for (journal_id, stream), sequence in durable.items():
            progress = self._journal(journal_id).streams[stream]
            progress.received = progress.durable = progress.seen = sequence

    def hello(self, hello: Hello, now_ns: int) -> list[Gap]:
        """Take a hello; publish :meth:`snapshot` in answer.

        Returns
        -------
        list of Gap
            What can never be received any more; mostly nothing. The store keeps it, since
            ``received`` now counts it.

        Raises
        ------
        RemoteProtocolError
            If it is another site's, or the site has used too many journals.
        """
        if hello.site_id != self.site_id:
            message = f"hello of {hello.site_id} on the topic of {self.site_id}"
            raise RemoteProtocolError(message)
        journal = self._heard(hello.journal_id, now_ns)
        self._current = hello.journal_id
        self.downlink.greeted(hello, now_ns)
        gaps = []
        for stream, progress in journal.streams.items():
            first, last = progress.received + 1, hello.oldest.get(stream, 1) - 1
            if first <= last:
                progress.received = last
                gap = Gap(journal_id=hello.journal_id, stream=stream, first=first, last=last)
                gaps.append(gap)
            progress.seen = max(progress.seen, progress.received, hello.held.get(stream, 0))
        return gaps

    def snapshot(
        self, journal_id: JournalId, signal: DispatchSignal | None, now_ns: int
    ) -> Snapshot:
        """Answer a hello: where we are, unreceipted commitments, the signal in force."""
        return Snapshot(
            epoch=self.epoch,
            acknowledgement=self._acknowledgement(journal_id, now_ns),
            commitments=self.downlink.commitments,
            signal=signal,
        )

    def telemetry(self, message: Telemetry, lane: Lane, now_ns: int) -> Accept:
        """Judge the rows of a message and take those that continue the history.

        Raises
        ------
        RemoteProtocolError
            If the site has used too many journals.
        """
        journal = self._heard(message.journal_id, now_ns)
        progress = journal.streams[Stream.TELEMETRY]
        rows = len(message.times_s)
        first, last = message.first_sequence, message.first_sequence + rows - 1
        live = lane is Lane.LIVE and last > journal.live_last
        if live:
            journal.live_last = last
        progress.seen = max(progress.seen, last)
        duplicates = min(max(progress.received + 1 - first, 0), rows)
        history = None
        if duplicates < rows and first <= progress.received + 1:
            history = slice(duplicates, rows)
            progress.received = last
        ahead = rows - duplicates if history is None else 0
        self._hasten(journal, now_ns)
        return Accept(history=history, live=live, duplicates=duplicates, ahead=ahead)

    def live_row(self, journal_id: JournalId, sequence: int, now_ns: int) -> Verdict:
        """Judge a single live row of a journal that was heard before.

        The short way of :meth:`telemetry` for what nearly all messages are.

        Returns
        -------
        Verdict
            TAKEN continues the history and is the newest; AHEAD is the newest and will come
            again. DUPLICATE: it is anything else, nothing has changed, and :meth:`telemetry`
            judges it.
        """
        journal = self._journals.get(journal_id)
        if journal is None or sequence <= journal.live_last:
            return Verdict.DUPLICATE
        progress = journal.streams[Stream.TELEMETRY]
        if sequence <= progress.received:
            return Verdict.DUPLICATE
        journal.heard_ns = now_ns
        journal.live_last = sequence
        progress.seen = max(progress.seen, sequence)
        taken = sequence == progress.received + 1
        if taken:
            progress.received = sequence
        self._hasten(journal, now_ns)
        return Verdict.TAKEN if taken else Verdict.AHEAD

    def entry(self, message: Event | Offer, now_ns: int) -> Verdict:
        """Judge an event or an offer; take it if it is the next of its stream.

        Raises
        ------
        RemoteProtocolError
            If the site has used too many journals.
        """
        journal = self._heard(message.journal_id, now_ns)
        stream = Stream.EVENT if isinstance(message, Event) else Stream.OFFER
        progress = journal.streams[stream]
        progress.seen = max(progress.seen, message.sequence)
        self._hasten(journal, now_ns)
        if message.sequence <= progress.received:
            return Verdict.DUPLICATE
        if message.sequence > progress.received + 1:
            return Verdict.AHEAD
        progress.received = message.sequence
        return Verdict.TAKEN

    def made_durable(self, journal_id: JournalId, stream: Stream, sequence: int) -> None:
        """Note that entries up to ``sequence`` are on disk (fsync done)."""
        progress = self._journals[journal_id].streams[stream]
        assert sequence <= progress.received, "durable beyond what was received"
        progress.durable = max(progress.durable, sequence)

    def acknowledgements(self, now_ns: int) -> list[Acknowledgement]:
        """Acknowledgements that are due, one per journal that was heard lately."""
        due = []
        for journal_id, journal in self._journals.items():
            if self._hears(journal, now_ns) and journal.acknowledge_ns <= now_ns:
                due.append(self._acknowledgement(journal_id, now_ns))
        return due

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When an acknowledgement or a message of the downlink is due; None if nothing is."""
        deadlines = [
            journal.acknowledge_ns
            for journal in self._journals.values()
            if self._hears(journal, max(now_ns, journal.acknowledge_ns))
        ]
        downlink_ns = self.downlink.next_deadline_ns()
        return min([*deadlines, *([] if downlink_ns is None else [downlink_ns])], default=None)

    def _journal(self, journal_id: JournalId) -> _Journal:
        journal = self._journals.get(journal_id)
        if journal is None:
            if len(self._journals) >= MAX_JOURNALS:
                message = f"{self.site_id} has used {MAX_JOURNALS} journals: enrol it again"
                raise RemoteProtocolError(message)
            journal = self._journals[journal_id] = _Journal()
        return journal

    def _heard(self, journal_id: JournalId, now_ns: int) -> _Journal:
        journal = self._journal(journal_id)
        journal.heard_ns = now_ns
        return journal

    def _hears(self, journal: _Journal, now_ns: int) -> bool:
        heard_for_ns = round(self._parameters.heard_s * NS_PER_S)
        return journal.heard_ns is not None and now_ns - journal.heard_ns <= heard_for_ns

    def _hasten(self, journal: _Journal, now_ns: int) -> None:
        if journal.behind:
            soon_ns = now_ns + round(self._parameters.acknowledge_backfill_s * NS_PER_S)
            journal.acknowledge_ns = min(journal.acknowledge_ns, soon_ns)

    def _acknowledgement(self, journal_id: JournalId, now_ns: int) -> Acknowledgement:
        """State the journal's progress and set when it is stated next."""
        journal = self._journals[journal_id]
        parameters = self._parameters
        wait_s = parameters.acknowledge_backfill_s if journal.behind else parameters.acknowledge_s
        journal.acknowledge_ns = now_ns + round(wait_s * NS_PER_S)
        return Acknowledgement(
            epoch=self.epoch,
            journal_id=journal_id,
            received={stream: progress.received for stream, progress in journal.streams.items()},
            durable={stream: progress.durable for stream, progress in journal.streams.items()},
            backfill_per_s=self._share(journal, now_ns),
        )

    def _share(self, journal: _Journal, now_ns: int) -> int:
        """Give each backfilling journal its part of the site's grant."""
        if journal.missing_rows == 0:
            return 0
        sharing = [
            other
            for other in self._journals.values()
            if other is journal or (other.missing_rows > 0 and self._hears(other, now_ns))
        ]
        return self.backfill_per_s // len(sharing)
