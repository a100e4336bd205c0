"""From a device's properties to our measurements. Pure.

The one place where ECHONET signs are turned: the property table says which powers count
absorption as positive, and those are negated here, once (settled 20). Energies and settings
whose name carries the direction are never turned.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final

from edge_agent.drivers.echonet_lite.commands import setting_power_w
from edge_agent.drivers.echonet_lite.facts import (
    CONNECTED_CODES,
    DISCONNECTED_CODE,
    MODE_SETTING,
    REMAINING_ENERGY,
    ClassFacts,
    LimitCommand,
    Readout,
    Rule,
    StorageCommand,
)
from edge_agent.drivers.port import Reading
from edge_agent.points import table
from protocols.echonet_lite.composites import Range, energy_kwh
from protocols.echonet_lite.properties import Decoded, decode_value, lookup
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.measurement import Measurement, Quality

_WH_PER_KWH: Final = 1000.0
_ON_CODE: Final = {0x30: 1.0, 0x31: 0.0}
_FAULT_CODE: Final = {0x41: 1.0, 0x42: 0.0}
_NO_COEFFICIENT: Final = "the coefficient (D3) is not known"
_FACTORS: Final[Mapping[str, float]] = {"kWh": _WH_PER_KWH, "kW": 1000.0, "%": 0.01}


@dataclass(frozen=True, slots=True)
class Held:
    """The last EDT of a property and when it arrived, aware UTC."""

    edt: bytes
    received_at: datetime


HeldValues = Mapping[int, Held]


def decode(class_code: int, epc: int, edt: bytes) -> Decoded:
    """Decode by the property table; a malformed EDT is a missing value with its reason."""
    spec = lookup(class_code, epc)
    if spec is None:
        return Decoded(None, f"{class_code:04X}.{epc:02X} is not in the property table")
    try:
        return decode_value(spec, edt)
    except RemoteProtocolError as error:
        return Decoded(None, str(error))


def magnitude(class_code: int, held: HeldValues, epc: int) -> float | None:
    """Read a number in W, Wh or share, the sign the specification's; a range by its maximum."""
    entry = held.get(epc)
    spec = lookup(class_code, epc)
    if entry is None or spec is None:
        return None
    decoded = decode(class_code, epc, entry.edt)
    value: float | None
    if isinstance(decoded.value, Range):
        value = None if decoded.value.maximum is None else float(decoded.value.maximum)
    else:
        value = decoded.as_float()
    return None if value is None else value * _FACTORS.get(spec.unit, 1.0)


def least(class_code: int, held: HeldValues, epc: int) -> float | None:
    """Read the smaller end of a range in W; None if it is no range or not known."""
    entry = held.get(epc)
    if entry is None:
        return None
    value = decode(class_code, epc, entry.edt).value
    if isinstance(value, Range) and value.minimum is not None:
        return float(value.minimum)
    return None


def readings(
    facts: ClassFacts,
    device_id: str,
    held: HeldValues,
    *,
    changed: Collection[int],
    energy_wh_capacity: float,
) -> list[Reading]:
    """Measurements that the newly arrived properties give.

    Parameters
    ----------
    facts : ClassFacts
        Of the device's class.
    device_id : str
        First part of the points' ids.
    held : mapping of int to Held
        All that is known of the device.
    changed : collection of int
        EPCs that arrived since the last call, also where the value is the same.
    energy_wh_capacity : float
        Usable energy, where the state of charge must come from Wh; else 0.

    Returns
    -------
    list of Reading
        ``measured_at`` and ``received_at`` are when the property arrived. A "no value" code
        or a malformed value is None and BAD with its reason.
    """
    found: list[tuple[str, Measurement]] = []
    for quantity, readouts in _by_quantity(facts):
        if any(readout.epc in changed for readout in readouts):
            measurement = _best(facts, readouts, held, changed=changed)
            if measurement is not None:
                found.append((quantity, measurement))
    if REMAINING_ENERGY in changed and energy_wh_capacity > 0.0:
        found.append((table.SOC, _soc_from_energy(facts, held, energy_wh_capacity)))
    setting = _setting(facts, held, changed)
    if setting is not None:
        found.append((table.SETPOINT_W, setting))
    return [(table.point_id(device_id, quantity), measurement) for quantity, measurement in found]


@cache
def _by_quantity(facts: ClassFacts) -> tuple[tuple[str, tuple[Readout, ...]], ...]:
    """Group a class's readouts by quantity, the preferred first."""
    groups: dict[str, list[Readout]] = {}
    for readout in facts.readouts:
        groups.setdefault(readout.quantity, []).append(readout)
    return tuple((quantity, tuple(entries)) for quantity, entries in groups.items())


def _best(
    facts: ClassFacts,
    readouts: tuple[Readout, ...],
    held: HeldValues,
    *,
    changed: Collection[int],
) -> Measurement | None:
    """Measure by the first readout that gives a number; None if that one is not new."""
    first: tuple[Readout, Measurement] | None = None
    for readout in readouts:
        if readout.epc in held:
            measurement = _measured(facts, readout, held)
            if measurement.value is not None:
                return measurement if readout.epc in changed else None
            first = first or (readout, measurement)
    if first is None or first[0].epc not in changed:
        return None
    return first[1]


