"""The record of primary reserve: one line a second, with quality, for inspection. Pure.

The line is an event of the journal, so it is chained, kept until it is durable elsewhere, and
can be exported (``edge-agent primary show --csv``). Most lines are written short
(:mod:`protocols.link.primary_line`). Powers in W, generator frame.
"""

import math
from typing import Final

from edge_agent.control.grant import Basis, Grant, PrimaryReport
from edge_agent.control.inputs import CycleInputs
from edge_agent.cycle.record import Happened
from protocols.link.messages import Plain
from protocols.link.primary_line import Line, shortened
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.measurement import Quality

DIGITS: Final = 3
LOGGED_KIND: Final = "primary.logged"


class PrimaryLog:
    """Writes the record; remembers the last whole line and nothing else."""

    def __init__(self) -> None:
        self._whole: Line | None = None

    def second(self, inputs: CycleInputs, grant: Grant | None) -> tuple[Happened, ...]:
        """Line of one second as it is journaled: whole after a start and once a minute."""
        told = []
        for one in logged_second(inputs, grant):
            payload = shortened(one.payload, self._whole)
            if payload is one.payload:
                self._whole = payload
            told.append(Happened(kind="primary.logged", payload=payload))
        if not told:
            self._whole = None
        return tuple(told)


def logged_second(inputs: CycleInputs, grant: Grant | None) -> tuple[Happened, ...]:
    """Line of one second; none while nothing is lent.

    Parameters
    ----------
    inputs : CycleInputs
        The cycle's: its image has the measured powers, its report what the loop did.
    grant : Grant or None
        That was in force until now.
    """
    report = inputs.primary
    if report is None or grant is None:
        return ()
    power_w, quality = _measured(inputs, grant)
    payload: dict[str, Plain] = {
        "second": inputs.slot_s,
        "frequency_hz": _rounded(report.frequency_hz),
        "frequency_hz_min": _rounded(report.frequency_hz_min),
        "frequency_hz_max": _rounded(report.frequency_hz_max),
        "samples": report.samples,
        "quality": report.quality.name,
        "age_s": report.age_s,
        "source": report.source or "",
        "basis": "expired" if report.expired_at is not None else report.basis.value,
        "base_w": _rounded(grant.base_w),
        "asked_w": _rounded(report.asked_w),
        "response_w": _rounded(report.response_w),
        "power_w": _rounded(power_w),
        "power_quality": quality.name,
        "limit_w_min": _rounded(_bound(grant, upper=False)),
        "limit_w_max": _rounded(_bound(grant, upper=True)),
        "award_w": grant.award_w,
        "rated_w": grant.rated_w,
        "nominal_hz": grant.droop.nominal_hz,
        "droop": grant.droop.droop,
        "dead_band_hz": grant.droop.dead_band_hz,
        "obligations": [str(name) for name in grant.obligations],
        "members": [_member(inputs, report, one.resource_id) for one in grant.members],
    }
    return (Happened(kind="primary.logged", payload=payload),)


def conditions(inputs: CycleInputs) -> tuple[tuple[str, str], ...]:
    """Name what may be wrong with primary reserve, each with what is; empty where all is well."""
    report = inputs.primary
    lost = untested = ""
    if report is not None:
        if report.expired_at is not None:
            lost = "the cycle did not renew the grant in time"
        elif report.basis is Basis.ZERO:
            lost = f"no good frequency from {report.source or 'any device'}: zero change"
        if inputs.frame.primary_members is None:
            untested = "no step test is recorded: every device that takes a setpoint is lent"
    return (("primary frequency", lost), ("primary untested", untested))


def _rounded(value: float | None) -> float | None:
    """Millihertz and milliwatts are enough; no number is None."""
    return None if value is None or not math.isfinite(value) else round(value, DIGITS)


def _power(inputs: CycleInputs, resource_id: ResourceId) -> tuple[float | None, Quality]:
    """Measured power of one device, None unless it may be used, and its quality."""
    for binding in inputs.frame.bindings:
        if binding.resource.resource_id == resource_id:
            measurement = inputs.image.points.get(binding.power_point)
            if measurement is not None:
                value = measurement.value if measurement.usable else None
                return value, measurement.quality
    return None, Quality.BAD


def _measured(inputs: CycleInputs, grant: Grant) -> tuple[float | None, Quality]:
    """Sum of the lent devices' powers, and the worst of their qualities; None if one is away."""
    found = [_power(inputs, one.resource_id) for one in grant.members]
    quality = max((quality for _, quality in found), default=Quality.BAD)
    known = [value for value, _ in found if value is not None]
    return (math.fsum(known) if len(known) == len(found) else None), quality


def _member(inputs: CycleInputs, report: PrimaryReport, resource_id: ResourceId) -> list[Plain]:
    """Device, what it was told, what it gave, and whether the others make up for it."""
    told = report.told(resource_id)
    setpoint = None if told is None or told.setpoint is None else told.setpoint.power_w
    power_w, _ = _power(inputs, resource_id)
    failing = told is not None and told.failing
    return [str(resource_id), _rounded(setpoint), _rounded(power_w), failing]


def _bound(grant: Grant, *, upper: bool) -> float:
    """Greatest or least sum the limits leave to the lent devices, W."""
    if upper:
        total_w = math.fsum(one.high_w for one in grant.members)
        return min([total_w, *(s.high_w for s in grant.sums if _all(grant, s.members))])
    total_w = math.fsum(one.low_w for one in grant.members)
    return max([total_w, *(s.low_w for s in grant.sums if _all(grant, s.members))])


def _all(grant: Grant, members: tuple[ResourceId, ...]) -> bool:
    return len(members) == len(grant.members)
