"""Objects that only tell: the power conditioner of several inputs, and the meter of a circuit.

The power conditioner (02A5) shows what the storage behind it does by its own default. The
meter of a circuit (028D) measures the secondary side of a transformer: powers and counts have
to be multiplied by its coefficient.
"""

from dataclasses import replace
from typing import Final

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.edt import clock_values, signed, unsigned
from firmware_sim.devices.echonet_lite.meter import MeterDevice
from firmware_sim.devices.machine import Machine
from firmware_sim.physics.meter import MeterState, step_meter

_OF_METER: Final = {
    0x97: 0x97,
    0x98: 0x98,
    0xD4: 0xE1,
    0xD7: 0xD7,
    0xE0: 0xE5,
    0xE1: 0xE0,
    0xE2: 0xE2,
    0xE3: 0xE3,
    0xE4: 0xE4,
    0xE7: 0xE7,
    0xE8: 0xE8,
    0xEA: 0xEA,
    0xEB: 0xEB,
}
"""Which property of class 0288 each of class 028D is."""
_DAY = 0xE0
_UNIT_WH = 10.0


class PowerConditionerDevice:
    """A power conditioner that a controller can read.

    Parameters
    ----------
    machine : Machine
        What is behind it.
    """

    settable = frozenset({0x81})
    hidden: frozenset[int] = frozenset()

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @property
    def asked_w(self) -> float | None:
        """Nothing can be asked of it."""
        return None

    def restart(self) -> None:
        """Begin again; there is nothing to lose."""
        self._machine.restart()

    def advance(self, span: Span) -> Reading:
        """Let what is behind it work."""
        return self._machine.advance(span)

    def set_property(self, epc: int, edt: bytes) -> bool:  # noqa: ARG002 - the place alone can be set
        """Take the place of installation only."""
        return epc in self.settable

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        state = self._machine.state()
        return {
            **clock_values(wall_s),
            0xD0: b"\x00",
            0xE0: unsigned(state.energy_wh_in, 4),
            0xE3: unsigned(state.energy_wh_out, 4),
            0xE7: signed(-state.power_w, 4),
            0xE8: b"\x00",
        }


class CircuitMeterDevice:
    """A meter behind a transformer.

    Parameters
    ----------
    ratio : int
        Its coefficient, >= 1.
    """

    settable = frozenset({0x81, _DAY})
    hidden: frozenset[int] = frozenset()

    def __init__(self, ratio: int) -> None:
        self._ratio = ratio
        self._primary = MeterState()
        self._secondary = MeterDevice(_UNIT_WH, MeterState())

    @property
    def asked_w(self) -> float | None:
        """Nothing can be asked of a meter."""
        return None

    def restart(self) -> None:
        """Lose the day asked for; counters are kept, as by law."""
        self._secondary.restart()

    def advance(self, span: Span) -> Reading:
        """Sum up what the span tells."""
        self._primary = step_meter(
            self._primary,
            powers_w=(span.others_w,),
            means_w=(0.5 * (self._primary.power_w + span.others_w),),
            duration_s=span.duration_s,
        )
        scaled = replace(
            self._primary,
            power_w=self._primary.power_w / self._ratio,
            energy_wh_imported=self._primary.energy_wh_imported / self._ratio,
            energy_wh_exported=self._primary.energy_wh_exported / self._ratio,
        )
        self._secondary.show(scaled, span.end_s)
        return Reading(power_w=self._primary.power_w, mean_w=self._primary.mean_w)

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take the day of the history."""
        return epc in self.settable and self._secondary.set_property(_OF_METER.get(epc, epc), edt)

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        told = self._secondary.values(wall_s)
        shown = {epc: told[of] for epc, of in _OF_METER.items()}
        return {**shown, 0xD3: unsigned(self._ratio, 4)}
