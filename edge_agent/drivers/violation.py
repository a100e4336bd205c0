"""What a device says against its protocol, made visible in the values of its points.

A device that is lost because it breaks the rules is no silent one: its points are missing at once
and say why, so that the event of the loss, and the watch over the fleet, can tell the two apart.
"""

from edge_agent.drivers.port import Reading
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.measurement import Measurement, Quality


class Violations:
    """Points of one device, and what it did last against its protocol.

    Parameters
    ----------
    clock : Clock
        For the moment at which the values end.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._points: set[PointId] = set()
        self._cause = ""

    def lost(self, error: Exception) -> None:
        """Take note why the device is lost; a device that merely is silent changes nothing."""
        if isinstance(error, RemoteProtocolError):
            self._cause = f"protocol violation: {error}"

    def read(self, readings: list[Reading]) -> list[Reading]:
        """Return what arrived, and after a violation that nothing more is known."""
        self._points.update(point for point, _ in readings)
        if not self._cause:
            return readings
        now, cause = self._clock.now(), self._cause
        self._cause = ""
        gone = Measurement(
            value=None, quality=Quality.BAD, measured_at=now, received_at=now, reason=cause
        )
        return [*readings, *((point, gone) for point in sorted(self._points))]
