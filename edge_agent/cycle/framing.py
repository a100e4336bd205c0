"""The frame of a cycle: resources, limits and commitments as control wants them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.control.inputs import Binding, Frame, Tariff
from edge_agent.control.limits import Limit, contract_import, emergency_stop, export_limit
from edge_agent.control.supply import is_sink, only_consumes
from edge_agent.points.table import POWER_W, POWER_W_MAX, QUANTITIES, SOC, PointSpec, point_id
from protocols.link.messages import Layout
from protocols.templates.bacnet import BacnetWire
from protocols.templates.catalogue import template_of
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.obligation import Authority
from protocols.vocabulary.resource import Capability, Resource, ResourceKind


def binding_of(device: DeviceConfig, resource: Resource) -> Binding:
    """Resource with the points it is seen by."""
    has_soc = Capability.HAS_SOC in resource.capabilities
    binding = Binding(
        resource=resource,
        power_point=PointId(f"{device.device_id}.{POWER_W}"),
        soc_point=PointId(f"{device.device_id}.{SOC}") if has_soc else None,
        degradation_jpy_per_kwh=device.degradation_jpy_per_kwh,
    )
    return _sink(device, binding) if only_consumes(binding) else binding


def _sink(device: DeviceConfig, binding: Binding) -> Binding:
    """Add what holding a load down costs, how far it can be, and what may end that."""
    told = POWER_W_MAX in {spec.quantity for spec in QUANTITIES[device.kind]}
    return replace(
        binding,
        comfort_jpy_per_kwh=device.comfort_jpy_per_kwh,
        least_point=point_id(device.device_id, POWER_W_MAX) if told else None,
        bound_by_comfort=True if _has_comfort(device) else None,
    )


def _has_comfort(device: DeviceConfig) -> bool:
    """Whether a room's limits stand above orders to the device."""
    wire = None if device.template_id is None else template_of(device.template_id).wire
    return isinstance(wire, BacnetWire) and bool(wire.comfort)


def bindings_of(config: SiteConfig, resources: Iterable[Resource]) -> tuple[Binding, ...]:
    """Return the bindings of all known resources that count, in the configuration's order.

    The meter is the sum of all, and a power conditioner that of what is behind it, as far as
    that is at the site as resources of their own: both are read, and neither is added or
    commanded. Else the same power would be counted twice.
    """
    known = {resource.resource_id: resource for resource in resources}
    parents = {device.parent for device in config.devices}
    return tuple(
        binding_of(device, resource)
        for device in config.devices
        if device.kind is not ResourceKind.METER
        and device.device_id not in parents
        and (resource := known.get(config.resource_id(device.device_id))) is not None
        and Capability.SUMS_OTHERS not in resource.capabilities
    )


def limits_of(config: SiteConfig, bindings: Sequence[Binding], *, stop: bool) -> tuple[Limit, ...]:
    """Limits that are set from outside the devices.

    An emergency stop ends what stores and generators do, and holding loads down: no light goes
    out by it.
    """
    limits = (
        contract_import(config.limits.contract_import_w),
        export_limit(config.limits.export_limit_w),
    )
    if not stop:
        return limits
    moving = [one.resource for one in bindings if not is_sink(one)]
    stopped = emergency_stop(moving, source="coordinator")
    return (*limits, *stopped)


def stopped_at_the_site(limits: Sequence[Limit], by: str) -> tuple[Limit, ...]:
    """Say of an emergency stop that it was given at the gateway, and by whom."""
    return tuple(
        replace(limit, source=f"technician {by}")
        if limit.authority is Authority.EMERGENCY_STOP
        else limit
        for limit in limits
    )


def frame_of(
    config: SiteConfig,
    bindings: tuple[Binding, ...],
    *,
    specs: Sequence[PointSpec],
    commitments: tuple[Commitment, ...],
    stop: bool,
) -> Frame:
    """Put together what seldom changes.

    Parameters
    ----------
    config : SiteConfig
        The site.
    bindings : tuple of Binding
        Its resources.
    specs : sequence of PointSpec
        Its points, in the image's order.
    commitments : tuple of Commitment
        Held ones.
    stop : bool
        Whether an emergency stop is in force.
    """
    return Frame(
        site_id=config.site_id,
        meter_point=PointId(f"{config.meter.device_id}.{POWER_W}"),
        bindings=bindings,
        limits=limits_of(config, bindings, stop=stop),
        commitments=commitments,
        tariff=Tariff(
            import_jpy_per_kwh=config.tariff.import_jpy_per_kwh,
            export_jpy_per_kwh=config.tariff.export_jpy_per_kwh,
        ),
        points=tuple(spec.point_id for spec in specs),
    )


def power_points(frame: Frame) -> dict[str, PointId]:
    """Per device, the meter too, the point that shows whether it answers."""
    points: dict[str, PointId] = {"meter": frame.meter_point}
    points.update((one.resource.resource_id, one.power_point) for one in frame.bindings)
    return points


def layout_after(layout: Layout, bindings: tuple[Binding, ...]) -> Layout:
    """Layout of the telemetry rows; a new version when a resource came or changed."""
    resources = tuple(binding.resource for binding in bindings)
    if resources == layout.resources and layout.version:
        return layout
    return Layout(version=layout.version + 1, resources=resources)
