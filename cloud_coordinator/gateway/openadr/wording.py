"""The operator's JSON for events, VENs and reports: read strictly, written plainly.

Lengths of time are ISO 8601 durations or numbers of seconds; moments are ISO 8601.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from protocols.openadr.durations import (
    format_duration,
    format_instant,
    parse_duration,
    parse_instant,
)
from protocols.openadr.messages.elements import (
    EiTarget,
    Interval,
    Item,
    PowerAttributes,
    Properties,
    SignalPayload,
)
from protocols.openadr.messages.event import EiEventSignal, OadrEvent
from protocols.openadr.messages.opt import OadrCreateOpt
from protocols.openadr.messages.report import OadrReport
from protocols.openadr.vtn.answers import EventAnswer
from protocols.openadr.vtn.operator import NamedVen
from protocols.openadr.vtn.orders import EventOrder
from protocols.openadr.vtn.readings import Reading
from protocols.openadr.vtn.reports import AskedReport
from protocols.openadr.vtn.settings import WantedReport
from protocols.openadr.vtn.vens import Ven
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError

Plain = dict[str, object]
Given = Mapping[str, object]
DEFAULT_CONTEXT: Final = "urn:vpp:programme"
_EVENT: Final = frozenset(
    {
        "event_id", "dtstart", "duration", "startafter", "notification", "ramp_up", "recovery",
        "market_context", "priority", "test_event", "comment", "response_required", "targets",
        "signals",
    }
)  # fmt: skip
_SIGNAL: Final = frozenset({"name", "type", "id", "intervals", "unit"})
_INTERVAL: Final = frozenset({"duration", "value"})
_UNIT: Final = frozenset({"kind", "description", "units", "scale", "hertz", "voltage", "ac"})
_TARGETS: Final = ("ven_id", "group_id", "resource_id", "party_id")
_VEN: Final = frozenset(
    {"fingerprint", "group_ids", "resource_ids", "party_ids", "market_contexts"}
)
_REPORT: Final = frozenset({"report_specifier_id", "granularity", "report_back"})


def read_event(given: object) -> tuple[str | None, EventOrder]:
    """Read identifier and order of an event.

    Raises
    ------
    ConfigError
        Naming what is wrong.
    """
    event = _object(given, "event", _EVENT)
    period = Properties(
        dtstart=_moment(event, "dtstart"),
        duration=_length(event.get("duration", 0), "duration"),
        startafter=_optional_length(event, "startafter"),
        x_ei_notification=_optional_length(event, "notification"),
        x_ei_ramp_up=_optional_length(event, "ramp_up"),
        x_ei_recovery=_optional_length(event, "recovery"),
    )
    targets = _object(event.get("targets", {}), "targets", frozenset(_TARGETS))
    priority = event.get("priority", 0)
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority < 2**32:
        raise ConfigError("priority: use a whole number from 0")
    required = event.get("response_required", True)
    if not isinstance(required, bool):
        raise ConfigError("response_required: use true or false")
    order = EventOrder(
        period=period,
        signals=tuple(
            _signal(entry, number, period.duration)
            for number, entry in enumerate(_list(event.get("signals"), "signals"))
        ),
        market_context=_optional_text(event, "market_context") or DEFAULT_CONTEXT,
        target=EiTarget(
            ven_id=_texts(targets, "ven_id"),
            group_id=_texts(targets, "group_id"),
            resource_id=_texts(targets, "resource_id"),
            party_id=_texts(targets, "party_id"),
        ),
        priority=priority,
        response_required=required,
        test_event=_optional_text(event, "test_event"),
        comment=_optional_text(event, "comment"),
    )
    return _optional_text(event, "event_id"), order


def read_ven(ven_id: str, given: object) -> NamedVen:
    """Read what an operator says of a VEN.

    Raises
    ------
    ConfigError
        Naming what is wrong.
    """
    ven = _object(given, "VEN", _VEN)
    fingerprint = _optional_text(ven, "fingerprint")
    return NamedVen(
        ven_id=ven_id,
        fingerprint=None if fingerprint is None else fingerprint.upper(),
        group_ids=_texts(ven, "group_ids"),
        resource_ids=_texts(ven, "resource_ids"),
        party_ids=_texts(ven, "party_ids"),
        market_contexts=_texts(ven, "market_contexts"),
    )


def read_report(given: object) -> tuple[str, WantedReport]:
    """Report specifier and how it is wanted.

    Raises
    ------
    ConfigError
        Naming what is wrong.
    """
    report = _object(given, "report", _REPORT)
    specifier = _optional_text(report, "report_specifier_id")
    if not specifier:
        raise ConfigError("report_specifier_id: is missing")
    granularity = _length(report.get("granularity", 60), "granularity")
    back = _length(report.get("report_back", report.get("granularity", 60)), "report_back")
    return specifier, WantedReport(report_name="", granularity=granularity, report_back=back)


def write_event(event: OadrEvent, answers: Sequence[EventAnswer]) -> Plain:
    """Event as it stands, with the VENs' answers."""
    body = event.ei_event
    descriptor, period = body.event_descriptor, body.ei_active_period.properties
    return {
        "event_id": descriptor.event_id,
        "modification_number": descriptor.modification_number,
        "status": str(descriptor.event_status),
        "priority": descriptor.priority,
        "market_context": descriptor.market_context,
        "created": format_instant(descriptor.created_date_time),
        "comment": descriptor.vtn_comment,
        "test_event": descriptor.test_event,
        "dtstart": format_instant(period.dtstart),
        "duration": format_duration(period.duration),
        "startafter": _written(period.startafter),
        "notification": _written(period.x_ei_notification),
        "ramp_up": _written(period.x_ei_ramp_up),
        "recovery": _written(period.x_ei_recovery),
        "response_required": str(event.oadr_response_required),
        "targets": {name: list(getattr(body.ei_target, name)) for name in _TARGETS},
        "signals": [
            {
                "name": signal.signal_name,
                "type": signal.signal_type,
                "id": signal.signal_id,
                "current_value": signal.current_value,
                "intervals": [
                    {
                        "duration": _written(interval.duration),
                        "value": interval.signal_payload[0].payload_float,
                    }
                    for interval in signal.intervals
                ],
            }
            for signal in body.ei_event_signals.ei_event_signal
        ],
        "answers": [
            {
                "ven_id": answer.ven_id,
                "modification_number": answer.modification_number,
                "opt_type": answer.opt_type,
                "code": answer.code,
                "answered_at": format_instant(answer.answered_at),
            }
            for answer in answers
        ],
    }


