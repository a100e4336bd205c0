"""What a device can and is set to, from its DERCapability and DERSettings.

Its settings win over its name plate, what it says over what its template says. Powers in W, all
magnitudes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.ieee2030_5.resources.der import DERCapability, DERSettings
from protocols.ieee2030_5.units import amount_of
from protocols.templates.ieee2030_5 import Ieee2030_5Wire
from protocols.templates.template import Nameplate
from protocols.vocabulary.errors import RemoteProtocolError

MODE_BITS: Final[Mapping[str, int]] = {"opModFixedW": 7, "opModMaxLimW": 20, "opModTargetW": 22}
"""Bits of ``modesSupported`` (IEEE 2030.5-2018, type DERControlType)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Of one device.

    Attributes
    ----------
    modes : tuple of str
        Modes by which it can be told a power, the best first.
    max_w : float
        setMaxW: the most it delivers, >= 0.
    max_charge_w, max_discharge_w : float
        setMaxChargeRateW, setMaxDischargeRateW; 0 where it states none.
    energy_wh : float or None
        Usable energy; None where it states none.
    stated : bool
        Whether it has stated anything yet.
    """

    modes: tuple[str, ...]
    max_w: float
    max_charge_w: float
    max_discharge_w: float
    energy_wh: float | None
    stated: bool

    @property
    def discharge_w(self) -> float:
        """What hundred percent of delivering is: a store's own rate, else setMaxW."""
        return self.max_discharge_w or self.max_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a device has said of itself; None for what it has not."""

    capability: DERCapability | None
    settings: DERSettings | None

    def amount(self, name: str, known: float) -> float:
        """Take what a setting is set to, else what the name plate says, else what is known.

        Parameters
        ----------
        name : str
            Field without its prefix, such as ``"max_w"``.
        known : float
            From the template.
        """
        for said, prefix in ((self.settings, "set_"), (self.capability, "rtg_")):
            stated = getattr(said, prefix + name, None)
            if stated is not None:
                try:
                    amount = amount_of(stated)
                except RemoteProtocolError:
                    continue
                if amount >= 0.0:
                    return amount
        return known


def ratings_of(wire: Ieee2030_5Wire, plate: Nameplate, stated: Stated) -> Ratings:
    """Put together what a device says of itself; its template where it says nothing."""
    modes = wire.modes
    if stated.capability is not None:
        bits = stated.capability.modes_supported
        modes = tuple(mode for mode in wire.modes if bits >> MODE_BITS[mode] & 1)
    return Ratings(
        modes=modes,
        max_w=stated.amount("max_w", plate.power_w_max),
        max_charge_w=stated.amount("max_charge_rate_w", -plate.power_w_min),
        max_discharge_w=stated.amount("max_discharge_rate_w", 0.0),
        energy_wh=stated.amount("max_wh", plate.energy_wh_capacity) or None,
        stated=stated.capability is not None or stated.settings is not None,
    )
