"""An aggregator that is a VEN of a VTN of ours: orders are events, readings are reports.

Notes
-----
OpenADR 2.0b: EiEvent with LOAD_DISPATCH, EiReport with TELEMETRY_USAGE.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from cloud_coordinator.gateway.aggregators.port import Ask, MeterReading, Reply
from cloud_coordinator.gateway.openadr.desk import Desk
from protocols.openadr.messages.elements import (
    EiTarget,
    Interval,
    Item,
    OptType,
    PowerAttributes,
    Properties,
    SignalPayload,
)
from protocols.openadr.messages.event import EiEventSignal, OadrEvent
from protocols.openadr.ven.orders import scale_of
from protocols.openadr.vtn.operator import Operator
from protocols.openadr.vtn.orders import EventOrder
from protocols.openadr.vtn.readings import Reading
from protocols.openadr.vtn.vens import IDENTIFIER_MAX, Ven
from protocols.sansio.records import Change
from protocols.vocabulary.errors import LocalProtocolError

SIGNAL: Final = "LOAD_DISPATCH"
REPORT: Final = "TELEMETRY_USAGE"
_OK: Final = "200"
_POWER: Final = "powerReal"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenTerms:
    """How a VEN is spoken to.

    Attributes
    ----------
    ven : str
        Its venID or, where it chose none, its name.
    signal_type : str
        "setpoint": the power at its meter; "delta": the change against its baseline.
    factor : float
        From its sign to ours: -1 if it counts consumption, else 1.
    points : tuple of str
        rIDs that sum up to its meter; none: all that it offers in W.
    market_context : str
        Of its events.
    reading_s, silent_s : float
        Length of readings that have none, and how long it may be silent, s.
    power : PowerAttributes
        Of the unit of its signals.
    """

    ven: str
    signal_type: str
    factor: float
    points: tuple[str, ...]
    market_context: str
    reading_s: float
    silent_s: float
    power: PowerAttributes


class VenPartner:
    """A VEN.

    Parameters
    ----------
    desk : Desk
        The VTN.
    terms : VenTerms
        How it is spoken to.
    """

    def __init__(self, desk: Desk, terms: VenTerms) -> None:
        self._desk = desk
        self._terms = terms

    async def ask(self, ask: Ask, now: datetime) -> None:
        """Order the event, or modify it from now on.

        Raises
        ------
        LocalProtocolError
            If the VEN is not registered, or the event is over.
        StoreError
            If it could not be made durable.
        """
        ven = self._ven()
        if ven is None:
            raise LocalProtocolError(f"VEN {self._terms.ven!r} is not registered")
        event_id = _event_id(ask.order_id)
        before = self._event(event_id)
        gone_s = int((now - ask.interval.start).total_seconds()) if before is not None else 0
        values = [(int(ask.interval.duration_s), self._value(ask))]
        if before is not None and gone_s > 0:
            whole_s, value = values[0]
            values = [(gone_s, _last_value(before)), (whole_s - gone_s, value)]
        order = EventOrder(
            period=Properties(
                dtstart=ask.interval.start, duration=timedelta(seconds=ask.interval.duration_s)
            ),
            signals=(self._signal(values),),
            market_context=self._terms.market_context,
            target=EiTarget(ven_id=(ven.ven_id,)),
        )

        def act(operator: Operator, at: datetime, drawn: bytes) -> tuple[None, tuple[Change, ...]]:
            if before is None:
                return None, operator.order(order, at, drawn, event_id=event_id)[1]
            return None, operator.modify(order, event_id, at)[1]

        await self._desk.decide(act)

    def share_w(self, order_id: str, baseline_w: float) -> float | None:
        """Return what the event asks now, as a change against the baseline."""
        event = self._event(_event_id(order_id))
        if event is None:
            return None
        power_w = _last_value(event) * self._terms.factor
        return power_w if self._terms.signal_type == "delta" else power_w - baseline_w

    def reply(self, order_id: str) -> Reply:
        """Return the VEN's opt to the event."""
        ven = self._ven()
        answers = self._desk.state.events.answers
        answer = None if ven is None else answers.find(ven.ven_id, _event_id(order_id))
        if answer is None:
            return Reply.NONE
        takes_part = answer.opt_type == OptType.OPT_IN and answer.code == _OK
        return Reply.YES if takes_part else Reply.NO

    def is_there(self) -> bool:
        """Whether the VEN is registered and polls."""
        ven = self._ven()
        if ven is None or ven.registration_id is None or ven.leaving:
            return False
        return self._desk.silent_s(ven.ven_id) <= self._terms.silent_s

    def readings(self, since: datetime) -> Sequence[MeterReading]:
        """Return what it reported of its meter."""
        ven = self._ven()
        if ven is None:
            return ()
        scales = self._points(ven)
        kept = self._desk.state.reports.readings.of(ven.ven_id)
        found = [self._read(one, scales) for one in kept if one.start >= since]
        return sorted((one for one in found if one is not None), key=lambda one: one.start)

    def _ven(self) -> Ven | None:
        vens, wanted = self._desk.state.vens, self._terms.ven
        named = [one for one in vens.everyone() if one.ven_name == wanted]
        return vens.find(wanted) or (named[0] if len(named) == 1 else None)

    def _event(self, event_id: str) -> OadrEvent | None:
        return next(
            (
                one
                for one in self._desk.events()
                if one.ei_event.event_descriptor.event_id == event_id
            ),
            None,
        )

    def _value(self, ask: Ask) -> float:
        power_w = ask.share_w
        if self._terms.signal_type != "delta":
            power_w += ask.baseline_w
        return round(power_w * self._terms.factor, 3) + 0.0

    def _signal(self, values: Sequence[tuple[int, float]]) -> EiEventSignal:
        return EiEventSignal(
            intervals=tuple(
                Interval(
                    duration=timedelta(seconds=length_s),
                    signal_payload=(SignalPayload(payload_float=value),),
                )
                for length_s, value in values
            ),
            signal_name=SIGNAL,
            signal_type=self._terms.signal_type,
            signal_id="",
            item_base=Item(
                kind=_POWER,
                item_description="RealPower",
                item_units="W",
                si_scale_code="none",
                power_attributes=self._terms.power,
            ),
        )

    def _points(self, ven: Ven) -> dict[str, float]:
        """Factor to W in our sign, by rID."""
        return {
            point.r_id: self._terms.factor * scale_of(point.item_base)
            for offer in self._desk.state.reports.offers(ven.ven_id)
            if (offer.report_name or "").endswith(REPORT)
            for point in offer.oadr_report_description
            if point.item_base is not None and point.item_base.kind == _POWER
            if not self._terms.points or point.r_id in self._terms.points
        }

    def _read(self, reading: Reading, scales: dict[str, float]) -> MeterReading | None:
        """Sum up the points of a reading; None unless all of them are there."""
        values = {name: reading.points.get(name, {}).get("value") for name in scales}
        if not values or any(value is None for value in values.values()):
            return None
        total_w = sum(scales[name] * cast("float", value) for name, value in values.items())
        start = reading.start.replace(microsecond=0)
        duration_s = round(reading.duration_s or self._terms.reading_s)
        return MeterReading(start=start, duration_s=max(duration_s, 1), power_w=total_w + 0.0)


def _last_value(event: OadrEvent) -> float:
    (signal,) = event.ei_event.ei_event_signals.ei_event_signal
    return signal.intervals[-1].signal_payload[0].payload_float


def _event_id(order_id: str) -> str:
    if len(order_id) <= IDENTIFIER_MAX:
        return order_id
    return hashlib.sha256(order_id.encode()).hexdigest()
