"""What a VTN's events ask of a zone over time: steps of power, each with where it came from. Pure.

An event's signal is a change against the baseline, in the peer's own sign. Where events overlap
the one of the higher priority rules. After the last value nothing is owed: a step to 0 W.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from protocols.openadr.messages.event import EiEvent, EiEventSignal
from protocols.openadr.ven.events import HeldEvent
from protocols.openadr.ven.orders import SignalOrder, signal_orders

WATT: Final = frozenset({"", "W", "J/s"})
"""Units of a power; without a unit it is W."""
SOURCE_OF_OURS: Final = "openadr/"
"""How the source of every command of ours begins."""
SOURCE_MAX: Final = 255
_DIGEST_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a VTN's signals are read.

    Attributes
    ----------
    signals : tuple of str
        ``signalName.signalType`` of the signals that are a change against the baseline.
    factor : float
        -1 where the peer counts consumption positive, +1 where it counts generation.
    """

    signals: tuple[str, ...]
    factor: float

    def reads(self, signal: EiEventSignal) -> bool:
        """Whether a signal says what we owe."""
        return f"{signal.signal_name}.{signal.signal_type}" in self.signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is owed from a moment on.

    Attributes
    ----------
    since : datetime
        UTC.
    power_w : float
        Change against the baseline, W, + toward the grid.
    source : str
        VTN, event, modification, signal and place of the interval; where it ends, of the order
        that ended.
    rules : bool
        False where no order holds (any more).
    """

    since: datetime
    power_w: float
    source: str
    rules: bool


def orders_in(event: EiEvent, held: HeldEvent, profile: Profile) -> tuple[SignalOrder, ...]:
    """Orders of the first signal of an event that says what we owe."""
    for signal in event.ei_event_signals.ei_event_signal:
        if profile.reads(signal):
            return signal_orders(event, signal, held)
    return ()


def timeline(held: Sequence[HeldEvent], profile: Profile, vtn_id: str) -> tuple[Step, ...]:
    """All steps of events that are taken part in, by time.

    Parameters
    ----------
    held : sequence of HeldEvent
        Highest priority first, also those that are over.
    profile : Profile
        How signals are read.
    vtn_id : str
        For the source.
    """
    orders = [
        (order, _source(order, one, vtn_id))
        for one in held
        for order in orders_in(one.event.ei_event, one, profile)
    ]
    moments = sorted(
        {order.start for order, _ in orders} | {order.end for order, _ in orders if order.end}
    )
    steps: list[Step] = []
    for moment in moments:
        ruling = next((one for one in orders if _holds(one[0], moment)), None)
        if ruling is None:
            ended = _fitting(f"{steps[-1].source}/end")
            step = Step(since=moment, power_w=0.0, source=ended, rules=False)
        else:
            order, source = ruling
            power_w = order.value * profile.factor
            step = Step(since=moment, power_w=power_w, source=source, rules=True)
        if not steps or steps[-1].source != step.source:
            steps.append(step)
    return tuple(steps)


def step_at(steps: Sequence[Step], moment: datetime) -> Step | None:
    """Step in force at a moment, None before the first."""
    place = bisect_right(steps, moment, key=lambda step: step.since)
    return steps[place - 1] if place else None


def _holds(order: SignalOrder, moment: datetime) -> bool:
    return order.start <= moment and (order.end is None or moment < order.end)


def _source(order: SignalOrder, held: HeldEvent, vtn_id: str) -> str:
    """Say where an order came from; an order has one source, so that it is commanded once."""
    words = f"{SOURCE_OF_OURS}{vtn_id}/{held.modification_number}/{order.order_id}"
    return _fitting("".join(sign if sign.isprintable() else " " for sign in words))


def _fitting(source: str) -> str:
    """Shorten what a VTN made too long, so that different ones stay different."""
    if len(source) <= SOURCE_MAX:
        return source
    digest = hashlib.sha256(source.encode()).hexdigest()[:_DIGEST_DIGITS]
    return f"{source[: SOURCE_MAX - _DIGEST_DIGITS - 1]}~{digest}"
