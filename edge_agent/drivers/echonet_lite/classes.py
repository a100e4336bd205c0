"""What the driver does with each ECHONET class: what it polls, reads out and commands.

Data, no behaviour. The meaning of a single property (type, unit, sign, codes) is the property
table's business; here is only which properties serve which of our quantities, and the values
that a command is made of. A property the device does not have is simply left out.

Notes
-----
ECHONET Lite Appendix, Detailed Requirements for Device Objects: 3.1.13 (027D), 3.3 and the
classes named in the keys.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edge_agent.points import table


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
class StorageCommand:
    """Battery, V2H and EV charger: a mode, and a power and an amount for it.

    Attributes
    ----------
    charge, discharge : Direction
        ``discharge`` is None for a device that only charges.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCommand:
    """Generation that can only be limited: the first of these properties the device lets set.

    Released by writing back what was set before our first write, else the rated power.
    """

    limit_epcs: tuple[int, ...]
    rated_epcs: tuple[int, ...]


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


Command = StorageCommand | LimitCommand | SwitchCommand

MODE_SETTING: Final = 0xDA
METHOD_DESIGNATED_POWER: Final = 0x03
REMOTE_EPC: Final = 0x93
REMOTE_THROUGH_PUBLIC_NETWORK: Final = 0x42
FAULT_EPC: Final = 0x88
REMAINING_ENERGY: Final = 0xE2
SOC_EPC: Final = 0xE4
METER_COEFFICIENT: Final = 0xD3
METER_UNIT: Final = 0xE1
CONNECTED_CODES: Final = frozenset({0x40, 0x41, 0x42, 0x43})
"""C7 of V2H and EV chargers: a vehicle is there, whatever it lets us do."""
DISCONNECTED_CODE: Final = 0x30


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

    @property
    def polled(self) -> tuple[int, ...]:
        """Every EPC the driver ever asks for, each once."""
        return tuple(dict.fromkeys((*self.fast, *self.slow)))


_ON: Final = Readout(table.ON, 0x80, Rule.IS_30)
_FAULT: Final = Readout(table.FAULT, FAULT_EPC, Rule.IS_41)

_BATTERY: Final = ClassFacts(
    class_code=0x027D,
    fast=(0xD3, 0xE4, 0xE2, 0xCF, 0xDA),
    slow=(
        *(0x80, 0x88, 0xEB, 0xEC, 0xAA, 0xAB, 0xC1, 0xC2),
        *(0xA0, 0xA1, 0xA4, 0xA5, 0xA8, 0xA9, 0xC8, 0xC9, 0xD0, 0xD6, 0xD8),
    ),
    readouts=(
        Readout(table.POWER_W, 0xD3),
        _ON,
        _FAULT,
        Readout(table.SOC, 0xE4),
        Readout(table.MODE, 0xCF, Rule.CODE),
        Readout(table.POWER_W_MIN, 0xC8, Rule.RANGE_MAX_NEGATED),
        Readout(table.POWER_W_MAX, 0xC9, Rule.RANGE_MAX),
        Readout(table.ENERGY_WH_REMAINING, 0xE2),
        Readout(table.ENERGY_WH_REMAINING, 0xA5),
        Readout(table.ENERGY_WH_CAPACITY, 0xA1),
        Readout(table.ENERGY_WH_CAPACITY, 0xD0),
        Readout(table.ENERGY_WH_CHARGED, 0xA8),
        Readout(table.ENERGY_WH_CHARGED, 0xD8),
        Readout(table.ENERGY_WH_DISCHARGED, 0xA9),
        Readout(table.ENERGY_WH_DISCHARGED, 0xD6),
    ),
    rated_charge_epcs=(0xC8,),
    rated_discharge_epcs=(0xC9,),
    capacity_charge_epc=0xA0,
    capacity_discharge_epc=0xA1,
    capacity_epcs=(0xD0,),
    command=StorageCommand(
        charge=Direction(mode=0x42, power_epc=0xEB, amount_epc=0xAA, method_epc=0xC1),
        discharge=Direction(mode=0x43, power_epc=0xEC, amount_epc=0xAB, method_epc=0xC2),
        standby=0x44,
        release=0x46,
        release_name="mode auto (DA=46)",
    ),
)

_V2H: Final = ClassFacts(
    class_code=0x027E,
    fast=(0xD3, 0xE4, 0xE2, 0xE1, 0xDA),
    slow=(
        *(0x80, 0x88, 0xEB, 0xEC, 0xE7, 0xEA, 0xDC, 0xDD, 0xC7),
        *(0xC0, 0xC5, 0xC6, 0xC8, 0xC9, 0xD0, 0xD6, 0xD8),
    ),
    readouts=(
        Readout(table.POWER_W, 0xD3),
        _ON,
        _FAULT,
        Readout(table.SOC, 0xE4),
        Readout(table.MODE, 0xE1, Rule.CODE),
        Readout(table.CONNECTED, 0xC7, Rule.CONNECTED),
        Readout(table.POWER_W_MIN, 0xC8, Rule.RANGE_MAX_NEGATED),
        Readout(table.POWER_W_MIN, 0xC5, Rule.NEGATED),
        Readout(table.POWER_W_MAX, 0xC9, Rule.RANGE_MAX),
        Readout(table.POWER_W_MAX, 0xC6),
        Readout(table.ENERGY_WH_REMAINING, 0xE2),
        Readout(table.ENERGY_WH_CAPACITY, 0xD0),
        Readout(table.ENERGY_WH_CAPACITY, 0xC0),
        Readout(table.ENERGY_WH_CHARGED, 0xD8),
        Readout(table.ENERGY_WH_DISCHARGED, 0xD6),
    ),
    rated_charge_epcs=(0xC8, 0xC5),
    rated_discharge_epcs=(0xC9, 0xC6),
    capacity_epcs=(0xD0, 0xC0),
    refresh=(0xCD, 0x10),
    command=StorageCommand(
        charge=Direction(mode=0x42, power_epc=0xEB, amount_epc=0xE7, method_epc=0xDC),
        discharge=Direction(mode=0x43, power_epc=0xEC, amount_epc=0xEA, method_epc=0xDD),
        standby=0x44,
        release=0x47,
        release_name="mode idle (DA=47)",
    ),
)

