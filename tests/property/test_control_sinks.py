"""Whatever loads want: the contract is kept as far as they allow, and none is held for nothing."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.control.decide import decide
from edge_agent.control.inputs import Binding, ControlState, CycleInputs, Decision, Frame, Tariff
from edge_agent.control.limits import contract_import, export_limit
from edge_agent.control.offer import Consumption, OfferRequest, make_offer
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import PointId, ResourceId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

T0 = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("s")
METER = PointId("meter.power_w")
SECONDS = 60
"""A ceiling at nothing is lifted to the rating in twenty."""


@dataclass
class Load:
    """A load on paper: takes what it wants, below its ceiling, never less than its least."""

    binding: Binding
    wanted_w: float
    least_w: float
    told_w: float | None = None
    power_w: float = 0.0

    def step(self) -> None:
        floor_w = -math.inf if self.told_w is None else min(self.told_w, self.least_w)
        self.power_w = max(self.wanted_w, floor_w)


@dataclass
class Site:
    """Loads and an uncontrolled house behind one meter."""

    loads: list[Load]
    house_w: float
    contract_w: float
    state: ControlState = field(default_factory=ControlState)
    second: int = 0

    @property
    def meter_w(self) -> float:
        return self.house_w + sum(load.power_w for load in self.loads)

    def tick(self) -> Decision:
        now = T0 + timedelta(seconds=self.second)
        values = {METER: self.meter_w}
        for load in self.loads:
            values[load.binding.power_point] = load.power_w
            assert load.binding.least_point is not None
            values[load.binding.least_point] = load.least_w
        frame = frame_of(self)
        inputs = CycleInputs(
            cycle=self.second + 1,
            slot_s=int(now.timestamp()),
            now=now,
            image=ProcessImage(
                cycle=self.second + 1,
                taken_at=now,
                monotonic_ns=self.second,
                points={
                    point: Measurement(
                        value=value, quality=Quality.GOOD, measured_at=now, received_at=now
                    )
                    for point, value in values.items()
                },
            ),
            frame=frame,
            frame_id="f",
            signal=None,
            mode=Mode.NORMAL,
        )
        decision, self.state = decide(inputs, self.state)
        told = {setpoint.resource_id: setpoint.power_w for setpoint in decision.setpoints}
        freed = {release.resource_id for release in decision.releases}
        for load in self.loads:
            name = load.binding.resource.resource_id
            load.told_w = None if name in freed else told.get(name, load.told_w)
            load.step()
        self.second += 1
        return decision


def frame_of(site: Site) -> Frame:
    """Frame of a site."""
    bindings = tuple(load.binding for load in site.loads)
    return Frame(
        site_id=SITE,
        meter_point=METER,
        bindings=bindings,
        limits=(contract_import(site.contract_w), export_limit(5000.0)),
        commitments=(),
        tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
        points=(METER, *(binding.power_point for binding in bindings)),
    )


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Draw a site with one to five loads."""
    loads = []
    for number in range(draw(st.integers(1, 5))):
        rated_w = draw(st.floats(500.0, 20_000.0))
        wanted_w = -draw(st.floats(0.0, 1.0)) * rated_w
        binding = Binding(
            resource=Resource(
                resource_id=ResourceId(f"{SITE}/l-{number}"),
                site_id=SITE,
                kind=ResourceKind.LOAD,
                power_w_min=-rated_w,
                power_w_max=0.0,
                ramp_w_per_s=math.inf,
                capabilities=frozenset({Capability.READS_POWER, Capability.TAKES_LIMIT}),
            ),
            power_point=PointId(f"l-{number}.power_w"),
            comfort_jpy_per_kwh=draw(st.floats(40.0, 100.0)),
            least_point=PointId(f"l-{number}.power_w_max"),
        )
        least_w = -draw(st.sampled_from([0.0, 0.0, 0.2, 1.0])) * rated_w
        loads.append(Load(binding=binding, wanted_w=wanted_w, least_w=least_w, power_w=wanted_w))
    return Site(
        loads=loads,
        house_w=-draw(st.floats(0.0, 5000.0)),
        contract_w=draw(st.floats(1000.0, 40_000.0)),
    )


@settings(max_examples=60, deadline=None)
@given(sites())
def test_the_contract_is_kept_as_far_as_the_loads_allow(site: Site) -> None:
    """If it fails, a building breaks its contract although it could take less."""
    least_w = site.house_w + sum(max(load.wanted_w, load.least_w) for load in site.loads)
    for _ in range(SECONDS):
        decision = site.tick()
        assert all(load.told_w is None or load.told_w <= 0.0 for load in site.loads)
        if site.second > 2:
            assert site.meter_w >= min(-site.contract_w, least_w) - 1.0
    assert decision.reason == "economy.tariff"


@settings(max_examples=60, deadline=None)
@given(sites(), st.floats(0.0, 3000.0))
def test_a_load_is_not_held_once_everything_fits(site: Site, spare_w: float) -> None:
    """If it fails, comfort is taken for nothing, and nobody sees what the load would take."""
    for _ in range(10):
        site.tick()
    wanted_w = site.house_w + sum(load.wanted_w for load in site.loads)
    site.contract_w = -wanted_w + 0.1 * sum(
        -load.binding.resource.power_w_min for load in site.loads
    )
    site.contract_w += 1000.0 + spare_w
    for _ in range(2 * SECONDS):
        site.tick()
        assert site.meter_w >= -site.contract_w - 1.0
    assert all(load.power_w == load.wanted_w for load in site.loads)


@settings(max_examples=100, deadline=None)
@given(sites())
def test_an_offer_of_loads_can_be_kept(site: Site) -> None:
    """If it fails, a curve falls with the price, or promises what the loads do not take."""
    names = [load.binding.resource.resource_id for load in site.loads]
    curve, envelope, baseline = make_offer(
        OfferRequest(
            frame=frame_of(site),
            service=Service.SECONDARY_1,
            version=1,
            interval=Interval(start=T0, end=T0 + timedelta(minutes=30)),
            now=T0,
            data_until=T0,
            residual_w=column([site.meter_w] * 20),
            socs={},
            generation_w={},
            sinks={
                name: Consumption(power_w=load.power_w, least_w=load.least_w)
                for name, load in zip(names, site.loads, strict=True)
            },
        )
    )
    assert list(curve.power_w) == sorted(curve.power_w)
    could_w = sum(max(load.least_w - load.power_w, 0.0) for load in site.loads)
    assert float(curve.power_w[-1]) <= could_w + 1e-6
    assert float(envelope.power_w_max[0]) <= could_w + 1e-6
    inside_w = max(site.meter_w, -site.contract_w)
    assert baseline.power_w[0] >= site.meter_w - 1e-6
    if site.meter_w >= -site.contract_w + 5000.0:
        assert math.isclose(float(baseline.power_w[0]), inside_w, abs_tol=1e-6)
        # At the tariff nobody goes without: the promise begins at the price of comfort, give or
        # take a tick of the price.
        rated_w = sum(-load.binding.resource.power_w_min for load in site.loads)
        assert abs(float(curve.power_w[0])) <= 1e-3 * rated_w
