"""States, transitions and settings of the edge session, as data."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.link.messages import Stream


class EdgeState(enum.Enum):
    """Where the session is."""

    DISCONNECTED = "disconnected"
    HELLO = "hello"
    LIVE = "live"


class EdgeTrigger(enum.Enum):
    """What can move it."""

    CONNECTED = "connected"
    CUT = "cut"
    SNAPSHOT = "snapshot"
    RESTARTED = "restarted"
    LOST = "lost"


TRANSITIONS: Final[Mapping[tuple[EdgeState, EdgeTrigger], EdgeState]] = {
    (EdgeState.DISCONNECTED, EdgeTrigger.CONNECTED): EdgeState.HELLO,
    (EdgeState.DISCONNECTED, EdgeTrigger.CUT): EdgeState.DISCONNECTED,
    (EdgeState.DISCONNECTED, EdgeTrigger.SNAPSHOT): EdgeState.DISCONNECTED,
    (EdgeState.DISCONNECTED, EdgeTrigger.RESTARTED): EdgeState.DISCONNECTED,
    (EdgeState.DISCONNECTED, EdgeTrigger.LOST): EdgeState.DISCONNECTED,
    (EdgeState.HELLO, EdgeTrigger.CONNECTED): EdgeState.HELLO,
    (EdgeState.HELLO, EdgeTrigger.CUT): EdgeState.DISCONNECTED,
    (EdgeState.HELLO, EdgeTrigger.SNAPSHOT): EdgeState.LIVE,
    (EdgeState.HELLO, EdgeTrigger.RESTARTED): EdgeState.HELLO,
    (EdgeState.HELLO, EdgeTrigger.LOST): EdgeState.HELLO,
    (EdgeState.LIVE, EdgeTrigger.CONNECTED): EdgeState.HELLO,
    (EdgeState.LIVE, EdgeTrigger.CUT): EdgeState.DISCONNECTED,
    (EdgeState.LIVE, EdgeTrigger.SNAPSHOT): EdgeState.LIVE,
    (EdgeState.LIVE, EdgeTrigger.RESTARTED): EdgeState.HELLO,
    (EdgeState.LIVE, EdgeTrigger.LOST): EdgeState.HELLO,
}
"""RESTARTED: the coordinator forgot or was replaced. LOST: acknowledgements stopped for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeParameters:
    """Times and limits of the session.

    Attributes
    ----------
    hello_first_s, hello_most_s : float
        First and greatest wait before a hello is repeated.
    late_s, lost_s : float
        Silence of acknowledgements after which the link is late, lost.
    resend_s : float
        Time without progress after which what was sent counts as lost.
    stall_s : float
        Time without any progress, though something is missing there, before a new hello.
    backfill_rows : int
        Rows per backfill message, at most 200; fewer for sites with many resources
        (:func:`protocols.link.telemetry.rows_per_message`).
    entry_window : int
        Events (or offers) that may await acknowledgement at once.
    """

    hello_first_s: float = 0.5
    hello_most_s: float = 8.0
    late_s: float = 3.0
    lost_s: float = 10.0
    resend_s: float = 3.0
    stall_s: float = 30.0
    backfill_rows: int = 200
    entry_window: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What the journal holds when a session begins.

    Attributes
    ----------
    last : mapping of Stream to int
        Last journaled sequence.
    durable : mapping of Stream to int
        Highest durable acknowledgement that was persisted.
    trimmed : mapping of Stream to int
        Last sequence that is no longer in the journal.
    epoch : int
        Highest epoch of the partition's lease that was persisted.
    """

    last: Mapping[Stream, int]
    durable: Mapping[Stream, int]
    trimmed: Mapping[Stream, int]
    epoch: int = 0


EDGE_DEFAULTS: Final = EdgeParameters()