_CHARGER: Final = ClassFacts(
    class_code=0x02A1,
    fast=(0xD3, 0xE4, 0xE2, 0xDA),
    slow=(0x80, 0x88, 0xEB, 0xE7, 0xC7, 0xC5, 0xD0, 0xD8),
    readouts=(
        Readout(table.POWER_W, 0xD3),
        _ON,
        _FAULT,
        Readout(table.SOC, 0xE4),
        Readout(table.MODE, 0xDA, Rule.CODE),
        Readout(table.CONNECTED, 0xC7, Rule.CONNECTED),
        Readout(table.POWER_W_MIN, 0xC5, Rule.NEGATED),
        Readout(table.ENERGY_WH_REMAINING, 0xE2),
        Readout(table.ENERGY_WH_CAPACITY, 0xD0),
        Readout(table.ENERGY_WH_CHARGED, 0xD8),
    ),
    rated_charge_epcs=(0xC5,),
    capacity_epcs=(0xD0,),
    refresh=(0xCD, 0x10),
    command=StorageCommand(
        charge=Direction(mode=0x42, power_epc=0xEB, amount_epc=0xE7),
        discharge=None,
        standby=0x44,
        release=0x47,
        release_name="mode idle (DA=47)",
    ),
)

_PV: Final = ClassFacts(
    class_code=0x0279,
    fast=(0xE0,),
    slow=(0x80, 0x88, 0xA1, 0xE6, 0xC3, 0xE8, 0xE1, 0xD1),
    readouts=(
        Readout(table.POWER_W, 0xE0),
        _ON,
        _FAULT,
        Readout(table.LIMIT_W, 0xE6),
        Readout(table.LIMIT_W, 0xA1),
        Readout(table.POWER_W_MAX, 0xE8),
        Readout(table.POWER_W_MAX, 0xC3),
        Readout(table.ENERGY_WH_GENERATED, 0xE1),
    ),
    rated_discharge_epcs=(0xE8, 0xC3),
    command=LimitCommand(limit_epcs=(0xE6, 0xA1), rated_epcs=(0xE8, 0xC3)),
)

_FUEL_CELL: Final = ClassFacts(
    class_code=0x027C,
    fast=(0xC4, 0xCB),
    slow=(0x80, 0x88, 0xCA, 0xC2, 0xC5),
    readouts=(
        Readout(table.POWER_W, 0xC4),
        _ON,
        _FAULT,
        Readout(table.MODE, 0xCB, Rule.CODE),
        Readout(table.POWER_W_MAX, 0xC2),
        Readout(table.ENERGY_WH_GENERATED, 0xC5),
    ),
    rated_discharge_epcs=(0xC2,),
    command=SwitchCommand(
        epc=0xCA, active=0x41, idle=0x42, release=0x41, release_name="generation on (CA=41)"
    ),
)

_HEAT_PUMP: Final = ClassFacts(
    class_code=0x026B,
    fast=(0x84, 0xB2),
    slow=(0x80, 0x88, 0xB0, 0xE1, 0xDB),
    readouts=(
        Readout(table.POWER_W, 0x84),
        _ON,
        _FAULT,
        Readout(table.MODE, 0xB2, Rule.CODE),
        Readout(table.HOT_WATER_L, 0xE1),
    ),
    rated_charge_epcs=(0xDB,),
    command=SwitchCommand(
        epc=0xB0, active=0x42, idle=0x43, release=0x41, release_name="heating auto (B0=41)"
    ),
)

_METER: Final = ClassFacts(
    class_code=0x0288,
    fast=(0xE7,),
    slow=(0x88, METER_COEFFICIENT, METER_UNIT, 0xE0, 0xE3),
    readouts=(
        Readout(table.POWER_W, 0xE7),
        _FAULT,
        Readout(table.ENERGY_WH_IMPORTED, 0xE0, Rule.METER_ENERGY),
        Readout(table.ENERGY_WH_EXPORTED, 0xE3, Rule.METER_ENERGY),
    ),
)

_MULTI_PCS: Final = ClassFacts(
    class_code=0x02A5,
    fast=(0xE7,),
    slow=(0x80, 0x88),
    readouts=(Readout(table.POWER_W, 0xE7), _ON, _FAULT),
)

CLASSES: Final[Mapping[int, ClassFacts]] = MappingProxyType(
    {
        facts.class_code: facts
        for facts in (
            *(_BATTERY, _V2H, _CHARGER, _PV),
            *(_FUEL_CELL, _HEAT_PUMP, _METER, _MULTI_PCS),
        )
    }
)


def facts_of(class_code: int) -> ClassFacts:
    """Facts of a class; one that is not in the table is only watched by its super class."""
    known = CLASSES.get(class_code)
    if known is not None:
        return known
    return ClassFacts(
        class_code=class_code,
        fast=(0x84,),
        slow=(0x80, 0x88, 0x85),
        readouts=(
            Readout(table.POWER_W, 0x84),
            _ON,
            _FAULT,
            Readout(table.ENERGY_WH_IMPORTED, 0x85),
        ),
    )
