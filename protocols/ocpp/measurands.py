"""Meter values of a charger in our quantities. Pure; generator frame: charging is negative.

Both versions say the same with other words: 1.6 writes numbers as text and a unit beside them,
2.0.1 numbers with a unit and a power of ten.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocols.ocpp.words import Words, finite, text_of, whole_of, words_of

POWER_IMPORT: Final = "Power.Active.Import"
POWER_EXPORT: Final = "Power.Active.Export"
CURRENT_IMPORT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
ENERGY_IMPORT: Final = "Energy.Active.Import.Register"
ENERGY_EXPORT: Final = "Energy.Active.Export.Register"
STATE_OF_CHARGE: Final = "SoC"

_DEFAULT_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        POWER_IMPORT: "W",
        POWER_EXPORT: "W",
        CURRENT_IMPORT: "A",
        VOLTAGE: "V",
        ENERGY_IMPORT: "Wh",
        ENERGY_EXPORT: "Wh",
        STATE_OF_CHARGE: "Percent",
    }
)
_FACTORS: Final[Mapping[tuple[str, str], float]] = MappingProxyType(
    {
        (POWER_IMPORT, "W"): 1.0,
        (POWER_IMPORT, "kW"): 1e3,
        (POWER_EXPORT, "W"): 1.0,
        (POWER_EXPORT, "kW"): 1e3,
        (CURRENT_IMPORT, "A"): 1.0,
        (VOLTAGE, "V"): 1.0,
        (ENERGY_IMPORT, "Wh"): 1.0,
        (ENERGY_IMPORT, "kWh"): 1e3,
        (ENERGY_EXPORT, "Wh"): 1.0,
        (ENERGY_EXPORT, "kWh"): 1e3,
        (STATE_OF_CHARGE, "Percent"): 1e-2,
        (STATE_OF_CHARGE, "%"): 1e-2,
    }
)
_MULTIPLIER_MAX: Final = 9
_PLACES: Final = frozenset({"", "Outlet", "Inlet"})
"""Where the charger's own meter sits; the car's and the cable's are others."""
_TOTAL: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one set of sampled values says; None where it says nothing.

    Attributes
    ----------
    power_w : float or None
        Generator frame: charging is negative.
    power_estimated : bool
        Made from the current at the nominal voltage.
    energy_wh_charged, energy_wh_discharged : float or None
        Registers, >= 0.
    soc : float or None
        0..1, of the car.
    voltage_v : float or None
        Mean of the phases.
    refused : str
        What could not be understood, for people; empty if all was.
    """

    power_w: float | None = None
    power_estimated: bool = False
    energy_wh_charged: float | None = None
    energy_wh_discharged: float | None = None
    soc: float | None = None
    voltage_v: float | None = None
    refused: str = ""


def sample_of(values: Iterable[Words], *, phases: int, voltage_v: float) -> Sample:
    """Meaning of the sampled values of one moment and one connector.

    Parameters
    ----------
    values : iterable of Words
        ``sampledValue`` of a meter value.
    phases : int
        Phases of the charger: a sum of fewer is no sum.
    voltage_v : float
        Nominal phase voltage, for a charger that tells only its current.
    """
    by_phase: dict[str, dict[str, float]] = {}
    refused: list[str] = []
    for value in values:
        measurand = text_of(value, "measurand") or ENERGY_IMPORT
        if measurand not in _DEFAULT_UNITS or text_of(value, "location") not in _PLACES:
            continue
        number = _scaled(measurand, value)
        if number is None:
            refused.append(f"{measurand}={value.get('value')!r}"[:60])
            continue
        by_phase.setdefault(measurand, {})[_phase(text_of(value, "phase"))] = number
    power_w, estimated = _power(by_phase, phases=phases, voltage_v=voltage_v)
    soc = by_phase.get(STATE_OF_CHARGE, {}).get(_TOTAL)
    return Sample(
        power_w=power_w,
        power_estimated=estimated,
        energy_wh_charged=_sum(by_phase.get(ENERGY_IMPORT), phases),
        energy_wh_discharged=_sum(by_phase.get(ENERGY_EXPORT), phases),
        soc=soc,
        voltage_v=_mean(by_phase.get(VOLTAGE)),
        refused=", ".join(refused),
    )


def triggered(values: Sequence[Words]) -> bool:
    """Whether the values were taken because we asked: then they are of now."""
    return bool(values) and all(text_of(value, "context") == "Trigger" for value in values)


def _scaled(measurand: str, value: Words) -> float | None:
    """Turn a sampled value into our unit; None if it has no number."""
    if text_of(value, "format") == "SignedData":
        return None
    measure = words_of(value, "unit_of_measure")
    unit = text_of(value, "unit") or text_of(measure, "unit") or _DEFAULT_UNITS[measurand]
    factor = _FACTORS.get((measurand, unit))
    number = finite(value.get("value"))
    power = whole_of(measure, "multiplier") or 0
    if factor is None or number is None or abs(power) > _MULTIPLIER_MAX:
        return None
    return number * factor * 10.0**power


def _phase(text: str) -> str:
    """``L1`` for ``L1-N`` too; a voltage between phases keeps its name."""
    return text.removesuffix("-N")


def _sum(by_phase: Mapping[str, float] | None, phases: int) -> float | None:
    """Total of a quantity, told as such or phase by phase; None if a phase is missing."""
    if not by_phase:
        return None
    if _TOTAL in by_phase:
        return by_phase[_TOTAL]
    told = [by_phase[phase] for phase in ("L1", "L2", "L3") if phase in by_phase]
    return sum(told) if len(told) >= phases else None


def _mean(by_phase: Mapping[str, float] | None) -> float | None:
    told = [v for phase, v in (by_phase or {}).items() if phase in {_TOTAL, "L1", "L2", "L3"}]
    return sum(told) / len(told) if told else None


def _power(
    by_phase: Mapping[str, Mapping[str, float]], *, phases: int, voltage_v: float
) -> tuple[float | None, bool]:
    """Power toward the grid, and whether it is an estimate."""
    into = _sum(by_phase.get(POWER_IMPORT), phases)
    out_of = _sum(by_phase.get(POWER_EXPORT), phases)
    if into is not None or out_of is not None:
        return (out_of or 0.0) - (into or 0.0) + 0.0, False
    currents = by_phase.get(CURRENT_IMPORT)
    if not currents:
        return None, False
    measured_v = _mean(by_phase.get(VOLTAGE))
    used_v = voltage_v if measured_v is None else measured_v
    total_a = currents[_TOTAL] * phases if _TOTAL in currents else _sum(currents, phases)
    if total_a is None:
        return None, False
    return -total_a * used_v + 0.0, measured_v is None
