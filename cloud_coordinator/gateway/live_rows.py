"""The short way of live telemetry: many sites' rows as one block, straight into the arrays.

Nearly every message a coordinator takes is one row, newer than all before. Those of a twentieth
of a second are decoded, judged, queued for the history and written into the fleet together.
Whatever is anything else is given back and goes the long way, message by message. Part of
:mod:`cloud_coordinator.gateway.link`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cloud_coordinator.gateway.sessions import Sessions
from protocols.link.site_session import Verdict
from protocols.link.telemetry import RowBlock, decode_rows
from protocols.link.wire import VERSION
from protocols.vocabulary.identifiers import SiteId

TOGETHER_MAX: Final = 2048
"""Messages that are decoded together at most: they are held twice while they are."""

LiveMessage = tuple[str, SiteId, bytes]
"""Topic, site and payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Rows that were taken: into the history and the fleet, or ahead of a gap into the fleet."""

    history: int
    ahead: int


class RowLog(Protocol):
    """The telemetry history."""

    @property
    def full(self) -> bool:
        """Whether nothing can be appended until a flush succeeds."""

    def append_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Queue one row of each of many sites."""


class RowTaker(Protocol):
    """The fleet behind the services' intake."""

    def live_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Take one live row of each of many sites."""


class LiveRows:
    """Takes live rows by the block.

    Parameters
    ----------
    sessions : Sessions
        Who judges them.
    log : RowLog
        Where they are kept.
    """

    def __init__(self, sessions: Sessions, log: RowLog) -> None:
        self._sessions = sessions
        self._log = log

    def take(
        self, messages: Sequence[LiveMessage], taker: RowTaker, now_ns: int
    ) -> tuple[Taken, list[LiveMessage]]:
        """Take what can be taken together.

        Parameters
        ----------
        messages : sequence of LiveMessage
            In the order in which they came, ``TOGETHER_MAX`` at most.
        taker : RowTaker
            Gets the rows.
        now_ns : int
            Monotonic time.

        Returns
        -------
        tuple of Taken and list of LiveMessage
            How many rows were taken, and the messages that were not, in their order. A second
            row of a site is among these.

        Raises
        ------
        StoreError
            If the history takes no more.
        """
        blocks, left = decode_rows([payload for _, _, payload in messages], VERSION)
        history = ahead = 0
        for block in blocks:
            verdicts = self._judge(messages, block, now_ns)
            left += [block.positions[row] for row in verdicts[Verdict.DUPLICATE]]
            next_ones = block.only(verdicts[Verdict.TAKEN])
            if next_ones.positions:
                sites = [messages[place][1] for place in next_ones.positions]
                self._log.append_rows(sites, next_ones)
            live = block.only(sorted(verdicts[Verdict.TAKEN] + verdicts[Verdict.AHEAD]))
            if live.positions:
                taker.live_rows([messages[place][1] for place in live.positions], live)
            history += len(next_ones.positions)
            ahead += len(verdicts[Verdict.AHEAD])
        return Taken(history=history, ahead=ahead), [messages[place] for place in sorted(left)]

    def _judge(
        self, messages: Sequence[LiveMessage], block: RowBlock, now_ns: int
    ) -> dict[Verdict, list[int]]:
        """Rows by verdict; DUPLICATE stands for all that is to be judged the long way."""
        found: dict[Verdict, list[int]] = {verdict: [] for verdict in Verdict}
        seen: set[SiteId] = set()
        sequences, sessions = block.sequences.tolist(), self._sessions
        for row, place in enumerate(block.positions):
            site_id, journal_id = messages[place][1], block.journal_ids[row]
            session = None if site_id in seen else sessions.known(site_id, journal_id)
            verdict = Verdict.DUPLICATE
            if session is not None:
                verdict = session.live_row(journal_id, sequences[row], now_ns)
                seen.add(site_id)
            found[verdict].append(row)
            if verdict is Verdict.TAKEN:
                sessions.keep(site_id, now_ns)
            elif session is not None and verdict is Verdict.AHEAD:
                sessions.touch(session, now_ns)
        return found
