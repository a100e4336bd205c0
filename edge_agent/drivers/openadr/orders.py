"""What a VEN is told: one event that is modified, ends by itself, and is cancelled on release.

While an event is open a new ceiling is its next modification, from now on. A limit that must hold
on is a second interval behind the ceiling, so that it holds without the gateway too. Done is when
the VEN has opted in to the latest version; opting out is a refusal.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from edge_agent.drivers.field_device import Carried, Order
from edge_agent.drivers.lease_book import WIRE_NONE, LeasedDevice
from edge_agent.drivers.openadr.desk import VtnDesk
from edge_agent.drivers.openadr.ven import LocalVen
from edge_agent.drivers.openadr.words import CancelWords, EventWords, ceiling, unit_of
from edge_agent.drivers.port import WriteState
from protocols.openadr.messages.elements import EiTarget, Interval, Properties, SignalPayload
from protocols.openadr.messages.event import EiEventSignal, OadrEvent
from protocols.openadr.vtn.answers import EventAnswer
from protocols.openadr.vtn.operator import Changes, Operator
from protocols.openadr.vtn.orders import EventOrder
from protocols.vocabulary.errors import DeviceError, StoreError

HOLD_POLLS: Final = 3
"""An event lasts at least this many of the VEN's pauses: it must meet it before it ends."""
CONFIRM_S: Final = 5.0
"""How long beyond the VEN's own pause its answer is waited for."""
LEFT_SHARE: Final = 0.8
"""An event that asks the same is not modified again while this share of its time is left."""
LIMIT_S: Final = 86_400
"""How long a limit without a lease is ordered for; it is ordered again while it is in force."""
MARKET_CONTEXT: Final = "urn:vpp:site"
OPT_IN: Final = "optIn"
OK: Final = "200"
_NS_PER_S: Final = 1_000_000_000


