"""Whether the people in the room are well: the limits within which a load may be moved."""

from datetime import timedelta
from typing import Final

from edge_agent.drivers.bacnet.device import BacnetDevice
from protocols.bacnet.command import comfort_left
from protocols.templates.bacnet import Comfort
from protocols.vocabulary.intervals import Clock

COMFORT_AGE: Final = timedelta(seconds=120)
"""An older measurement says nothing about the room."""


class ComfortWatch:
    """Judges comfort from what the device last said.

    Parameters
    ----------
    device : BacnetDevice
        Its template says what must stay within which limits.
    clock : Clock
        Ages measurements.
    """

    def __init__(self, device: BacnetDevice, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._left = False

    def cause(self) -> str:
        """Say why the device may not be moved now; empty if it may.

        Once a limit was passed, the room must come back by the margin.
        """
        for comfort in self._device.wire.comfort:
            margin = comfort.margin if self._left else 0.0
            bounds = (comfort.minimum, comfort.maximum)
            cause = comfort_left(self._value(comfort), bounds, margin=margin)
            if cause:
                self._left = True
                return f"comfort: {comfort.quantity} {cause}"
        self._left = False
        return ""

    def _value(self, comfort: Comfort) -> float | None:
        measured = self._device.latest.get(comfort.quantity)
        if measured is None or not measured.usable:
            return None
        young = self._clock.now() - measured.measured_at <= COMFORT_AGE
        return measured.value if young else None
