"""Heat-pump water heater, class 026B, over the tank physics.

Its own default, after start and restart: automatic (B0 41), filling the tank at night, with
daytime reheat allowed (C0 41) when it is nearly empty. With energy-shift participation (C7 01)
and an hour (CA) set, it leaves the night out and fills from that hour on; with a second hour
(CD) only to the half before that one.
"""

from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.edt import clock_values, unsigned
from firmware_sim.devices.echonet_lite.modes import number
from firmware_sim.physics.ramp import SECONDS_PER_HOUR
from firmware_sim.physics.water_heater import (
    WaterHeaterParameters,
    WaterHeaterState,
    draw_w,
    step_water_heater,
    wants_heat,
)

_JST_S = 9 * 3600.0
_AUTO, _HEAT_NOW, _STOPPED = 0x41, 0x42, 0x43
_YES, _NO = 0x41, 0x42
_SHIFT_HOURS = frozenset({0x00, *range(0x09, 0x12)})
_SECOND_HOURS = _SHIFT_HOURS - {0x09}
_SHIFT_LASTS_H = 8
_FIRST_SHARE = 0.5
_SHIFTS = 2
_TIMES_SECOND = 3
_NIGHT_START = 0x01
_TIMES_COMPARED = 4
_TANK_LITRES = 370.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterHeaterSettings:
    """What controllers have set."""

    mode: int = _AUTO
    reheat: int = _YES
    takes_part: int = 0
    shift_hour: int = 0
    second_hour: int = 0


class WaterHeaterDevice:
    """A water heater a controller can switch and shift.

    Parameters
    ----------
    parameters : WaterHeaterParameters
        The physics.
    filling : float
        Share of the tank that is hot at the start, 0..1.
    seed : int
        Which household draws from it.
    """

    settable = frozenset({0x81, 0xB0, 0xC0, 0xC7, 0xCA, 0xCD})
    hidden: frozenset[int] = frozenset()

    def __init__(self, parameters: WaterHeaterParameters, *, filling: float, seed: int) -> None:
        self._parameters = parameters
        self._seed = seed
        self._settings = WaterHeaterSettings()
        self.state = WaterHeaterState(energy_wh=filling * parameters.energy_wh_capacity)

    def restart(self) -> None:
        """Lose every setting: automatic again."""
        self._settings = WaterHeaterSettings()

    def advance(self, span: Span) -> Reading:
        """Heat, or do not, and let the household draw."""
        start_s, end_s = span.world_s
        local_s = 0.5 * (start_s + end_s) + _JST_S
        self.state = step_water_heater(
            self._parameters,
            self.state,
            heats=self._heats(local_s),
            heat_drawn_w=draw_w(self._parameters, seed=self._seed, local_s=local_s),
            duration_s=span.duration_s,
        )
        if self._settings.mode == _HEAT_NOW and not self.state.heats:
            self._settings = replace(self._settings, mode=_AUTO)
        return Reading(
            power_w=self.state.power_w,
            mean_w=self.state.mean_w,
            soc=self.state.energy_wh / self._parameters.energy_wh_capacity,
        )

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting, see :class:`firmware_sim.devices.echonet_lite.appliance.Appliance`."""
        value, settings = number(edt), self._settings
        changes: dict[int, tuple[bool, WaterHeaterSettings]] = {
            0x81: (True, settings),
            0xB0: (value in {_AUTO, _HEAT_NOW, _STOPPED}, replace(settings, mode=value)),
            0xC0: (value in {_YES, _NO}, replace(settings, reheat=value)),
            0xC7: (value in {0, 1}, replace(settings, takes_part=value)),
            0xCA: (value in _SHIFT_HOURS, replace(settings, shift_hour=value)),
            0xCD: (value in _SECOND_HOURS, replace(settings, second_hour=value)),
        }
        accepted, changed = changes.get(epc, (False, settings))
        if accepted:
            self._settings = changed
        return accepted

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        settings, parameters = self._settings, self._parameters
        room_wh = parameters.energy_wh_capacity - self.state.energy_wh
        fill_wh = room_wh / parameters.efficiency
        litres = _TANK_LITRES * self.state.energy_wh / parameters.energy_wh_capacity
        heating = bytes((_YES if self.state.heats else _NO,))
        rated = unsigned(parameters.power_w_rated, 2)
        return {
            **clock_values(wall_s),
            0x84: unsigned(-self.state.power_w, 2),
            0x85: unsigned(self.state.energy_wh_electric, 4),
            0xB0: bytes((settings.mode,)),
            0xB2: heating,
            0xC0: bytes((settings.reheat,)),
            0xC7: bytes((settings.takes_part,)),
            0xC8: bytes((_NIGHT_START,)),
            0xC9: bytes((_SHIFTS,)),
            0xCA: bytes((settings.shift_hour,)),
            0xCB: unsigned(fill_wh, 4) * _TIMES_COMPARED,
            0xCC: rated * _TIMES_COMPARED,
            0xCD: bytes((settings.second_hour,)),
            0xCE: unsigned((1.0 - _FIRST_SHARE) * fill_wh, 4) * _TIMES_SECOND,
            0xCF: rated * _TIMES_SECOND,
            0xE1: unsigned(litres, 2),
            0xE2: unsigned(_TANK_LITRES, 2),
        }

    @property
    def asked_w(self) -> float | None:
        """Power its mode asks for, W, generator frame; None: it decides itself."""
        orders = {_HEAT_NOW: -self._parameters.power_w_rated, _STOPPED: 0.0}
        return orders.get(self._settings.mode)

    def _shift_target_wh(self, hour: float) -> float:
        """Heat to reach at a local hour of a shifted day: half before the second hour."""
        waits = hour < self._settings.second_hour
        return self._parameters.energy_wh_capacity * (_FIRST_SHARE if waits else 1.0)

    def _heats(self, local_s: float) -> bool:
        """Whether the settings want heat now."""
        settings = self._settings
        if settings.mode != _AUTO:
            return settings.mode == _HEAT_NOW
        if settings.takes_part and settings.shift_hour:
            hour = (local_s / SECONDS_PER_HOUR) % 24.0
            due = settings.shift_hour <= hour < settings.shift_hour + _SHIFT_LASTS_H
            return due and self.state.energy_wh < self._shift_target_wh(hour)
        return wants_heat(
            self._parameters,
            self.state,
            local_s=local_s,
            reheat_allowed=settings.reheat == _YES,
        )
