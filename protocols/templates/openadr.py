"""The OpenADR part of a template: by which signal a VEN is told, and how often."""

import itertools
from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.templates.table import Table, choice

SETPOINT: Final = "LOAD_DISPATCH.setpoint"
CAPACITY: Final = "LOAD_CONTROL.x-loadControlCapacity"
LEVEL: Final = "SIMPLE.level"
_LEVELS_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAdrWire:
    """A demand-response device that is a VEN of the gateway's own VTN.

    Attributes
    ----------
    signal : str
        Name and type, with a dot between: :data:`SETPOINT` in W of consumption,
        :data:`CAPACITY` as part of its rating, :data:`LEVEL`.
    levels : tuple of float
        For :data:`LEVEL`: the part of its rating that it takes at level 1, 2, 3, falling.
    poll_s : int
        How often it is told to poll, s.
    report_s : int
        How often it is asked to report its consumption, s.
    """

    protocol: ClassVar[str] = "openadr"
    signal: str
    levels: tuple[float, ...]
    poll_s: int
    report_s: int


def openadr_wire(table: Table) -> OpenAdrWire:
    """Parse ``[wire]``.

    Raises
    ------
    ConfigError
        For the first thing that is wrong.
    """
    signal = choice(table, "signal", (SETPOINT, CAPACITY, LEVEL))
    shares = [each.number("share", low=0.0, high=1.0) for each in table.tables("levels")]
    falling = all(one > two for one, two in itertools.pairwise(shares))
    if (signal == LEVEL) != bool(shares) or len(shares) > _LEVELS_MAX or not falling:
        raise table.refuse("levels", f"are 1 to {_LEVELS_MAX} falling shares, for {LEVEL} only")
    return OpenAdrWire(
        signal=signal,
        levels=tuple(shares),
        poll_s=table.integer("poll_s", 10, low=1, high=3600),
        report_s=table.integer("report_s", 5, low=1, high=3600),
    )
