"""The frame of a cycle: resources, limits and commitments as control wants them. Pure."""

from collections.abc import Iterable, Sequence

from edge_agent.config.site import DeviceConfig, SiteConfig
from edge_agent.control.inputs import Binding, Frame, Tariff
from edge_agent.control.limits import Limit, contract_import, emergency_stop, export_limit
from edge_agent.points.table import POWER_W, SOC, PointSpec
from protocols.link.messages import Layout
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind


def binding_of(device: DeviceConfig, resource: Resource) -> Binding:
    """Resource with the points it is seen by."""
    has_soc = Capability.HAS_SOC in resource.capabilities
    return Binding(
        resource=resource,
        power_point=PointId(f"{device.device_id}.{POWER_W}"),
        soc_point=PointId(f"{device.device_id}.{SOC}") if has_soc else None,
        degradation_jpy_per_kwh=device.degradation_jpy_per_kwh,
    )


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
    """Limits that are set from outside the devices."""
    limits = (
        contract_import(config.limits.contract_import_w),
        export_limit(config.limits.export_limit_w),
    )
    if not stop:
        return limits
    stopped = emergency_stop([one.resource for one in bindings], source="coordinator")
    return (*limits, *stopped)


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
