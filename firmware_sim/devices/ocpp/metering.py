"""What a simulated charger's meter says, in the words of its version and with its quirks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firmware_sim.faults import FaultKind, FaultState
from protocols.ocpp import measurands as m
from protocols.ocpp.states import VERSION_16
from protocols.templates.ocpp import OcppWire

POWER_IN_KW: Final = "power-in-kw"
POWER_BY_PHASE: Final = "power-by-phase"
_FAR_OUT: Final = 1000.0
_PHASES: Final = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """What there is to measure; powers and energies as magnitudes.

    Attributes
    ----------
    power_w_in, power_w_out : float
        Into the car, out of it.
    energy_wh_in, energy_wh_out : float
        Registers.
    soc : float or None
        0..1.
    voltage_v : float
        Of a phase.
    """

    power_w_in: float
    power_w_out: float
    energy_wh_in: float
    energy_wh_out: float
    soc: float | None
    voltage_v: float


def sampled_values(
    wire: OcppWire, state: MeterState, *, context: str, quirks: Sequence[str], faults: FaultState
) -> list[dict[str, object]]:
    """``sampledValue`` of one moment.

    Parameters
    ----------
    wire : OcppWire
        Version and measurands.
    state : MeterState
        The truth.
    context : str
        Why it was taken, such as ``"Sample.Periodic"``.
    quirks : sequence of str
        Of the template.
    faults : FaultState
        OUT_OF_RANGE measures what cannot be, NO_DATA leaves numbers out.
    """
    factor = _FAR_OUT if faults.has(FaultKind.OUT_OF_RANGE) else 1.0
    values: list[dict[str, object]] = []
    for measurand in wire.measurands:
        if faults.has(FaultKind.NO_DATA) and measurand != m.ENERGY_IMPORT:
            continue
        for phase, number, unit in _numbers(wire, measurand, state, quirks=quirks):
            values.append(
                _written(wire.version, number * factor, unit, measurand=measurand, phase=phase)
                | {"context": context}
            )
    return values


def _numbers(
    wire: OcppWire, measurand: str, state: MeterState, *, quirks: Sequence[str]
) -> list[tuple[str, float, str]]:
    """Phase, number and unit of each value of a measurand."""
    scale, unit = (1e-3, "kW") if POWER_IN_KW in quirks else (1.0, "W")
    phases = _PHASES[: wire.phases]
    if measurand in {m.POWER_IMPORT, m.POWER_EXPORT}:
        power_w = state.power_w_in if measurand == m.POWER_IMPORT else state.power_w_out
        if POWER_BY_PHASE in quirks:
            return [(phase, power_w * scale / len(phases), unit) for phase in phases]
        return [("", power_w * scale, unit)]
    if measurand == m.CURRENT_IMPORT:
        current_a = state.power_w_in / state.voltage_v / len(phases)
        return [(phase, current_a, "A") for phase in phases]
    if measurand == m.VOLTAGE:
        return [(f"{phase}-N", state.voltage_v, "V") for phase in phases]
    if measurand == m.STATE_OF_CHARGE:
        return [] if state.soc is None else [("", 100.0 * state.soc, "Percent")]
    energy_wh = state.energy_wh_in if measurand == m.ENERGY_IMPORT else state.energy_wh_out
    return [("", float(round(energy_wh)), "Wh")]


def _written(
    version: str, number: float, unit: str, *, measurand: str, phase: str
) -> dict[str, object]:
    """One sampled value in the words of a version."""
    words: dict[str, object] = {"measurand": measurand}
    if phase:
        words["phase"] = phase
    if version == VERSION_16:
        return {**words, "value": f"{number:.3f}", "unit": unit}
    return {**words, "value": round(number, 3), "unit_of_measure": {"unit": unit, "multiplier": 0}}
