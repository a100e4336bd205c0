"""The shared nouns as plain msgpack data and back, exact to the bit.

Positional arrays: what a newer version appends is ignored, nothing is ever removed or moved.
float64 columns travel as little-endian bytes. The wire uses these, and so do the gateway's
journal and the coordinator's store: ``msgpack.packb(commitment_to_plain(commitment))``. What
comes back broken raises RemoteProtocolError, whoever wrote it; a noun's own assertions never
escape from here.
"""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from protocols.link.fields import (
    IDENTIFIER,
    MAX_STEPS,
    NAME,
    column,
    column_to_plain,
    fields,
    integer,
    interval,
    interval_to_plain,
    items,
    mapping,
    matched,
    member,
    moment,
    moment_to_plain,
    number,
    number_or_infinite,
    refuse,
    text,
)
from protocols.link.messages import Layout, Plain
from protocols.vocabulary.commitment import Commitment, Droop
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import (
    ModelId,
    ObligationId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.obligation import (
    Authority,
    HoldRule,
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)
from protocols.vocabulary.offer import DispatchSignal, OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

MAX_RESOURCES = 256
MAX_BREAKPOINTS = 1024
_CAPABILITIES: Final = {capability.value: capability for capability in Capability}

_Noun = TypeVar("_Noun")
_Fields = ParamSpec("_Fields")


def resource_to_plain(resource: Resource) -> Plain:
    """Plain form of a resource."""
    return [
        resource.resource_id,
        resource.site_id,
        resource.kind.value,
        float(resource.power_w_min),
        float(resource.power_w_max),
        float(resource.ramp_w_per_s),
        float(resource.energy_wh_capacity),
        float(resource.efficiency_charge),
        float(resource.efficiency_discharge),
        float(resource.soc_min),
        float(resource.soc_max),
        float(resource.default_power_w),
        [*sorted(capability.value for capability in resource.capabilities)],
    ]


def resource_from_plain(plain: object) -> Resource:
    """Read a resource; capabilities that this program does not know are ignored."""
    values = fields(plain, 13, "resource")
    names = [text(name, "capability") for name in items(values[12], "capabilities")]
    return _built(
        Resource,
        resource_id=ResourceId(matched(values[0], IDENTIFIER, "resource id")),
        site_id=SiteId(matched(values[1], NAME, "resource site id")),
        kind=member(values[2], ResourceKind, "resource kind"),
        power_w_min=number(values[3], "resource power_w_min"),
        power_w_max=number(values[4], "resource power_w_max"),
        ramp_w_per_s=number_or_infinite(values[5], "resource ramp_w_per_s"),
        energy_wh_capacity=number(values[6], "resource energy_wh_capacity"),
        efficiency_charge=number(values[7], "resource efficiency_charge"),
        efficiency_discharge=number(values[8], "resource efficiency_discharge"),
        soc_min=number(values[9], "resource soc_min"),
        soc_max=number(values[10], "resource soc_max"),
        default_power_w=number(values[11], "resource default_power_w"),
        capabilities=frozenset(_CAPABILITIES[name] for name in names if name in _CAPABILITIES),
    )


def layout_to_plain(layout: Layout) -> Plain:
    """Plain form of a layout."""
    return [layout.version, [resource_to_plain(resource) for resource in layout.resources]]


def layout_from_plain(plain: object) -> Layout:
    """Read a layout; its resources are of one site and each is there once."""
    version, resources = fields(plain, 2, "layout")
    layout = Layout(
        version=integer(version, "layout version"),
        resources=tuple(
            resource_from_plain(resource)
            for resource in items(resources, "layout resources", MAX_RESOURCES)
        ),
    )
    if len({resource.resource_id for resource in layout.resources}) < len(layout.resources):
        refuse("layout", layout.version, "each resource once")
    if len({resource.site_id for resource in layout.resources}) > 1:
        refuse("layout", layout.version, "resources of one site")
    return layout


def offer_to_plain(curve: OfferCurve) -> Plain:
    """Plain form of a committed curve."""
    return [
        curve.site_id,
        curve.service.value,
        curve.version,
        column_to_plain(curve.multipliers),
        column_to_plain(curve.power_w),
        interval_to_plain(curve.interval),
    ]


def offer_from_plain(plain: object) -> OfferCurve:
    """Read a committed curve."""
    site_id, service, version, multipliers, power_w, span = fields(plain, 6, "curve")
    return _built(
        OfferCurve,
        site_id=SiteId(matched(site_id, NAME, "curve site id")),
        service=member(service, Service, "curve service"),
        version=integer(version, "curve version"),
        multipliers=column(multipliers, "curve multipliers", MAX_BREAKPOINTS),
        power_w=column(power_w, "curve power_w", MAX_BREAKPOINTS),
        interval=interval(span, "curve interval"),
    )


def signal_to_plain(signal: DispatchSignal) -> Plain:
    """Plain form of a dispatch signal."""
    return [
        signal.zone,
        signal.signal_id,
        signal.epoch,
        interval_to_plain(signal.interval),
        {service.value: float(price) for service, price in signal.multipliers.items()},
    ]


def signal_from_plain(plain: object) -> DispatchSignal:
    """Read a dispatch signal."""
    zone, signal_id, epoch, span, multipliers = fields(plain, 5, "signal")
    return DispatchSignal(
        zone=ZoneId(matched(zone, NAME, "signal zone")),
        signal_id=SignalId(integer(signal_id, "signal id", low=1)),
        epoch=integer(epoch, "signal epoch"),
        interval=interval(span, "signal interval"),
        multipliers={
            member(service, Service, "signal service"): number(price, "signal multiplier")
            for service, price in mapping(multipliers, "signal multipliers").items()
        },
    )


def envelope_to_plain(envelope: Envelope) -> Plain:
    """Plain form of an envelope."""
    return [
        envelope.target,
        interval_to_plain(envelope.interval),
        float(envelope.step_s),
        column_to_plain(envelope.power_w_min),
        column_to_plain(envelope.power_w_max),
        column_to_plain(envelope.energy_wh_min),
        column_to_plain(envelope.energy_wh_max),
        float(envelope.ramp_w_per_s),
        envelope.limited_by,
    ]


def envelope_from_plain(plain: object) -> Envelope:
    """Read an envelope."""
    values = fields(plain, 9, "envelope")
    envelope = _built(
        Envelope,
        target=matched(values[0], IDENTIFIER, "envelope target"),
        interval=interval(values[1], "envelope interval"),
        step_s=_step(values[2], "envelope step_s"),
        power_w_min=column(values[3], "envelope power_w_min"),
        power_w_max=column(values[4], "envelope power_w_max"),
        energy_wh_min=column(values[5], "envelope energy_wh_min", MAX_STEPS + 1),
        energy_wh_max=column(values[6], "envelope energy_wh_max", MAX_STEPS + 1),
        ramp_w_per_s=number_or_infinite(values[7], "envelope ramp_w_per_s"),
        limited_by=text(values[8], "envelope limited_by"),
    )
    if envelope.ramp_w_per_s <= 0.0:
        refuse("envelope ramp_w_per_s", envelope.ramp_w_per_s, "a positive number")
    _check_cover(len(envelope.power_w_min), envelope, "envelope")
    return envelope


def baseline_to_plain(baseline: Baseline) -> Plain:
    """Plain form of a baseline."""
    return [
        baseline.target,
        interval_to_plain(baseline.interval),
        float(baseline.step_s),
        column_to_plain(baseline.power_w),
        baseline.method,
        moment_to_plain(baseline.computed_at),
        moment_to_plain(baseline.data_until),
        baseline.model_id,
    ]


def baseline_from_plain(plain: object) -> Baseline:
    """Read a baseline."""
    values = fields(plain, 8, "baseline")
    baseline = Baseline(
        target=matched(values[0], IDENTIFIER, "baseline target"),
        interval=interval(values[1], "baseline interval"),
        step_s=_step(values[2], "baseline step_s"),
        power_w=column(values[3], "baseline power_w"),
        method=text(values[4], "baseline method"),
        computed_at=moment(values[5], "baseline computed_at"),
        data_until=moment(values[6], "baseline data_until"),
        model_id=ModelId(text(values[7], "baseline model id")),
    )
    _check_cover(len(baseline.power_w), baseline, "baseline")
    return baseline


def obligation_to_plain(obligation: Obligation) -> Plain:
    """Plain form of an obligation."""
    return [
        obligation.obligation_id,
        obligation.parent_id,
        obligation.target,
        obligation.service.value,
        interval_to_plain(obligation.interval),
        float(obligation.step_s),
        column_to_plain(obligation.power_w),
        obligation.relative_to.value,
        float(obligation.tolerance_w),
        int(obligation.priority),
        obligation.version,
        obligation.state.value,
    ]


def obligation_from_plain(plain: object) -> Obligation:
    """Read an obligation."""
    values = fields(plain, 12, "obligation")
    parent = values[1]
    if parent is not None:
        parent = ObligationId(matched(parent, IDENTIFIER, "obligation parent id"))
    return _built(
        Obligation,
        obligation_id=ObligationId(matched(values[0], IDENTIFIER, "obligation id")),
        parent_id=parent,
        target=matched(values[2], IDENTIFIER, "obligation target"),
        service=member(values[3], Service, "obligation service"),
        interval=interval(values[4], "obligation interval"),
        step_s=_step(values[5], "obligation step_s"),
        power_w=column(values[6], "obligation power_w"),
        relative_to=member(values[7], RelativeTo, "obligation relative_to"),
        tolerance_w=number(values[8], "obligation tolerance_w"),
        priority=member(values[9], Authority, "obligation priority"),
        version=integer(values[10], "obligation version"),
        state=member(values[11], ObligationState, "obligation state"),
    )


def commitment_to_plain(commitment: Commitment) -> Plain:
    """Plain form of a commitment."""
    droop = commitment.droop
    return [
        obligation_to_plain(commitment.obligation),
        offer_to_plain(commitment.curve),
        envelope_to_plain(commitment.envelope),
        baseline_to_plain(commitment.baseline),
        commitment.hold.value,
        column_to_plain(commitment.band_lower_w),
        column_to_plain(commitment.band_upper_w),
        None
        if droop is None
        else [
            float(droop.nominal_hz),
            float(droop.droop),
            float(droop.dead_band_hz),
            float(droop.delay_s),
        ],
        commitment.rule_set_id,
    ]


def commitment_from_plain(plain: object) -> Commitment:
    """Read a commitment."""
    values = fields(plain, 9, "commitment")
    commitment = Commitment(
        obligation=obligation_from_plain(values[0]),
        curve=offer_from_plain(values[1]),
        envelope=envelope_from_plain(values[2]),
        baseline=baseline_from_plain(values[3]),
        hold=member(values[4], HoldRule, "commitment hold"),
        band_lower_w=column(values[5], "commitment band_lower_w"),
        band_upper_w=column(values[6], "commitment band_upper_w"),
        droop=None if values[7] is None else _droop(values[7]),
        rule_set_id=text(values[8], "commitment rule set id"),
    )
    if len(commitment.band_lower_w) != len(commitment.band_upper_w):
        refuse("commitment bands", len(commitment.band_lower_w), "columns of one length")
    return commitment


def _droop(plain: object) -> Droop:
    nominal_hz, droop, dead_band_hz, delay_s = fields(plain, 4, "droop")
    return Droop(
        nominal_hz=number(nominal_hz, "droop nominal_hz"),
        droop=number(droop, "droop"),
        dead_band_hz=number(dead_band_hz, "droop dead_band_hz"),
        delay_s=number(delay_s, "droop delay_s"),
    )


def _step(value: object, what: str) -> float:
    step_s = number(value, what)
    if step_s <= 0.0:
        refuse(what, value, "a positive number")
    return step_s


def _check_cover(steps: int, noun: Envelope | Baseline, what: str) -> None:
    if steps * noun.step_s < noun.interval.duration_s - 1e-6:
        refuse(f"{what} steps", steps, "enough to cover its interval")


def _built(make: Callable[_Fields, _Noun], *args: _Fields.args, **kwargs: _Fields.kwargs) -> _Noun:
    """Make a noun; what its own assertions refuse is the sender's fault here."""
    try:
        return make(*args, **kwargs)
    except AssertionError as broken:
        raise RemoteProtocolError(str(broken)) from broken
