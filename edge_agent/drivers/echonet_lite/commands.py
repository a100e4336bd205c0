"""What to set for a power, and what to set to give a device back. Pure.

From a setpoint in the generator frame to properties in the order the specification wants
(remote control, method, amount, power, mode), never one that is not in the Set map. The
amount bounds the energy of a lease: should everything of ours die, the device stops by itself
after what this lease was meant to move (settled 5).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from edge_agent.drivers.echonet_lite.facts import (
    METHOD_DESIGNATED_POWER,
    MODE_SETTING,
    REMOTE_EPC,
    REMOTE_THROUGH_PUBLIC_NETWORK,
    Command,
    Direction,
    LimitCommand,
    ShedCommand,
    SignedPower,
    StorageCommand,
    SwitchCommand,
)
from protocols.echonet_lite.frame import Property
from protocols.echonet_lite.properties import decode_value, encode_value, lookup
from protocols.vocabulary.errors import DeviceUnsupportedError, RemoteProtocolError

AMOUNT_EPCS: Final = frozenset({0xAA, 0xAB, 0xE7, 0xEA})
"""Energy amounts of 027D, 027E and 02A1."""
_S_PER_H: Final = 3600.0
_FULL_PERCENT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What this very device lets us do, from its Set map and its ratings.

    Attributes
    ----------
    class_code : int
        For the property table.
    settable : frozenset of int
        EPCs of its Set map.
    settings : mapping of int to bytes
        What is known to be set now, by EPC.
    originals : mapping of int to bytes
        What was set before our first write.
    charge_w, discharge_w : tuple of float
        Smallest and greatest power it takes in each direction, W, both >= 0.
    remote_due : bool
        Whether remote control (93) has to be announced before the next Set.
    """

    class_code: int
    settable: frozenset[int]
    settings: Mapping[int, bytes] = field(default_factory=dict)
    originals: Mapping[int, bytes] = field(default_factory=dict)
    charge_w: tuple[float, float] = (0.0, math.inf)
    discharge_w: tuple[float, float] = (0.0, math.inf)
    remote_due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WritePlan:
    """Properties to set and what must be read back.

    Attributes
    ----------
    steps : tuple of Property
        In this order; at least one.
    expected : tuple of Property
        What the device must say afterwards for the write to be done.
    power_w : float or None
        What it amounts to, W, generator frame; None if the device decides itself.
    detail : str
        For people.
    restores : bool
        It gives back what was set before our first write: once done, there is no "before".
    """

    steps: tuple[Property, ...]
    expected: tuple[Property, ...]
    power_w: float | None
    detail: str
    restores: bool = False


def plan_setpoint(
    command: Command, abilities: Abilities, *, power_w: float, lease_s: float | None
) -> WritePlan:
    """Plan the Set for a power.

    Parameters
    ----------
    command : Command
        How the class is commanded.
    abilities : Abilities
        What the device can.
    power_w : float
        W, generator frame.
    lease_s : float or None
        How long it is meant to hold, s, > 0; None for a limit that holds without a lease.

    Raises
    ------
    DeviceUnsupportedError
        If the Set map lacks what the command needs.
    """
    if isinstance(command, StorageCommand):
        return _plan_storage(command, abilities, power_w=power_w, lease_s=lease_s)
    if isinstance(command, LimitCommand):
        return _plan_limit(command, abilities, power_w)
    if isinstance(command, ShedCommand):
        return _plan_shed(command, abilities, sheds=round(power_w) == 0)
    code = command.idle if round(power_w) == 0 else command.active
    return _plan_switch(command, abilities, code, detail=f"{command.epc:02X}={code:02X}")


