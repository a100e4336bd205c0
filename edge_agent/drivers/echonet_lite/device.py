"""What the driver knows of one device: who and where, what it can, what it last said."""

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.echonet_lite.classes import (
    MODE_SETTING,
    REMAINING_ENERGY,
    REMOTE_EPC,
    ClassFacts,
    Command,
    Direction,
    LimitCommand,
    StorageCommand,
    SwitchCommand,
    facts_of,
)
from edge_agent.drivers.echonet_lite.commands import Abilities, setting_power_w
from edge_agent.drivers.echonet_lite.values import Held, least, magnitude
from protocols.echonet_lite.frame import Eoj
from protocols.echonet_lite.requester import Peer
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

GET_BATCH: Final = 24
"""Most EPCs asked in one frame before a device has shown that it takes fewer."""
SET_BATCH: Final = 8


class Contact(enum.Enum):
    """Where we stand with a device."""

    NEW = "new"
    LIVE = "live"
    LOST = "lost"


@dataclass(slots=True, kw_only=True)
class Device:
    """One configured device.

    Attributes
    ----------
    site_id, config, facts
        What was configured, and what its class is about.
    address, node_id : str
        Where it is now, and its identification number in upper-case hex (empty: not known).
    contact : Contact
        LIVE while it answers.
    readable, settable : frozenset of int
        Its Get and Set maps, or what probing found.
    held, changed
        Last EDT per EPC; the EPCs that arrived since they were last taken.
    originals : dict of int to bytes
        Settings as they were before our first write.
    get_batch, set_batch : int
        Properties this device takes in one frame.
    refused_until_ns : dict of int to int
        EPCs it did not answer though it lists them; asked again then.
    misses : int
        Requests in a row without an answer.
    remote_due : bool
        Remote control (93) has to be announced with the next Set.
    """

    site_id: SiteId
    config: DeviceConfig
    facts: ClassFacts
    address: str
    node_id: str = ""
    contact: Contact = Contact.NEW
    readable: frozenset[int] = frozenset()
    settable: frozenset[int] = frozenset()
    held: dict[int, Held] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    originals: dict[int, bytes] = field(default_factory=dict)
    get_batch: int = GET_BATCH
    set_batch: int = SET_BATCH
    refused_until_ns: dict[int, int] = field(default_factory=dict)
    misses: int = 0
    remote_due: bool = True

    @property
    def eoj(self) -> Eoj:
        """Its object."""
        return Eoj.parse(self.config.eoj)

    @property
    def peer(self) -> Peer:
        """Its object at its present address."""
        return Peer(self.address, self.eoj)

    @property
    def resource_id(self) -> ResourceId:
        """``<site>/<device id>``."""
        return ResourceId(f"{self.site_id}/{self.config.device_id}")

    def store(self, epc: int, edt: bytes, received_at: datetime) -> None:
        """Keep a property that arrived."""
        self.held[epc] = Held(edt, received_at)
        self.changed.add(epc)

    def settings(self) -> dict[int, bytes]:
        """Last EDT per EPC."""
        return {epc: entry.edt for epc, entry in self.held.items()}

    def askable(self, epcs: Iterable[int], now_ns: int) -> list[int]:
        """Those of the EPCs it lists and did not refuse lately."""
        return [
            epc
            for epc in epcs
            if epc in self.readable and self.refused_until_ns.get(epc, 0) <= now_ns
        ]

    def setting_power_w(self) -> float | None:
        """Power it says is set, W, generator frame."""
        if self.facts.command is None:
            return None
        return setting_power_w(self.facts.command, self.facts.class_code, self.settings())

    def abilities(self) -> Abilities:
        """Say what a command may use."""
        return Abilities(
            class_code=self.facts.class_code,
            settable=self.settable,
            settings=self.settings(),
            originals=self.originals,
            charge_w=self._bounds(self.facts.rated_charge_epcs),
            discharge_w=self._bounds(self.facts.rated_discharge_epcs),
            remote_due=self.remote_due and REMOTE_EPC in self.settable,
        )

    def _bounds(self, epcs: tuple[int, ...]) -> tuple[float, float]:
        code = self.facts.class_code
        for epc in epcs:
            greatest = magnitude(code, self.held, epc)
            if greatest is not None:
                return least(code, self.held, epc) or 0.0, greatest
        return 0.0, math.inf


def device_of(site_id: SiteId, config: DeviceConfig) -> Device:
    """Device as configured, before any contact."""
    eoj = Eoj.parse(config.eoj)
    return Device(
        site_id=site_id,
        config=config,
        facts=facts_of(eoj.class_code),
        address=config.address,
        node_id=(config.node_id or "").upper(),
    )


