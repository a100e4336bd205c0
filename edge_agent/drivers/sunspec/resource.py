"""What a Modbus device is and says, in the house's nouns: its resource, its measurements."""

import math
from datetime import datetime

from edge_agent.drivers.port import Reading
from edge_agent.drivers.sunspec.unit import Unit
from edge_agent.points.table import QUANTITIES, point_id
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind


def described(
    unit: Unit,
    *,
    power_w_min: float | None,
    power_w_max: float | None,
    energy_wh_capacity: float | None,
    capabilities: frozenset[Capability],
) -> Resource:
    """Resource of a device; the configuration wins, then the device, then its template.

    Parameters
    ----------
    unit : Unit
        Whose.
    power_w_min, power_w_max, energy_wh_capacity : float or None
        As the device states them; None where it does not.
    capabilities : frozenset of Capability
        As found.
    """
    config, plate = unit.config, unit.template.nameplate
    if config.kind is ResourceKind.METER:
        least_w, most_w = 0.0, 0.0
    else:
        least_w = _chosen(config.power_w_min, power_w_min, plate.power_w_min)
        most_w = _chosen(config.power_w_max, power_w_max, plate.power_w_max)
    default_w = unit.template.lease.default_power_w
    return Resource(
        resource_id=unit.resource_id,
        site_id=unit.site_id,
        kind=config.kind,
        power_w_min=min(least_w, 0.0) + 0.0,
        power_w_max=max(most_w, 0.0) + 0.0,
        ramp_w_per_s=config.ramp_w_per_s or plate.ramp_w_per_s or math.inf,
        energy_wh_capacity=_chosen(
            config.energy_wh_capacity, energy_wh_capacity, plate.energy_wh_capacity
        ),
        efficiency_charge=config.efficiency_charge,
        efficiency_discharge=config.efficiency_discharge,
        soc_min=config.soc_min,
        soc_max=config.soc_max,
        default_power_w=default_w or 0.0,
        capabilities=capabilities,
    )


def _chosen(configured: float | None, stated: float | None, known: float) -> float:
    if configured is not None:
        return configured
    return known if stated is None else stated


def measured(
    unit: Unit, quantity: str, value: float | None, *, reason: str, at: datetime
) -> list[Reading]:
    """Measure a quantity, if a device of this kind has it.

    None is BAD with its reason; so is a number that cannot be.
    """
    specs = [spec for spec in QUANTITIES[unit.config.kind] if spec.quantity == quantity]
    if not specs:
        return []
    spec = specs[0]
    if value is not None and not spec.minimum <= value <= spec.maximum:
        value, reason = None, f"{value:g} {spec.unit} cannot be"
    measurement = Measurement(
        value=value,
        quality=Quality.GOOD if value is not None else Quality.BAD,
        measured_at=at,
        received_at=at,
        reason=reason,
    )
    return [(point_id(unit.config.device_id, quantity), measurement)]
