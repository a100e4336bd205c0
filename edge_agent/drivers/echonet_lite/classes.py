"""What the driver does with each ECHONET class: what it polls, reads out and commands.

Data, no behaviour. The meaning of a single property (type, unit, sign, codes) is the property
table's business; here is only which properties serve which of our quantities, and the values
that a command is made of. A property the device does not have is simply left out.

Notes
-----
ECHONET Lite Appendix, Detailed Requirements for Device Objects: 3.1.13 (027D), 3.3 and the
classes named in the keys.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from edge_agent.drivers.echonet_lite.facts import (
    CONNECTED_DEVICES_EPC,
    FAULT_EPC,
    ClassFacts,
    Direction,
    LimitCommand,
    MeterScale,
    Readout,
    Rule,
    ShedCommand,
    SignedPower,
    StorageCommand,
    SwitchCommand,
)
from edge_agent.points import table

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
        *(0x80, 0x88, 0xEB, 0xEC, 0xE0, 0xE7, 0xEA, 0xDC, 0xDD, 0xC7),
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
        signed=SignedPower(mode=0x46, power_epc=0xE0, methods=((0xDC, 0x06), (0xDD, 0x06))),
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
    slow=(0x80, 0x88, 0xA0, 0xA1, 0xE6, 0xC3, 0xE8, 0xE1, 0xD1),
    readouts=(
        Readout(table.POWER_W, 0xE0),
        _ON,
        _FAULT,
        Readout(table.LIMIT_W, 0xE6),
        Readout(table.LIMIT_W, 0xA1),
        Readout(table.LIMIT_W, 0xA0, Rule.SHARE_OF_RATED),
        Readout(table.POWER_W_MAX, 0xE8),
        Readout(table.POWER_W_MAX, 0xC3),
        Readout(table.ENERGY_WH_GENERATED, 0xE1),
    ),
    rated_discharge_epcs=(0xE8, 0xC3),
    command=LimitCommand(
        limit_epcs=(0xE6, 0xA1, 0xA0), rated_epcs=(0xE8, 0xC3), share_epcs=(0xC3, 0xE8)
    ),
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
    slow=(0x88, 0xD3, 0xE1, 0xE0, 0xE3),
    meter=MeterScale(unit_epc=0xE1, coefficient_epc=0xD3),
    readouts=(
        Readout(table.POWER_W, 0xE7),
        _FAULT,
        Readout(table.ENERGY_WH_IMPORTED, 0xE0, Rule.METER_ENERGY),
        Readout(table.ENERGY_WH_EXPORTED, 0xE3, Rule.METER_ENERGY),
    ),
)

_SUB_METER: Final = ClassFacts(
    class_code=0x028D,
    fast=(0xE7,),
    slow=(0x88, 0xD3, 0xD4, 0xE1, 0xE3),
    meter=MeterScale(unit_epc=0xD4, coefficient_epc=0xD3),
    readouts=(
        Readout(table.POWER_W, 0xE7, Rule.METER_POWER),  # as its transformer's secondary side
        _FAULT,
        Readout(table.ENERGY_WH_IMPORTED, 0xE1, Rule.METER_ENERGY),
        Readout(table.ENERGY_WH_EXPORTED, 0xE3, Rule.METER_ENERGY),
    ),
)

_MULTI_PCS: Final = ClassFacts(
    class_code=0x02A5,
    fast=(0xE7,),
    slow=(0x80, 0x88, CONNECTED_DEVICES_EPC),
    readouts=(Readout(table.POWER_W, 0xE7), _ON, _FAULT),
)

_AIR_CONDITIONER: Final = ClassFacts(
    class_code=0x0130,
    fast=(0x84, 0x80, 0xB0),
    slow=(0x88, 0x8F, 0xB3, 0xBB, 0x85),
    readouts=(
        Readout(table.POWER_W, 0x84),
        _ON,
        _FAULT,
        Readout(table.MODE, 0xB0, Rule.CODE),
        Readout(table.ROOM_C, 0xBB),
        Readout(table.ENERGY_WH_IMPORTED, 0x85),
    ),
    command=ShedCommand(
        saving_epc=0x8F,
        saving_code=0x41,
        temperature_epc=0xB3,
        mode_epc=0xB0,
        less_by_mode=((0x42, 2), (0x43, -2)),
        temperature_c=(18, 29),
    ),
)

CLASSES: Final[Mapping[int, ClassFacts]] = MappingProxyType(
    {
        facts.class_code: facts
        for facts in (
            *(_BATTERY, _V2H, _CHARGER, _PV),
            *(_FUEL_CELL, _HEAT_PUMP, _METER, _SUB_METER),
            *(_MULTI_PCS, _AIR_CONDITIONER),
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
