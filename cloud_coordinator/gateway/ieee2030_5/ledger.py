"""What the server was told and told others, as JSON lines with a time each.

One line per fact once it is durable: registrations, controls, responses (a "started" one is a
set point applied at a device), readings, settings, log events, subscriptions. For people and
for programs that follow the server; never read back.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.resources.elements import ActivePower
from protocols.ieee2030_5.server.desk_devices import quantity_of
from protocols.ieee2030_5.server.events import modes
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.state import Answer, Control, Device, State
from protocols.ieee2030_5.units import amount_of
from protocols.ieee2030_5.xml import Part, table_of
from protocols.sansio.records import Change

STARTED: Final = 2
"""Response status: the control has been applied."""

Fact = Mapping[str, object]


class Ledger:
    """Writes the lines.

    Parameters
    ----------
    out : TextIO or None
        Where to; None writes nothing.
    clock : callable
        s since 1970.
    """

    def __init__(self, out: TextIO | None, *, clock: Callable[[], float]) -> None:
        self._out = out
        self._clock = clock

    def note(self, event: str, **fields: object) -> None:
        """Write one line."""
        if self._out is None:
            return
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        self._out.write(json.dumps({"at": at, "event": event, **fields}) + "\n")
        self._out.flush()

    def stored(self, role: Server, changes: Sequence[Change]) -> None:
        """Write what a batch of changes says."""
        if self._out is None:
            return
        for change in changes:
            kind, _, key = change.key.partition(":")
            tell = _TELLERS.get(kind)
            fact = None if tell is None else tell(role.state, key, change.value is None)
            if fact is not None:
                event, fields = fact
                self.note(event, **fields)


def _device(state: State, key: str, gone: bool) -> tuple[str, Fact] | None:  # noqa: FBT001 - a row of the table below
    found = state.devices.get(key)
    if gone or found is None:
        return ("device.removed", {"device": int(key)}) if gone else None
    return "device.stored", {
        "device": found.number,
        "lfdi": found.lfdi,
        "sfdi": found.sfdi,
        "owner": found.owner,
    }


def _control(state: State, key: str, gone: bool) -> tuple[str, Fact] | None:  # noqa: FBT001 - a row of the table below
    found = state.controls.get(key)
    if gone or found is None:
        return None
    interval = found.resource.interval
    event = "control.cancelled" if found.cancelled_at is not None else "control.stored"
    return event, {
        "mrid": found.resource.mrid,
        "program": found.program,
        "start": interval.start,
        "duration_s": interval.duration,
        "superseded_at": found.superseded_at,
        "modes": plain_modes(found.resource.der_control_base),
    }


def _answer(state: State, key: str, gone: bool) -> tuple[str, Fact] | None:  # noqa: FBT001 - a row of the table below
    found = state.answers.get(key)
    if gone or found is None:
        return None
    device = state.devices.get(found.device)
    control = next(iter(state.controls.where("mrid", found.subject)), None)
    event = "setpoint.applied" if found.status == STARTED else "response.received"
    return event, _response(found, device, control)


def _response(found: Answer, device: Device | None, control: Control | None) -> Fact:
    return {
        "lfdi": None if device is None else device.lfdi,
        "subject": found.subject,
        "status": found.status,
        "created_at": found.created_at,
        "modes": None if control is None else plain_modes(control.resource.der_control_base),
    }


def _latest(state: State, key: str, gone: bool) -> tuple[str, Fact] | None:  # noqa: FBT001 - a row of the table below
    found = state.latest.get(key)
    mirror = None if found is None else state.mirrors.get(found.mirror)
    if gone or found is None or mirror is None:
        return None
    value = quantity_of(mirror, found)
    if value is None:
        return None
    kind = value.reading_type
    return "reading.received", {
        "lfdi": value.lfdi,
        "mrid": value.mrid,
        "value": value.value,
        "multiplier": 0 if kind is None else kind.power_of_ten_multiplier or 0,
        "uom": None if kind is None else kind.uom,
        "flow_direction": None if kind is None else kind.flow_direction,
        "start": value.start,
        "duration_s": value.duration_s,
    }


def _told(state: State, key: str, gone: bool) -> tuple[str, Fact] | None:  # noqa: FBT001 - a row of the table below
    found = state.told.get(key)
    device = None if found is None else state.devices.get(found.device)
    if gone or found is None or device is None:
        return None
    return "resource.received", {"lfdi": device.lfdi, "kind": type(found.resource).__name__}


def _entry(state: State, key: str, gone: bool) -> tuple[str, Fact] | None:  # noqa: FBT001 - a row of the table below
    found = state.entries.get(key)
    device = None if found is None else state.devices.get(found.device)
    if gone or found is None or device is None:
        return None
    event = found.resource
    return "log_event.received", {
        "lfdi": device.lfdi,
        "function_set": event.function_set,
        "code": event.log_event_code,
        "created_at": event.created_date_time,
    }


_TELLERS: Final[Mapping[str, Callable[[State, str, bool], tuple[str, Fact] | None]]] = {
    "device": _device,
    "control": _control,
    "answer": _answer,
    "latest": _latest,
    "told": _told,
    "entry": _entry,
}


def plain_modes(base: DERControlBase) -> dict[str, object]:
    """Modes of a control by the standard's names, powers in W."""
    names = {slot.field: slot.tag.rpartition("}")[2] for slot in table_of(DERControlBase).slots}
    found: dict[str, object] = {}
    for field in sorted(modes(base)):
        value = getattr(base, field)
        if isinstance(value, Part):
            value = amount_of(value) if isinstance(value, ActivePower) else str(value)
        found[names[field]] = value
    return found
