"""A site on paper: inputs for decide, and a pure plant that answers its setpoints."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.control.decide import decide
from edge_agent.control.inputs import (
    Binding,
    ControlParameters,
    ControlState,
    CycleInputs,
    Decision,
    Frame,
    HeldSignal,
    Tariff,
)
from edge_agent.control.limits import Limit, contract_import, export_limit
from edge_agent.control.plan import Plan
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import (
    ModelId,
    ObligationId,
    PointId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import (
    HoldRule,
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)
from protocols.vocabulary.offer import DispatchSignal, OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

T0 = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("site-001")
METER = PointId("meter.power_w")


def battery(name: str = "battery-1", **changes: object) -> Binding:
    """Binding of a 5 kW, 10 kWh battery."""
    fields: dict[str, object] = {
        "resource_id": ResourceId(f"{SITE}/{name}"),
        "site_id": SITE,
        "kind": ResourceKind.BATTERY,
        "power_w_min": -5000.0,
        "power_w_max": 5000.0,
        "ramp_w_per_s": 5000.0,
        "energy_wh_capacity": 10_000.0,
        "efficiency_charge": 0.95,
        "efficiency_discharge": 0.95,
        "soc_min": 0.1,
        "soc_max": 0.95,
        "capabilities": frozenset(
            {Capability.READS_POWER, Capability.TAKES_SETPOINT, Capability.HAS_SOC}
        ),
    }
    return Binding(
        resource=Resource(**(fields | changes)),  # type: ignore[arg-type]
        power_point=PointId(f"{name}.power_w"),
        soc_point=PointId(f"{name}.soc"),
        degradation_jpy_per_kwh=3.0,
    )


def photovoltaic(name: str = "pv-1", power_w_max: float = 5000.0) -> Binding:
    """Binding of a PV system that takes an output limit."""
    return Binding(
        resource=Resource(
            resource_id=ResourceId(f"{SITE}/{name}"),
            site_id=SITE,
            kind=ResourceKind.PV,
            power_w_min=0.0,
            power_w_max=power_w_max,
            ramp_w_per_s=float("inf"),
            capabilities=frozenset({Capability.READS_POWER, Capability.TAKES_LIMIT}),
        ),
        power_point=PointId(f"{name}.power_w"),
    )


def sink(name: str = "hvac-1", **changes: object) -> Binding:
    """Binding of a 10 kW load that takes a ceiling, without a state of charge."""
    fields: dict[str, object] = {
        "resource_id": ResourceId(f"{SITE}/{name}"),
        "site_id": SITE,
        "kind": ResourceKind.LOAD,
        "power_w_min": -10_000.0,
        "power_w_max": 0.0,
        "ramp_w_per_s": float("inf"),
        "capabilities": frozenset({Capability.READS_POWER, Capability.TAKES_LIMIT}),
    }
    return Binding(
        resource=Resource(**(fields | changes)),  # type: ignore[arg-type]
        power_point=PointId(f"{name}.power_w"),
        comfort_jpy_per_kwh=60.0,
        least_point=PointId(f"{name}.power_w_max"),
    )


def commitment(
    *,
    baseline_w: float = -1000.0,
    capacity_w: float = 4000.0,
    hold: HoldRule = HoldRule.HOLD_SHARE,
    start: datetime = T0,
    duration_s: float = 1800.0,
    name: str = "award-1/site-001",
    state: ObligationState = ObligationState.ACCEPTED,
) -> Commitment:
    """Make a secondary-1 obligation with a curve from -capacity (0 JPY) to +capacity (40 JPY)."""
    interval = Interval(start=start, end=start + timedelta(seconds=duration_s))
    profile = column([capacity_w / 2.0])
    energy = column([-1e6, -1e6]), column([1e6, 1e6])
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId(name),
            parent_id=ObligationId("award-1"),
            target=SITE,
            service=Service.SECONDARY_1,
            interval=interval,
            step_s=duration_s,
            power_w=profile,
            relative_to=RelativeTo.BASELINE,
            tolerance_w=200.0,
            state=state,
        ),
        curve=OfferCurve(
            site_id=SITE,
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([0.0, 40.0]),
            power_w=column([-capacity_w, capacity_w]),
            interval=interval,
        ),
        envelope=Envelope(
            target=SITE,
            interval=interval,
            step_s=duration_s,
            power_w_min=column([-capacity_w]),
            power_w_max=column([capacity_w]),
            energy_wh_min=energy[0],
            energy_wh_max=energy[1],
            ramp_w_per_s=1000.0,
        ),
        baseline=Baseline(
            target=SITE,
            interval=interval,
            step_s=duration_s,
            power_w=column([baseline_w]),
            method="persistence-300s",
            computed_at=start,
            data_until=start,
            model_id=ModelId("persistence"),
        ),
        hold=hold,
        band_lower_w=column([-200.0]),
        band_upper_w=column([200.0]),
    )


def signal(
    price: float, *, at: datetime = T0, valid_s: float = 3600.0, number: int = 1
) -> HeldSignal:
    """Make a dispatch signal of one price for secondary-1."""
    return HeldSignal(
        signal=DispatchSignal(
            zone=ZoneId("tokyo"),
            signal_id=SignalId(number),
            epoch=1,
            interval=Interval(start=at, end=at + timedelta(seconds=valid_s)),
            multipliers={Service.SECONDARY_1: price},
        ),
        received_at=at,
    )


@dataclass
class Device:
    """A device on paper: moves to what it was told with a ramp, after one second."""

    binding: Binding
    power_w: float = 0.0
    soc: float = 0.5
    told_w: float | None = None
    gain: float = 1.0
    available_w: float = 0.0
    deaf: bool = False
    least_w: float = 0.0
    levels_w: tuple[float, ...] = ()

    def step(self) -> None:
        """One second of physics."""
        resource = self.binding.resource
        if self.binding.comfort_jpy_per_kwh is not None:
            self._consume()
            return
        if self.binding.soc_point is None:
            cap_w = resource.power_w_max if self.told_w is None else self.told_w
            self.power_w = min(self.available_w, cap_w)
            return
        wanted_w = resource.default_power_w if self.told_w is None else self.told_w * self.gain
        wanted_w = min(max(wanted_w, resource.power_w_min), resource.power_w_max)
        step_w = resource.ramp_w_per_s
        if not self.deaf:
            self.power_w += min(max(wanted_w - self.power_w, -step_w), step_w)
        factor = (
            1.0 / resource.efficiency_discharge
            if self.power_w > 0.0
            else resource.efficiency_charge
        )
        self.soc -= self.power_w * factor / 3600.0 / resource.energy_wh_capacity
        self.soc = min(max(self.soc, 0.0), 1.0)

    def _consume(self) -> None:
        """Take what is wanted below the ceiling, in whole levels where it has some."""
        told_w = None if self.deaf else self.told_w
        floor_w = min(told_w if told_w is not None else -math.inf, self.least_w)
        if told_w is not None and self.levels_w:
            floor_w = min((w for w in self.levels_w if w >= told_w), default=max(self.levels_w))
        wanted_w = max(self.available_w, floor_w)
        step_w = self.binding.resource.ramp_w_per_s
        self.power_w += min(max(wanted_w - self.power_w, -step_w), step_w)


@dataclass
class Plant:
    """A whole site on paper, one second at a time."""

    bindings: tuple[Binding, ...]
    limits: tuple[Limit, ...] = (contract_import(10_000.0), export_limit(10_000.0))
    commitments: tuple[Commitment, ...] = ()
    parameters: ControlParameters = field(default_factory=ControlParameters)
    mode: Mode = Mode.NORMAL
    load_w: float = -1000.0
    signal: HeldSignal | None = None
    plan: Plan | None = None
    meter_lag: bool = False
    quality: dict[PointId, Quality] = field(default_factory=dict)
    state: ControlState = field(default_factory=ControlState)
    second: int = 0

    def __post_init__(self) -> None:
        """Set up the devices."""
        self.devices = {b.resource.resource_id: Device(b) for b in self.bindings}
        self.meter_before_w = self.meter_w
        self.decision: Decision | None = None

    @property
    def meter_w(self) -> float:
        return self.load_w + sum(device.power_w for device in self.devices.values())

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.second, milliseconds=137)

    def device(self, name: str) -> Device:
        return self.devices[ResourceId(f"{SITE}/{name}")]

    def frame(self) -> Frame:
        points = [METER]
        for binding in self.bindings:
            points.append(binding.power_point)
            if binding.soc_point is not None:
                points.append(binding.soc_point)
            if binding.least_point is not None:
                points.append(binding.least_point)
        return Frame(
            site_id=SITE,
            meter_point=METER,
            bindings=self.bindings,
            limits=self.limits,
            commitments=self.commitments,
            tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
            points=tuple(points),
            parameters=self.parameters,
        )

    def inputs(self) -> CycleInputs:
        values: dict[PointId, float] = {
            METER: self.meter_before_w if self.meter_lag else self.meter_w
        }
        for device in self.devices.values():
            values[device.binding.power_point] = device.power_w
            if device.binding.soc_point is not None:
                values[device.binding.soc_point] = device.soc
            if device.binding.least_point is not None:
                values[device.binding.least_point] = device.least_w
        points = {
            point: Measurement(
                value=value,
                quality=self.quality.get(point, Quality.GOOD),
                measured_at=self.now,
                received_at=self.now,
            )
            for point, value in values.items()
        }
        return CycleInputs(
            cycle=self.second + 1,
            slot_s=int(self.now.timestamp()),
            now=self.now,
            image=ProcessImage(
                cycle=self.second + 1,
                taken_at=self.now,
                monotonic_ns=self.second * 1_000_000_000,
                points=points,
            ),
            frame=self.frame(),
            frame_id="frame",
            signal=self.signal,
            mode=self.mode,
            plan=self.plan,
        )

    def tick(self) -> Decision:
        """Decide, tell the devices, and let a second pass."""
        decision, self.state = decide(self.inputs(), self.state)
        for setpoint in decision.setpoints:
            self.devices[setpoint.resource_id].told_w = setpoint.power_w
        for release in decision.releases:
            self.devices[release.resource_id].told_w = None
        self.meter_before_w = self.meter_w
        for device in self.devices.values():
            device.step()
        self.second += 1
        self.decision = decision
        return decision

    def run(self, seconds: int, before: Callable[[int], None] | None = None) -> list[float]:
        """Meter power after each of some seconds; ``before`` may change things."""
        trace = []
        for k in range(seconds):
            if before is not None:
                before(k)
            self.tick()
            trace.append(self.meter_w)
        return trace


class Paper:
    """What the tests build sites from."""

    t0 = T0
    plant = Plant
    battery = staticmethod(battery)
    photovoltaic = staticmethod(photovoltaic)
    sink = staticmethod(sink)
    commitment = staticmethod(commitment)
    signal = staticmethod(signal)
    replace = staticmethod(replace)


@pytest.fixture
def paper() -> type[Paper]:
    """Builders of sites on paper."""
    return Paper
