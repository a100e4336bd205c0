"""Electric vehicles: charger/discharger (V2H, class 027E) and charger (class 02A1).

Defaults after start and restart. V2H: automatic (DA 49), which charges at the rating until
the driver's needed energy is in and then waits; it never discharges by itself. Charger: DA 42
at the rating until the needed energy is in. A charger's car stops at that energy also under
control; a V2H charges on, as far as the car goes, when told to. With DA 46 and both methods
06 a V2H works at the one signed power of E0. Amounts (E7, EA) are leases: they count down in
AC Wh while it works in that direction, and at their end it goes to standby.
"""

from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite import modes
from firmware_sim.devices.echonet_lite.edt import clock_values, power_range, signed, unsigned
from firmware_sim.physics.battery import BatteryParameters, soc
from firmware_sim.physics.ev import EvSession, EvState, energy_wh_target, step_ev

_IDLE = 0x47
_AUTO = 0x49
_NOT_CONNECTED = 0x30
_CHARGEABLE = 0x41
_BOTH_WAYS = 0x43
_AC_AND_DC = 0x11
_CHECK = 0xCD
_VOLTAGE_V = 200.0
_NO_VEHICLE = b"\x00"
_VEHICLE = b"\x07SIM-CAR"
"""EPC E6: number of bytes and the id."""
_SIGNED = 0x46
_BY_E0 = 0x06
_V2H_MODES = frozenset({modes.CHARGING, modes.DISCHARGING, modes.STANDBY, _SIGNED, _IDLE, _AUTO})
_CHARGER_MODES = frozenset({modes.CHARGING, modes.STANDBY, _IDLE})
_V2H_SETTABLE = frozenset({0x81, 0x93, _CHECK, 0xDA, 0xDC, 0xDD, 0xE0, 0xE7, 0xEA, 0xEB, 0xEC})
_CHARGER_SETTABLE = frozenset({0x81, 0x93, _CHECK, 0xDA, 0xE7, 0xEB})
_METHODS = frozenset({modes.MAXIMUM, modes.SURPLUS, modes.DESIGNATED, _BY_E0})


@dataclass(frozen=True, slots=True, kw_only=True)
class EvSettings:
    """What controllers have set, W >= 0 each way; ``signed_w`` has the specification's sign.

    ``lease_wh_*`` is what is left of an amount, None: none was set.
    """

    mode: int
    charge_w: float
    discharge_w: float = 0.0
    charge_method: int = modes.DESIGNATED
    discharge_method: int = modes.DESIGNATED
    signed_w: float = 0.0
    lease_wh_charge: float | None = None
    lease_wh_discharge: float | None = None
    remote: int = 0x41


