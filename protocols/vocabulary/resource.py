"""Resource: one thing at a site that gives or takes power."""

import enum
from dataclasses import dataclass

from protocols.vocabulary.identifiers import ResourceId, SiteId


class ResourceKind(enum.Enum):
    """What a resource is. Control asks for capabilities, never for the kind."""

    BATTERY = "battery"
    PV = "pv"
    EV_CHARGER = "ev-charger"
    EV_V2H = "ev-v2h"
    FUEL_CELL = "fuel-cell"
    HEAT_PUMP = "heat-pump"
    LOAD = "load"
    METER = "meter"


class Capability(enum.Enum):
    """What a driver can do with a resource, found from the device itself.

    SUMS_OTHERS: what it measures is the sum of other resources of the site (a power conditioner
    and what is behind it), so it has no power of its own.
    """

    READS_POWER = "reads-power"
    TAKES_SETPOINT = "takes-setpoint"
    TAKES_LIMIT = "takes-limit"
    TAKES_ON_OFF = "takes-on-off"
    HAS_SOC = "has-soc"
    HAS_LEASE_TIMER = "has-lease-timer"
    MEASURES_SITE = "measures-site"
    MEASURES_FREQUENCY = "measures-frequency"
    SUMS_OTHERS = "sums-others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Static description of one resource, generator frame (+ toward the grid).

    Attributes
    ----------
    resource_id, site_id : ResourceId, SiteId
        Who it is and where.
    kind : ResourceKind
        For people and reports.
    power_w_min, power_w_max : float
        Bounds in W, ``power_w_min <= 0 <= power_w_max``; both 0 for a pure meter.
    ramp_w_per_s : float
        Greatest change of power in W/s, > 0; ``inf`` if the device states none.
    energy_wh_capacity : float
        Usable energy in Wh; 0 for a resource without storage.
    efficiency_charge, efficiency_discharge : float
        One-way efficiencies, 0..1.
    soc_min, soc_max : float
        The owner's bounds on the state of charge, 0..1 of usable energy.
    default_power_w : float
        What the device does by itself after ``release()``, in W.
    capabilities : frozenset of Capability
        What the driver found the device able to do.
    """

    resource_id: ResourceId
    site_id: SiteId
    kind: ResourceKind
    power_w_min: float
    power_w_max: float
    ramp_w_per_s: float
    energy_wh_capacity: float = 0.0
    efficiency_charge: float = 1.0
    efficiency_discharge: float = 1.0
    soc_min: float = 0.0
    soc_max: float = 1.0
    default_power_w: float = 0.0
    capabilities: frozenset[Capability] = frozenset()

    def __post_init__(self) -> None:
        """Check the signs and ranges of the noun."""
        assert self.power_w_min <= 0.0 <= self.power_w_max, "power bounds must span zero"
        assert self.ramp_w_per_s > 0.0, "ramp must be positive"
        assert 0.0 <= self.soc_min <= self.soc_max <= 1.0, "SoC bounds out of order"
        assert 0.0 < self.efficiency_charge <= 1.0, "charge efficiency out of range"
        assert 0.0 < self.efficiency_discharge <= 1.0, "discharge efficiency out of range"
