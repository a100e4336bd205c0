"""The sixteen priorities of a commandable object, and who is in command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocols.vocabulary.errors import LocalProtocolError

PRIORITIES: Final = 16

NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "manual life safety",
        2: "automatic life safety",
        5: "critical equipment control",
        6: "minimum on/off",
        8: "manual operator",
    }
)
"""Priorities that have a meaning of their own.

Notes
-----
ASHRAE 135-2020, clause 19.2.
"""
FORBIDDEN: Final = frozenset({1, 2, 5, 6})
"""Never ours: they protect people and machines."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is in command: priority, and what it asks."""

    priority: int
    value: float

    def __str__(self) -> str:
        """For people."""
        name = NAMES.get(self.priority)
        suffix = f" ({name})" if name else ""
        return f"held at priority {self.priority}{suffix}: {self.value:g}"


def checked_priority(priority: int) -> int:
    """Return a priority we may command at.

    Raises
    ------
    LocalProtocolError
        If it is none, or protects people or machines.
    """
    if not 1 <= priority <= PRIORITIES:
        raise LocalProtocolError(f"priority {priority} is not in 1..{PRIORITIES}")
    if priority in FORBIDDEN:
        raise LocalProtocolError(f"priority {priority} is {NAMES[priority]}, which is not ours")
    return priority


def slot(array: Sequence[float | None], priority: int) -> float | None:
    """Return what is commanded at a priority; None if nothing is."""
    return array[priority - 1]


def stronger(array: Sequence[float | None], priority: int) -> Holder | None:
    """Strongest of those above a priority; None if nobody is.

    Parameters
    ----------
    array : sequence of float or None
        The priorityArray, 16 entries; lower numbers win.
    priority : int
        Ours, 1..16.
    """
    for number, value in enumerate(array[: priority - 1], start=1):
        if value is not None:
            return Holder(number, value)
    return None