def plan_release(command: Command, abilities: Abilities) -> WritePlan:
    """Plan the Set that gives the device back to its own default.

    Raises
    ------
    DeviceUnsupportedError
        If the Set map lacks what the release needs.
    """
    if isinstance(command, StorageCommand):
        mode = _mode(abilities, command.release)
        return _plan(abilities, [mode], power_w=None, detail=command.release_name)
    if isinstance(command, SwitchCommand):
        return _plan_switch(command, abilities, command.release, detail=command.release_name)
    if isinstance(command, ShedCommand):
        return replace(_plan_shed(command, abilities, sheds=False), restores=True)
    epc = _limit_epc(command, abilities)
    edt = abilities.originals.get(epc)
    if edt is None and _in_percent(abilities, epc):
        edt = bytes((_FULL_PERCENT,))
    elif edt is None:
        rated = _first(abilities, abilities.settings, command.rated_epcs)
        if rated is None:
            raise DeviceUnsupportedError(
                f"neither a setting before ours nor a rating for {epc:02X}"
            )
        edt = _watts(abilities, epc, rated)
    restored = Property(epc, edt)
    detail = f"output limit as before ({epc:02X}={edt.hex()})"
    return replace(_plan(abilities, [restored], power_w=None, detail=detail), restores=True)


def setting_power_w(
    command: Command, class_code: int, settings: Mapping[int, bytes]
) -> float | None:
    """Power the device says is set, W, generator frame; None where it decides itself."""
    known = Abilities(class_code=class_code, settable=frozenset())
    if isinstance(command, LimitCommand):
        limits = (_limit_w(command, known, settings, epc=epc) for epc in command.limit_epcs)
        return min((limit_w for limit_w in limits if limit_w is not None), default=None)
    if isinstance(command, SwitchCommand | ShedCommand):
        return None
    mode = settings.get(MODE_SETTING)
    if mode is None or len(mode) != 1:
        return None
    if mode[0] == command.standby:
        return 0.0
    power_epc = command.power_epc(mode[0])
    value = None if power_epc is None else number(known, settings, power_epc)
    charges = command.discharge is None or mode[0] != command.discharge.mode
    return None if value is None else (-value if charges else value) + 0.0


def number(abilities: Abilities, settings: Mapping[int, bytes], epc: int) -> float | None:
    """Read a number among the settings; None if it is missing or no value."""
    spec = lookup(abilities.class_code, epc)
    edt = settings.get(epc)
    if spec is None or edt is None:
        return None
    try:
        return decode_value(spec, edt).as_float()
    except RemoteProtocolError:
        return None


def _plan_storage(
    command: StorageCommand, abilities: Abilities, *, power_w: float, lease_s: float | None
) -> WritePlan:
    if power_w > 0.0:
        direction, (least, most) = command.discharge, abilities.discharge_w
    else:
        direction, (least, most) = command.charge, abilities.charge_w
    watts = round(min(abs(power_w), most))
    if direction is None or watts == 0 or watts < least:
        detail = f"standby ({MODE_SETTING:02X}={command.standby:02X})"
        if round(power_w) != 0:
            detail += f": {power_w:.0f} W is not in the device's range"
        mode = _mode(abilities, command.standby)
        return _plan(abilities, [mode], power_w=0.0, detail=detail)
    signed_w = math.copysign(watts, power_w)
    signed = command.signed
    if signed is not None and direction.power_epc not in abilities.settable >= {signed.power_epc}:
        plan = _plan_signed(signed, abilities, signed_w=signed_w)
    else:
        plan = _plan_direction(direction, abilities, signed_w=signed_w, lease_s=lease_s)
    if watts == round(abs(power_w)):
        return plan
    return replace(plan, detail=f"{plan.detail} (asked for {power_w:.0f} W, its greatest is less)")


