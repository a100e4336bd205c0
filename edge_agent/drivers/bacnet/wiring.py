"""What the parts of one device stand on, put together by the family."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge_agent.drivers.bacnet.cov import Subscriptions
from edge_agent.drivers.bacnet.ears import Ears
from edge_agent.drivers.bacnet.poller import Poller
from edge_agent.drivers.bacnet.stack import Stack
from protocols.vocabulary.intervals import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Wire, clock and guard of one device.

    Attributes
    ----------
    stack, poller, ears, subscriptions
        Requests, reads of several properties, announcements, notifications.
    clock : Clock
        Time of arrival.
    guard : callable
        Called after each poll: gives the device back where it must be.
    """

    stack: Stack
    poller: Poller
    ears: Ears
    subscriptions: Subscriptions
    clock: Clock
    guard: Callable[[], Awaitable[None]]


async def no_guard() -> None:
    """Do nothing: a device that takes no orders has nothing to be given back."""
