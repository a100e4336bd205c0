"""The scenario's form. Strict: unknown keys, wrong types and impossible numbers are refused.

Units are in the keys (W, Wh, s); bounds catch a number written in another unit. Powers here
are ratings and magnitudes, >= 0. Times of profiles, sessions and faults count from the start.
"""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from firmware_sim.faults import FaultKind, MapFault
from firmware_sim.physics.battery import TAPER_SOC
from firmware_sim.scenario.values import (
    Address,
    Count,
    Efficiency,
    EojText,
    Group,
    Moment,
    Name,
    Share,
    TemplateId,
    WattHours,
    Watts,
)
from protocols.echonet_lite.frame import PORT
from protocols.templates.catalogue import template_of


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Location(_Model):
    """Degrees, north and east positive."""

    latitude: Annotated[float, Field(ge=-90.0, le=90.0)] = 35.68
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)] = 139.77


class Measured(_Model):
    """A measured course: seconds from the start and W, straight lines between."""

    kind: Literal["measured"]
    source: Annotated[str, Field(min_length=1)]
    times_s: Annotated[tuple[float, ...], Field(min_length=2)]
    power_w: Annotated[tuple[float, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _columns(self) -> "Measured":
        if len(self.times_s) != len(self.power_w):
            raise ValueError("times_s and power_w differ in length")
        pairs = zip(self.times_s, self.times_s[1:], strict=False)
        if any(early >= late for early, late in pairs):
            raise ValueError("times_s must rise")
        return self


class HouseholdLoad(_Model):
    """A household from a seed."""

    kind: Literal["household"]
    base_w: Annotated[float, Field(ge=0.0, le=5_000.0)] = 180.0
    seed: int = 0


class SkyCourse(_Model):
    """Sun and clouds from a seed."""

    kind: Literal["sky"]
    seed: int = 0
    cloudiness: Share = 0.3


class FrequencyCourse(_Model):
    """Course of the grid's frequency: seconds from the start and Hz, straight lines between."""

    times_s: Annotated[tuple[float, ...], Field(min_length=1)]
    frequency_hz: Annotated[
        tuple[Annotated[float, Field(ge=40.0, le=70.0)], ...], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _columns(self) -> "FrequencyCourse":
        if len(self.times_s) != len(self.frequency_hz):
            raise ValueError("times_s and frequency_hz differ in length")
        pairs = zip(self.times_s, self.times_s[1:], strict=False)
        if any(early >= late for early, late in pairs):
            raise ValueError("times_s must rise")
        return self


Load = Annotated[HouseholdLoad | Measured, Field(discriminator="kind")]
Course = Annotated[SkyCourse | Measured, Field(discriminator="kind")]


class _Device(_Model):
    id: Name
    address: Address


class _Storage(_Device):
    energy_wh_capacity: WattHours
    power_w_charge_max: Watts
    efficiency_charge: Efficiency
    efficiency_discharge: Efficiency
    ramp_w_per_s: Annotated[float, Field(ge=10.0, le=1e6)]


def _check_ramp(device: _Storage, power_w_max: float) -> None:
    """Refuse a ramp slower than the power limit falls near full and empty."""
    width_wh = TAPER_SOC * device.energy_wh_capacity
    drain_w = power_w_max / device.efficiency_discharge + 500.0
    needed = power_w_max * drain_w / (width_wh * 3600.0)
    if device.ramp_w_per_s < needed:
        raise ValueError(
            f"ramp_w_per_s is too slow for power and capacity; it must be >= {needed:.0f}"
        )


class Battery(_Storage):
    """Storage battery; ``auto_reserve_soc`` bounds its own self-consumption default."""

    kind: Literal["battery"]
    eoj: EojText = "027D01"
    power_w_discharge_max: Watts
    soc_start: Share = 0.5
    efficiency_charge: Efficiency = 0.95
    efficiency_discharge: Efficiency = 0.95
    ramp_w_per_s: Annotated[float, Field(ge=10.0, le=1e6)] = 2500.0
    standby_w: Annotated[float, Field(ge=0.0, le=500.0)] = 15.0
    auto_reserve_soc: Share = 0.3
    reverse_flow_allowed: bool = True
    remote_needed: bool = False

    @model_validator(mode="after")
    def _ramp(self) -> "Battery":
        _check_ramp(self, max(self.power_w_charge_max, self.power_w_discharge_max))
        return self


class Pv(_Device):
    """PV inverter with what the sky offers it."""

    kind: Literal["pv"]
    eoj: EojText = "027901"
    power_w_rated: Annotated[float, Field(ge=100.0, le=65_000.0)]
    course: Course = SkyCourse(kind="sky")
    reverse_flow_allowed: bool = True


class Session(_Model):
    """A stay of the car; seconds from the start (negative: it is there already)."""

    arrival_s: float
    departure_s: float
    arrival_soc: Share
    energy_wh_needed: Annotated[float, Field(ge=0.0, le=200_000.0)]

    @model_validator(mode="after")
    def _order(self) -> "Session":
        if self.arrival_s >= self.departure_s:
            raise ValueError("departure_s must be later than arrival_s")
        return self


class _Ev(_Storage):
    efficiency_charge: Efficiency = 0.93
    efficiency_discharge: Efficiency = 0.93
    ramp_w_per_s: Annotated[float, Field(ge=10.0, le=1e6)] = 1500.0
    sessions: tuple[Session, ...] = ()

    @model_validator(mode="after")
    def _no_overlap(self) -> "_Ev":
        pairs = zip(self.sessions, self.sessions[1:], strict=False)
        if any(early.departure_s > late.arrival_s for early, late in pairs):
            raise ValueError("sessions must be in order and not overlap")
        _check_ramp(self, self.power_w_charge_max)
        return self


class EvCharger(_Ev):
    """Charger that can only charge."""

    kind: Literal["ev-charger"]
    eoj: EojText = "02A101"


class EvV2h(_Ev):
    """Charger and discharger."""

    kind: Literal["ev-v2h"]
    eoj: EojText = "027E01"
    power_w_discharge_max: Watts

    @model_validator(mode="after")
    def _ramp(self) -> "EvV2h":
        _check_ramp(self, self.power_w_discharge_max)
        return self


class FuelCell(_Device):
    """Household fuel cell."""

    kind: Literal["fuel-cell"]
    eoj: EojText = "027C01"
    power_w_rated: Watts = 700.0
    power_w_min: Watts = 200.0
    ramp_w_per_s: Annotated[float, Field(gt=0.0, le=1e5)] = 2.0
    start_delay_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 600.0
    stop_delay_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 60.0
    efficiency: Efficiency = 0.4
    generating: bool = True
    reverse_flow_allowed: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> "FuelCell":
        if self.power_w_min > self.power_w_rated:
            raise ValueError("power_w_min is above power_w_rated")
        return self


class HeatPump(_Device):
    """Heat-pump water heater; the energy is heat in a full tank."""

    kind: Literal["heat-pump"]
    eoj: EojText = "026B01"
    energy_wh_capacity: WattHours = 18_000.0
    power_w_rated: Watts = 1200.0
    efficiency: Annotated[float, Field(gt=0.5, le=8.0)] = 3.5
    filling_start: Share = 0.6
    seed: int = 0


class Meter(_Device):
    """Smart meter at the grid connection; counters in ``counter_unit_wh``."""

    kind: Literal["meter"]
    eoj: EojText = "028801"
    counter_unit_wh: Literal[1000, 100, 10, 1] = 100
    energy_wh_imported: Count = 0.0
    energy_wh_exported: Count = 0.0


class Templated(_Model):
    """A device of any protocol, made from a template.

    ``address`` is its own, of a charger that of the central system it calls; ``port`` and
    ``unit`` are the protocol's usual ones where they are not given. ``seed`` is its weather
    and household, ``soc_start`` how full it is.
    """

    id: Name
    template: TemplateId
    address: Address
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    unit: Annotated[int, Field(ge=0, le=4_194_302)] | None = None
    seed: int = 0
    soc_start: Share = 0.5

    @property
    def kind(self) -> str:
        """What the template says it is."""
        return template_of(self.template).kind.value

    @property
    def protocol(self) -> str:
        """What the template says it speaks."""
        return template_of(self.template).protocol


TEMPLATED = "template"
"""Tag of a device that is given by a template."""


def _form(device: object) -> str | None:
    """Which form a device is given in."""
    if isinstance(device, Templated):
        return TEMPLATED
    if not isinstance(device, dict):
        return getattr(device, "kind", None)
    if TEMPLATED in device:
        return TEMPLATED
    kind = device.get("kind")
    return kind if isinstance(kind, str) else None


Device = Annotated[
    Annotated[Battery, Tag("battery")]
    | Annotated[Pv, Tag("pv")]
    | Annotated[EvCharger, Tag("ev-charger")]
    | Annotated[EvV2h, Tag("ev-v2h")]
    | Annotated[FuelCell, Tag("fuel-cell")]
    | Annotated[HeatPump, Tag("heat-pump")]
    | Annotated[Meter, Tag("meter")]
    | Annotated[Templated, Tag(TEMPLATED)],
    Discriminator(_form),
]

CLASS_OF_KIND = {
    "battery": "027D",
    "pv": "0279",
    "ev-charger": "02A1",
    "ev-v2h": "027E",
    "fuel-cell": "027C",
    "heat-pump": "026B",
    "meter": "0288",
}


class SiteModel(_Model):
    """A site: its group, its load and its devices, one of them the meter."""

    site_id: Name
    group: Group
    gateway: Address | None = None
    location: Location = Location()
    load: Load = HouseholdLoad(kind="household")
    frequency: FrequencyCourse | None = None
    devices: Annotated[tuple[Device, ...], Field(min_length=1)]


class FaultEvent(_Model):
    """A fault of a device from ``at_s`` on, to ``until_s`` if given."""

    at_s: Annotated[float, Field(ge=0.0)]
    until_s: float | None = None
    device: str
    fault: Annotated[FaultKind, Field(strict=False)]
    delay_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 1.0
    gain: Annotated[float, Field(ge=-10.0, le=10.0)] = 1.0
    offset_w: Annotated[float, Field(ge=-100_000.0, le=100_000.0)] = 0.0
    every: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    variant: Annotated[MapFault, Field(strict=False)] = MapFault.COUNT
    address: Address | Literal[""] = ""
    offset_s: Annotated[float, Field(ge=-1e9, le=1e9)] = 0.0

    @model_validator(mode="after")
    def _order(self) -> "FaultEvent":
        if self.until_s is not None and self.until_s <= self.at_s:
            raise ValueError("until_s must be later than at_s")
        return self


class Scenario(_Model):
    """Everything one simulator process holds.

    ``start`` is the simulated world's time (sun, habits, sessions) at the moment the process
    starts; clocks of devices and the truth log show the real time. Without it the world's time
    is the real time.
    """

    seed: int = 0
    start: Moment | None = None
    port: Annotated[int, Field(ge=1, le=65_535)] = PORT
    sources: tuple[str, ...] = ()
    sites: Annotated[tuple[SiteModel, ...], Field(min_length=1, max_length=10_000)]
    faults: Annotated[tuple[FaultEvent, ...], Field(max_length=10_000)] = ()
