"""What clients write about controls and quantities: responses, mirrors, readings."""

from dataclasses import replace
from typing import Final

from protocols.ieee2030_5.resources.messages import Response
from protocols.ieee2030_5.resources.metering import MirrorMeterReading, MirrorUsagePoint
from protocols.ieee2030_5.server.pages_programs import meter
from protocols.ieee2030_5.server.refusal import RESOURCE_LIMIT, RefusedError
from protocols.ieee2030_5.server.settings import METERS_MAX, MIRRORS_MAX
from protocols.ieee2030_5.server.state import Answer, Device, Latest, Mirror
from protocols.ieee2030_5.server.visit import Visit
from protocols.ieee2030_5.server.writes_devices import Written

RESPONSES: Final = frozenset({*range(1, 14), 251, 252, 253, 254})
"""Statuses of a response; the others are reserved."""


def respond(visit: Visit, said: Response) -> Written:
    """Take a response to a control; the same one again changes nothing.

    Raises
    ------
    RefusedError
        With 404 if no control of the program has that mRID, 403 if the device is not the
        client's, 400 if the status is reserved.

    Notes
    -----
    IEEE 2030.5-2018, 10.10.4 and type Response.
    """
    program = visit.caller.program(visit.numbers[0])
    controls = [
        control
        for control in visit.state.controls.where("mrid", said.subject)
        if control.program == program.number
    ]
    if not controls:
        raise RefusedError(404, f"no control {said.subject} in program {program.number}")
    device = visit.caller.speaks_for(said.end_device_lfdi)
    if device is None or not _follows(visit, device, program.number):
        raise RefusedError(403, f"device {said.end_device_lfdi} is not this client's")
    if said.status is None or said.status not in RESPONSES:
        raise RefusedError(400, f"response status {said.status} is reserved")
    same = [
        answer
        for answer in visit.state.answers.where("subject", said.subject)
        if (answer.device, answer.status) == (device.number, said.status)
    ]
    base = f"/derp/{program.number}/rsp"
    if same:
        return Written(location=f"{base}/{same[0].number}")
    answer = Answer(
        number=visit.state.number("answer"),
        device=device.number,
        program=program.number,
        subject=said.subject,
        status=said.status,
        at=visit.now,
        created_at=said.created_date_time,
    )
    visit.state.answers.put(answer.number, answer)
    return Written(location=f"{base}/{answer.number}", created=True)


def mirror(visit: Visit, wanted: MirrorUsagePoint) -> Written:
    """Make a mirror, or replace the client's own with the same mRID.

    Raises
    ------
    RefusedError
        With 403 if the device or an mRID is another client's.

    Notes
    -----
    IEEE 2030.5-2018, 10.7 (metering mirror).
    """
    caller = visit.caller
    if caller.speaks_for(wanted.device_lfdi) is None:
        raise RefusedError(403, f"device {wanted.device_lfdi} is not this client's")
    meters = wanted.mirror_meter_reading
    if len(meters) > METERS_MAX or len({m.mrid for m in meters}) != len(meters):
        raise RefusedError(400, "too many quantities, or one twice", reason=RESOURCE_LIMIT)
    _check_strangers(visit, wanted.mrid, [m.mrid for m in meters])
    mine = [m for m in visit.state.mirrors.where("mrid", wanted.mrid) if m.owner == caller.lfdi]
    if not mine and visit.state.mirrors.count("owner", caller.lfdi) >= MIRRORS_MAX:
        raise RefusedError(403, f"{MIRRORS_MAX} mirrors", reason=RESOURCE_LIMIT)
    number = mine[0].number if mine else visit.state.number("mirror")
    plain = replace(
        wanted,
        href=None,
        post_rate=None,
        mirror_meter_reading=tuple(_without_values(m) for m in meters),
    )
    made = Mirror(number=number, owner=caller.lfdi, resource=plain)
    visit.state.mirrors.put(number, made)
    for one in meters:
        _keep(visit, made, one)
    return Written(location=f"/mup/{number}", created=not mine)


def read_meters(visit: Visit, readings: tuple[MirrorMeterReading, ...]) -> Written:
    """Take values of a mirror; a new quantity has to say what it is.

    Raises
    ------
    RefusedError
        With 400 if a quantity is unknown and says not what it is, 403 if it is another's.
    """
    found = visit.caller.mirror(visit.numbers[0])
    known = {m.mrid: m for m in found.resource.mirror_meter_reading}
    unknown = [r for r in readings if r.mrid not in known]
    _check_strangers(visit, found.resource.mrid, [r.mrid for r in unknown])
    nameless = next((r.mrid for r in unknown if r.reading_type is None), None)
    if nameless is not None:
        raise RefusedError(400, f"quantity {nameless} is unknown and has no ReadingType")
    for reading in readings:
        if reading.reading_type is not None:
            known[reading.mrid] = _without_values(reading)
    if len(known) > METERS_MAX:
        raise RefusedError(403, f"{METERS_MAX} quantities", reason=RESOURCE_LIMIT)
    if tuple(known.values()) != found.resource.mirror_meter_reading:
        resource = replace(found.resource, mirror_meter_reading=tuple(known.values()))
        found = visit.state.mirrors.put(found.number, replace(found, resource=resource))
    for reading in readings:
        _keep(visit, found, reading)
    return Written(location=f"/mup/{found.number}", created=bool(unknown))


def remove_mirror(visit: Visit) -> None:
    """Delete a mirror and its values."""
    found = visit.caller.mirror(visit.numbers[0])
    forget_mirror(visit, found)


def forget_mirror(visit: Visit, found: Mirror) -> None:
    """Delete a mirror whose owner is known to agree."""
    for latest in visit.state.latest.where("mirror", found.number):
        visit.state.latest.drop(f"{found.number}/{latest.resource.mrid}")
    visit.state.mirrors.drop(found.number)


def _follows(visit: Visit, device: Device, program: int) -> bool:
    assignments = (visit.state.assignments.get(number) for number in device.assignments)
    return any(found is not None and program in found.programs for found in assignments)


def _check_strangers(visit: Visit, mrid: str, meters: list[str]) -> None:
    """Refuse what another client has named so."""
    others = [m for m in visit.state.mirrors.where("mrid", mrid) if m.owner != visit.caller.lfdi]
    for one in meters:
        others += [
            m for m in visit.state.mirrors.where("meter", one) if m.owner != visit.caller.lfdi
        ]
    if others:
        raise RefusedError(403, "an mRID is another client's")


def _without_values(reading: MirrorMeterReading) -> MirrorMeterReading:
    return replace(
        reading,
        href=None,
        last_update_time=None,
        next_update_time=None,
        mirror_reading_set=(),
        reading=None,
    )


def _keep(visit: Visit, found: Mirror, reading: MirrorMeterReading) -> None:
    """Keep the values of a quantity, if there are any."""
    if reading.reading is None and not reading.mirror_reading_set:
        return
    known = meter(found, reading.mrid)
    kept = replace(reading, reading_type=None if known is None else known.reading_type)
    latest = Latest(mirror=found.number, resource=kept, at=visit.now)
    visit.state.latest.put(f"{found.number}/{reading.mrid}", latest)
