"""The site sessions of one coordinator: made on demand, restored from the store, kept in time.

Part of the link's gateway. Deadlines are a heap, so a tick costs what is due, not what exists.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from protocols.link.grants import grants
from protocols.link.messages import Stream
from protocols.link.site_session import SiteParameters, SiteSession
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, SiteId

SITES_MAX: Final = 100_000
BACKFILL_BUDGET_PER_S: Final = 20_000
"""Backfilled rows per second for the fleet."""
BACKFILL_SITE_PER_S: Final = 200
"""Backfilled rows per second for one site."""

_PARAMETERS: Final = SiteParameters(downlink_first_s=3.0)
"""What was sent down is lost with its connection only, and the hello after that sends it again; a
fleet that answers at once needs seconds, and asking again would double its work."""

JournalKey = tuple[SiteId, JournalId]


class TelemetryProgress(Protocol):
    """What the sessions ask the telemetry history."""

    def durable(self) -> Mapping[JournalKey, int]:
        """Highest durable sequence per journal."""


class EntryProgress(Protocol):
    """How far events and offers are durable."""

    def durable(self, site_id: SiteId, journal_id: JournalId) -> Mapping[Stream, int]:
        """Contiguous durable sequence per stream; 0 for a journal never seen."""

    def save_many(self, durable: Mapping[JournalKey, Mapping[Stream, int]]) -> None:
        """Raise the durable sequences of many journals in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a session begins after a restart."""

    telemetry: TelemetryProgress
    entries: EntryProgress


class Sessions:
    """All site sessions.

    Parameters
    ----------
    progress : Progress
        What the store holds.
    epoch : int
        Epoch of the lease of our partitions.
    """

    def __init__(self, progress: Progress, *, epoch: int) -> None:
        self._progress = progress
        self._epoch = epoch
        self._sessions: dict[SiteId, SiteSession] = {}
        self._restored: set[JournalKey] = set()
        self._forgotten: set[SiteId] = set()
        self._uneven: set[SiteId] = set()
        self._heap: list[tuple[int, SiteId]] = []
        self._due: dict[SiteId, int] = {}

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self._sessions)

    def get(self, site_id: SiteId) -> SiteSession:
        """Return the session of a site, made if it is not there.

        Raises
        ------
        RemoteProtocolError
            If there are SITES_MAX already: somebody invents sites.
        """
        session = self._sessions.get(site_id)
        if session is None:
            if len(self._sessions) >= SITES_MAX:
                message = f"{SITES_MAX} sites are here already"
                raise RemoteProtocolError(message)
            session = self._sessions[site_id] = SiteSession(site_id, self._epoch, _PARAMETERS)
        return session

    def known(self, site_id: SiteId, journal_id: JournalId) -> SiteSession | None:
        """Return the session if it is there with this journal's progress; else None."""
        if (site_id, journal_id) not in self._restored:
            return None
        return self._sessions.get(site_id)

    def for_journal(self, site_id: SiteId, journal_id: JournalId) -> SiteSession:
        """Return the session, with this journal's progress restored from the store.

        Raises
        ------
        RemoteProtocolError
            As :meth:`get`, or if the site has used too many journals.
        StoreError
            If the store cannot be read.
        """
        session = self.get(site_id)
        key = (site_id, journal_id)
        if key not in self._restored:
            durable = dict(self._progress.entries.durable(site_id, journal_id))
            durable[Stream.TELEMETRY] = self._progress.telemetry.durable().get(key, 0)
            session.restore({(journal_id, stream): held for stream, held in durable.items()})
            self._restored.add(key)
        return session

    def forget(self, site_id: SiteId) -> None:
        """Begin the site again from what is durable; its gateway sends the rest again."""
        self._sessions.pop(site_id, None)
        self._forgotten.add(site_id)
        self._restored = {key for key in self._restored if key[0] != site_id}

    def stored(self) -> None:
        """Tell the sessions what of the telemetry is durable now.

        A session that was begun again while the flush ran may know less than is stored.
        """
        for (site_id, journal_id), sequence in self._progress.telemetry.durable().items():
            if (site_id, journal_id) not in self._restored:
                continue
            session = self._sessions[site_id]
            if site_id in self._forgotten:
                session.restore({(journal_id, Stream.TELEMETRY): sequence})
            else:
                session.made_durable(journal_id, Stream.TELEMETRY, sequence)
        self._forgotten.clear()

    def save_entries(self, taken: Mapping[JournalKey, Mapping[Stream, int]]) -> None:
        """Record stored events and offers, then let them be acknowledged.

        Raises
        ------
        StoreError
            If the store refuses; they are not acknowledged then.
        """
        self._progress.entries.save_many(taken)
        for (site_id, journal_id), streams in taken.items():
            if (site_id, journal_id) in self._restored:
                for stream, sequence in streams.items():
                    self._sessions[site_id].made_durable(journal_id, stream, sequence)

    def share_backfill(self) -> None:
        """Share the budget of backfilled rows among the sites that miss some; every second."""
        missing = {
            site_id: self._sessions[site_id].missing_rows
            for site_id in self._uneven
            if site_id in self._sessions
        }
        shares = grants(missing, budget_per_s=BACKFILL_BUDGET_PER_S, most_per_s=BACKFILL_SITE_PER_S)
        for site_id, rate in shares.items():
            self._sessions[site_id].backfill_per_s = rate
        self._uneven = {site_id for site_id, rows in missing.items() if rows > 0}

    def touch(self, session: SiteSession, now_ns: int) -> None:
        """Note when the session next has something to send, and whether it misses rows."""
        if session.missing_rows > 0:
            self._uneven.add(session.site_id)
        deadline_ns = session.next_deadline_ns(now_ns)
        known_ns = self._due.get(session.site_id)
        if deadline_ns is not None and (known_ns is None or deadline_ns < known_ns):
            self._due[session.site_id] = deadline_ns
            heapq.heappush(self._heap, (deadline_ns, session.site_id))

    def keep(self, site_id: SiteId, now_ns: int) -> None:
        """Do :meth:`touch` for a site of which nothing became more urgent."""
        if site_id not in self._due:
            self.touch(self._sessions[site_id], now_ns)

    def due(self, now_ns: int, most: int) -> list[SiteSession]:
        """Sessions that have something to send now; :meth:`touch` each afterwards.

        Parameters
        ----------
        now_ns : int
            Monotonic time.
        most : int
            So many at once; those that wait longest come first.
        """
        ready: list[SiteSession] = []
        while self._heap and self._heap[0][0] <= now_ns and len(ready) < most:
            deadline_ns, site_id = heapq.heappop(self._heap)
            if self._due.get(site_id) == deadline_ns:
                del self._due[site_id]
                session = self._sessions.get(site_id)
                if session is not None:
                    ready.append(session)
        return ready
