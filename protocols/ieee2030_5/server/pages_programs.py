"""Pages of the tree about programs, controls, curves and mirrors."""

from dataclasses import replace

from protocols.ieee2030_5.resources.der import (
    DERControlList,
    DERCurveList,
    DERProgram,
    DERProgramList,
)
from protocols.ieee2030_5.resources.elements import Link, ListLink, Resource
from protocols.ieee2030_5.resources.messages import DERControlResponse, ResponseList
from protocols.ieee2030_5.resources.metering import (
    MirrorMeterReading,
    MirrorUsagePoint,
    MirrorUsagePointList,
)
from protocols.ieee2030_5.server.pages_devices import SUBSCRIBABLE
from protocols.ieee2030_5.server.paging import descending
from protocols.ieee2030_5.server.refusal import not_found
from protocols.ieee2030_5.server.state import Answer, Mirror, Program
from protocols.ieee2030_5.server.visit import Visit


def program_list(visit: Visit) -> Resource:
    """Programs of a function set assignment, the strongest first."""
    device, number = visit.numbers
    programs = [
        program
        for which in visit.caller.assignment(device, number).programs
        if (program := visit.state.programs.get(which)) is not None
    ]
    programs.sort(key=lambda program: (program.primacy, descending(program.mrid)))
    shown = visit.page.of(programs)
    return DERProgramList(
        href=f"/edev/{device}/fsa/{number}/derp",
        subscribable=SUBSCRIBABLE,
        poll_rate=visit.rate_s("DERProgramList"),
        all=len(programs),
        results=len(shown),
        der_program=tuple(_program(visit, program) for program in shown),
    )


def program(visit: Visit) -> Resource:
    """One program."""
    return _program(visit, visit.caller.program(visit.numbers[0]))


def control_list(visit: Visit) -> Resource:
    """List the controls of a program, by their start."""
    found = visit.caller.program(visit.numbers[0])
    after = visit.page.after
    controls = [
        control
        for control in visit.schedule.listed(found, visit.now)
        if after is None or control.resource.interval.start > after
    ]
    shown = visit.schedule.shown(visit.page.of(controls), visit.now)
    return DERControlList(
        href=f"/derp/{found.number}/derc",
        subscribable=SUBSCRIBABLE,
        all=len(controls),
        results=len(shown),
        der_control=shown,
    )


def active_control_list(visit: Visit) -> Resource:
    """List the controls of a program that are active."""
    found = visit.caller.program(visit.numbers[0])
    listed = visit.schedule.listed(found, visit.now)
    begun = [c for c in listed if visit.schedule.status(c, visit.now).current_status == 1]
    shown = visit.schedule.shown(visit.page.of(begun), visit.now)
    return DERControlList(
        href=f"/derp/{found.number}/actderc",
        subscribable=0,
        all=len(begun),
        results=len(shown),
        der_control=shown,
    )


def control(visit: Visit) -> Resource:
    """One control, while it is listed."""
    found = visit.caller.program(visit.numbers[0])
    which = visit.state.controls.get(visit.numbers[1])
    if which is None or which not in visit.schedule.listed(found, visit.now):
        raise not_found()
    return visit.schedule.shown((which,), visit.now)[0]


def default_control(visit: Visit) -> Resource:
    """Show what holds while no control of the program does."""
    return visit.caller.program(visit.numbers[0]).default


def curve_list(visit: Visit) -> Resource:
    """Curves of a program, the newest first."""
    found = visit.caller.program(visit.numbers[0])
    curves = [curve.resource for curve in visit.state.curves.where("program", found.number)]
    curves.sort(key=lambda curve: (-curve.creation_time, descending(curve.mrid)))
    shown = visit.page.of(curves)
    return DERCurveList(
        href=f"/derp/{found.number}/dc", all=len(curves), results=len(shown), der_curve=shown
    )


def curve(visit: Visit) -> Resource:
    """One curve."""
    found = visit.caller.program(visit.numbers[0])
    which = visit.state.curves.get(visit.numbers[1])
    if which is None or which.program != found.number:
        raise not_found()
    return which.resource


def response_list(visit: Visit) -> Resource:
    """Responses of the caller's devices to a program's controls, the newest first."""
    found = visit.caller.program(visit.numbers[0])
    mine = [
        answer
        for device in visit.caller.devices
        for answer in visit.state.answers.where("device", device.number)
        if answer.program == found.number
    ]
    mine.sort(key=lambda answer: (-answer.at, -answer.number))
    shown = visit.page.of(mine)
    return ResponseList(
        href=f"/derp/{found.number}/rsp",
        all=len(mine),
        results=len(shown),
        response=tuple(_response(visit, answer) for answer in shown),
    )


def response(visit: Visit) -> Resource:
    """One response of the caller's devices."""
    found = visit.caller.program(visit.numbers[0])
    answer = visit.state.answers.get(visit.numbers[1])
    if answer is None or answer.program != found.number:
        raise not_found()
    return _response(visit, answer)


def mirror_list(visit: Visit) -> Resource:
    """Mirrors of the caller, the greatest mRID first."""
    mirrors = list(visit.state.mirrors.where("owner", visit.caller.lfdi))
    mirrors.sort(key=lambda mirror: descending(mirror.resource.mrid))
    shown = visit.page.of(mirrors)
    return MirrorUsagePointList(
        href="/mup",
        poll_rate=visit.rate_s("MirrorUsagePointList"),
        all=len(mirrors),
        results=len(shown),
        mirror_usage_point=tuple(_mirror(visit, mirror) for mirror in shown),
    )


def mirror(visit: Visit) -> Resource:
    """One mirror."""
    return _mirror(visit, visit.caller.mirror(visit.numbers[0]))


def _program(visit: Visit, found: Program) -> DERProgram:
    base = f"/derp/{found.number}"
    listed = visit.schedule.listed(found, visit.now)
    curves = visit.state.curves.count("program", found.number)
    return DERProgram(
        href=base,
        mrid=found.mrid,
        description=found.name,
        subscribable=0,
        primacy=found.primacy,
        active_der_control_list_link=ListLink(href=f"{base}/actderc"),
        default_der_control_link=Link(href=f"{base}/dderc"),
        der_control_list_link=ListLink(href=f"{base}/derc", all=len(listed)),
        der_curve_list_link=ListLink(href=f"{base}/dc", all=curves) if curves else None,
    )


def _response(visit: Visit, answer: Answer) -> DERControlResponse:
    device = visit.caller.device(answer.device)
    return DERControlResponse(
        href=f"/derp/{answer.program}/rsp/{answer.number}",
        created_date_time=answer.created_at,
        end_device_lfdi=device.lfdi,
        status=answer.status,
        subject=answer.subject,
    )


def _mirror(visit: Visit, found: Mirror) -> MirrorUsagePoint:
    device = visit.caller.speaks_for(found.resource.device_lfdi)
    of_device = None if device is None else device.post_rate_s
    return replace(
        found.resource,
        href=f"/mup/{found.number}",
        post_rate=of_device or visit.settings.post_rate_s,
    )


def meter(found: Mirror, mrid: str) -> MirrorMeterReading | None:
    """Quantity of a mirror by its mRID."""
    return next((r for r in found.resource.mirror_meter_reading if r.mrid == mrid), None)
