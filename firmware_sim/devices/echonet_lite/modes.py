"""Working modes and power settings shared by the storage classes 027D, 027E and 02A1."""

from dataclasses import dataclass
from typing import Final

RAPID_CHARGING: Final = 0x41
CHARGING: Final = 0x42
DISCHARGING: Final = 0x43
STANDBY: Final = 0x44
TEST: Final = 0x45
AUTO: Final = 0x46
OTHER: Final = 0x40

MAXIMUM: Final = 0x01
SURPLUS: Final = 0x02
DESIGNATED: Final = 0x03
"""Charging and discharging methods (C1, C2; DC, DD): by rating, by the house, by EB or EC."""

REVERSE_ALLOWED: Final = 0x00
REVERSE_BANNED: Final = 0x02
"""Grid connection states (DB) an installation can have here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerWish:
    """What the settings of one direction say, in W >= 0."""

    method: int
    designated_w: float
    rated_w: float
    house_w: float
    """What the rest of the house offers (charging) or needs (discharging)."""

    def power_w(self) -> float:
        """Power in the direction asked for."""
        wanted_w = {
            MAXIMUM: self.rated_w,
            SURPLUS: max(0.0, self.house_w),
            DESIGNATED: self.designated_w,
        }.get(self.method, 0.0)
        return min(wanted_w, self.rated_w)


def number(edt: bytes) -> int:
    """Unsigned count of an EDT."""
    return int.from_bytes(edt, "big")
