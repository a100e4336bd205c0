"""Household fuel cell, class 027C, over the fuel cell physics.

Its own default, after start and restart: generation on (CA 41), load following (D2 42), which
never sends power out of the house. At maximum rating (D2 41) it does so only where the
connection allows reverse flow.
"""

from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.edt import clock_values, unsigned
from firmware_sim.devices.echonet_lite.modes import number
from firmware_sim.physics.fuel_cell import (
    FuelCellOrder,
    FuelCellParameters,
    FuelCellPhase,
    FuelCellState,
    step_fuel_cell,
)

_ON, _OFF = 0x41, 0x42
_MAXIMUM, _FOLLOWING = 0x41, 0x42
_PATTERNS = frozenset({_MAXIMUM, _FOLLOWING})
_TANK_LITRES = 90.0
_WH_PER_M3 = 12_500.0
_PHASE_CODES = {
    FuelCellPhase.GENERATING: 0x41,
    FuelCellPhase.STOPPED: 0x42,
    FuelCellPhase.STARTING: 0x43,
    FuelCellPhase.STOPPING: 0x44,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FuelCellSettings:
    """What controllers have set: generation, pattern and the hours of D1 as raw EDT."""

    generation: int = _ON
    pattern: int = _FOLLOWING
    hours: bytes = b"\xff\xff\xff\xff"


class FuelCellDevice:
    """A fuel cell a controller can switch.

    Parameters
    ----------
    parameters : FuelCellParameters
        The physics.
    generating : bool
        Whether it runs already at the start, at its minimum.
    reverse_flow_allowed : bool
        Whether maximum rating may exceed what the house takes.
    """

    settable = frozenset({0x81, 0xCA, 0xD1, 0xD2})
    hidden: frozenset[int] = frozenset()

    def __init__(
        self, parameters: FuelCellParameters, *, generating: bool, reverse_flow_allowed: bool
    ) -> None:
        self._parameters = parameters
        self._reverse_flow_allowed = reverse_flow_allowed
        self._settings = FuelCellSettings()
        self._house_w = 0.0
        self.state = FuelCellState()
        if generating:
            self.state = replace(
                self.state, phase=FuelCellPhase.GENERATING, power_w=parameters.power_w_min
            )

    def restart(self) -> None:
        """Lose every setting: on and load following again."""
        self._settings = FuelCellSettings()

    def advance(self, span: Span) -> Reading:
        """Generate, start or stop."""
        self._house_w = -span.house_w
        following = self._settings.pattern == _FOLLOWING or not self._reverse_flow_allowed
        target_w = self._house_w if following else self._parameters.power_w_rated
        order = FuelCellOrder(
            runs=self._settings.generation == _ON, target_w=span.drift.of(target_w)
        )
        self.state = step_fuel_cell(self._parameters, self.state, order, duration_s=span.duration_s)
        return Reading(power_w=self.state.power_w, mean_w=self.state.mean_w)

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting, see :class:`firmware_sim.devices.echonet_lite.appliance.Appliance`."""
        value, settings = number(edt), self._settings
        changes: dict[int, tuple[bool, FuelCellSettings]] = {
            0x81: (True, settings),
            0xCA: (value in {_ON, _OFF}, replace(settings, generation=value)),
            0xD1: (True, replace(settings, hours=edt)),
            0xD2: (value in _PATTERNS, replace(settings, pattern=value)),
        }
        accepted, changed = changes.get(epc, (False, settings))
        if accepted:
            self._settings = changed
        return accepted

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        gas_w = max(0.0, self.state.power_w) / self._parameters.efficiency
        return {
            **clock_values(wall_s),
            0xC2: unsigned(self._parameters.power_w_rated, 2),
            0xC4: unsigned(max(0.0, self.state.power_w), 2),
            0xC5: unsigned(self.state.energy_wh_generated, 4),
            0xC7: unsigned(1000.0 * gas_w / _WH_PER_M3, 2),
            0xC8: unsigned(1000.0 * self.state.energy_wh_gas / _WH_PER_M3, 4),
            0xCA: bytes((self._settings.generation,)),
            0xCB: bytes((_PHASE_CODES[self.state.phase],)),
            0xCC: unsigned(self._house_w, 2),
            0xD0: b"\x00" if self._reverse_flow_allowed else b"\x02",
            0xD1: self._settings.hours,
            0xD2: bytes((self._settings.pattern,)),
            0xE1: unsigned(_TANK_LITRES, 2),
            0xE2: unsigned(_TANK_LITRES, 2),
        }

    @property
    def asked_w(self) -> float | None:
        """0 W where it was switched off; None: it decides itself."""
        return 0.0 if self._settings.generation == _OFF else None
