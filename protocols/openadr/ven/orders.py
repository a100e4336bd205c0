"""What the events of a VEN ask for, as values over time. Pure.

An order is one interval of one signal of an event that is taken part in, with this VEN's delay
and any cancellation applied. Overlapping events all have their orders here, in the order of their
priority; who uses them lets the first one of a signal rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from protocols.openadr.messages.elements import Item
from protocols.openadr.messages.event import EiEvent, EiEventSignal
from protocols.openadr.timeline import value_intervals
from protocols.openadr.ven.events import HeldEvent

_SCALES = {
    "p": 1e-12, "n": 1e-9, "micro": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "none": 1.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalOrder:
    """One value of one signal.

    Attributes
    ----------
    order_id : str
        Stable: eventID, signalID and the place of the interval.
    event_id : str
        The eventID.
    signal_name, signal_type : str
        The specification's words.
    value : float
        Scaled to the unit.
    unit : str
        itemUnits without scale, e.g. W; empty where the VTN says none.
    start : datetime
        UTC.
    end : datetime or None
        None until it is cancelled.
    priority : int
        1 is the highest, 0 none.
    created_at : datetime
        createdDateTime of the event.
    resource_ids : tuple of str
        What it is for; empty for all of the VEN.
    market_context : str
        The programme.
    """

    order_id: str
    event_id: str
    signal_name: str
    signal_type: str
    value: float
    unit: str
    start: datetime
    end: datetime | None
    priority: int
    created_at: datetime
    resource_ids: tuple[str, ...]
    market_context: str


def orders_of(held: Iterable[HeldEvent], now: datetime) -> tuple[SignalOrder, ...]:
    """Orders of events that are not over.

    Parameters
    ----------
    held : iterable of HeldEvent
        From `EventBook.ruling`.
    now : datetime
        Aware UTC.
    """
    return tuple(
        order
        for one in held
        for signal in one.event.ei_event.ei_event_signals.ei_event_signal
        for order in signal_orders(one.event.ei_event, signal, one)
        if order.end is None or order.end > now
    )


def signal_orders(
    event: EiEvent, signal: EiEventSignal, held: HeldEvent
) -> tuple[SignalOrder, ...]:
    """Orders of one signal, up to the event's cancellation."""
    descriptor = event.event_descriptor
    factor = scale_of(signal.item_base)
    targets = signal.ei_target.resource_id if signal.ei_target is not None else ()
    orders = []
    for place, one in enumerate(
        value_intervals(signal, event.ei_active_period.properties, held.shift)
    ):
        end = one.end
        if held.stops_at is not None:
            end = held.stops_at if end is None else min(end, held.stops_at)
        if end is not None and end <= one.start:
            continue
        orders.append(
            SignalOrder(
                order_id=f"{descriptor.event_id}/{signal.signal_id}/{place}",
                event_id=descriptor.event_id,
                signal_name="SIMPLE" if signal.signal_name == "simple" else signal.signal_name,
                signal_type=signal.signal_type,
                value=one.value * factor,
                unit="" if signal.item_base is None else signal.item_base.item_units,
                start=one.start,
                end=end,
                priority=descriptor.priority or 0,
                created_at=descriptor.created_date_time,
                resource_ids=targets or event.ei_target.resource_id,
                market_context=descriptor.market_context,
            )
        )
    return tuple(orders)


def scale_of(item: Item | None) -> float:
    """Factor from a value on the wire to the unit itself; 1 where there is none."""
    return 1.0 if item is None else _SCALES.get(item.si_scale_code or "none", 1.0)
