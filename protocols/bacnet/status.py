"""Whether a value may be believed: status flags, reliability and the number itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

RELIABILITY: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "no sensor",
        2: "over range",
        3: "under range",
        4: "open loop",
        5: "shorted loop",
        6: "no output",
        7: "unreliable",
        8: "process error",
        9: "multi-state fault",
        10: "configuration error",
        12: "communication failure",
        13: "member fault",
        14: "monitored object fault",
        15: "tripped",
        25: "multi-state out of range",
    }
)
"""What is wrong, by number; 0 means that no fault was detected.

Notes
-----
ASHRAE 135-2020, clause 21, BACnetReliability.
"""
_FLAGS: Final = 4
_REAL_MAX: Final = 3.0e38


@dataclass(frozen=True, slots=True)
class StatusFlags:
    """The four flags, in the standard's order."""

    in_alarm: bool = False
    fault: bool = False
    overridden: bool = False
    out_of_service: bool = False


def status_flags(bits: tuple[bool, ...]) -> StatusFlags:
    """Read the flags of a bit string; missing ones count as clear."""
    padded = (*bits, *(False,) * _FLAGS)[:_FLAGS]
    return StatusFlags(*padded)


def unusable(value: object, flags: StatusFlags, reliability: int) -> str:
    """Say why a measured value must not be used.

    Parameters
    ----------
    value : object
        presentValue as decoded.
    flags : StatusFlags
        Of its object; an alarm is the operator's affair and leaves the value as good as it is.
    reliability : int
        Of its object, 0 where it has none.

    Returns
    -------
    str
        Empty if the value is good.
    """
    if (cause := _no_number(value)) != "":
        return cause
    if reliability != 0:
        return RELIABILITY.get(reliability, f"reliability {reliability}")
    if flags.fault:
        return "fault flag set"
    if flags.out_of_service:
        return "out of service"
    return "overridden by hand" if flags.overridden else ""


def _no_number(value: object) -> str:
    if value is None:
        return "no value"
    if not isinstance(value, bool | int | float):
        return "not a number"
    if not math.isfinite(value) or abs(value) > _REAL_MAX:
        return "not a finite number"
    return ""
