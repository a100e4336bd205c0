"""Which SunSpec point gives which of our quantities, in the order of preference. Data. Pure.

Signs: inverters and batteries inject with + as we count; meters count import with + unless
their template says otherwise, and are turned here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edge_agent.points import table
from protocols.sunspec.points import Block
from protocols.vocabulary.resource import ResourceKind

INVERTERS: Final = (101, 102, 103, 111, 112, 113)
METERS: Final = (201, 202, 203, 204, 211, 212, 213, 214)
_PERCENT: Final = 0.01
_RUNNING_701: Final = frozenset({2.0, 3.0, 4.0})
_FAULT_701: Final = frozenset({6.0})
_RUNNING_101: Final = frozenset({3.0, 4.0, 5.0})
_FAULT_101: Final = frozenset({7.0})
_CONNECTED: Final = frozenset({1.0})

FAST_SPANS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {
        **dict.fromkeys((101, 102, 103), (10, 38)),
        **dict.fromkeys((111, 112, 113), (16, 48)),
        **dict.fromkeys((201, 202, 203, 204), (7, 22)),
        **dict.fromkeys((211, 212, 213, 214), (10, 29)),
        701: (3, 120),
        713: (2, 8),
        124: (5, 25),
    }
)
"""First and last register of what changes each second, scale factors among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One point that gives a quantity.

    Attributes
    ----------
    quantity : str
        Ours.
    models : tuple of int
        Models that have the point.
    point : str
        The specification's name.
    factor : float
        Our value is the point's times this.
    yes : frozenset of float or None
        Codes that mean yes, where the quantity is a yes or no.
    """

    quantity: str
    models: tuple[int, ...]
    point: str
    factor: float = 1.0
    yes: frozenset[float] | None = None

    def value(self, block: Block) -> tuple[float | None, str]:
        """Value in our unit and sign, or the reason why there is none."""
        read = block.value(self.point)
        if read.number is None:
            return None, read.reason
        if self.yes is not None:
            return float(read.number in self.yes), ""
        return self.factor * read.number + 0.0, ""


def _source(quantity: str, models: tuple[int, ...], point: str, *, factor: float = 1.0) -> Source:
    return Source(quantity=quantity, models=models, point=point, factor=factor)


_RUNS: Final = (
    Source(quantity=table.ON, models=(701,), point="InvSt", yes=_RUNNING_701),
    Source(quantity=table.ON, models=INVERTERS, point="St", yes=_RUNNING_101),
    Source(quantity=table.FAULT, models=(701,), point="InvSt", yes=_FAULT_701),
    Source(quantity=table.FAULT, models=INVERTERS, point="St", yes=_FAULT_101),
    Source(quantity=table.CONNECTED, models=(701,), point="ConnSt", yes=_CONNECTED),
)
_LIVE: Final = (
    _source(table.POWER_W, (701, *INVERTERS), "W"),
    _source(table.FREQUENCY_HZ, (701, *INVERTERS), "Hz"),
    _source(table.VOLTAGE_V, (701,), "LNV"),
    _source(table.VOLTAGE_V, (701,), "LLV"),
    _source(table.VOLTAGE_V, INVERTERS, "PhVphA"),
    *_RUNS,
)
_STORED: Final = (
    _source(table.SOC, (713,), "SoC", factor=_PERCENT),
    _source(table.SOC, (802,), "SoC", factor=_PERCENT),
    _source(table.SOC, (124,), "ChaState", factor=_PERCENT),
    _source(table.ENERGY_WH_REMAINING, (713,), "WHAvail"),
    _source(table.ENERGY_WH_CAPACITY, (713, 802, 120), "WHRtg"),
    _source(table.ENERGY_WH_DISCHARGED, (701,), "TotWhInj"),
    _source(table.ENERGY_WH_DISCHARGED, INVERTERS, "WH"),
    _source(table.ENERGY_WH_CHARGED, (701,), "TotWhAbs"),
)
_MADE: Final = (
    _source(table.ENERGY_WH_GENERATED, (701,), "TotWhInj"),
    _source(table.ENERGY_WH_GENERATED, INVERTERS, "WH"),
    _source(table.ENERGY_WH_GENERATED, (122,), "ActWh"),
)
_TAKEN: Final = (_source(table.ENERGY_WH_IMPORTED, (701,), "TotWhAbs"),)


def sources_of(kind: ResourceKind, *, meter_factor: float) -> tuple[Source, ...]:
    """List the sources for a kind of device.

    Parameters
    ----------
    kind : ResourceKind
        Which quantities it has is said by :data:`edge_agent.points.table.QUANTITIES`.
    meter_factor : float
        -1 where the meter counts import with +, else 1.
    """
    exported, imported = "TotWhExp", "TotWhImp"
    metered = (
        _source(table.POWER_W, METERS, "W", factor=meter_factor),
        _source(table.FREQUENCY_HZ, METERS, "Hz"),
        _source(table.VOLTAGE_V, METERS, "PhV"),
        _source(table.VOLTAGE_V, METERS, "PhVphA"),
        _source(table.ENERGY_WH_EXPORTED, METERS, exported),
        _source(table.ENERGY_WH_IMPORTED, METERS, imported),
    )
    known = {spec.quantity for spec in table.QUANTITIES[kind]}
    every = metered if kind is ResourceKind.METER else (*_LIVE, *_STORED, *_MADE, *_TAKEN)
    return tuple(source for source in every if source.quantity in known)


CHARGE_RATINGS: Final = (
    (702, "WChaRteMax"),
    (702, "WChaRteMaxRtg"),
    (124, "WChaMax"),
    (120, "MaxChaRte"),
    (802, "WChaRteMax"),
)
STORAGE_RATINGS: Final = (
    (702, "WDisChaRteMax"),
    (702, "WDisChaRteMaxRtg"),
    (120, "MaxDisChaRte"),
)
OUTPUT_RATINGS: Final = ((702, "WMax"), (702, "WMaxRtg"), (121, "WMax"), (120, "WRtg"))
"""Where a device states its powers, the preferred first; all >= 0."""