def _measured(facts: ClassFacts, readout: Readout, held: HeldValues) -> Measurement:
    entry = held[readout.epc]
    decoded = decode(facts.class_code, readout.epc, entry.edt)
    value, reason = _number(facts, readout, held, decoded=decoded)
    return _measurement(value, reason, entry.received_at)


def _number(
    facts: ClassFacts, readout: Readout, held: HeldValues, *, decoded: Decoded
) -> tuple[float | None, str]:
    """Turn a decoded property into our number, or the reason why there is none."""
    rule, count = readout.rule, decoded.count
    if rule is Rule.CODE:
        return (None if count is None else float(count)), decoded.reason
    if rule in {Rule.IS_30, Rule.IS_41}:
        codes = _ON_CODE if rule is Rule.IS_30 else _FAULT_CODE
        return codes.get(-1 if count is None else count), decoded.reason or "neither yes nor no"
    if rule is Rule.CONNECTED:
        return _connected(count), decoded.reason or "not known whether a vehicle is connected"
    if rule is Rule.METER_ENERGY:
        return _meter_energy_wh(facts, held, decoded)
    factor, missing = _factor(facts, held, rule)
    value = magnitude(facts.class_code, held, readout.epc)
    if value is None or factor is None:
        return None, decoded.reason or missing or "no value"
    spec = lookup(facts.class_code, readout.epc)
    assert spec is not None, "a magnitude comes from the table"
    negated = rule in {Rule.NEGATED, Rule.RANGE_MAX_NEGATED}
    return factor * (-value if spec.turned or negated else value) + 0.0, ""


def _factor(facts: ClassFacts, held: HeldValues, rule: Rule) -> tuple[float | None, str]:
    """Find what a number is still to be multiplied by, or why that is not known."""
    if rule is Rule.METER_POWER:
        return _coefficient(facts, held), _NO_COEFFICIENT
    if rule is Rule.SHARE_OF_RATED:
        assert isinstance(facts.command, LimitCommand), "a share is of what its command says"
        known = (magnitude(facts.class_code, held, epc) for epc in facts.command.share_epcs)
        return next((value for value in known if value is not None), None), "no rating is known"
    return 1.0, ""


def _connected(count: int | None) -> float | None:
    if count in CONNECTED_CODES:
        return 1.0
    return 0.0 if count == DISCONNECTED_CODE else None


def _meter_energy_wh(
    facts: ClassFacts, held: HeldValues, decoded: Decoded
) -> tuple[float | None, str]:
    """Count times coefficient (absent = 1) times unit, in Decimal."""
    if decoded.count is None or decoded.value is None:
        return None, decoded.reason or "no value"
    assert facts.meter is not None, "a class with meter counts says where their scale is"
    unit = held.get(facts.meter.unit_epc)
    unit_kwh = None
    if unit is not None:
        unit_kwh = decode(facts.class_code, facts.meter.unit_epc, unit.edt).value
    if not isinstance(unit_kwh, Decimal):
        return None, f"the unit ({facts.meter.unit_epc:02X}) is not known"
    factor = _coefficient(facts, held)
    if factor is None:
        return None, _NO_COEFFICIENT
    kwh = energy_kwh(decoded.count, coefficient=factor, unit_kwh=unit_kwh)
    return float(kwh * 1000), ""


def _coefficient(facts: ClassFacts, held: HeldValues) -> int | None:
    """Ratio of a meter's transformers, 1 for one that has none; None: not a number."""
    assert facts.meter is not None, "a class with meter counts says where their scale is"
    coefficient = held.get(facts.meter.coefficient_epc)
    if coefficient is None:
        return 1
    decoded = decode(facts.class_code, facts.meter.coefficient_epc, coefficient.edt)
    return None if decoded.value is None else decoded.count


def _soc_from_energy(facts: ClassFacts, held: HeldValues, energy_wh_capacity: float) -> Measurement:
    entry = held[REMAINING_ENERGY]
    remaining_wh = magnitude(facts.class_code, held, REMAINING_ENERGY)
    if remaining_wh is None:
        reason = decode(facts.class_code, REMAINING_ENERGY, entry.edt).reason or "no value"
        return _measurement(None, reason, entry.received_at)
    return _measurement(remaining_wh / energy_wh_capacity, "", entry.received_at)


def _setting(facts: ClassFacts, held: HeldValues, changed: Collection[int]) -> Measurement | None:
    """Read the power that is set, as old as the older of the mode and its power."""
    command = facts.command
    if not isinstance(command, StorageCommand) or MODE_SETTING not in held:
        return None
    oldest = MODE_SETTING
    edt = held[MODE_SETTING].edt
    power_epc = command.power_epc(edt[0]) if len(edt) == 1 else None
    power = None if power_epc is None else held.get(power_epc)
    if power_epc is not None and power is not None:
        oldest = min(oldest, power_epc, key=lambda epc: held[epc].received_at)
    if oldest not in changed:
        return None
    settings = {epc: entry.edt for epc, entry in held.items()}
    power_w = setting_power_w(command, facts.class_code, settings)
    mode = held[MODE_SETTING].edt.hex()
    reason = "" if power_w is not None else f"the device decides itself (DA={mode})"
    return _measurement(power_w, reason, held[oldest].received_at)


def _measurement(value: float | None, reason: str, received_at: datetime) -> Measurement:
    return Measurement(
        value=value,
        quality=Quality.BAD if value is None else Quality.GOOD,
        measured_at=received_at,
        received_at=received_at,
        reason=reason if value is None else "",
    )