class EvDevice:
    """A charger with or without a car.

    Parameters
    ----------
    parameters : BatteryParameters
        The car's cells behind the charger's rating; discharge rating 0 makes it a charger.
    sessions : tuple of EvSession
        The stays, in world time.
    """

    def __init__(self, parameters: BatteryParameters, sessions: tuple[EvSession, ...]) -> None:
        self._parameters = parameters
        self._sessions = sessions
        self._both_ways = parameters.power_w_discharge_max > 0.0
        self.settable = _V2H_SETTABLE if self._both_ways else _CHARGER_SETTABLE
        self.hidden = frozenset({_CHECK})
        self._settings = self._default()
        self.state = EvState()

    def restart(self) -> None:
        """Lose every setting."""
        self._settings = self._default()

    def advance(self, span: Span) -> Reading:
        """Work toward what the settings say, as long as a car is there."""
        before = self.state.battery
        self.state = step_ev(
            self._parameters,
            self.state,
            sessions=self._sessions,
            request_w=span.drift.of(self._request_w(span.others_w)),
            span_s=span.world_s,
        )
        self._settings = _count_down(
            self._settings,
            charged_wh=self.state.battery.energy_wh_charged - before.energy_wh_charged,
            discharged_wh=self.state.battery.energy_wh_discharged - before.energy_wh_discharged,
        )
        return Reading(power_w=self.state.power_w, mean_w=self.state.mean_w, soc=self._soc())

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting, see :class:`firmware_sim.devices.echonet_lite.appliance.Appliance`."""
        value, settings, limits = modes.number(edt), self._settings, self._parameters
        allowed = _V2H_MODES if self._both_ways else _CHARGER_MODES
        changes: dict[int, tuple[bool, EvSettings]] = {
            0x81: (True, settings),
            0x93: (value in {0x41, 0x42}, replace(settings, remote=value)),
            _CHECK: (True, settings),
            0xDA: (value in allowed, replace(settings, mode=value)),
            0xDC: (value in _METHODS, replace(settings, charge_method=value)),
            0xDD: (value in _METHODS, replace(settings, discharge_method=value)),
            0xE0: (self._in_range(edt), replace(settings, signed_w=float(_signed(edt)))),
            0xE7: (True, replace(settings, lease_wh_charge=float(value))),
            0xEA: (True, replace(settings, lease_wh_discharge=float(value))),
            0xEB: (value <= limits.power_w_charge_max, replace(settings, charge_w=float(value))),
            0xEC: (
                value <= limits.power_w_discharge_max,
                replace(settings, discharge_w=float(value)),
            ),
        }
        accepted, changed = changes.get(epc, (False, settings))
        if accepted:
            self._settings = changed
        return accepted

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        common = {**clock_values(wall_s), **self._state_values(), **self._setting_values()}
        return common | (self._v2h_values() if self._both_ways else self._charger_values())

    @property
    def asked_w(self) -> float | None:
        """Power its settings ask for, W, generator frame; None: it decides itself."""
        own = {_AUTO, _IDLE} if self._both_ways else {_IDLE}
        if self._settings == self._default() or self._settings.mode in own:
            return None
        return self._request_w(0.0)

    def _in_range(self, edt: bytes) -> bool:
        """Whether a signed power is within the ratings."""
        limits, power_w = self._parameters, _signed(edt)
        return -limits.power_w_discharge_max <= power_w <= limits.power_w_charge_max

    def _default(self) -> EvSettings:
        return EvSettings(
            mode=_AUTO if self._both_ways else modes.CHARGING,
            charge_w=self._parameters.power_w_charge_max,
        )

    def _soc(self) -> float | None:
        """State of charge of the car that is there."""
        return soc(self._parameters, self.state.battery) if self.state.session else None

    def _request_w(self, others_w: float) -> float:
        """AC power the settings ask for, generator frame."""
        settings, limits = self._settings, self._parameters
        satisfied = self.state.battery.energy_wh >= energy_wh_target(limits, self.state)
        charging = modes.PowerWish(
            method=settings.charge_method,
            designated_w=settings.charge_w,
            rated_w=limits.power_w_charge_max,
            house_w=others_w,
        )
        discharging = modes.PowerWish(
            method=settings.discharge_method,
            designated_w=settings.discharge_w,
            rated_w=limits.power_w_discharge_max,
            house_w=-others_w,
        )
        if settings.mode == modes.CHARGING:
            stops = satisfied and not self._both_ways
            return 0.0 if stops else -charging.power_w()
        if settings.mode == modes.DISCHARGING:
            return discharging.power_w()
        if settings.mode == _SIGNED and settings.charge_method == _BY_E0:
            return -settings.signed_w
        if settings.mode == _AUTO and not satisfied:
            return -limits.power_w_charge_max
        return 0.0

    def _actual_mode(self) -> int:
        """Tell what it really does; without a car it stands idle."""
        if self.state.session is None:
            return _IDLE
        moving = abs(self.state.power_w) > 1.0
        active = modes.CHARGING if self.state.power_w < 0.0 else modes.DISCHARGING
        return active if moving else modes.STANDBY

    def _state_values(self) -> dict[int, bytes]:
        """Encode what it measures; D3 has the specification's sign, + charges."""
        battery, limits = self.state.battery, self._parameters
        here = self.state.session is not None
        connected = _BOTH_WAYS if self._both_ways else _CHARGEABLE
        return {
            0xC5: unsigned(limits.power_w_charge_max, 4),
            0xC7: bytes((connected if here else _NOT_CONNECTED,)),
            0xCC: bytes((_AC_AND_DC,)),
            _CHECK: b"\x10",
            0xD0: unsigned(limits.energy_wh_capacity if here else 0.0, 4),
            0xD3: signed(-self.state.power_w, 4),
            0xD8: unsigned(battery.energy_wh_charged, 4),
            0xE2: unsigned(battery.energy_wh, 4),
            0xE4: unsigned(100.0 * (self._soc() or 0.0), 1),
            0xE6: _VEHICLE if here else _NO_VEHICLE,
            0xE7: unsigned(self._lease_wh(), 4),
        }

    def _lease_wh(self) -> float:
        """Tell what E7 shows: what is left of an amount, rounded up, else what the driver needs."""
        left_wh = self._settings.lease_wh_charge
        if left_wh is None:
            return energy_wh_target(self._parameters, self.state)
        return -(-left_wh // 1)

    def _setting_values(self) -> dict[int, bytes]:
        """Encode what was set."""
        settings = self._settings
        return {
            0x93: b"\x62" if settings.remote == 0x42 else b"\x61",  # noqa: PLR2004 - code of EPC 93
            0xDA: bytes((settings.mode,)),
            0xEB: unsigned(settings.charge_w, 4),
        }

    def _v2h_values(self) -> dict[int, bytes]:
        """Encode what only class 027E has."""
        limits, battery, settings = self._parameters, self.state.battery, self._settings
        room_wh = limits.energy_wh_capacity - battery.energy_wh
        here = 1.0 if self.state.session is not None else 0.0
        return {
            0xC0: unsigned(limits.energy_wh_capacity * limits.efficiency_discharge * here, 4),
            0xC2: unsigned(battery.energy_wh * limits.efficiency_discharge, 4),
            0xC4: unsigned(100.0 * (self._soc() or 0.0), 1),
            0xC6: unsigned(limits.power_w_discharge_max, 4),
            0xC8: power_range(0.0, limits.power_w_charge_max),
            0xC9: power_range(0.0, limits.power_w_discharge_max),
            0xCA: unsigned(0.0, 2) + unsigned(10.0 * limits.power_w_charge_max / _VOLTAGE_V, 2),
            0xCB: unsigned(0.0, 2) + unsigned(10.0 * limits.power_w_discharge_max / _VOLTAGE_V, 2),
            0xCE: unsigned(limits.energy_wh_capacity * here, 4),
            0xCF: unsigned(room_wh * here, 4),
            0xD6: unsigned(battery.energy_wh_discharged, 4),
            0xDB: b"\x00",
            0xDC: bytes((settings.charge_method,)),
            0xDD: bytes((settings.discharge_method,)),
            0xE0: signed(settings.signed_w, 4),
            0xE1: bytes((self._actual_mode(),)),
            0xEA: unsigned(-(-(settings.lease_wh_discharge or 0.0) // 1), 4),
            0xEC: unsigned(settings.discharge_w, 4),
        }

    def _charger_values(self) -> dict[int, bytes]:
        """Encode what only class 02A1 has; its D3 is unsigned, it can only charge."""
        limits, battery = self._parameters, self.state.battery
        room_wh = limits.energy_wh_capacity - battery.energy_wh
        here = 1.0 if self.state.session is not None else 0.0
        return {
            0xCE: unsigned(limits.energy_wh_capacity * here, 4),
            0xCF: unsigned(room_wh * here, 4),
            0xD3: unsigned(-self.state.power_w, 4),
        }


def _signed(edt: bytes) -> int:
    """Signed count of an EDT."""
    return int.from_bytes(edt, "big", signed=True)


def _count_down(settings: EvSettings, *, charged_wh: float, discharged_wh: float) -> EvSettings:
    """Take the energy that flowed off the leases; one that is used up ends the operation."""
    if settings.mode == modes.CHARGING and settings.lease_wh_charge is not None:
        left_wh = settings.lease_wh_charge - charged_wh
        mode = settings.mode if left_wh > 0.0 else modes.STANDBY
        return replace(settings, lease_wh_charge=max(0.0, left_wh), mode=mode)
    if settings.mode == modes.DISCHARGING and settings.lease_wh_discharge is not None:
        left_wh = settings.lease_wh_discharge - discharged_wh
        mode = settings.mode if left_wh > 0.0 else modes.STANDBY
        return replace(settings, lease_wh_discharge=max(0.0, left_wh), mode=mode)
    return settings
