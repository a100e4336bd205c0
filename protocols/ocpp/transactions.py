"""Bookkeeping of charging transactions: the same messages give the same book in any order.

A charger that was offline delivers its messages late, twice, or with gaps. Each is an event
about one transaction; events are merged by a table, and merging is commutative and idempotent,
so a reconnect neither loses a transaction nor counts one twice::

    nothing --started--> running --ended--> ended
    nothing --updated--> headless --started--> running
    nothing --ended--> stub --started--> ended

1.6 lets us number a transaction when it starts (:func:`number_of_start` gives a repeated start
the number of the first); 2.0.1 chargers name and count theirs. Pure; times are the charger's.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeVar

_Ordered = TypeVar("_Ordered", int, float, datetime)

RANGES_MAX: Final = 64
"""Most separate runs of sequence numbers remembered; with more it is not complete anyway."""


class Phase(enum.Enum):
    """How much of a transaction is known. HEADLESS and STUB have not shown their start."""

    NOTHING = "nothing"
    HEADLESS = "headless"
    RUNNING = "running"
    STUB = "stub"
    ENDED = "ended"


class Step(enum.Enum):
    """What an event tells of a transaction."""

    STARTED = "started"
    UPDATED = "updated"
    ENDED = "ended"


TRANSITIONS: Final[Mapping[tuple[Phase, Step], Phase]] = MappingProxyType(
    {
        (Phase.NOTHING, Step.STARTED): Phase.RUNNING,
        (Phase.NOTHING, Step.UPDATED): Phase.HEADLESS,
        (Phase.NOTHING, Step.ENDED): Phase.STUB,
        (Phase.HEADLESS, Step.STARTED): Phase.RUNNING,
        (Phase.HEADLESS, Step.UPDATED): Phase.HEADLESS,
        (Phase.HEADLESS, Step.ENDED): Phase.STUB,
        (Phase.RUNNING, Step.STARTED): Phase.RUNNING,
        (Phase.RUNNING, Step.UPDATED): Phase.RUNNING,
        (Phase.RUNNING, Step.ENDED): Phase.ENDED,
        (Phase.STUB, Step.STARTED): Phase.ENDED,
        (Phase.STUB, Step.UPDATED): Phase.STUB,
        (Phase.STUB, Step.ENDED): Phase.STUB,
        (Phase.ENDED, Step.STARTED): Phase.ENDED,
        (Phase.ENDED, Step.UPDATED): Phase.ENDED,
        (Phase.ENDED, Step.ENDED): Phase.ENDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEvent:
    """One message about a transaction.

    Attributes
    ----------
    charge_point, transaction_id : str
        Whose, and which.
    step : Step
        What it tells.
    at : datetime or None
        As the charger wrote it.
    connector : int or None
        EVSE in 2.0.1.
    sequence : int or None
        ``seqNo`` of 2.0.1.
    id_token : str
        Who charges; empty if not told.
    meter_wh : float or None
        Energy register.
    reason : str
        Why it ended.
    """

    charge_point: str
    transaction_id: str
    step: Step
    at: datetime | None
    connector: int | None = None
    sequence: int | None = None
    id_token: str = ""
    meter_wh: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What is known of one transaction.

    Attributes
    ----------
    charge_point, transaction_id : str
        Whose, and which.
    phase : Phase
        How much is known.
    connector : int or None
        Where.
    id_token : str
        Who.
    started_at, ended_at : datetime or None
        As the charger wrote them.
    meter_wh_start, meter_wh_stop, meter_wh_last : float or None
        Energy register at the start, at the end, and the greatest seen.
    reason : str
        Why it ended.
    sequences : tuple of (int, int)
        Runs of sequence numbers seen, first and last, in order.
    """

    charge_point: str
    transaction_id: str
    phase: Phase = Phase.NOTHING
    connector: int | None = None
    id_token: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    meter_wh_start: float | None = None
    meter_wh_stop: float | None = None
    meter_wh_last: float | None = None
    reason: str = ""
    sequences: tuple[tuple[int, int], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether start, end and everything between have been seen."""
        return self.phase is Phase.ENDED and len(self.sequences) <= 1


def merged(before: Transaction | None, event: TransactionEvent) -> Transaction:
    """Take an event into what is known of its transaction.

    Parameters
    ----------
    before : Transaction or None
        What was known; None for a transaction nobody has heard of.
    event : TransactionEvent
        Of the same transaction.
    """
    known = before or Transaction(
        charge_point=event.charge_point, transaction_id=event.transaction_id
    )
    after = replace(
        known,
        phase=TRANSITIONS[known.phase, event.step],
        connector=_first(known.connector, event.connector),
        id_token=min(filter(None, (known.id_token, event.id_token)), default=""),
        meter_wh_last=_greatest(known.meter_wh_last, event.meter_wh),
        sequences=_with_sequence(known.sequences, event.sequence),
    )
    if event.step is Step.STARTED:
        return replace(
            after,
            started_at=_first(known.started_at, event.at),
            meter_wh_start=_first(known.meter_wh_start, event.meter_wh),
        )
    if event.step is Step.ENDED:
        return replace(
            after,
            ended_at=_greatest(known.ended_at, event.at),
            meter_wh_stop=_greatest(known.meter_wh_stop, event.meter_wh),
            reason=max(known.reason, event.reason),
        )
    return after


def number_of_start(known: Iterable[Transaction], event: TransactionEvent) -> int:
    """Give a transaction that starts (1.6) the number of the same start, else the next free.

    Parameters
    ----------
    known : iterable of Transaction
        Of all chargers: a number is used once.
    event : TransactionEvent
        STARTED; its ``transaction_id`` does not count.
    """
    greatest = 0
    for one in known:
        number = int(one.transaction_id) if one.transaction_id.isdecimal() else 0
        same = (
            one.charge_point == event.charge_point
            and one.connector == event.connector
            and one.started_at is not None
            and one.started_at == event.at
            and one.meter_wh_start == event.meter_wh
            and one.id_token == event.id_token
        )
        if same and number:
            return number
        greatest = max(greatest, number)
    return greatest + 1


def _first(one: _Ordered | None, other: _Ordered | None) -> _Ordered | None:
    """Choose the smaller of what is there, so that the order of events does not matter."""
    told = [value for value in (one, other) if value is not None]
    return min(told, default=None)


def _greatest(one: _Ordered | None, other: _Ordered | None) -> _Ordered | None:
    told = [value for value in (one, other) if value is not None]
    return max(told, default=None)


def _with_sequence(
    runs: tuple[tuple[int, int], ...], sequence: int | None
) -> tuple[tuple[int, int], ...]:
    """Put one more number into the runs."""
    if sequence is None or any(low <= sequence <= high for low, high in runs):
        return runs
    joined: list[tuple[int, int]] = []
    for low, high in sorted((*runs, (sequence, sequence))):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined[:RANGES_MAX])