def write_ven(ven: Ven) -> Plain:
    """VEN as it is known."""
    return {
        "ven_id": ven.ven_id,
        "registration_id": ven.registration_id,
        "ven_name": ven.ven_name,
        "fingerprint": ven.fingerprint,
        "transport_address": ven.transport_address,
        "report_only": ven.report_only,
        "group_ids": list(ven.group_ids),
        "resource_ids": list(ven.resource_ids),
        "party_ids": list(ven.party_ids),
        "market_contexts": list(ven.market_contexts),
    }


def write_opt(opt: OadrCreateOpt) -> Plain:
    """Opt as it was sent."""
    which = opt.qualified_event_id
    return {
        "opt_id": opt.opt_id,
        "opt_type": str(opt.opt_type),
        "reason": opt.opt_reason,
        "market_context": opt.market_context,
        "event_id": None if which is None else which.event_id,
        "available": [
            {"dtstart": format_instant(one.dtstart), "duration": format_duration(one.duration)}
            for one in opt.vavailability
        ],
        "resource_ids": list(opt.ei_target.resource_id),
    }


def write_offer(offer: OadrReport) -> Plain:
    """Report a VEN can make."""
    return {
        "report_specifier_id": offer.report_specifier_id,
        "report_name": offer.report_name,
        "points": [
            {
                "r_id": point.r_id,
                "report_type": point.report_type,
                "reading_type": point.reading_type,
                "unit": None if point.item_base is None else point.item_base.item_units,
                "scale": None if point.item_base is None else point.item_base.si_scale_code,
                "resource_ids": []
                if point.report_data_source is None
                else list(point.report_data_source.resource_id),
            }
            for point in offer.oadr_report_description
        ],
    }


