"""Opens the family of devices behind Modbus: SunSpec and plain register maps."""

from typing import Final

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import FieldDevice
from edge_agent.drivers.sunspec.device import SunspecContact, SunspecReadings
from edge_agent.drivers.sunspec.models import Models
from edge_agent.drivers.sunspec.orders import SunspecOrders
from edge_agent.drivers.sunspec.probe import probing
from edge_agent.drivers.sunspec.register_map import RegisterMap
from edge_agent.drivers.sunspec.register_orders import RegisterOrders
from edge_agent.drivers.sunspec.search import ModbusSearch
from edge_agent.drivers.sunspec.unit import Lines, Unit, UnitPorts
from protocols.templates.catalogue import template_of
from protocols.templates.modbus import ModbusWire
from protocols.templates.template import Template
from protocols.vocabulary.errors import ConfigError

NAME: Final = "modbus"
_PROTOCOLS: Final = ("sunspec", "modbus")


async def open_family(config: SiteConfig, ports: FamilyPorts) -> DeviceFamily | None:
    """Make the family of a site; None if it has no such device.

    Connections are made when devices are looked for, not here.

    Raises
    ------
    ConfigError
        If a device's template is missing or not of its protocol.
    """
    entries = config.devices_of(*_PROTOCOLS)
    if not entries:
        return None
    templates = {entry.device_id: _template(entry.template_id, entry.protocol) for entry in entries}
    timeouts = {
        device_id: config.modbus.timeout_s or template.timing.timeout_s
        for device_id, template in templates.items()
    }
    lines = Lines(timeout_s=max(timeouts.values()), tap=ports.tap)
    units = [
        Unit(
            config.site_id,
            entry,
            templates[entry.device_id],
            ports=UnitPorts(lines=lines, clock=ports.clock, timeout_s=timeouts[entry.device_id]),
        )
        for entry in entries
    ]
    search = ModbusSearch(units, probing(ports.tap))
    family = DeviceFamily(
        NAME, [field_device(unit) for unit in units], ports, search=search, close=lines.close
    )
    search.serve(family)
    return family


def _template(template_id: str | None, protocol: str) -> Template:
    if template_id is None:
        raise ConfigError(f"a {protocol} device needs a template")
    template = template_of(template_id)
    if template.protocol != protocol:
        raise ConfigError(f"template {template_id!r} is for {template.protocol}, not {protocol}")
    return template


def field_device(unit: Unit) -> FieldDevice:
    """Put a device together from its parts."""
    template = unit.template
    if isinstance(template.wire, ModbusWire):
        registers = RegisterMap(unit)
        return FieldDevice(
            resource_id=unit.resource_id,
            contact=registers,
            readings=registers,
            orders=RegisterOrders(unit, registers) if template.wire.setpoint else None,
            slow_s=template.timing.slow_s,
            pacing_s=template.timing.pacing_s,
            writes=template.writes,
        )
    models = Models(unit)
    readings = SunspecReadings(unit, models)
    return FieldDevice(
        resource_id=unit.resource_id,
        contact=SunspecContact(unit, models, readings),
        readings=readings,
        orders=None if models.way is None else SunspecOrders(unit, models, models.way),
        slow_s=template.timing.slow_s,
        pacing_s=template.timing.pacing_s,
        writes=template.writes,
    )
