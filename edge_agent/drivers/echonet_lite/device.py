"""What the driver knows of one device: who and where, what it can, what it last said."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.echonet_lite.classes import facts_of
from edge_agent.drivers.echonet_lite.commands import Abilities, setting_power_w
from edge_agent.drivers.echonet_lite.exchange import USUAL, Pace
from edge_agent.drivers.echonet_lite.facts import (
    CONNECTED_DEVICES_EPC,
    MODE_SETTING,
    MULTI_INPUT_PCS,
    REMAINING_ENERGY,
    REMOTE_EPC,
    ClassFacts,
    Direction,
    LimitCommand,
    StorageCommand,
    SwitchCommand,
)
from edge_agent.drivers.echonet_lite.values import Held, decode, least, magnitude
from protocols.echonet_lite.frame import Eoj
from protocols.echonet_lite.requester import Peer
from protocols.templates.catalogue import template_of
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.template import Nameplate, Template
from protocols.vocabulary.identifiers import ResourceId, SiteId
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

GET_BATCH: Final = 24
"""Most EPCs asked in one frame before a device has shown that it takes fewer."""
SET_BATCH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a device may be spoken with before it has shown anything.

    Attributes
    ----------
    get_batch, set_batch : int
        Properties in one frame.
    pace : Pace
        Time-out and pauses.
    """

    get_batch: int = GET_BATCH
    set_batch: int = SET_BATCH
    pace: Pace = USUAL


@dataclass(slots=True, kw_only=True)
class Device:
    """One configured device.

    Attributes
    ----------
    site_id, config, facts
        What was configured, and what its class is about.
    address, node_id : str
        Where it is now, and its identification number in upper-case hex (empty: not known).
    met : bool
        It has been identified and learned, and has answered since.
    readable, settable : frozenset of int
        Its Get and Set maps, or what probing found.
    doubtful : frozenset of int
        EPCs asked all the same though its map does not list them, or cannot be trusted.
    held, changed
        Last EDT per EPC; the EPCs that arrived since they were last taken.
    originals : dict of int to bytes
        Settings as they were before our first write.
    manners : Manners
        How it may be spoken with.
    plate : Nameplate or None
        Bounds of its product family, for what it does not state itself.
    siblings : frozenset of str
        Objects of the same node that are resources of the site too.
    get_batch, set_batch : int
        Properties this device takes in one frame, as far as it has shown.
    refused_until_ns : dict of int to int
        EPCs it did not answer though it lists them; asked again then.
    remote_due : bool
        Remote control (93) has to be announced with the next Set.
    """

    site_id: SiteId
    config: DeviceConfig
    facts: ClassFacts
    address: str
    node_id: str = ""
    met: bool = False
    readable: frozenset[int] = frozenset()
    settable: frozenset[int] = frozenset()
    doubtful: frozenset[int] = frozenset()
    held: dict[int, Held] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    originals: dict[int, bytes] = field(default_factory=dict)
    manners: Manners = Manners()
    plate: Nameplate | None = None
    siblings: frozenset[str] = frozenset()
    get_batch: int = GET_BATCH
    set_batch: int = SET_BATCH
    refused_until_ns: dict[int, int] = field(default_factory=dict)
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
        """Those of the EPCs it may give and did not refuse lately."""
        known = self.readable | self.doubtful
        return [epc for epc in epcs if epc in known and self.refused_until_ns.get(epc, 0) <= now_ns]

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
            charge_w=self._bounds(self.facts.rated_charge_epcs, charges=True),
            discharge_w=self._bounds(self.facts.rated_discharge_epcs, charges=False),
            remote_due=self.remote_due and REMOTE_EPC in self.settable,
        )

    def _bounds(self, epcs: tuple[int, ...], *, charges: bool) -> tuple[float, float]:
        """Smallest and greatest power of a direction, W, as stated, else by its family."""
        code, plate = self.facts.class_code, self.plate
        smallest = 0.0 if plate is None else plate.power_w_least
        for epc in epcs:
            greatest = magnitude(code, self.held, epc)
            if greatest is not None:
                return least(code, self.held, epc) or smallest, greatest
        if plate is None:
            return 0.0, math.inf
        return smallest, (-plate.power_w_min if charges else plate.power_w_max) or math.inf


