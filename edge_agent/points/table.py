"""Which points a site has: unit, plausible range and greatest age of each.

Data with two small functions. Drivers name what they read by it, ``image`` judges freshness
by it, the technician sees it. Powers are W in the generator frame, whatever the device says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edge_agent.config.site import DeviceConfig, SiteConfig
from protocols.templates.catalogue import template_of
from protocols.templates.ieee2030_5 import Ieee2030_5Wire
from protocols.templates.openadr import OpenAdrWire
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.resource import ResourceKind

POWER_W: Final = "power_w"
SOC: Final = "soc"
MODE: Final = "mode"
ON: Final = "on"
FAULT: Final = "fault"
CONNECTED: Final = "connected"
SETPOINT_W: Final = "setpoint_w"
LIMIT_W: Final = "limit_w"
POWER_W_MIN: Final = "power_w_min"
POWER_W_MAX: Final = "power_w_max"
ENERGY_WH_REMAINING: Final = "energy_wh_remaining"
ENERGY_WH_CAPACITY: Final = "energy_wh_capacity"
ENERGY_WH_CHARGED: Final = "energy_wh_charged"
ENERGY_WH_DISCHARGED: Final = "energy_wh_discharged"
ENERGY_WH_GENERATED: Final = "energy_wh_generated"
ENERGY_WH_IMPORTED: Final = "energy_wh_imported"
ENERGY_WH_EXPORTED: Final = "energy_wh_exported"
HOT_WATER_L: Final = "hot_water_l"
FREQUENCY_HZ: Final = "frequency_hz"
VOLTAGE_V: Final = "voltage_v"
ROOM_C: Final = "room_c"

REPORTS: Final = 2.5
"""Reports in a row that may fail before the last one is too old: one, and a late one."""
_FAST_S: Final = 3.0
_SLOW_S: Final = 180.0
_POWER_W_PLAUSIBLE: Final = 1e6
_ENERGY_WH_PLAUSIBLE: Final = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantitySpec:
    """One quantity of a kind of device.

    Attributes
    ----------
    quantity : str
        Last part of the point's id.
    unit : str
        ``"W"``, ``"Wh"``, ``"L"``, ``"Hz"``, ``"V"``, ``"degC"``, or ``"1"`` for a share,
        code or yes/no.
    minimum, maximum : float
        A value outside is BAD.
    max_age_s : float
        An older value is STALE.
    """

    quantity: str
    unit: str
    minimum: float
    maximum: float
    max_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSpec:
    """One point of one device of a site; fields as in :class:`QuantitySpec`."""

    point_id: PointId
    device_id: str
    quantity: str
    unit: str
    minimum: float
    maximum: float
    max_age_s: float


def _power(quantity: str, max_age_s: float = _FAST_S) -> QuantitySpec:
    return QuantitySpec(
        quantity=quantity,
        unit="W",
        minimum=-_POWER_W_PLAUSIBLE,
        maximum=_POWER_W_PLAUSIBLE,
        max_age_s=max_age_s,
    )


def _energy(quantity: str, max_age_s: float = _SLOW_S) -> QuantitySpec:
    return QuantitySpec(
        quantity=quantity,
        unit="Wh",
        minimum=0.0,
        maximum=_ENERGY_WH_PLAUSIBLE,
        max_age_s=max_age_s,
    )


def _one(quantity: str, maximum: float, max_age_s: float = _FAST_S) -> QuantitySpec:
    return QuantitySpec(
        quantity=quantity, unit="1", minimum=0.0, maximum=maximum, max_age_s=max_age_s
    )


_GRID: Final = (
    QuantitySpec(quantity=FREQUENCY_HZ, unit="Hz", minimum=40.0, maximum=70.0, max_age_s=_FAST_S),
    QuantitySpec(quantity=VOLTAGE_V, unit="V", minimum=0.0, maximum=2000.0, max_age_s=_SLOW_S),
)
"""What a device with a meter of its own says of the grid it is on."""
_LIVE: Final = (_power(POWER_W), _one(ON, 1.0, _SLOW_S), _one(FAULT, 1.0, _SLOW_S))
_STORAGE: Final = (
    *_LIVE,
    _one(SOC, 1.0, 60.0),
    _one(MODE, 255.0),
    _power(SETPOINT_W, _SLOW_S),
    _power(POWER_W_MIN, _SLOW_S),
    _power(POWER_W_MAX, _SLOW_S),
    _energy(ENERGY_WH_REMAINING, 60.0),
    _energy(ENERGY_WH_CAPACITY),
    _energy(ENERGY_WH_CHARGED),
    _energy(ENERGY_WH_DISCHARGED),
    *_GRID,
)

QUANTITIES: Final[Mapping[ResourceKind, tuple[QuantitySpec, ...]]] = MappingProxyType(
    {
        ResourceKind.METER: (
            _power(POWER_W),
            _one(FAULT, 1.0, _SLOW_S),
            _energy(ENERGY_WH_IMPORTED),
            _energy(ENERGY_WH_EXPORTED),
            *_GRID,
        ),
        ResourceKind.BATTERY: _STORAGE,
        ResourceKind.EV_V2H: (*_STORAGE, _one(CONNECTED, 1.0, 60.0)),
        ResourceKind.EV_CHARGER: (
            *_LIVE,
            _one(SOC, 1.0, 60.0),
            _one(MODE, 255.0),
            _one(CONNECTED, 1.0, 60.0),
            _power(SETPOINT_W, _SLOW_S),
            _power(POWER_W_MIN, _SLOW_S),
            _power(POWER_W_MAX, _SLOW_S),
            _energy(ENERGY_WH_REMAINING, 60.0),
            _energy(ENERGY_WH_CAPACITY),
            _energy(ENERGY_WH_CHARGED),
        ),
        ResourceKind.PV: (
            *_LIVE,
            _power(LIMIT_W, _SLOW_S),
            _power(POWER_W_MAX, _SLOW_S),
            _energy(ENERGY_WH_GENERATED),
            *_GRID,
        ),
        ResourceKind.FUEL_CELL: (
            *_LIVE,
            _one(MODE, 255.0),
            _power(SETPOINT_W, _SLOW_S),
            _power(POWER_W_MAX, _SLOW_S),
            _energy(ENERGY_WH_GENERATED),
        ),
        ResourceKind.HEAT_PUMP: (
            *_LIVE,
            _one(MODE, 255.0),
            _power(SETPOINT_W, _SLOW_S),
            _power(LIMIT_W, _SLOW_S),
            _power(POWER_W_MAX, _SLOW_S),
            _energy(ENERGY_WH_IMPORTED),
            QuantitySpec(
                quantity=HOT_WATER_L, unit="L", minimum=0.0, maximum=65_533.0, max_age_s=_SLOW_S
            ),
        ),
        ResourceKind.LOAD: (
            *_LIVE,
            _one(MODE, 255.0),
            _power(SETPOINT_W, _SLOW_S),
            _power(LIMIT_W, _SLOW_S),
            _power(POWER_W_MAX, _SLOW_S),
            _energy(ENERGY_WH_IMPORTED),
            QuantitySpec(
                quantity=ROOM_C, unit="degC", minimum=-50.0, maximum=100.0, max_age_s=_SLOW_S
            ),
        ),
    }
)
"""What each kind of device can be asked for. A device need not have every one of them."""


def point_id(device_id: str, quantity: str) -> PointId:
    """``<device id>.<quantity>``, for example ``battery-1.soc``."""
    return PointId(f"{device_id}.{quantity}")


def points_of(config: SiteConfig) -> tuple[PointSpec, ...]:
    """List every point of a site in the order of its devices.

    Parameters
    ----------
    config : SiteConfig
        The site.

    Returns
    -------
    tuple of PointSpec
        A device that answers outside its configured bounds is still believed: its plausible
        range is that of the kind, for a limit that is broken must be seen.
    """
    return tuple(
        _specified(device, quantity)
        for device in config.devices
        for quantity in QUANTITIES[device.kind]
    )


def _report_s(device: DeviceConfig) -> float:
    """Pause between the reports of a device that sends by itself and cannot be asked, s."""
    wire = None if device.template_id is None else template_of(device.template_id).wire
    return float(wire.report_s) if isinstance(wire, Ieee2030_5Wire | OpenAdrWire) else 0.0


def _specified(device: DeviceConfig, spec: QuantitySpec) -> PointSpec:
    return PointSpec(
        point_id=point_id(device.device_id, spec.quantity),
        device_id=device.device_id,
        quantity=spec.quantity,
        unit=spec.unit,
        minimum=spec.minimum,
        maximum=spec.maximum,
        max_age_s=max(spec.max_age_s, REPORTS * _report_s(device)),
    )
