"""Rounding of the market, in Decimal, at the very end and nowhere else. Pure.

Notes
-----
EPRX trading rules Art.50 (japan-market R20): power in whole kW and energy in whole kWh, half up;
money exact on the way, the final yen cut.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Final

from protocols.vocabulary.calendar import SLOT_S

_ONE: Final = Decimal(1)
_PARTIAL: Final = Decimal("1e-9")


def exact(value: float) -> Decimal:
    """Decimal that prints as the number does."""
    return Decimal(repr(value))


def whole_kw(power_kw: Decimal) -> int:
    """Power in whole kW, half up (away from zero)."""
    return int(power_kw.quantize(_ONE, rounding=ROUND_HALF_UP))


def whole_kwh(energy_wh: Decimal | int) -> int:
    """Energy in whole kWh, half up (away from zero), of Wh."""
    return int((Decimal(energy_wh) / 1000).quantize(_ONE, rounding=ROUND_HALF_UP))


def whole_yen(amount_jpy: Decimal) -> int:
    """Cut the fraction of a final amount, whoever owes it; yen."""
    return int(amount_jpy.quantize(_ONE, rounding=ROUND_DOWN))


def for_seconds(amount_jpy: Decimal, seconds: int) -> Decimal:
    """Part of a slot's amount that belongs to so many of its seconds.

    A whole slot is exact. The market knows no other; a shorter award of ours is cut to
    1e-9 JPY, so that sums over slots stay exact.
    """
    if seconds == SLOT_S:
        return amount_jpy
    return (amount_jpy * seconds / SLOT_S).quantize(_PARTIAL, rounding=ROUND_HALF_UP)


def imbalance_yen(shortage_wh: int, price_jpy_per_kwh: Decimal) -> int:
    """Pay for what was short of the plan, JPY; negative is received (R15)."""
    return whole_yen(whole_kwh(shortage_wh) * price_jpy_per_kwh)
