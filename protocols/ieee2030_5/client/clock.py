"""The server's clock as we know it: an offset, kept until it is proved wrong; no clock of ours.

The server tells whole seconds, so an answer narrows the offset to an interval. An offset inside
of it is kept, so that a poll does not move events to and fro.
"""

from dataclasses import dataclass

from protocols.ieee2030_5.resources.devices import Time


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerClock:
    """Server's time minus ours.

    Attributes
    ----------
    offset_s : float
        s; 0 until the server was asked.
    """

    offset_s: float = 0.0

    def heard(self, time: Time, *, sent_at_s: float, received_at_s: float) -> "ServerClock":
        """Clock after an answer.

        Parameters
        ----------
        time : Time
            What the server said.
        sent_at_s, received_at_s : float
            Our clock.
        """
        least = time.current_time - received_at_s
        most = time.current_time + 1.0 - sent_at_s
        if least <= self.offset_s <= most:
            return self
        return ServerClock(offset_s=(least + most) / 2)

    def server_s(self, ours_s: float) -> float:
        """Server's time at a moment of ours."""
        return ours_s + self.offset_s

    def ours_s(self, server_s: float) -> float:
        """Our time at a moment of the server's."""
        return server_s - self.offset_s