def write_asked(asked: AskedReport) -> Plain:
    """Request for a report."""
    specifier = asked.request.report_specifier
    return {
        "report_request_id": asked.request_id,
        "report_name": asked.report_name,
        "report_specifier_id": specifier.report_specifier_id,
        "granularity": format_duration(specifier.granularity),
        "report_back": format_duration(specifier.report_back_duration),
        "confirmed": asked.confirmed,
        "ending": asked.ending,
    }


def write_reading(reading: Reading) -> Plain:
    """Write a reading as it was reported."""
    return {
        "report_request_id": reading.request_id,
        "dtstart": format_instant(reading.start),
        "duration_s": reading.duration_s,
        "points": {name: dict(point) for name, point in reading.points.items()},
        "received_at": format_instant(reading.received_at),
    }


def _signal(given: object, number: int, duration: timedelta) -> EiEventSignal:
    signal = _object(given, f"signals[{number}]", _SIGNAL)
    name = _optional_text(signal, "name") or "SIMPLE"
    intervals = []
    for entry in _list(signal.get("intervals"), f"signals[{number}].intervals"):
        interval = _object(entry, "interval", _INTERVAL)
        value = interval.get("value")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ConfigError(f"signals[{number}].intervals: value: use a number")
        length = duration
        if "duration" in interval:
            length = _length(interval["duration"], "interval.duration")
        intervals.append(
            Interval(duration=length, signal_payload=(SignalPayload(payload_float=float(value)),))
        )
    unit = signal.get("unit")
    return EiEventSignal(
        intervals=tuple(intervals),
        signal_name=name,
        signal_type=_optional_text(signal, "type") or "level",
        signal_id=_optional_text(signal, "id") or "",
        item_base=None if unit is None else _unit(unit),
    )


def _unit(given: object) -> Item:
    unit = _object(given, "unit", _UNIT)
    attributes = None
    if "hertz" in unit:
        hertz, voltage = unit["hertz"], unit.get("voltage", 0.0)
        if not isinstance(hertz, int | float) or not isinstance(voltage, int | float):
            raise ConfigError("unit: hertz and voltage: use numbers")
        attributes = PowerAttributes(
            hertz=float(hertz), voltage=float(voltage), ac=unit.get("ac", True) is True
        )
    return Item(
        kind=_optional_text(unit, "kind") or "customUnit",
        item_description=_optional_text(unit, "description") or "",
        item_units=_optional_text(unit, "units") or "",
        si_scale_code=_optional_text(unit, "scale") or "none",
        power_attributes=attributes,
    )


def _object(given: object, what: str, known: frozenset[str]) -> Given:
    if not isinstance(given, dict):
        raise ConfigError(f"{what}: use an object")
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigError(f"{what}: {unknown[0]!r} is not known; known: {', '.join(sorted(known))}")
    return given


def _list(given: object, what: str) -> list[object]:
    if not isinstance(given, list) or not given:
        raise ConfigError(f"{what}: use a list that is not empty")
    return given


def _texts(given: Given, name: str) -> tuple[str, ...]:
    values = given.get(name, [])
    if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
        raise ConfigError(f"{name}: use a list of texts")
    return tuple(values)


def _optional_text(given: Given, name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{name}: use a text")
    return value


def _moment(given: Given, name: str) -> datetime:
    value = given.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"{name}: use a moment such as 2026-07-22T06:00:00Z")
    try:
        return parse_instant(value)
    except RemoteProtocolError as error:
        raise ConfigError(f"{name}: {error}") from error


def _length(value: object, name: str) -> timedelta:
    try:
        if isinstance(value, str):
            return parse_duration(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timedelta(seconds=value)
    except (RemoteProtocolError, OverflowError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from error
    raise ConfigError(f"{name}: use a duration such as PT15M, or seconds")


def _optional_length(given: Given, name: str) -> timedelta | None:
    return _length(given[name], name) if given.get(name) is not None else None


def _written(length: timedelta | None) -> str | None:
    return None if length is None else format_duration(length)
