"""Storage battery, class 027D, over the battery physics.

Its own default, after start, restart or release, is automatic operation (DA 46): it brings
the site's meter to zero, charging from surplus and covering the house, and discharges so only
down to ``auto_reserve_soc``. An amount setting (AA, AB) is a lease: it counts down in AC Wh
while the battery works in that direction, and at its end the battery goes to standby.
"""

from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite import modes
from firmware_sim.devices.echonet_lite.edt import clock_values, power_range, signed, unsigned
from firmware_sim.physics.battery import (
    BatteryParameters,
    BatteryState,
    equivalent_full_cycles,
    power_limits_w,
    soc,
    step_battery,
)

_SETTABLE = frozenset({0x81, 0x93, 0xAA, 0xAB, 0xC1, 0xC2, 0xDA, 0xEB, 0xEC})
_SETTABLE_MODES = frozenset(
    {modes.RAPID_CHARGING, modes.CHARGING, modes.DISCHARGING, modes.STANDBY, modes.AUTO}
)
_METHODS = frozenset({modes.MAXIMUM, modes.SURPLUS, modes.DESIGNATED})
_REMOTE = 0x93
_REMOTE_PUBLIC = 0x42
_CONTROLS = frozenset({0xAA, 0xAB, 0xC1, 0xC2, 0xDA, 0xEB, 0xEC})
_CYCLES_TO_80_PERCENT = 8000.0
_LITHIUM_ION = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class BatterySettings:
    """What controllers have set; ``lease_wh_*`` is what is left of an amount, 0 = none."""

    mode: int = modes.AUTO
    charge_method: int = modes.MAXIMUM
    discharge_method: int = modes.MAXIMUM
    charge_w: float = 0.0
    discharge_w: float = 0.0
    lease_wh_charge: float = 0.0
    lease_wh_discharge: float = 0.0
    remote: int = 0x41


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryPolicy:
    """How the installation behaves.

    Attributes
    ----------
    auto_reserve_soc : float
        Automatic operation does not discharge below it, 0..1.
    reverse_flow_allowed : bool
        False: the battery never discharges more than the rest of the house takes (DB 02).
    remote_needed : bool
        True: settings are refused until 93 was set to 42.
    method : int
        Charging and discharging method (C1, C2) of its default; a product without these
        properties always goes by EB and EC.
    """

    auto_reserve_soc: float = 0.3
    reverse_flow_allowed: bool = True
    remote_needed: bool = False
    method: int = modes.MAXIMUM


