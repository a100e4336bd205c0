"""One event of a site, opened from its journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgpack

from protocols.link.messages import Plain
from protocols.vocabulary.setpoint import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of the site.

    Attributes
    ----------
    recorded_at : datetime
        Aware UTC.
    cycle : int
        The cycle it belongs to.
    kind : str
        As in :class:`protocols.link.messages.Event`.
    payload : mapping of str to Plain
        Its fields.
    """

    recorded_at: datetime
    cycle: int
    kind: str
    payload: Mapping[str, Plain]


def happening_of(entry: JournalEntry) -> Happening:
    """Open an entry of the event stream."""
    return Happening(
        recorded_at=entry.recorded_at,
        cycle=entry.cycle,
        kind=entry.kind,
        payload=cast("dict[str, Plain]", msgpack.unpackb(entry.payload, strict_map_key=False)),
    )
