"""Makes a simulated SunSpec device from its template."""

from firmware_sim.devices.machine import Machine
from firmware_sim.devices.modbus.device import RegisterDevice
from firmware_sim.devices.sunspec.face import SunspecFace
from protocols.templates.template import Template


def simulated_device(
    template: Template, machine: Machine, *, name: str, wall_s: float
) -> RegisterDevice:
    """Make a unit with the model chain of a template."""
    del wall_s
    return RegisterDevice(machine, SunspecFace(template, machine, name=name), name=name)
