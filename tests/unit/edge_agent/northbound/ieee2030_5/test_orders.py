"""What the utility asks for, as the cycle reads it, and a second of the site as it reports it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.northbound.ieee2030_5.orders import (
    facts_of,
    grid_orders,
    nominal_interval,
)
from edge_agent.northbound.port import OPEN_END, Ratings, ResourceSample, SiteSecond
from protocols.ieee2030_5.client.clock import ServerClock
from protocols.ieee2030_5.client.events import Segment
from protocols.ieee2030_5.client.held import Held
from protocols.ieee2030_5.client.known import KnownProgram
from protocols.ieee2030_5.client.role import View
from protocols.ieee2030_5.resources.der import (
    CurveData,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
)
from protocols.ieee2030_5.resources.elements import (
    ActivePower,
    DateTimeInterval,
    EventStatus,
    Link,
)
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import ResourceKind

START = 1_700_000_000
CONTROL = DERControl(
    mrid="AB" * 16,
    description="evening",
    creation_time=START - 100,
    event_status=EventStatus(current_status=0, date_time=0, potentially_superseded=False),
    interval=DateTimeInterval(start=START, duration=600),
    der_control_base=DERControlBase(
        op_mod_connect=False,
        op_mod_fixed_w=-2500,
        op_mod_max_lim_w=5000,
        op_mod_freq_watt=Link(href="/c/1"),
        op_mod_target_w=ActivePower(multiplier=2, value=15),
    ),
)
CURVE = DERCurve(
    href="/c/1",
    mrid="CC" * 16,
    creation_time=0,
    curve_data=(CurveData(xvalue=6003, yvalue=100), CurveData(xvalue=6100, yvalue=0)),
    curve_type=0,
    x_multiplier=-2,
    y_multiplier=0,
    y_ref_type=1,
)
PROGRAM = KnownProgram(mrid="F0" * 16, primacy=3, description="feeder 7", curves=(CURVE,))


def view(*modes: str, programs: tuple[KnownProgram, ...] = (PROGRAM,), ahead_s: float = 0) -> View:
    held = Held(
        control=CONTROL,
        program=PROGRAM.mrid,
        primacy=3,
        shifts_s=(0, 0, 0),
        seen_s=0.0,
        start_s=START,
        end_s=START + 600.0,
    )
    segments = tuple(
        Segment(held=held, mode=mode, start_s=START, end_s=START + 600.0) for mode in modes
    )
    return View(segments=segments, programs=programs, clock=ServerClock(offset_s=ahead_s))


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("opModConnect", 0.0),
        ("opModFixedW", -0.25),
        ("opModMaxLimW", 0.5),
        ("opModTargetW", 1500.0),
        ("opModFreqWatt", 0.0),
    ],
)
def test_values_in_si_units(mode: str, value: float) -> None:
    """If it fails, a limit of 50 % is taken for 5000 %, or 1.5 kW for 15 W."""
    (order,) = grid_orders(view(mode), "utility:8443")
    assert (order.mode, order.value) == (mode, value)
    assert order.order_id == f"{'AB' * 16}/{mode}"
    assert (order.priority, order.is_default) == (3, False)
    assert order.issued_by == "feeder 7 at utility:8443"
    assert order.detail.startswith("evening")
    if mode == "opModFreqWatt":
        assert order.curve == ((60.03, 1.0), (61.0, 0.0))


def test_times_are_ours() -> None:
    """If it fails, an order begins an hour late where the server's clock is an hour ahead."""
    (order,) = grid_orders(view("opModConnect", ahead_s=3600.0), "u")
    assert order.interval.start == datetime.fromtimestamp(START - 3600, tz=UTC)
    assert order.interval.duration_s == 600.0


def test_one_default_per_mode_of_the_strongest_program() -> None:
    """If it fails, the default of a weaker authority holds, or two at once."""

    def default(mrid: str, limit_w: int) -> DefaultDERControl:
        power = ActivePower(multiplier=0, value=limit_w)
        base = DERControlBase(op_mod_exp_lim_w=power)
        return DefaultDERControl(mrid=mrid, der_control_base=base)

    strong = replace(PROGRAM, default=default("11" * 16, 1000), default_since_s=START)
    weak = replace(PROGRAM, mrid="F2" * 16, primacy=9, default=default("22" * 16, 9000))
    (order,) = grid_orders(view(programs=(strong, weak)), "u")
    assert (order.value, order.is_default, order.interval.end) == (1000.0, True, OPEN_END)


def test_times_beyond_any_calendar() -> None:
    """If it fails, a hostile server's number stops the gateway."""
    far = replace(CONTROL, interval=DateTimeInterval(start=2**62, duration=2**31))
    assert nominal_interval(far).end == OPEN_END
    long = replace(CONTROL, interval=DateTimeInterval(start=-(2**62), duration=2**31))
    assert nominal_interval(long).start < nominal_interval(long).end


def sample(name: str, power_w: float | None, **more: float | None) -> ResourceSample:
    fields = {
        "soc": None,
        "power_w_min": 0.0,
        "power_w_max": 5000.0,
        "energy_wh_capacity": 0.0,
        "setpoint_w": None,
    }
    return ResourceSample(
        resource_id=ResourceId(f"s/{name}"),
        kind=ResourceKind.PV,
        power_w=power_w,
        **(fields | more),
    )


def second(*resources: ResourceSample) -> SiteSecond:
    return SiteSecond(
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=1),
        meter_w=-300.0,
        resources=resources,
        ratings=Ratings(max_w=1e4, max_charge_w=5e3, max_discharge_w=5e3, load_w=0, energy_wh=9e3),
        reports=(),
    )


def test_facts_of_a_second() -> None:
    """If it fails, the utility reads another power or charge than the site has."""
    facts = facts_of(
        second(
            sample("pv", 2000.0),
            sample("a", -500.0, soc=0.5, energy_wh_capacity=6000.0),
            sample("b", 100.0, soc=1.0, energy_wh_capacity=2000.0),
            sample("heat", -900.0, power_w_max=0.0),
        )
    )
    assert (facts.meter_w, facts.der_w, facts.store_w) == (-300.0, 1600.0, -400.0)
    assert facts.soc == pytest.approx(0.625)


def test_an_unknown_part_makes_the_sum_unknown() -> None:
    """If it fails, a dead inverter counts as one that generates nothing."""
    facts = facts_of(second(sample("pv", None), sample("a", 5.0, soc=None, energy_wh_capacity=1.0)))
    assert (facts.der_w, facts.store_w, facts.soc) == (None, 5.0, None)
