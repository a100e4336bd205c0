"""The port between a node and the physics behind its object."""

from typing import Protocol

from firmware_sim.devices.contract import Reading, Span


class Appliance(Protocol):
    """Physics with settings, behind one ECHONET Lite object."""

    settable: frozenset[int]
    """The Set map, true to what is supported."""

    hidden: frozenset[int]
    """Properties that exist but cannot be got."""

    @property
    def asked_w(self) -> float | None:
        """Power its settings ask for, W, generator frame; None: it decides itself."""

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of every property of its own class at a Unix time, after the last advance."""

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a setting that fits the property table, or refuse it with False."""

    def advance(self, span: Span) -> Reading:
        """Let time pass and return the truth at its end."""

    def restart(self) -> None:
        """Lose settings and leases, as after a power cut; the physics goes on."""
