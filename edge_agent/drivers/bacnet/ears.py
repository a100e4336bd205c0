"""Hears who announces itself (I-Am), asked or not."""

import asyncio
from collections.abc import Callable
from typing import Final

from edge_agent.drivers.bacnet.application import Announcement

ANNOUNCED_MAX: Final = 1024
"""Devices of one collection that are remembered."""


class Ears:
    """Hears announcements: keeps the last of each device, and wakes who waits for one."""

    def __init__(self) -> None:
        self._heard: dict[int, str] = {}
        self._waiting: dict[str, asyncio.Future[int]] = {}
        self.listener: Callable[[Announcement], None] = _nobody

    def hear(self, announcement: Announcement) -> None:
        """Take an announcement."""
        if len(self._heard) < ANNOUNCED_MAX or announcement.device_instance in self._heard:
            self._heard[announcement.device_instance] = announcement.node
        waiting = self._waiting.get(announcement.node)
        if waiting is None:
            self.listener(announcement)
        elif not waiting.done():
            waiting.set_result(announcement.device_instance)

    def forget(self) -> None:
        """Begin a new collection."""
        self._heard.clear()

    def heard(self) -> dict[int, str]:
        """Nodes by device instance since the last :meth:`forget`."""
        return dict(self._heard)

    async def instance_at(self, node: str, ask: Callable[[], None], wait_s: float) -> int | None:
        """Wait for the instance a node announces when it is asked; None if it says nothing."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[node] = future
        ask()
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(node, None)


def _nobody(_announcement: Announcement) -> None:
    """Nobody listens yet."""
