"""Puts the BACnet/IP devices of a site together: one application, one worker each."""

import asyncio
import ipaddress
import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.config.addresses import BACNET_PORT, bacnet_node
from edge_agent.config.site import BacnetConfig, DeviceConfig, SiteConfig
from edge_agent.drivers.bacnet.application import Notification, OwnDevice, open_application
from edge_agent.drivers.bacnet.comfort import ComfortWatch
from edge_agent.drivers.bacnet.contact import BacnetContact
from edge_agent.drivers.bacnet.cov import Subscriptions
from edge_agent.drivers.bacnet.device import BacnetDevice, device_of
from edge_agent.drivers.bacnet.ears import Ears
from edge_agent.drivers.bacnet.orders import BacnetOrders, OrderParts
from edge_agent.drivers.bacnet.poller import Poller
from edge_agent.drivers.bacnet.reading import BacnetReadings
from edge_agent.drivers.bacnet.search import BacnetSearch
from edge_agent.drivers.bacnet.stack import INVOKE_IDS, Stack
from edge_agent.drivers.bacnet.wiring import Wiring, no_guard
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import FieldDevice
from protocols.bacnet.objects import INSTANCE_MAX
from protocols.bacnet.priority import checked_priority
from protocols.templates.bacnet import BacnetWire
from protocols.templates.catalogue import template_of
from protocols.vocabulary.errors import ConfigError, LocalProtocolError

PROTOCOL: Final = "bacnet"
CLOSE_S: Final = 3.0
"""Longest time for giving everything back when the agent ends."""
_PROCESS_IDS: Final = 1 << 21
_LOOPBACK: Final = "127."
_HOST_PREFIX: Final = 31
"""Networks this narrow or narrower have no broadcast."""


async def open_family(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    """Bind the gateway's BACnet port and make the family.

    Parameters
    ----------
    config : SiteConfig
        Devices of other protocols are left out.
    ports : FamilyPorts
        Clock, book, ledger, tap.

    Returns
    -------
    DeviceFamily or None
        None if no BACnet device is configured.

    Raises
    ------
    ConfigError
        If the section is missing, contradicts itself, or the port cannot be bound.
    """
    configured = config.devices_of(PROTOCOL)
    own = config.bacnet
    if not configured:
        return None
    if own is None:
        raise ConfigError("bacnet: is missing, but a device speaks it")
    devices = [_device(config, entry, own) for entry in configured]
    _check_addresses(own, devices)
    name = f"{config.site_id} gateway"
    device_object = OwnDevice(
        address=own.address, port=own.port, device_instance=own.device_instance, name=name
    )
    application = await open_application(device_object, ports.tap)
    # Another life's numbers, so that what was meant for it is not taken by us.
    numbers = itertools.count(secrets.randbelow(_PROCESS_IDS) + 1)
    stack = Stack(application, first_invoke_id=secrets.randbelow(INVOKE_IDS))
    ears = Ears()
    built = [_built(device, stack, ears, ports=ports, numbers=numbers) for device in devices]
    application.on_announcement = ears.hear
    application.on_notification = _dispatcher(built)
    search = BacnetSearch(
        devices, stack, ears, clock=ports.clock, broadcasts=_broadcasts(own, devices)
    )

    async def close() -> None:
        await _shut(built)
        stack.close()

    fields = [one.field for one in built]
    family = DeviceFamily(PROTOCOL, fields, ports, search=search, close=close)
    search.follow(family.worker)
    return family


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """One device with the parts that the family itself calls."""

    device: BacnetDevice
    field: FieldDevice
    readings: BacnetReadings
    orders: BacnetOrders | None
    subscriptions: Subscriptions


def _built(
    device: BacnetDevice, stack: Stack, ears: Ears, *, ports: FamilyPorts, numbers: Iterator[int]
) -> _Built:
    """Put one device together."""
    clock, poller = ports.clock, Poller(device, stack)
    orders = None
    if device.command is not None:
        comfort = ComfortWatch(device, clock)
        parts = OrderParts(stack=stack, poller=poller, comfort=comfort, clock=clock)
        orders = BacnetOrders(device, device.command, parts)
    wiring = Wiring(
        stack=stack,
        poller=poller,
        ears=ears,
        subscriptions=Subscriptions(device, stack, clock=clock, numbers=numbers),
        clock=clock,
        guard=no_guard if orders is None else orders.guard,
    )
    readings = BacnetReadings(device, wiring)
    field = FieldDevice(
        resource_id=device.resource_id,
        contact=BacnetContact(device, wiring),
        readings=readings,
        orders=orders,
        slow_s=device.template.timing.slow_s,
        pacing_s=device.template.timing.pacing_s,
        writes=device.template.writes,
    )
    return _Built(
        device=device,
        field=field,
        readings=readings,
        orders=orders,
        subscriptions=wiring.subscriptions,
    )


def _device(config: SiteConfig, entry: DeviceConfig, own: BacnetConfig) -> BacnetDevice:
    """Make the record of one configured device."""
    where = f"devices ({entry.device_id!r})"
    if entry.template_id is None:
        raise ConfigError(f"{where}: a BACnet device needs a template")
    identity = entry.identity
    if identity is not None and not (identity.isdecimal() and int(identity) <= INSTANCE_MAX):
        raise ConfigError(f"{where}: identity {identity!r} is not a device instance")
    template = template_of(entry.template_id)
    if not isinstance(template.wire, BacnetWire):
        raise ConfigError(f"{where}: template {entry.template_id!r} is not of BACnet")
    try:
        priority = checked_priority(own.priority)
    except LocalProtocolError as error:
        raise ConfigError(f"bacnet.priority: {error}") from None
    return device_of(config.site_id, entry, template, priority=priority)


def _check_addresses(own: BacnetConfig, devices: Sequence[BacnetDevice]) -> None:
    """Refuse what the library would answer itself: loopback at its own port."""
    local = ipaddress.IPv4Interface(own.address).ip
    for device in devices:
        node = bacnet_node(device.node)
        same = node.host == str(local) or node.host.startswith(_LOOPBACK)
        if same and node.port == own.port:
            raise ConfigError(
                f"bacnet.port: {device.config.device_id!r} at {device.node} is on this machine "
                "at the gateway's own port; one of them needs another"
            )


def _broadcasts(own: BacnetConfig, devices: Sequence[BacnetDevice]) -> tuple[str | None, ...]:
    """Where a question to all goes: the gateway's own port, the standard one, the devices'."""
    network = ipaddress.IPv4Interface(own.address).network
    if network.prefixlen >= _HOST_PREFIX:
        return ()
    ports = {BACNET_PORT} | {bacnet_node(device.node).port for device in devices}
    others = (f"{network.broadcast_address}:{port}" for port in sorted(ports - {own.port}))
    return (None, *others)


def _dispatcher(built: Sequence[_Built]) -> Callable[[Notification], None]:
    """Make what gives notifications to the device at the node they came from."""

    def dispatch(notification: Notification) -> None:
        for one in built:
            if one.device.node == notification.node:
                one.readings.notified(notification)

    return dispatch


async def _shut(built: Sequence[_Built]) -> None:
    """Give every leased command back and end subscriptions, all at once and not for long."""

    async def shut(one: _Built) -> None:
        if one.orders is not None:
            await one.orders.shut()
        await one.subscriptions.end()

    tasks = [asyncio.ensure_future(shut(one)) for one in built]
    _, late = await asyncio.wait(tasks, timeout=CLOSE_S)
    for task in late:
        task.cancel()
    await asyncio.wait(tasks)
