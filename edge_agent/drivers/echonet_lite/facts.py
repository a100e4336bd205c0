"""What there is to say about an ECHONET class: readouts, commands, and the facts of a class.

Types and codes only; the tables are :mod:`edge_agent.drivers.echonet_lite.classes`.
"""

import enum
from dataclasses import dataclass
from typing import Final

from edge_agent.points.table import POWER_W


class Rule(enum.Enum):
    """How a property becomes a number of ours."""

    NUMBER = "number"
    NEGATED = "negated"
    CODE = "code"
    IS_30 = "is-30"
    IS_41 = "is-41"
    CONNECTED = "connected"
    RANGE_MAX = "range-max"
    RANGE_MAX_NEGATED = "range-max-negated"
    METER_ENERGY = "meter-energy"
    METER_POWER = "meter-power"
    SHARE_OF_RATED = "share-of-rated"


@dataclass(frozen=True, slots=True)
class Readout:
    """One way to get a quantity; of several for the same quantity the first readable wins."""

    quantity: str
    epc: int
    rule: Rule = Rule.NUMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Commanding one direction of a storage device.

    Attributes
    ----------
    mode : int
        Code of the mode setting.
    power_epc, amount_epc, method_epc : int or None
        Properties for the power in W, the energy bound in Wh, and the method that must be
        "designated power" for the power to count.
    """

    mode: int
    power_epc: int
    amount_epc: int | None = None
    method_epc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPower:
    """Commanding both directions by one signed power (V2H, method "V2G").

    Attributes
    ----------
    mode : int
        Code of the mode setting.
    power_epc : int
        Property for the power in W, the specification's sign (+ charges).
    methods : tuple of (int, int)
        Methods that must be set for the power to count, and their code.
    """

    mode: int
    power_epc: int
    methods: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageCommand:
    """Battery, V2H and EV charger: a mode, and a power and an amount for it.

    Attributes
    ----------
    charge, discharge : Direction
        ``discharge`` is None for a device that only charges.
    signed : SignedPower or None
        Taken where the device lets no power be set for each direction.
    standby, release : int
        Codes of the mode setting: zero power, and the device's own default.
    release_name : str
        The default, for people.
    """

    charge: Direction
    discharge: Direction | None
    standby: int
    release: int
    release_name: str
    signed: SignedPower | None = None

    def power_epc(self, mode: int) -> int | None:
        """Property that holds the power in a mode; None where the mode has none of ours."""
        if self.signed is not None and mode == self.signed.mode:
            return self.signed.power_epc
        for direction in (self.charge, self.discharge):
            if direction is not None and mode == direction.mode:
                return direction.power_epc
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCommand:
    """Generation that can only be limited: the first of these properties the device lets set.

    Released by writing back what was set before our first write, else the rated power.

    Attributes
    ----------
    limit_epcs : tuple of int
        Limits in W or per cent.
    rated_epcs : tuple of int
        Rated power, the best first.
    share_epcs : tuple of int
        What a limit in per cent is a share of, the best first.
    """

    limit_epcs: tuple[int, ...]
    rated_epcs: tuple[int, ...]
    share_epcs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCommand:
    """A device that is switched: no power of its own choice.

    Attributes
    ----------
    epc : int
        The switch.
    active, idle, release : int
        Codes for a setpoint other than zero, for zero, and for the device's own default.
    release_name : str
        The default, for people.
    """

    epc: int
    active: int
    idle: int
    release: int
    release_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShedCommand:
    """A load of which only "less" can be asked: nobody can say how much less in W.

    A setpoint of zero sheds, any other gives back; both leave the power to the device. The
    first way that the device lets set is taken. Released by writing back what was set before.

    Attributes
    ----------
    saving_epc, saving_code : int
        Power-saving operation, and its code for "on".
    temperature_epc, mode_epc : int
        Set temperature, and the operation mode that says which way less is.
    less_by_mode : tuple of (int, int)
        Modes in which the set temperature is moved, and by how many degrees.
    temperature_c : tuple of (int, int)
        Least and greatest set temperature we ever write, in which people can live.
    """

    saving_epc: int
    saving_code: int
    temperature_epc: int
    mode_epc: int
    less_by_mode: tuple[tuple[int, int], ...]
    temperature_c: tuple[int, int]


Command = StorageCommand | LimitCommand | SwitchCommand | ShedCommand


def epcs_of(command: Command | None) -> frozenset[int]:
    """Every EPC a command may set, or has to know the setting of."""
    if command is None:
        return frozenset()
    if isinstance(command, LimitCommand):
        return frozenset(command.limit_epcs)
    if isinstance(command, SwitchCommand):
        return frozenset({command.epc})
    if isinstance(command, ShedCommand):
        return frozenset({command.saving_epc, command.temperature_epc, command.mode_epc})
    found = {MODE_SETTING, REMOTE_EPC}
    for direction in (command.charge, command.discharge):
        if direction is not None:
            epcs = (direction.power_epc, direction.amount_epc, direction.method_epc)
            found.update(epc for epc in epcs if epc is not None)
    if command.signed is not None:
        found |= {command.signed.power_epc, *(epc for epc, _ in command.signed.methods)}
    return frozenset(found)


MODE_SETTING: Final = 0xDA
METHOD_DESIGNATED_POWER: Final = 0x03
REMOTE_EPC: Final = 0x93
REMOTE_THROUGH_PUBLIC_NETWORK: Final = 0x42
FAULT_EPC: Final = 0x88
REMAINING_ENERGY: Final = 0xE2
SOC_EPC: Final = 0xE4
MULTI_INPUT_PCS: Final = 0x02A5
CONNECTED_DEVICES_EPC: Final = 0xE8
"""Multi-input power conditioner, and its list of the devices behind it."""
CONNECTED_CODES: Final = frozenset({0x40, 0x41, 0x42, 0x43})
"""C7 of V2H and EV chargers: a vehicle is there, whatever it lets us do."""
DISCONNECTED_CODE: Final = 0x30


@dataclass(frozen=True, slots=True)
class MeterScale:
    """Where a meter says what its counts are worth.

    Attributes
    ----------
    unit_epc : int
        kWh per count.
    coefficient_epc : int
        Transformer ratio; a meter without it has 1.
    """

    unit_epc: int
    coefficient_epc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """Everything class-specific the driver knows.

    Attributes
    ----------
    class_code : int
        For example 0x027D.
    fast, slow : tuple of int
        EPCs asked each second, and each half minute.
    readouts : tuple of Readout
        Our quantities.
    rated_charge_epcs, rated_discharge_epcs : tuple of int
        Where the device states its bounds, the best first; a range counts by its maximum.
    capacity_charge_epc, capacity_discharge_epc : int or None
        Energy from empty to full and back, both at the AC side.
    capacity_epcs : tuple of int
        Where it states its capacity otherwise.
    refresh : tuple of (int, int) or None
        EPC and value to be set so that the slow values are fresh when they are asked next.
    command : Command or None
        None: read only.
    meter : MeterScale or None
        For a class whose counts are scaled by other properties.
    """

    class_code: int
    fast: tuple[int, ...]
    slow: tuple[int, ...]
    readouts: tuple[Readout, ...]
    rated_charge_epcs: tuple[int, ...] = ()
    rated_discharge_epcs: tuple[int, ...] = ()
    capacity_charge_epc: int | None = None
    capacity_discharge_epc: int | None = None
    capacity_epcs: tuple[int, ...] = ()
    refresh: tuple[int, int] | None = None
    command: Command | None = None
    meter: MeterScale | None = None

    @property
    def power(self) -> frozenset[int]:
        """EPCs that say the power."""
        return frozenset(one.epc for one in self.readouts if one.quantity == POWER_W)

    @property
    def polled(self) -> tuple[int, ...]:
        """Every EPC the driver ever asks for, each once."""
        return tuple(dict.fromkeys((*self.fast, *self.slow)))
