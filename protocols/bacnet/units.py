"""Engineering units of objects, turned into ours: W, Wh, 1, degC, K, Hz, V, L."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """One engineering unit: ours = presentValue * factor + offset.

    Attributes
    ----------
    number : int
        Of BACnetEngineeringUnits.
    unit : str
        Ours.
    factor, offset : float
        How to get there.
    """

    number: int
    unit: str
    factor: float
    offset: float = 0.0

    def ours(self, value: float) -> float:
        """Value in our unit."""
        return value * self.factor + self.offset

    def theirs(self, value: float) -> float:
        """Value in the device's unit."""
        return (value - self.offset) / self.factor


_J_PER_WH: Final = 3600.0

UNITS: Final[Mapping[str, UnitFacts]] = MappingProxyType(
    {
        "watts": UnitFacts(47, "W", 1.0),
        "kilowatts": UnitFacts(48, "W", 1e3),
        "megawatts": UnitFacts(49, "W", 1e6),
        "milliwatts": UnitFacts(132, "W", 1e-3),
        "watt-hours": UnitFacts(18, "Wh", 1.0),
        "kilowatt-hours": UnitFacts(19, "Wh", 1e3),
        "megawatt-hours": UnitFacts(146, "Wh", 1e6),
        "joules": UnitFacts(16, "Wh", 1.0 / _J_PER_WH),
        "kilojoules": UnitFacts(17, "Wh", 1e3 / _J_PER_WH),
        "megajoules": UnitFacts(126, "Wh", 1e6 / _J_PER_WH),
        "percent": UnitFacts(98, "1", 0.01),
        "no-units": UnitFacts(95, "1", 1.0),
        "degrees-celsius": UnitFacts(62, "degC", 1.0),
        "degrees-kelvin": UnitFacts(63, "degC", 1.0, -273.15),
        "degrees-fahrenheit": UnitFacts(64, "degC", 5.0 / 9.0, -160.0 / 9.0),
        "delta-degrees-kelvin": UnitFacts(121, "K", 1.0),
        "delta-degrees-fahrenheit": UnitFacts(120, "K", 5.0 / 9.0),
        "hertz": UnitFacts(27, "Hz", 1.0),
        "volts": UnitFacts(5, "V", 1.0),
        "kilovolts": UnitFacts(6, "V", 1e3),
        "liters": UnitFacts(82, "L", 1.0),
        "cubic-meters": UnitFacts(80, "L", 1e3),
    }
)
"""By the standard's name.

Notes
-----
ASHRAE 135-2020, clause 21, BACnetEngineeringUnits.
"""

_BY_NUMBER: Final = MappingProxyType({facts.number: facts for facts in UNITS.values()})


def unit_of(number: int) -> UnitFacts | None:
    """Facts of a unit by its number; None for one that is nothing to us."""
    return _BY_NUMBER.get(number)