def _plan_direction(
    direction: Direction, abilities: Abilities, *, signed_w: float, lease_s: float | None
) -> WritePlan:
    watts = round(abs(signed_w))
    mode = _mode(abilities, direction.mode)
    detail = f"DA={direction.mode:02X} {watts} W"
    optional: list[Property] = []
    amount_epc = direction.amount_epc
    if lease_s is not None and amount_epc is not None and amount_epc in abilities.settable:
        amount_wh = math.ceil(watts * lease_s / _S_PER_H) + 1
        optional.append(Property(amount_epc, _encoded(abilities, amount_epc, amount_wh)))
    if direction.power_epc not in abilities.settable:
        if not optional:
            message = f"{direction.power_epc:02X} is not in the Set map, nor is an amount"
            raise DeviceUnsupportedError(message)
        return _plan(abilities, [*optional, mode], power_w=None, detail=f"{detail} by amount only")
    power = Property(direction.power_epc, _encoded(abilities, direction.power_epc, watts))
    method_epc = direction.method_epc
    designated = bytes((METHOD_DESIGNATED_POWER,))
    if (
        method_epc is not None
        and method_epc in abilities.settable
        and abilities.settings.get(method_epc) != designated
    ):
        optional.insert(0, Property(method_epc, designated))
    return _plan(abilities, [*optional, power, mode], power_w=signed_w, detail=detail)


def _plan_signed(signed: SignedPower, abilities: Abilities, *, signed_w: float) -> WritePlan:
    """Plan one power for both ways; its sign on the wire is + for charging."""
    methods = [
        Property(epc, bytes((code,)))
        for epc, code in signed.methods
        if epc in abilities.settable and abilities.settings.get(epc) != bytes((code,))
    ]
    edt = _encoded(abilities, signed.power_epc, round(-signed_w))
    steps = [*methods, Property(signed.power_epc, edt), _mode(abilities, signed.mode)]
    detail = f"DA={signed.mode:02X} {-signed_w:+.0f} W ({signed.power_epc:02X}, + charges)"
    return _plan(abilities, steps, power_w=signed_w, detail=detail)


def _plan_limit(command: LimitCommand, abilities: Abilities, power_w: float) -> WritePlan:
    epc = _limit_epc(command, abilities)
    if _in_percent(abilities, epc):
        return _plan_share(command, abilities, power_w)
    limit = Property(epc, _watts(abilities, epc, max(power_w, 0.0)))
    detail = f"output limit {max(power_w, 0.0):.0f} W ({epc:02X})"
    return _plan(abilities, [limit], power_w=round(max(power_w, 0.0)), detail=detail)


def _plan_share(command: LimitCommand, abilities: Abilities, power_w: float) -> WritePlan:
    """Plan a limit in per cent, rounded down: what is allowed is never passed."""
    epc = _limit_epc(command, abilities)
    full_w = _first(abilities, abilities.settings, command.share_epcs)
    if not full_w:
        raise DeviceUnsupportedError(f"what {epc:02X} is a share of is not known")
    percent = min(math.floor(_FULL_PERCENT * max(power_w, 0.0) / full_w), _FULL_PERCENT)
    limit_w = percent * full_w / _FULL_PERCENT
    detail = f"output limit {percent} % = {limit_w:.0f} W ({epc:02X})"
    limit = Property(epc, _encoded(abilities, epc, percent))
    return _plan(abilities, [limit], power_w=limit_w, detail=detail)


def _limit_w(
    command: LimitCommand, abilities: Abilities, settings: Mapping[int, bytes], *, epc: int
) -> float | None:
    """Limit that one of the properties sets, W; None if it is not known."""
    value = number(abilities, settings, epc)
    if value is None or not _in_percent(abilities, epc):
        return value
    full_w = _first(abilities, settings, command.share_epcs)
    return None if full_w is None else value * full_w / _FULL_PERCENT


def _in_percent(abilities: Abilities, epc: int) -> bool:
    spec = lookup(abilities.class_code, epc)
    return spec is not None and spec.unit == "%"


def _first(
    abilities: Abilities, settings: Mapping[int, bytes], epcs: tuple[int, ...]
) -> float | None:
    """First of the properties that is a number."""
    values = (number(abilities, settings, epc) for epc in epcs)
    return next((value for value in values if value is not None), None)


