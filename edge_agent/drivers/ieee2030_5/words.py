"""A power in the words of a DERControl, by what the device says it supports. Decides nothing.

Powers in W, generator frame, which is the standard's own for DER controls. What is rounded is
rounded toward zero: never more than was asked.
"""

import math
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.ieee2030_5.ratings import Ratings
from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.units import amount_of, encode_active_power
from protocols.templates.ieee2030_5 import MODES
from protocols.vocabulary.errors import DeviceUnsupportedError, LocalProtocolError

TARGET_W, FIXED_W, MAX_LIM_W = MODES
_HUNDREDTHS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlWords:
    """A control.

    Attributes
    ----------
    base : DERControlBase
        What it asks for.
    power_w : float
        What that is in W.
    duration_s : int or None
        None: as default control, without an end.
    """

    base: DERControlBase
    power_w: float
    duration_s: int | None

    @property
    def is_limit(self) -> bool:
        """Whether it is a bound and not a power."""
        return self.base.op_mod_max_lim_w is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseWords:
    """No control of ours, and a default control that asks for nothing."""


def control_words(power_w: float, ratings: Ratings, duration_s: int | None) -> ControlWords:
    """Put a power into the first mode that the device takes.

    Raises
    ------
    DeviceUnsupportedError
        If no mode of the device can say that.
    LocalProtocolError
        If it is no number.

    Notes
    -----
    IEEE 2030.5-2018, DERControlBase: opModTargetW in W, opModFixedW in hundredths of a percent of
    setMaxW (discharging: setMaxDischargeRateW) or setMaxChargeRateW, opModMaxLimW of setMaxW.
    """
    if not math.isfinite(power_w):
        raise LocalProtocolError(f"{power_w} is no power")
    for mode in ratings.modes:
        base = _base(mode, power_w, ratings)
        if base is not None:
            return ControlWords(
                base=base, power_w=power_of(base, ratings) + 0.0, duration_s=duration_s
            )
    offered = ", ".join(ratings.modes) or "none that orders a power"
    raise DeviceUnsupportedError(f"{power_w:.0f} W: of its modes ({offered}) none can say that")


def _base(mode: str, power_w: float, ratings: Ratings) -> DERControlBase | None:
    """Control of one mode; None if it cannot say a power."""
    if mode == TARGET_W:
        return DERControlBase(op_mod_target_w=encode_active_power(math.trunc(power_w)))
    full_w = ratings.max_charge_w if power_w < 0.0 else ratings.discharge_w
    if mode == MAX_LIM_W:
        full_w = ratings.max_w
    if full_w <= 0.0 or (mode == MAX_LIM_W and power_w < 0.0):
        return None
    share = math.trunc(_HUNDREDTHS * min(max(power_w / full_w, -1.0), 1.0) + _nudge(power_w))
    if mode == MAX_LIM_W:
        return DERControlBase(op_mod_max_lim_w=share)
    return DERControlBase(op_mod_fixed_w=share)


def _nudge(power_w: float) -> float:
    """So little that only what binary fractions lack is added."""
    return math.copysign(1e-6, power_w)


def power_of(base: DERControlBase, ratings: Ratings) -> float:
    """Power of a control, W."""
    if base.op_mod_target_w is not None:
        return amount_of(base.op_mod_target_w)
    if base.op_mod_max_lim_w is not None:
        return base.op_mod_max_lim_w / _HUNDREDTHS * ratings.max_w
    share = (base.op_mod_fixed_w or 0) / _HUNDREDTHS
    return share * (ratings.max_charge_w if share < 0.0 else ratings.discharge_w)
