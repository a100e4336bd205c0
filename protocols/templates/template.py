"""What is known of a product family before anybody has spoken with a device of it.

Plain data made by :mod:`protocols.templates.catalogue` from the files in ``data/``. The
driver takes points, timing, limits, lease and write budget from it; the simulator is
generated from the same file. What a device itself states when it is asked always wins over
its template. Powers in W, generator frame (+ toward the grid).
"""

import enum
from dataclasses import dataclass

from protocols.templates.bacnet import BacnetWire
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.ieee2030_5 import Ieee2030_5Wire
from protocols.templates.modbus import ModbusWire
from protocols.templates.ocpp import OcppWire
from protocols.templates.openadr import OpenAdrWire
from protocols.templates.sunspec import SunspecWire
from protocols.vocabulary.resource import ResourceKind

Wire = EchonetWire | SunspecWire | ModbusWire | BacnetWire | OcppWire | Ieee2030_5Wire | OpenAdrWire


class LeaseMechanism(enum.Enum):
    """What ends a setpoint when everything of ours has died.

    DEVICE_TIMER: a timer in the device reverts it. PROFILE_DURATION: the order itself carries
    its end. ENERGY_AMOUNT: the device stops after an amount of energy. WATCHDOG: only our
    watchdog process releases it (docs/limits.md says what remains). NONE: it takes no orders.
    """

    DEVICE_TIMER = "device-timer"
    PROFILE_DURATION = "profile-duration"
    ENERGY_AMOUNT = "energy-amount"
    WATCHDOG = "watchdog"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How fast a device of the family may be asked.

    Attributes
    ----------
    timeout_s : float
        How long one answer may take.
    slow_s : float
        Pause between slow polls (energies, ratings, settings); the fast points are asked
        each cycle.
    pacing_s : float
        Least pause between two requests, >= 0.
    """

    timeout_s: float
    slow_s: float
    pacing_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """What bounds a setpoint, and what the device does by itself afterwards.

    Attributes
    ----------
    mechanism : LeaseMechanism
        What ends it.
    default : str
        What the device does after release, for people.
    default_power_w : float or None
        That default as a power where it is one; None: the device decides.
    """

    mechanism: LeaseMechanism
    default: str
    default_power_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """Bounds of the family where neither the device nor the configuration states them.

    Attributes
    ----------
    power_w_min, power_w_max : float
        ``min <= 0 <= max``.
    power_w_least : float
        Smallest magnitude it works at, W, >= 0; below it rests.
    power_w_step : float
        Resolution of its setpoint, W, > 0.
    ramp_w_per_s : float
        Greatest change, > 0; inf without a limit.
    energy_wh_capacity : float
        Usable energy, 0 without storage.
    """

    power_w_min: float
    power_w_max: float
    power_w_least: float
    power_w_step: float
    ramp_w_per_s: float
    energy_wh_capacity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """How often the device may be written.

    Attributes
    ----------
    flash : bool
        Its settings are kept in flash memory, which wears.
    budget_per_day : int or None
        Greatest number of writes in a UTC day; None: as many as needed.
    interval_s : float
        Least pause between two setpoints, >= 0; a release is never held back.
    """

    flash: bool
    budget_per_day: int | None
    interval_s: float


class Proof(enum.Enum):
    """How far a template has been checked.

    VERIFIED: against software or a device that none of us wrote. SIMULATED: against the
    simulator made from the same file. EXEMPT: not at all, with the reason.
    """

    VERIFIED = "verified"
    SIMULATED = "simulated"
    EXEMPT = "exempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where the facts come from and what they were checked against.

    Attributes
    ----------
    source : str
        Public document, with its version.
    proof : Proof
        How far it was checked.
    by : str
        Peer it was verified against, or the reason of the exemption; empty if simulated.
    """

    source: str
    proof: Proof
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One product family on one protocol.

    Attributes
    ----------
    template_id : str
        Stem of its file, for example ``"sunspec-battery-704"``.
    kind : ResourceKind
        What it is.
    title, title_ja : str
        For people.
    wire : Wire
        Points and commands in the protocol's own words.
    timing, lease, nameplate, writes, evidence
        As their classes say.
    quirks : tuple of str
        Deviations that the driver must live with and the simulator shows; the names belong to
        the wire.
    simulation : dict of str to float
        Physics of the simulated device that is not on the wire (efficiency, start delay).
    """

    template_id: str
    kind: ResourceKind
    title: str
    title_ja: str
    wire: Wire
    timing: Timing
    lease: LeaseTerms
    nameplate: Nameplate
    writes: Writes
    evidence: Evidence
    quirks: tuple[str, ...]
    simulation: dict[str, float]

    @property
    def protocol(self) -> str:
        """Name of the driver: ``echonet-lite``, ``sunspec``, ``ocpp``, ``ieee2030.5`` and so on."""
        return self.wire.protocol
