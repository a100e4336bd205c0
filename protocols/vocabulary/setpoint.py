"""Setpoint and JournalEntry: what is told to a device, and what is written down."""

from dataclasses import dataclass
from datetime import datetime

from protocols.vocabulary.identifiers import ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """A lease on a device's power. It dies at ``valid_until``; expiry is release.

    Attributes
    ----------
    resource_id : ResourceId
        Who should act.
    power_w : float
        W, generator frame.
    valid_from, valid_until : datetime
        Aware UTC, ``valid_from < valid_until``.
    reason : str
        Name of the rule that decided, for people.
    cycle : int
        The cycle that decided it.
    sequence : int
        Rises with every setpoint of the agent.
    """

    resource_id: ResourceId
    power_w: float
    valid_from: datetime
    valid_until: datetime
    reason: str
    cycle: int
    sequence: int

    def __post_init__(self) -> None:
        """Refuse a setpoint that would never expire."""
        assert self.valid_from < self.valid_until, "a setpoint must expire after it begins"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of the record.

    Attributes
    ----------
    sequence : int
        From 1, no gaps within a stream.
    recorded_at : datetime
        Aware UTC.
    monotonic_ns : int
        Monotonic time.
    cycle : int
        The cycle it belongs to.
    kind : str
        What the payload is.
    payload : bytes
        msgpack.
    digest : bytes
        32 bytes, chained over the entry before it.
    """

    sequence: int
    recorded_at: datetime
    monotonic_ns: int
    cycle: int
    kind: str
    payload: bytes
    digest: bytes
