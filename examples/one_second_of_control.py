"""One second of control as a pure function: what is known goes in, what to write comes out.

No clock, no device, no chance: the same inputs give the same answer, bit for bit. That is why
any second of a site can be replayed from its journal. To the limit at the meter, here no export,
a small margin is kept: the battery gives not quite what the house takes.

Prints::

    0.5 full: economy.tariff, battery to 1498 W until 01:00:10
    0.1 full: economy.tariff, battery to 0 W until 01:00:10
    meter lost: meter.lost, releases site-001/battery-1
"""

from dataclasses import replace
from datetime import UTC, datetime

from edge_agent.control.decide import decide
from edge_agent.control.inputs import Binding, ControlState, CycleInputs, Frame, Tariff
from edge_agent.control.limits import contract_import, export_limit
from protocols.vocabulary.identifiers import PointId, ResourceId, SiteId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
SITE = SiteId("site-001")
METER, POWER, SOC = PointId("meter.power_w"), PointId("battery-1.power_w"), PointId("battery-1.soc")

BATTERY = Binding(
    resource=Resource(
        resource_id=ResourceId("site-001/battery-1"),
        site_id=SITE,
        kind=ResourceKind.BATTERY,
        power_w_min=-3000.0,
        power_w_max=3000.0,
        ramp_w_per_s=3000.0,
        energy_wh_capacity=10_000.0,
        soc_min=0.1,
        soc_max=0.95,
        capabilities=frozenset(
            {Capability.READS_POWER, Capability.HAS_SOC, Capability.TAKES_SETPOINT}
        ),
    ),
    power_point=POWER,
    soc_point=SOC,
    degradation_jpy_per_kwh=3.0,
)
FRAME = Frame(
    site_id=SITE,
    meter_point=METER,
    bindings=(BATTERY,),
    limits=(contract_import(10_000.0), export_limit(0.0)),  # 0 W: nothing may flow back
    commitments=(),  # no obligation, so the tariff decides
    tariff=Tariff(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
    points=(METER, POWER, SOC),
)


def known(soc: float) -> CycleInputs:
    """Say what is known: the house takes 1500 W, the battery rests."""
    values = {METER: -1500.0, POWER: 0.0, SOC: soc}
    points = {
        point: Measurement(value=value, quality=Quality.GOOD, measured_at=NOW, received_at=NOW)
        for point, value in values.items()
    }
    return CycleInputs(
        cycle=1,
        slot_s=int(NOW.timestamp()),
        now=NOW,
        image=ProcessImage(cycle=1, taken_at=NOW, monotonic_ns=0, points=points),
        frame=FRAME,
        frame_id="example",
        signal=None,
        mode=Mode.NORMAL,
    )


def main() -> None:
    """Decide the same second with a half full battery, an empty one, and no meter."""
    for soc in (0.5, 0.1):
        decision, _ = decide(known(soc), ControlState())
        setpoint = decision.setpoints[0]  # a lease: it ends by itself unless it is renewed
        ends = f"{setpoint.valid_until:%H:%M:%S}"
        print(f"{soc} full: {decision.reason}, battery to {setpoint.power_w:.0f} W until {ends}")
    inputs = known(0.5)
    lost = replace(inputs.image.points[METER], quality=Quality.BAD, value=None)
    image = replace(inputs.image, points={**inputs.image.points, METER: lost})
    decision, _ = decide(replace(inputs, image=image), ControlState())
    released = ", ".join(release.resource_id for release in decision.releases)
    print(f"meter lost: {decision.reason}, releases {released}")


if __name__ == "__main__":
    main()
