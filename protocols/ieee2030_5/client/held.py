"""One event as the client holds it, and its durable record.

The draws are made once per mRID and kept with it; so are the responses, each with how far it
is on its way. Written as JSON with the control as it is in XML.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.ieee2030_5.client.modes import modes_of
from protocols.ieee2030_5.client.timeline import Rank, Run
from protocols.ieee2030_5.resources.der import DERControl
from protocols.ieee2030_5.xml import decode, encode
from protocols.vocabulary.errors import ProtocolError, RemoteProtocolError

PREFIX = "event/"


class EventState(enum.Enum):
    """Where an event is. REFUSED was never ours; MISSED passed while we were down."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    MISSED = "missed"


class Progress(enum.Enum):
    """How far a response is.

    SENDING is written before the request leaves; after a restart it has become UNCLEAR, and so
    it has when the connection broke: the server is asked before it is sent again.
    """

    DUE = "due"
    SENDING = "sending"
    UNCLEAR = "unclear"
    DONE = "done"


LIVE = frozenset({EventState.SCHEDULED, EventState.ACTIVE})


@dataclass(slots=True, kw_only=True)
class Due:
    """A response.

    Attributes
    ----------
    created_s : int
        When it came to be, server's time.
    progress : Progress
        How far it is.
    """

    created_s: int
    progress: Progress = Progress.DUE


@dataclass(slots=True, kw_only=True)
class Held:
    """An event.

    Attributes
    ----------
    control : DERControl
        As it was seen last.
    program : str
        mRID of its program.
    primacy : int
        Of the program, as it was seen last.
    shifts_s : tuple of int
        Draws for start, duration and for the end of a cancellation with randomisation.
    seen_s, start_s, end_s : float
        First sight; effective interval. Server's time.
    state : EventState
        Where it is.
    modes : set of str
        What it asks for, is taken and is not lost.
    ends_cancelled : bool
        Whether its end is that of a cancellation.
    absent : int
        Complete lists in a row without it.
    responses : dict
        By status, in the order in which they came to be.
    """

    control: DERControl
    program: str
    primacy: int
    shifts_s: tuple[int, int, int]
    seen_s: float
    start_s: float
    end_s: float
    state: EventState = EventState.SCHEDULED
    modes: set[str] = field(default_factory=set)
    ends_cancelled: bool = False
    absent: int = 0
    responses: dict[int, Due] = field(default_factory=dict)

    @property
    def mrid(self) -> str:
        """Its name."""
        return self.control.mrid

    @property
    def live(self) -> bool:
        """Whether it is still to run or running."""
        return self.state in LIVE

    @property
    def nominal_end_s(self) -> int:
        """End without any draw."""
        return self.control.interval.start + self.control.interval.duration

    @property
    def rank(self) -> Rank:
        """Its strength against others."""
        return self.primacy, -self.control.creation_time, self.mrid

    def run(self) -> Run:
        """Its way through time from here."""
        return Run(
            mrid=self.mrid,
            rank=self.rank,
            begin_s=max(self.start_s, self.seen_s),
            end_s=self.end_s,
            modes=set(self.modes),
            active=self.state is EventState.ACTIVE,
        )

    def settle(self, *, draw_start: bool = True) -> None:
        """Compute the effective interval from the nominal one and the draws."""
        interval = self.control.interval
        if draw_start:
            self.start_s = interval.start + self.shifts_s[0]
        self.end_s = self.start_s + max(interval.duration + self.shifts_s[1], 1)


def to_record(held: Held) -> bytes:
    """Durable form of an event."""
    return json.dumps(
        {
            "control": encode(held.control).decode(),
            "program": held.program,
            "primacy": held.primacy,
            "shifts_s": held.shifts_s,
            "seen_s": held.seen_s,
            "start_s": held.start_s,
            "end_s": held.end_s,
            "state": held.state.value,
            "modes": sorted(held.modes),
            "ends_cancelled": held.ends_cancelled,
            "absent": held.absent,
            "responses": [
                [status, due.created_s, due.progress.value]
                for status, due in held.responses.items()
            ],
        }
    ).encode()


def from_record(record: bytes) -> Held:
    """Event of its durable form; a response that was leaving is unclear.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    try:
        read = json.loads(record)
        responses = {
            int(status): Due(created_s=int(created_s), progress=_after_a_stop(progress))
            for status, created_s, progress in read["responses"]
        }
        start, duration, ending = read["shifts_s"]
        control = decode(read["control"].encode(), DERControl)
        return Held(
            control=control,
            program=str(read["program"]),
            primacy=int(read["primacy"]),
            shifts_s=(int(start), int(duration), int(ending)),
            seen_s=float(read["seen_s"]),
            start_s=float(read["start_s"]),
            end_s=float(read["end_s"]),
            state=EventState(read["state"]),
            modes=set(read["modes"]) & modes_of(control.der_control_base),
            ends_cancelled=bool(read["ends_cancelled"]),
            absent=int(read["absent"]),
            responses=responses,
        )
    except (ValueError, KeyError, TypeError, AttributeError, ProtocolError) as error:
        raise RemoteProtocolError(f"record of an event: {error}") from error


def events_of(records: Mapping[str, bytes]) -> dict[str, Held]:
    """Events among the records of a client; what cannot be read is left out."""
    found = {}
    for key, value in records.items():
        if key.startswith(PREFIX):
            try:
                held = from_record(value)
            except RemoteProtocolError:
                continue
            found[held.mrid] = held
    return found


def _after_a_stop(progress: str) -> Progress:
    read = Progress(progress)
    return Progress.UNCLEAR if read is Progress.SENDING else read
