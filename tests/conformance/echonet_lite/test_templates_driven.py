"""Every ECHONET template: the device made from it is found, read, driven and given back by us.

Driver and simulator read the same file, so this proves that both can live with it, not that a
maker's device is like that. In virtual time; nothing here waits.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.port import WriteState
from firmware_sim.devices.contract import Span
from firmware_sim.devices.echonet_lite.node import Outgoing, SimulatedNode
from firmware_sim.devices.rooms import simulated
from protocols.templates.catalogue import catalogue
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.template import LeaseMechanism, Template
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Capability, ResourceKind
from tests.unit.edge_agent.drivers.conftest import START
from tests.unit.edge_agent.drivers.echonet_lite.conftest import Bench, Site

ADDRESS = "127.6.30.1"
NOON_S = START.timestamp() + 2 * 3600.0
"""World time of the tests' start: eleven in the morning in Japan, when the sun shines."""
TEMPLATES = sorted(name for name, one in catalogue().items() if isinstance(one.wire, EchonetWire))
BY_POWER = {ResourceKind.BATTERY, ResourceKind.EV_V2H, ResourceKind.EV_CHARGER}


class Wire:
    """The gateway's endpoint with one simulated node behind it."""

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self._receiver: Callable[[bytes, str], None] = lambda _data, _address: None

    def listen(self, receiver: Callable[[bytes, str], None]) -> None:
        self._receiver = receiver

    def send(self, data: bytes, address: str) -> None:
        if address == ADDRESS:
            self.multicast(data)

    def multicast(self, data: bytes) -> None:
        self._deliver(self.node.receive(data, wall_s()))

    def announce(self) -> None:
        self._deliver(self.node.announcements(wall_s()))

    def close(self) -> None:
        self._receiver = lambda _data, _address: None

    def _deliver(self, outgoing: list[Outgoing]) -> None:
        loop = asyncio.get_running_loop()
        for one in outgoing:
            loop.call_later(0.01 + one.delay_s, lambda data=one.data: self._receiver(data, ADDRESS))


def wall_s() -> float:
    return NOON_S + asyncio.get_running_loop().time()


async def live(wire: Wire) -> None:
    """Let time pass for the device."""
    while True:
        start_s = wall_s()
        await asyncio.sleep(0.25)
        span = Span(start_s=start_s, end_s=wall_s(), house_w=-400.0, others_w=-400.0)
        wire.node.advance(span)
        wire.announce()


def drive(
    bench: Bench, template: Template, test: Callable[[Site, SimulatedNode], Awaitable[None]]
) -> None:
    """Run a test with a device of a template at the site."""

    async def body(site: Site) -> None:
        node = simulated(template, "site-1/d", seed=3, soc_start=0.5, wall_s=NOON_S)
        assert isinstance(node, SimulatedNode)
        assert isinstance(template.wire, EchonetWire)
        site.network = Wire(node)
        site.configs.append(
            DeviceConfig(
                device_id="d",
                kind=template.kind,
                protocol="echonet-lite",
                address=ADDRESS,
                eoj=f"{template.wire.class_code:04X}01",
                template_id=template.template_id,
            )
        )
        living = asyncio.create_task(live(site.network))
        try:
            async with site.running():
                await test(site, node)
        finally:
            living.cancel()

    bench.run(body)


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> Template:
    return catalogue()[request.param]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_device_of_the_template_is_read(bench: Bench, template: Template) -> None:
    """If it fails, a family of devices is listed as supported and cannot be measured."""

    async def test(site: Site, node: SimulatedNode) -> None:
        values = await site.cycles(40)
        values.pop(PointId("d.setpoint_w"), None)  # none: it decides itself
        power = values["d.power_w"]
        assert power.quality is Quality.GOOD, power.reason
        assert power.value == pytest.approx(node.reading.power_w, rel=0.05, abs=30.0)
        assert all(value.quality is Quality.GOOD for value in values.values()), {
            point: value.reason for point, value in values.items() if value.reason
        }
        (resource,) = site.driver.resources()
        if template.kind is ResourceKind.METER:
            assert Capability.MEASURES_SITE in resource.capabilities
            return
        plate = template.nameplate
        assert resource.power_w_min == pytest.approx(plate.power_w_min, rel=0.01)
        assert resource.power_w_max == pytest.approx(plate.power_w_max, rel=0.01)

    drive(bench, template, test)


def test_a_device_of_the_template_is_driven_and_given_back(
    bench: Bench, template: Template
) -> None:
    """If it fails, a family of devices is listed as controllable and does not obey."""

    async def test(site: Site, node: SimulatedNode) -> None:
        await site.cycles(2)
        plate = template.nameplate
        lease_s = 120.0 + 2.0 * template.writes.interval_s
        (resource,) = site.driver.resources()
        for rated_w in (plate.power_w_min, plate.power_w_max):
            power_w = round(0.5 * rated_w)
            outcome = await site.driver.write(site.setpoint(power_w, lease_s=lease_s, device="d"))
            if template.lease.mechanism is LeaseMechanism.NONE:
                assert outcome.state is WriteState.REFUSED
                assert outcome.detail
                continue
            assert outcome.state is WriteState.DONE, outcome.detail
            await site.cycles(20)
            if Capability.TAKES_SETPOINT in resource.capabilities and template.kind in BY_POWER:
                house_w = 400.0 if "reverse-flow-banned" in template.quirks else 1e9
                wanted_w = min(power_w, house_w)
                assert node.reading.power_w == pytest.approx(wanted_w, rel=0.05, abs=30.0)
                assert outcome.read_back_w == power_w
        released = await site.driver.release(ResourceId("site-1/d"))
        if template.lease.mechanism is LeaseMechanism.NONE:
            return
        assert released.state is WriteState.DONE, released.detail
        await site.cycles(20)
        if template.lease.default_power_w is not None:
            assert node.reading.power_w == pytest.approx(template.lease.default_power_w, abs=1.0)

    drive(bench, template, test)


def test_an_energy_bound_ends_it_without_us(bench: Bench, template: Template) -> None:
    """If it fails, a template promises a bound that the device does not keep when we are dead."""
    if template.lease.mechanism is not LeaseMechanism.ENERGY_AMOUNT:
        return

    async def test(site: Site, node: SimulatedNode) -> None:
        await site.cycles(2)
        power_w = round(0.5 * template.nameplate.power_w_min)
        await site.driver.write(site.setpoint(power_w, lease_s=60.0, device="d"))
        site.network.close()  # the agent and its watchdog are gone
        await asyncio.sleep(60.0 * 4)
        assert abs(node.reading.power_w) < 30.0, "it goes on after its energy is through"

    drive(bench, template, test)