def _plan_switch(
    command: SwitchCommand, abilities: Abilities, code: int, *, detail: str
) -> WritePlan:
    _require(abilities, command.epc)
    switch = Property(command.epc, bytes((code,)))
    return _plan(abilities, [switch], power_w=None, detail=detail)


def _plan_shed(command: ShedCommand, abilities: Abilities, *, sheds: bool) -> WritePlan:
    """Plan less, or what was set before, by the first way the device lets set."""
    epc = next(
        (e for e in (command.saving_epc, command.temperature_epc) if e in abilities.settable), None
    )
    if epc is None:
        raise DeviceUnsupportedError("neither power saving nor set temperature is in the Set map")
    before = abilities.originals.get(epc, abilities.settings.get(epc))
    if before is None:
        raise DeviceUnsupportedError(f"what is set now ({epc:02X}) is not known")
    if not sheds:
        detail = f"as before ({epc:02X}={before.hex()})"
        return _plan(abilities, [Property(epc, before)], power_w=None, detail=detail)
    if epc == command.saving_epc:
        step, detail = Property(epc, bytes((command.saving_code,))), "power saving"
    else:
        degrees_c = _less_c(command, abilities, before)
        step, detail = Property(epc, bytes((degrees_c,))), f"set temperature {degrees_c} C"
    return _plan(abilities, [step], power_w=None, detail=f"{detail}: how much less is not known")


def _less_c(command: ShedCommand, abilities: Abilities, before: bytes) -> int:
    """Set temperature that takes less, never beyond what people can live in."""
    usual_c = number(abilities, {command.temperature_epc: before}, command.temperature_epc)
    mode = abilities.settings.get(command.mode_epc, b"")
    moves = {bytes((code,)): degrees for code, degrees in command.less_by_mode}
    if usual_c is None or mode not in moves:
        raise DeviceUnsupportedError(f"no set temperature to move in mode {mode.hex() or 'none'}")
    low_c, high_c = command.temperature_c
    usual, move_c = round(usual_c), moves[mode]
    if move_c > 0:
        return max(usual, min(usual + move_c, high_c))
    return min(usual, max(usual + move_c, low_c))


def _plan(
    abilities: Abilities, steps: list[Property], *, power_w: float | None, detail: str
) -> WritePlan:
    """Add what every Set begins with; an amount counts down, so it is not read back."""
    expected = tuple(step for step in steps if step.epc not in AMOUNT_EPCS)
    if abilities.remote_due and REMOTE_EPC in abilities.settable:
        steps = [Property(REMOTE_EPC, bytes((REMOTE_THROUGH_PUBLIC_NETWORK,))), *steps]
    return WritePlan(steps=tuple(steps), expected=expected, power_w=power_w, detail=detail)


def _mode(abilities: Abilities, code: int) -> Property:
    _require(abilities, MODE_SETTING)
    return Property(MODE_SETTING, bytes((code,)))


def _limit_epc(command: LimitCommand, abilities: Abilities) -> int:
    for epc in command.limit_epcs:
        if epc in abilities.settable:
            return epc
    names = ", ".join(f"{epc:02X}" for epc in command.limit_epcs)
    raise DeviceUnsupportedError(f"none of {names} is in the Set map")


def _require(abilities: Abilities, epc: int) -> None:
    if epc not in abilities.settable:
        raise DeviceUnsupportedError(f"{epc:02X} is not in the Set map")


def _watts(abilities: Abilities, epc: int, watts: float) -> bytes:
    spec = lookup(abilities.class_code, epc)
    most = math.inf if spec is None else float(spec.maximum * spec.multiplier)
    return _encoded(abilities, epc, round(min(watts, most)))


def _encoded(abilities: Abilities, epc: int, value: int) -> bytes:
    spec = lookup(abilities.class_code, epc)
    assert spec is not None, f"{abilities.class_code:04X}.{epc:02X} must be in the property table"
    return encode_value(spec, value)