class BatteryDevice:
    """A battery a controller can talk to.

    Parameters
    ----------
    parameters : BatteryParameters
        The physics.
    soc_start : float
        0..1.
    policy : BatteryPolicy
        The installation.
    """

    settable = _SETTABLE
    hidden: frozenset[int] = frozenset()

    def __init__(
        self, parameters: BatteryParameters, *, soc_start: float, policy: BatteryPolicy
    ) -> None:
        self._parameters = parameters
        self._policy = policy
        self._settings = self._default()
        self.state = BatteryState(energy_wh=soc_start * parameters.energy_wh_capacity)

    def restart(self) -> None:
        """Lose every setting: automatic operation again."""
        self._settings = self._default()

    def advance(self, span: Span) -> Reading:
        """Work toward what the settings say."""
        before = self.state
        self.state = step_battery(
            self._parameters,
            before,
            request_w=span.drift.of(self._request_w(span.others_w)),
            duration_s=span.duration_s,
        )
        self._settings = _count_down(
            self._settings,
            charged_wh=self.state.energy_wh_charged - before.energy_wh_charged,
            discharged_wh=self.state.energy_wh_discharged - before.energy_wh_discharged,
        )
        return Reading(
            power_w=self.state.power_w,
            mean_w=self.state.mean_w,
            soc=soc(self._parameters, self.state),
        )

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting, see :class:`firmware_sim.devices.echonet_lite.appliance.Appliance`."""
        locked = self._policy.remote_needed and self._settings.remote != _REMOTE_PUBLIC
        if locked and epc in _CONTROLS:
            return False
        changed = _set(self._settings, self._parameters, epc=epc, value=modes.number(edt))
        if changed is None:
            return False
        self._settings = changed
        return True

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        return {
            **clock_values(wall_s),
            **_rating_values(self._parameters, self._policy),
            **_state_values(self._parameters, self.state),
            **_setting_values(self._settings),
            0xCF: bytes((self._actual_mode(),)),
        }

    def _default(self) -> BatterySettings:
        method = self._policy.method
        return BatterySettings(charge_method=method, discharge_method=method)

    @property
    def asked_w(self) -> float | None:
        """Power its settings ask for, W, generator frame; None: it decides itself."""
        return None if self._settings.mode == modes.AUTO else self._wanted_w(0.0)

    def _request_w(self, others_w: float) -> float:
        """AC power it goes for, generator frame: what is asked, as far as the house takes it."""
        request_w = self._wanted_w(others_w)
        if not self._policy.reverse_flow_allowed and request_w > 0.0:
            return min(request_w, max(0.0, -others_w))
        return request_w

    def _wanted_w(self, others_w: float) -> float:
        """AC power the settings ask for, generator frame."""
        settings, parameters = self._settings, self._parameters
        charging = modes.PowerWish(
            method=settings.charge_method,
            designated_w=settings.charge_w,
            rated_w=parameters.power_w_charge_max,
            house_w=others_w,
        )
        discharging = modes.PowerWish(
            method=settings.discharge_method,
            designated_w=settings.discharge_w,
            rated_w=parameters.power_w_discharge_max,
            house_w=-others_w,
        )
        return {
            modes.RAPID_CHARGING: -parameters.power_w_charge_max,
            modes.CHARGING: -charging.power_w(),
            modes.DISCHARGING: discharging.power_w(),
            modes.AUTO: self._auto_w(others_w),
        }.get(settings.mode, 0.0)

    def _auto_w(self, others_w: float) -> float:
        """Self-consumption: the opposite of the rest of the house."""
        above = soc(self._parameters, self.state) > self._policy.auto_reserve_soc
        return -others_w if others_w > 0.0 or above else 0.0

    def _actual_mode(self) -> int:
        """Tell what it really does: a mode it cannot follow shows as standby."""
        mode = self._settings.mode
        low_w, high_w = power_limits_w(self._parameters, self.state)
        full = mode in {modes.CHARGING, modes.RAPID_CHARGING} and low_w > -1.0
        empty = mode == modes.DISCHARGING and high_w < 1.0
        return modes.STANDBY if full or empty else mode


def _set(
    settings: BatterySettings, parameters: BatteryParameters, *, epc: int, value: int
) -> BatterySettings | None:
    """Apply a Set to the settings; None refuses it."""
    changes: dict[int, tuple[bool, BatterySettings]] = {
        0x81: (True, settings),
        0x93: (value in {0x41, 0x42}, replace(settings, remote=value)),
        0xAA: (True, replace(settings, lease_wh_charge=float(value))),
        0xAB: (True, replace(settings, lease_wh_discharge=float(value))),
        0xC1: (value in _METHODS, replace(settings, charge_method=value)),
        0xC2: (value in _METHODS, replace(settings, discharge_method=value)),
        0xDA: (value in _SETTABLE_MODES, replace(settings, mode=value)),
        0xEB: (value <= parameters.power_w_charge_max, replace(settings, charge_w=float(value))),
        0xEC: (
            value <= parameters.power_w_discharge_max,
            replace(settings, discharge_w=float(value)),
        ),
    }
    accepted, changed = changes.get(epc, (False, settings))
    return changed if accepted else None


def _count_down(
    settings: BatterySettings, *, charged_wh: float, discharged_wh: float
) -> BatterySettings:
    """Take the energy that flowed off the leases; one that is used up ends the operation."""
    charges = settings.mode in {modes.CHARGING, modes.RAPID_CHARGING}
    if charges and settings.lease_wh_charge > 0.0:
        left_wh = settings.lease_wh_charge - charged_wh
        mode = settings.mode if left_wh > 0.0 else modes.STANDBY
        return replace(settings, lease_wh_charge=max(0.0, left_wh), mode=mode)
    if settings.mode == modes.DISCHARGING and settings.lease_wh_discharge > 0.0:
        left_wh = settings.lease_wh_discharge - discharged_wh
        mode = settings.mode if left_wh > 0.0 else modes.STANDBY
        return replace(settings, lease_wh_discharge=max(0.0, left_wh), mode=mode)
    return settings


def _rating_values(parameters: BatteryParameters, policy: BatteryPolicy) -> dict[int, bytes]:
    """Encode what the name plate says."""
    charge_wh = parameters.energy_wh_capacity / parameters.efficiency_charge
    discharge_wh = parameters.energy_wh_capacity * parameters.efficiency_discharge
    grid = modes.REVERSE_ALLOWED if policy.reverse_flow_allowed else modes.REVERSE_BANNED
    return {
        0xA0: unsigned(charge_wh, 4),
        0xA1: unsigned(discharge_wh, 4),
        0xA2: unsigned(charge_wh, 4),
        0xA3: unsigned(discharge_wh, 4),
        0xC8: power_range(0.0, parameters.power_w_charge_max),
        0xC9: power_range(0.0, parameters.power_w_discharge_max),
        0xD0: unsigned(parameters.energy_wh_capacity, 4),
        0xDB: bytes((grid,)),
        0xE6: bytes((_LITHIUM_ION,)),
    }


def _state_values(parameters: BatteryParameters, state: BatteryState) -> dict[int, bytes]:
    """Encode what it measures; D3 has the specification's sign, + charges."""
    room_wh = parameters.energy_wh_capacity - state.energy_wh
    health = 1.0 - 0.2 * equivalent_full_cycles(parameters, state) / _CYCLES_TO_80_PERCENT
    return {
        0xA4: unsigned(room_wh / parameters.efficiency_charge, 4),
        0xA5: unsigned(state.energy_wh * parameters.efficiency_discharge, 4),
        0xA8: unsigned(state.energy_wh_charged, 4),
        0xA9: unsigned(state.energy_wh_discharged, 4),
        0xD3: signed(-state.power_w, 4),
        0xD6: unsigned(state.energy_wh_discharged, 4),
        0xD8: unsigned(state.energy_wh_charged, 4),
        0xE2: unsigned(state.energy_wh, 4),
        0xE4: unsigned(100.0 * soc(parameters, state), 1),
        0xE5: unsigned(100.0 * max(0.0, health), 1),
    }


def _setting_values(settings: BatterySettings) -> dict[int, bytes]:
    """Encode what was set; a lease shows what is left of it, rounded up."""
    remote = 0x62 if settings.remote == _REMOTE_PUBLIC else 0x61
    return {
        _REMOTE: bytes((remote,)),
        0xAA: unsigned(-(-settings.lease_wh_charge // 1), 4),
        0xAB: unsigned(-(-settings.lease_wh_discharge // 1), 4),
        0xC1: bytes((settings.charge_method,)),
        0xC2: bytes((settings.discharge_method,)),
        0xDA: bytes((settings.mode,)),
        0xEB: unsigned(settings.charge_w, 4),
        0xEC: unsigned(settings.discharge_w, 4),
    }
