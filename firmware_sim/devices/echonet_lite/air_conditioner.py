"""Air conditioner, class 0130, over the climate of a room.

It follows the set temperature (B3). Power saving (8F 41) holds it to a share of its rating.
Off (80 31) it takes nothing.
"""

from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.edt import clock_values, signed, unsigned
from firmware_sim.devices.echonet_lite.modes import number
from firmware_sim.physics.hvac import (
    ClimateOrder,
    ClimateParameters,
    ClimateState,
    outside_c,
    step_climate,
)

_JST_S = 9 * 3600.0
_ON, _OFF = 0x30, 0x31
_SAVING, _NORMAL = 0x41, 0x42
_COOLING, _HEATING = 0x42, 0x43
_AIR_AUTO = 0x41
_MODES = frozenset({0x41, _COOLING, _HEATING, 0x44, 0x45})
_SAVED_SHARE = 0.6
_TEMPERATURES_C = range(16, 33)
_HUMIDITY_PERCENT = 55


@dataclass(frozen=True, slots=True, kw_only=True)
class AirConditionerSettings:
    """What controllers have set; codes as on the wire, temperature in whole degrees."""

    mode: int
    temperature_c: int
    power: int = _ON
    saving: int = _NORMAL
    air_flow: int = _AIR_AUTO


class AirConditionerDevice:
    """An air conditioner a controller can ask for less.

    Parameters
    ----------
    parameters : ClimateParameters
        The room and the machine.
    room_c : float
        Temperature at the start.
    """

    settable = frozenset({0x80, 0x81, 0x8F, 0xA0, 0xB0, 0xB3})
    hidden: frozenset[int] = frozenset()

    def __init__(self, parameters: ClimateParameters, *, room_c: float) -> None:
        self._parameters = parameters
        self._settings = self._default()
        self._outside_c = outside_c(parameters, 0.0)
        self.state = ClimateState(room_c=room_c)

    @property
    def asked_w(self) -> float | None:
        """0 W where less was asked for, however much it takes then; None: it decides itself."""
        own = self._default()
        less_k = self._settings.temperature_c - own.temperature_c
        warmer = less_k > 0 if self._parameters.cools else less_k < 0
        sheds = self._settings.power == _OFF or self._settings.saving == _SAVING or warmer
        return 0.0 if sheds else None

    def restart(self) -> None:
        """Lose every setting."""
        self._settings = self._default()

    def advance(self, span: Span) -> Reading:
        """Cool or heat the room."""
        settings, parameters = self._settings, self._parameters
        local_s = 0.5 * sum(span.world_s) + _JST_S
        share = _SAVED_SHARE if settings.saving == _SAVING else 1.0
        limit_w = share * parameters.power_w_rated if settings.power == _ON else 0.0
        self._outside_c = outside_c(parameters, local_s)
        self.state = step_climate(
            parameters,
            self.state,
            ClimateOrder(
                limit_w=abs(span.drift.of(limit_w)),
                shift_k=settings.temperature_c - parameters.comfort_c,
            ),
            local_s=local_s,
            duration_s=span.duration_s,
        )
        return Reading(power_w=self.state.power_w, mean_w=self.state.mean_w)

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting, see :class:`~firmware_sim.devices.echonet_lite.appliance.Appliance`."""
        value, settings = number(edt), self._settings
        changes: dict[int, tuple[bool, AirConditionerSettings]] = {
            0x80: (value in {_ON, _OFF}, replace(settings, power=value)),
            0x81: (True, settings),
            0x8F: (value in {_SAVING, _NORMAL}, replace(settings, saving=value)),
            0xA0: (True, replace(settings, air_flow=value)),
            0xB0: (value in _MODES, replace(settings, mode=value)),
            0xB3: (value in _TEMPERATURES_C, replace(settings, temperature_c=value)),
        }
        accepted, changed = changes.get(epc, (False, settings))
        if accepted:
            self._settings = changed
        return accepted

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        settings = self._settings
        return {
            **clock_values(wall_s),
            0x80: bytes((settings.power,)),
            0x84: unsigned(-self.state.power_w, 2),
            0x85: unsigned(self.state.energy_wh_taken, 4),
            0x8F: bytes((settings.saving,)),
            0xA0: bytes((settings.air_flow,)),
            0xB0: bytes((settings.mode,)),
            0xB3: bytes((settings.temperature_c,)),
            0xBA: bytes((_HUMIDITY_PERCENT,)),
            0xBB: signed(self.state.room_c, 1),
            0xBE: signed(self._outside_c, 1),
        }

    def _default(self) -> AirConditionerSettings:
        return AirConditionerSettings(
            mode=_COOLING if self._parameters.cools else _HEATING,
            temperature_c=round(self._parameters.comfort_c),
        )
