"""Raw frames for whoever wants to see them: the technician's ``--frames``.

A family tells its tap what it sends and receives; it never looks at what the tap does with
it. Where a library owns the wire, the family tells what the library shows.
"""

import enum
from typing import Protocol


class Direction(enum.Enum):
    """Which way a frame went, seen from the gateway."""

    SENT = "sent"
    RECEIVED = "received"


class FrameTap(Protocol):
    """Sees frames."""

    def __call__(self, direction: Direction, peer: str, data: bytes, /) -> None:
        """Take one frame.

        Parameters
        ----------
        direction : Direction
            Which way it went.
        peer : str
            Whom it came from or goes to, in the protocol's own words.
        data : bytes
            As on the wire.
        """


def NO_TAP(_direction: Direction, _peer: str, _data: bytes) -> None:  # noqa: N802 - a constant
    """Nobody looks."""