def command_epcs(command: Command | None) -> frozenset[int]:
    """Every EPC a command may set."""
    if command is None:
        return frozenset()
    if isinstance(command, LimitCommand):
        return frozenset(command.limit_epcs)
    if isinstance(command, SwitchCommand):
        return frozenset({command.epc})
    found = {MODE_SETTING, REMOTE_EPC}
    for direction in (command.charge, command.discharge):
        if direction is not None:
            epcs = (direction.power_epc, direction.amount_epc, direction.method_epc)
            found.update(epc for epc in epcs if epc is not None)
    return frozenset(found)


def resource_of(device: Device) -> Resource:
    """Resource from what the device states; the configuration wins.

    A device that has not been found yet has no power and no capabilities unless the
    configuration gives them: control cannot ask of it what nobody knows it can.
    """
    config = device.config
    least_w, most_w = _power_bounds_w(device)
    capacity_wh, efficiency = _storage(device)
    charge, discharge = config.efficiency_charge, config.efficiency_discharge
    return Resource(
        resource_id=device.resource_id,
        site_id=device.site_id,
        kind=config.kind,
        power_w_min=least_w,
        power_w_max=most_w,
        ramp_w_per_s=config.ramp_w_per_s or math.inf,
        energy_wh_capacity=capacity_wh,
        efficiency_charge=efficiency or charge,
        efficiency_discharge=efficiency or discharge,
        soc_min=config.soc_min,
        soc_max=config.soc_max,
        capabilities=_capabilities(device),
    )


def _power_bounds_w(device: Device) -> tuple[float, float]:
    config, facts = device.config, device.facts
    if config.kind is ResourceKind.METER:
        return 0.0, 0.0
    stated_min = -_first(device, facts.rated_charge_epcs)
    stated_max = _first(device, facts.rated_discharge_epcs)
    least_w = stated_min if config.power_w_min is None else config.power_w_min
    most_w = stated_max if config.power_w_max is None else config.power_w_max
    return min(least_w, 0.0) + 0.0, max(most_w, 0.0) + 0.0


def _first(device: Device, epcs: tuple[int, ...]) -> float:
    values = (magnitude(device.facts.class_code, device.held, epc) for epc in epcs)
    return next((value for value in values if value is not None), 0.0)


def _storage(device: Device) -> tuple[float, float | None]:
    """Usable energy in Wh and the one-way efficiency, as far as the device states them.

    Both capacities count at the AC side, so what goes in times the efficiency twice is what
    comes out, and the energy inside is their geometric mean.
    """
    facts = device.facts
    into = _maybe(device, facts.capacity_charge_epc)
    out_of = _maybe(device, facts.capacity_discharge_epc)
    efficiency = None
    capacity_wh = _first(device, facts.capacity_epcs)
    if into and out_of and 0.25 <= out_of / into <= 1.0:  # noqa: PLR2004 - half each way at least
        efficiency = math.sqrt(out_of / into)
        capacity_wh = math.sqrt(into * out_of)
    elif out_of:
        capacity_wh = out_of
    return device.config.energy_wh_capacity or capacity_wh, efficiency


def _maybe(device: Device, epc: int | None) -> float | None:
    return None if epc is None else magnitude(device.facts.class_code, device.held, epc)


def _capabilities(device: Device) -> frozenset[Capability]:
    found: set[Capability] = set()
    quantities = {
        readout.quantity for readout in device.facts.readouts if readout.epc in device.held
    }
    if "power_w" in quantities:
        found.add(Capability.READS_POWER)
        if device.config.kind is ResourceKind.METER:
            found.add(Capability.MEASURES_SITE)
    if "soc" in quantities or REMAINING_ENERGY in device.held:
        found.add(Capability.HAS_SOC)
    command, settable = device.facts.command, device.settable
    if isinstance(command, StorageCommand) and MODE_SETTING in settable:
        directions = [command.charge, *([command.discharge] if command.discharge else [])]
        by_power = all(_by_power(direction, settable) for direction in directions)
        found.add(Capability.TAKES_SETPOINT if by_power else Capability.TAKES_ON_OFF)
    elif isinstance(command, LimitCommand) and settable & set(command.limit_epcs):
        found.add(Capability.TAKES_LIMIT)
    elif isinstance(command, SwitchCommand) and command.epc in settable:
        found.add(Capability.TAKES_ON_OFF)
    return frozenset(found)


def _by_power(direction: Direction, settable: frozenset[int]) -> bool:
    return direction.power_epc in settable
