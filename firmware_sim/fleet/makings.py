"""What the gateways of a fleet are made of, and what they count."""

from dataclasses import dataclass, field

from firmware_sim.fleet.contracts import Contracts, Identity
from firmware_sim.fleet.mqtt import MqttHub
from firmware_sim.fleet.outages import Outages
from firmware_sim.fleet.plant import Characters, Plant
from firmware_sim.fleet.rows import Rows
from protocols.vocabulary.identifiers import ZoneId


@dataclass(frozen=True, slots=True, kw_only=True)
class Makings:
    """What the gateways are made of.

    Attributes
    ----------
    identities : tuple of Identity
        Who they are.
    zone : ZoneId
        Where.
    characters : Characters
        Their resources.
    plant, contracts, rows, hub, outages
        Their parts.
    """

    identities: tuple[Identity, ...]
    zone: ZoneId
    characters: Characters
    plant: Plant
    contracts: Contracts
    rows: Rows
    hub: MqttHub
    outages: Outages


@dataclass(slots=True)
class FleetCounts:
    """What happened, for the report.

    Attributes
    ----------
    live, backfill, backfill_rows, entries, hellos : int
        Messages sent, and rows in backfills.
    acknowledgements, signals, refused : int
        Messages received, and those that could not be read or were not for us.
    late_s : float
        Greatest delay of a slot behind its time.
    seconds : dict of int to float
        Delivered power (meter less baseline, all sites, each at its own cycle) by Unix second.
    """

    live: int = 0
    backfill: int = 0
    backfill_rows: int = 0
    entries: int = 0
    hellos: int = 0
    acknowledgements: int = 0
    signals: int = 0
    refused: int = 0
    late_s: float = 0.0
    seconds: dict[int, float] = field(default_factory=dict)
