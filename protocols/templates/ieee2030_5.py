"""The IEEE 2030.5 part of a template: how often a client calls, and what it takes."""

from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.templates.table import Table

MODES: Final = ("opModTargetW", "opModFixedW", "opModMaxLimW")
"""Modes a power can be ordered by, in the standard's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ieee2030_5Wire:  # noqa: N801 - the standard's own number
    """An inverter or battery that is a client of the gateway's own server.

    Attributes
    ----------
    modes : tuple of str
        Modes of its family, the best first; what its DERCapability says it supports wins.
    poll_s : int
        How often it is told to look for controls, s; many ask no more often than each 10 s.
    report_s : int
        How often it is told to send what it measures, s.
    forward_delivers : bool
        Whether the flow direction "forward" (1) is power from the device. A client that counts
        as a customer's meter does has it the other way round.
    plain_delivers : bool
        The same for values without a flow direction.
    """

    protocol: ClassVar[str] = "ieee2030.5"
    modes: tuple[str, ...]
    poll_s: int
    report_s: int
    forward_delivers: bool
    plain_delivers: bool


def ieee2030_5_wire(table: Table) -> Ieee2030_5Wire:
    """Parse ``[wire]``.

    Raises
    ------
    ConfigError
        For the first thing that is wrong.
    """
    modes = table.listed("modes", str)
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes or len(set(modes)) != len(modes):
        raise table.refuse("modes", f"{list(modes)} is not a choice of {', '.join(MODES)}")
    return Ieee2030_5Wire(
        modes=modes,
        poll_s=table.integer("poll_s", 10, low=1, high=3600),
        report_s=table.integer("report_s", 5, low=1, high=3600),
        forward_delivers=table.yes("forward_delivers", default=True),
        plain_delivers=table.yes("plain_delivers", default=False),
    )