def devices_of(
    site_id: SiteId, configs: Sequence[DeviceConfig], *, timeout_s: float | None
) -> list[Device]:
    """Devices as configured, before any contact.

    Parameters
    ----------
    site_id : SiteId
        The site.
    configs : sequence of DeviceConfig
        All of this protocol; those at one address are one node.
    timeout_s : float or None
        The site's time-out for all of them; None: as their templates say.
    """
    nodes: dict[str, set[str]] = {}
    for config in configs:
        nodes.setdefault(config.address, set()).add(config.eoj)
    return [
        _device_of(site_id, config, siblings=nodes[config.address], timeout_s=timeout_s)
        for config in configs
    ]


def _device_of(
    site_id: SiteId, config: DeviceConfig, *, siblings: set[str], timeout_s: float | None
) -> Device:
    template = None if config.template_id is None else template_of(config.template_id)
    manners = Manners() if template is None else _manners(template, timeout_s)
    return Device(
        site_id=site_id,
        config=config,
        facts=facts_of(Eoj.parse(config.eoj).class_code),
        address=config.address,
        node_id=(config.identity or "").upper(),
        manners=manners,
        plate=None if template is None else template.nameplate,
        siblings=frozenset(siblings) - {config.eoj},
        get_batch=manners.get_batch,
        set_batch=manners.set_batch,
    )


def _manners(template: Template, timeout_s: float | None) -> Manners:
    """Manners of a product family, with the site's time-out if it has one."""
    assert isinstance(template.wire, EchonetWire), "a device's template is of its protocol"
    pace = Pace(timeout_s=timeout_s or template.timing.timeout_s, pacing_s=template.timing.pacing_s)
    return Manners(get_batch=template.wire.get_batch, set_batch=template.wire.set_batch, pace=pace)


def resource_of(device: Device) -> Resource:
    """Resource from what the device states; the configuration wins.

    A device that has not been found yet has no power and no capabilities unless the
    configuration gives them: control cannot ask of it what nobody knows it can.
    """
    config, plate = device.config, device.plate
    least_w, most_w = _power_bounds_w(device)
    capacity_wh, efficiency = _storage(device)
    charge, discharge = config.efficiency_charge, config.efficiency_discharge
    return Resource(
        resource_id=device.resource_id,
        site_id=device.site_id,
        kind=config.kind,
        power_w_min=least_w,
        power_w_max=most_w,
        ramp_w_per_s=config.ramp_w_per_s or (math.inf if plate is None else plate.ramp_w_per_s),
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
    plate = device.plate if device.readable else None
    charge_w = _first(device, facts.rated_charge_epcs)
    discharge_w = _first(device, facts.rated_discharge_epcs)
    if plate is not None:
        charge_w = charge_w or -plate.power_w_min
        discharge_w = discharge_w or plate.power_w_max
    least_w = -charge_w if config.power_w_min is None else config.power_w_min
    most_w = discharge_w if config.power_w_max is None else config.power_w_max
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
    stores = isinstance(facts.command, StorageCommand) and bool(device.readable)
    if stores and not capacity_wh and device.plate is not None:
        capacity_wh = device.plate.energy_wh_capacity
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
    if _lists(device) & device.siblings:
        found.add(Capability.SUMS_OTHERS)
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


def _lists(device: Device) -> set[str]:
    """Objects that a multi-input power conditioner says are behind it."""
    entry = device.held.get(CONNECTED_DEVICES_EPC)
    if entry is None or device.facts.class_code != MULTI_INPUT_PCS:
        return set()
    value = decode(device.facts.class_code, CONNECTED_DEVICES_EPC, entry.edt).value
    listed = value if isinstance(value, tuple) else ()
    return {str(eoj) for eoj in listed if isinstance(eoj, Eoj)}


def _by_power(direction: Direction, settable: frozenset[int]) -> bool:
    return direction.power_epc in settable
