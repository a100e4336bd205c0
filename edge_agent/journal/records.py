"""What goes into the journal and what it answers: plain records, no database.

Called by the cycle and the technician.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from protocols.vocabulary.identifiers import JournalId, SiteId


class JournalStream(enum.StrEnum):
    """Streams of a journal, each with its own sequence from 1 and its own chain.

    TICK holds what a replay needs; the others go up the link under the same names as
    ``protocols.link.messages.Stream``.
    """

    TICK = "tick"
    TELEMETRY = "tel"
    EVENT = "evt"
    OFFER = "offer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to be appended; the journal adds sequence, times and digest.

    Attributes
    ----------
    stream : JournalStream
        Where it goes.
    cycle : int
        The cycle it belongs to, >= 0.
    kind : str
        What the payload is.
    payload : bytes
        msgpack.
    """

    stream: JournalStream
    cycle: int
    kind: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A file that was not used, and where it is kept.

    Attributes
    ----------
    path : Path
        Its new name, beside the journal; ``-wal`` and ``-shm`` moved with it.
    cause : str
        ``"corrupt"`` or ``"foreign"``.
    reason : str
        For people, one line.
    """

    path: Path
    cause: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReport:
    """What opening a journal did.

    Attributes
    ----------
    created : bool
        True if a new journal, with a new id, was begun.
    set_aside : tuple of SetAside
        Files that were kept aside for it; to be told to people and to the coordinator.
    """

    created: bool
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What may be forgotten.

    Attributes
    ----------
    bytes_max : int
        Size above which the oldest is forgotten, ticks first.
    tick_age_s_max : float
        Ticks older than this are forgotten.
    durable : mapping of JournalStream to int
        Durable acknowledgement per stream. What is above it is never forgotten, whatever
        the size; a stream that is not in here has none. Ticks need none.
    rows_max : int
        Most entries one call forgets, so that an append never waits long.
    ticks_kept_min : int
        Ticks that stay even when the file is too large.
    """

    bytes_max: int
    tick_age_s_max: float
    durable: Mapping[JournalStream, int]
    rows_max: int = 2000
    ticks_kept_min: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimReport:
    """What was forgotten.

    Attributes
    ----------
    removed : mapping of JournalStream to int
        Entries removed per stream.
    bytes_used : int
        Size of what is left.
    over_bytes : int
        How much that is above ``bytes_max``; 0 if it fits. Stays above 0 only while
        unacknowledged entries alone are too large, or a further call is needed.
    """

    removed: Mapping[JournalStream, int]
    bytes_used: int
    over_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """What verification found in one stream.

    Attributes
    ----------
    first, last : int
        Sequences held; ``last == first - 1`` when it is empty.
    first_at, last_at : datetime or None
        When they were recorded.
    fault : str
        The first thing that is wrong; empty if all is well.
    """

    first: int
    last: int
    first_at: datetime | None
    last_at: datetime | None
    fault: str = ""

    @property
    def count(self) -> int:
        """Number of entries held."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What verification found in a file.

    Attributes
    ----------
    journal_id : JournalId
        Empty if it cannot be read.
    site_id : SiteId
        Whose journal it is; empty if it cannot be read.
    streams : mapping of JournalStream to StreamReport
        Per stream; empty if nothing could be read.
    fault : str
        The first fault of the file, of its state or of a stream; empty if all is well.
    """

    journal_id: JournalId
    site_id: SiteId
    streams: Mapping[JournalStream, StreamReport] = field(default_factory=dict)
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether every chain holds and no sequence is missing."""
        return not self.fault
