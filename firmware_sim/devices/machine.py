"""Physics behind any protocol: a machine that is asked for a power and limited.

A device of SunSpec, Modbus, BACnet or OCPP wears its codec over one of these. ECHONET Lite
devices have their own (:class:`firmware_sim.devices.echonet_lite.appliance.Appliance`), for
there the class decides what can be set. Powers in W, generator frame; time only passes in
``advance``.
"""

from dataclasses import dataclass
from typing import Protocol

from firmware_sim.devices.contract import Reading, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """What a device may tell of itself after the last advance.

    Attributes
    ----------
    power_w : float
        Now.
    power_w_min, power_w_max : float
        Ratings, ``min <= 0 <= max``.
    soc : float or None
        0..1; None without storage or car.
    energy_wh_capacity : float
        Usable energy, 0 without storage.
    energy_wh_out, energy_wh_in : float
        Counters since it was made: given to the grid side, taken from it.
    running : bool
        Not at rest.
    connected : bool
        A car is plugged in, or the inverter is at the grid; True where neither applies.
    temperature_c : float or None
        Room or tank, where it has one.
    frequency_hz, voltage_v : float
        Of the grid where it stands.
    """

    power_w: float
    power_w_min: float
    power_w_max: float
    soc: float | None = None
    energy_wh_capacity: float = 0.0
    energy_wh_out: float = 0.0
    energy_wh_in: float = 0.0
    running: bool = True
    connected: bool = True
    temperature_c: float | None = None
    frequency_hz: float = 50.0
    voltage_v: float = 200.0


class Machine(Protocol):
    """Physics that can be asked."""

    def ask(self, power_w: float | None) -> None:
        """Order a power, or None for the machine's own default."""

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:
        """Bound what it does from now on, whatever is asked; its ratings lift the bound."""

    def advance(self, span: Span) -> Reading:
        """Let time pass and return the truth at its end."""

    def state(self) -> MachineState:
        """Tell what it would tell."""

    def restart(self) -> None:
        """Lose orders and limits, as after a power cut; the physics goes on."""