class VenOrders:
    """Tells one VEN.

    Parameters
    ----------
    ven, desk
        What is known of it, the VTN.
    """

    def __init__(self, ven: LocalVen, desk: VtnDesk) -> None:
        self._ven = ven
        self._desk = desk
        self._limit: EventWords | None = None
        self._cancelled: tuple[str, int, datetime] | None = None

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Put a power into an event.

        Raises
        ------
        DeviceUnsupportedError, LocalProtocolError
            If this VEN cannot be told that.
        """
        value, told_w = ceiling(power_w, self._ven.wire, rated_w=self._ven.rated_w)
        least_s = HOLD_POLLS * self._ven.wire.poll_s
        duration_s = LIMIT_S if lease_s is None else max(1, math.ceil(lease_s), least_s)
        words = EventWords(value=value, power_w=told_w, duration_s=duration_s)
        return Order(
            power_w=told_w,
            words=words,
            runs_out=True,
            detail=f"{self._ven.wire.signal} {value:g}, at most {-told_w:.0f} W, {duration_s} s",
        )

    def plan_release(self) -> Order:
        """Cancel what is open."""
        return Order(power_w=None, words=CancelWords(), runs_out=False, detail="event cancelled")

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Order, wait and judge; see :class:`edge_agent.drivers.field_device`."""
        if superseded():
            return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
        try:
            if isinstance(order.words, EventWords):
                event = await self._told(order.words)
                return await self._judged(order, event, superseded)
            return await self._cancel(order, superseded)
        except StoreError as error:
            raise DeviceError(f"the VTN's records: {error}") from error

    def in_force(self, order: Order) -> bool:
        """Whether what it last answered agrees with an order."""
        event = self._desk.event_of(self._ven)
        if not isinstance(order.words, EventWords):
            return event is None
        return event is not None and _first_value(event) == order.words.value

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders ask for the same ceiling, or both for none."""
        one, two = order.words, other.words
        if isinstance(one, EventWords) and isinstance(two, EventWords):
            return one.value == two.value
        return type(one) is type(two)

    def setting_power_w(self) -> float | None:
        """Ceiling that it has opted in to; None where there is none."""
        event = self._desk.event_of(self._ven)
        if event is None:
            return None
        descriptor = event.ei_event.event_descriptor
        number = descriptor.modification_number
        return agreed_power(
            self._ven, event, self._desk.answer_to(self._ven, descriptor.event_id, number)
        )

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write down that there is nothing to send: the event ends, or goes on as the limit."""
        self._limit = order.words if isinstance(order.words, EventWords) else None
        return LeasedDevice(
            resource_id=self._ven.resource_id,
            wire=WIRE_NONE,
            address="",
            port=0,
            frames=(),
            check_frame=b"",
            expected=b"",
            restores=f"what follows when the event ends; {order.detail}",
            valid_until=valid_until,
        )

    def adopt(self, leased: LeasedDevice) -> None:
        """Nothing to take over: the event of an earlier life is in the VTN's records."""

    # --- an event --------------------------------------------------------------------------

    async def _told(self, words: EventWords) -> OadrEvent:
        """Order an event, or the next modification of the one that is open."""
        now = self._ven.clock.now()
        event = self._desk.event_of(self._ven)
        wanted = self._intervals(words)
        if event is not None and _asks(event) == [value for value, _ in wanted]:
            period = event.ei_event.ei_active_period.properties
            first_s = _first_length(event).total_seconds()
            left_s = (period.dtstart - now).total_seconds() + first_s
            if left_s >= LEFT_SHARE * words.duration_s:
                return event
        order = self._order(wanted, now)

        def act(operator: Operator, at: datetime, drawn: bytes) -> tuple[OadrEvent, Changes]:
            if event is not None:
                name = event.ei_event.event_descriptor.event_id
                return operator.modify(order, name, at)
            return operator.order(order, at, drawn)

        return await self._desk.act(act)

    def _intervals(self, words: EventWords) -> list[tuple[float, int]]:
        """Values and lengths in s: the ceiling, and behind it the limit that goes on."""
        found = [(words.value, words.duration_s)]
        if self._limit is not None and words.duration_s < LIMIT_S:
            found.append((self._limit.value, LIMIT_S))
        return found

    def _order(self, intervals: list[tuple[float, int]], now: datetime) -> EventOrder:
        name, _, kind = self._ven.wire.signal.partition(".")
        total_s = sum(length_s for _, length_s in intervals)
        signal = EiEventSignal(
            intervals=tuple(
                Interval(
                    duration=timedelta(seconds=length_s),
                    signal_payload=(SignalPayload(payload_float=value),),
                )
                for value, length_s in intervals
            ),
            signal_name=name,
            signal_type=kind,
            signal_id="0",
            item_base=unit_of(self._ven.wire),
        )
        period = Properties(dtstart=now.replace(microsecond=0), duration=timedelta(seconds=total_s))
        return EventOrder(
            period=period,
            signals=(signal,),
            market_context=MARKET_CONTEXT,
            target=EiTarget(ven_id=(self._ven.ven_id,)),
            priority=1,
        )

    async def _judged(
        self, order: Order, event: OadrEvent, superseded: Callable[[], bool]
    ) -> Carried:
        """Wait for the VEN's answer to the latest version."""
        descriptor = event.ei_event.event_descriptor
        name, number = descriptor.event_id, descriptor.modification_number
        deadline_ns = self._patience_ns()
        while True:
            said = self._ven.said
            answer = self._desk.answer_to(self._ven, name, number)
            if answer is not None and answer.opt_type == OPT_IN and answer.code == OK:
                return Carried(state=WriteState.DONE, detail=f"{order.detail}: it has opted in")
            if answer is not None:
                await self._desk.act(lambda operator, at, _drawn: operator.cancel(name, at))
                refusal = f"{answer.opt_type} {answer.code}"
                return Carried(state=WriteState.REFUSED, detail=f"{order.detail}: {refusal}")
            if superseded():
                return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
            if not await self._wait(deadline_ns, said):
                return Carried(state=WriteState.UNCONFIRMED, detail=f"{order.detail}: not answered")

    # --- no event --------------------------------------------------------------------------

    async def _cancel(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Cancel what is open and wait until the VEN has taken note."""
        event = self._desk.event_of(self._ven)
        if event is not None:
            name = event.ei_event.event_descriptor.event_id
            period = event.ei_event.ei_active_period.properties
            gone = await self._desk.act(lambda operator, at, _drawn: operator.cancel(name, at))
            number = gone.ei_event.event_descriptor.modification_number
            self._cancelled = (name, number, period.dtstart + period.duration)
        deadline_ns = self._patience_ns()
        while True:
            said = self._ven.said
            if self._has_noted():
                self._cancelled = None
                return Carried(state=WriteState.DONE, detail=order.detail)
            if superseded():
                return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint came")
            if not await self._wait(deadline_ns, said):
                return Carried(state=WriteState.UNCONFIRMED, detail=f"{order.detail}: not answered")

    def _has_noted(self) -> bool:
        """Whether the VEN knows of the cancellation, or the event would be over by now."""
        if self._cancelled is None:
            return True
        name, number, ends_at = self._cancelled
        if self._ven.clock.now() >= ends_at:
            return True
        return self._desk.answer_to(self._ven, name, number) is not None

    # --- waiting ---------------------------------------------------------------------------

    def _patience_ns(self) -> int:
        patience_s = self._ven.wire.poll_s + CONFIRM_S
        return self._ven.clock.monotonic_ns() + round(patience_s * _NS_PER_S)

    async def _wait(self, deadline_ns: int, said: int) -> bool:
        """Wait for its next call, a second at most; False when patience has ended."""
        left_s = (deadline_ns - self._ven.clock.monotonic_ns()) / _NS_PER_S
        if left_s <= 0.0:
            return False
        await self._ven.news(min(left_s, 1.0), after=said)
        return True


def agreed_power(ven: LocalVen, event: OadrEvent, answer: EventAnswer | None) -> float | None:
    """Ceiling of an event that a VEN has opted in to, W toward the grid; None otherwise."""
    value = _first_value(event)
    if answer is None or answer.opt_type != OPT_IN or value is None:
        return None
    wire = ven.wire
    if wire.levels:
        number = round(value)
        share = 1.0 if number < 1 else wire.levels[min(number, len(wire.levels)) - 1]
        return -share * ven.rated_w
    return -value + 0.0 if unit_of(wire) is not None else -value * ven.rated_w


def _asks(event: OadrEvent) -> list[float]:
    """Values of an event's intervals."""
    (signal,) = event.ei_event.ei_event_signals.ei_event_signal
    return [interval.signal_payload[0].payload_float for interval in signal.intervals]


def _first_value(event: OadrEvent) -> float | None:
    asked = _asks(event)
    return asked[0] if asked else None


def _first_length(event: OadrEvent) -> timedelta:
    (signal,) = event.ei_event.ei_event_signals.ei_event_signal
    return signal.intervals[0].duration or timedelta()
