"""An ECHONET device as the parts that every worker and every lease work with.

Contact, readings and orders of :mod:`edge_agent.drivers.field_device`, in terms of this room's
reader and writer. Nothing is decided here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.echonet_lite.commands import (
    AMOUNT_EPCS,
    WritePlan,
    plan_release,
    plan_setpoint,
)
from edge_agent.drivers.echonet_lite.device import Device, resource_of
from edge_agent.drivers.echonet_lite.exchange import Exchange
from edge_agent.drivers.echonet_lite.facts import SOC_EPC, Command
from edge_agent.drivers.echonet_lite.reading import DeviceReader
from edge_agent.drivers.echonet_lite.recipe import leased_device, restored_by
from edge_agent.drivers.echonet_lite.values import readings
from edge_agent.drivers.echonet_lite.write import DeviceWriter
from edge_agent.drivers.field_device import UNLIMITED, Carried, FieldDevice, Order
from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.drivers.port import FoundDevice, Reading
from protocols.echonet_lite.frame import Property
from protocols.templates.catalogue import template_of
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import Resource, ResourceKind

SLOW_S: Final = 30.0
_MAKER: Final = slice(2, 8)
"""Hexadecimal digits of an identification number that name the maker."""
_STORAGES: Final = frozenset({ResourceKind.BATTERY, ResourceKind.EV_V2H, ResourceKind.EV_CHARGER})


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsTerms:
    """What the parts of all devices share: the wire, the clock, and the port devices have."""

    exchange: Exchange
    clock: Clock
    device_port: int


def field_device(device: Device, terms: PartsTerms) -> FieldDevice:
    """Make the parts of one device."""
    reader = DeviceReader(device, terms.exchange, terms.clock)
    command = device.facts.command
    orders = None
    if command is not None:
        writer = DeviceWriter(device, terms.exchange, reader)
        orders = EchonetOrders(device, command, writer=writer, device_port=terms.device_port)
    template = None
    if device.config.template_id is not None:
        template = template_of(device.config.template_id)
    return FieldDevice(
        resource_id=device.resource_id,
        contact=EchonetContact(device, reader),
        readings=EchonetReadings(device, reader, terms.exchange),
        orders=orders,
        slow_s=SLOW_S if template is None else template.timing.slow_s,
        pacing_s=0.0 if template is None else template.timing.pacing_s,
        writes=UNLIMITED if template is None else template.writes,
    )


def found_device(device: Device) -> FoundDevice:
    """Describe a device as known now."""
    maker = device.node_id[_MAKER]
    return FoundDevice(
        address=device.address,
        unit=device.config.eoj,
        identity=device.node_id,
        device_id=device.config.device_id,
        about=f"maker {maker}" if maker else "",
    )


class EchonetContact:
    """Who and where the device is; see :class:`edge_agent.drivers.field_device.DeviceContact`."""

    def __init__(self, device: Device, reader: DeviceReader) -> None:
        self._device = device
        self._reader = reader

    async def meet(self) -> bool:
        """Ask the node who it is, and read its maps and values."""
        if not await self._reader.identify():
            return False
        await self._reader.learn()
        self._device.met = True
        return True

    async def lose(self) -> None:
        """Believe no announcement of its address until it has been met again."""
        self._device.met = False

    def go_to(self, address: str) -> None:
        """Take note of another address."""
        self._device.address = address

    def describe(self) -> FoundDevice:
        """Describe the device as known now."""
        return found_device(self._device)


class EchonetReadings:
    """What the device says; see :class:`edge_agent.drivers.field_device.DeviceReadings`."""

    def __init__(self, device: Device, reader: DeviceReader, exchange: Exchange) -> None:
        self._device = device
        self._reader = reader
        self._exchange = exchange

    async def poll_fast(self) -> None:
        """Get what changes each second."""
        await self._reader.fetch(self._device.facts.fast)

    async def poll_slow(self) -> bool:
        """Have the device look anew where it must be told to, and get the rest."""
        device = self._device
        refresh = device.facts.refresh
        if refresh is not None and refresh[0] in device.settable:
            epc, value = refresh
            steps = [Property(epc, bytes((value,)))]
            await self._exchange.set_c(device.peer, steps, pace=device.manners.pace)
        if not await self._reader.identify():
            return False
        await self._reader.fetch(device.facts.slow)
        return True

    def take(self) -> list[Reading]:
        """Take what arrived since the last time."""
        device = self._device
        if not device.changed:
            return []
        by_energy = device.config.kind in _STORAGES and SOC_EPC not in device.held
        found = readings(
            device.facts,
            device.config.device_id,
            device.held,
            changed=device.changed,
            energy_wh_capacity=resource_of(device).energy_wh_capacity if by_energy else 0.0,
        )
        device.changed.clear()
        return found

    def resource(self) -> Resource:
        """Describe the resource as far as known."""
        return resource_of(self._device)


class EchonetOrders:
    """What the device can be told; see :class:`edge_agent.drivers.field_device.DeviceOrders`."""

    def __init__(
        self, device: Device, command: Command, *, writer: DeviceWriter, device_port: int
    ) -> None:
        self._device = device
        self._command = command
        self._writer = writer
        self._device_port = device_port

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        """Plan the Set for a power, and keep what was set before our first one."""
        abilities = self._device.abilities()
        plan = plan_setpoint(self._command, abilities, power_w=power_w, lease_s=lease_s)
        for step in plan.steps:
            if step.epc in self._device.held:
                self._device.originals.setdefault(step.epc, self._device.held[step.epc].edt)
        return _order(plan)

    def plan_release(self) -> Order:
        """Plan the Set that gives the device back to its own default."""
        return _order(plan_release(self._command, self._device.abilities()))

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        """Send, read back, and judge."""
        return await self._writer.carry_out(_plan(order), superseded)

    def in_force(self, order: Order) -> bool:
        """Whether the device's last answers agree with an order."""
        return self._writer.in_force(_plan(order))

    def same(self, order: Order, other: Order) -> bool:
        """Whether two orders mean the same; one of them may set the method as well."""
        wanted, others = frozenset(_plan(order).expected), frozenset(_plan(other).expected)
        return order.power_w == other.power_w and (wanted <= others or others <= wanted)

    def setting_power_w(self) -> float | None:
        """Power the device says is set, W, generator frame."""
        return self._device.setting_power_w()

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        """Write an order as frames for the watchdog."""
        return leased_device(
            self._device, _plan(order), device_port=self._device_port, valid_until=valid_until
        )

    def adopt(self, leased: LeasedDevice) -> None:
        """Take over an earlier life's record: what is set now is our doing, not the original."""
        for restored in restored_by(leased):
            self._device.originals.setdefault(restored.epc, restored.edt)


def _order(plan: WritePlan) -> Order:
    return Order(
        power_w=plan.power_w,
        words=plan,
        runs_out=any(step.epc in AMOUNT_EPCS for step in plan.steps),
        detail=plan.detail,
        writes=len(plan.steps),
    )


def _plan(order: Order) -> WritePlan:
    assert isinstance(order.words, WritePlan), "orders come back to the family that made them"
    return order.words
