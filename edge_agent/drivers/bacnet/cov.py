"""Subscriptions to changes of value (COV) of one device.

A subscription is only a promise: the device may have restarted and forgotten it, and then its
silence looks like a value that does not change. So each is renewed at half of its life, what it
told is confirmed by polls, and one that a poll proves wrong is made anew. A notification that
was long under way is not taken: the time its subscription still had says when it was sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.bacnet.application import Notification
from edge_agent.drivers.bacnet.device import BacnetDevice
from edge_agent.drivers.bacnet.stack import Answer, Asked, Refusal, Stack, Subscription
from protocols.bacnet.objects import ObjectId, Property
from protocols.vocabulary.errors import (
    DeviceError,
    DeviceRefusedError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)
from protocols.vocabulary.intervals import Clock

LIFETIME_S: Final = 60
RENEW_S: Final = 30.0
REFUSED_S: Final = 600.0
"""Pause before a device that refused a subscription is asked again."""
SETTLE_S: Final = 0.5
"""A notification may still be under way this long after a poll has seen the change."""
LATE_S: Final = 1.0
"""A notification that was sent longer ago is not taken."""
_NS_PER_S: Final = 1_000_000_000


@dataclass(slots=True)
class _Entry:
    """One subscribed object; monotonic times in ns, 0 for never.

    ``increment`` is the change that is told, ``told`` the presentValue last told.
    """

    object_id: ObjectId
    process_id: int
    increment: float
    due_ns: int = 0
    until_ns: int = 0
    told: float | None = None
    doubted_ns: int = 0


class Subscriptions:
    """Everything a device tells us by itself.

    Parameters
    ----------
    device : BacnetDevice
        Its template says what is subscribed to.
    stack : Stack
        The wire.
    clock : Clock
        For lifetimes.
    numbers : iterator of int
        Gives each subscription its own number.
    """

    def __init__(
        self, device: BacnetDevice, stack: Stack, *, clock: Clock, numbers: Iterator[int]
    ) -> None:
        self._device = device
        self._stack = stack
        self._clock = clock
        wanted = {p.object_id: p.cov_increment for p in device.wire.points if p.cov}
        self._entries = {
            object_id: _Entry(object_id, next(numbers), increment)
            for object_id, increment in wanted.items()
        }

    def reset(self) -> None:
        """Subscribe anew: the device was met (again)."""
        for entry in self._entries.values():
            entry.due_ns = entry.until_ns = entry.doubted_ns = 0
            entry.told = None

    def alive(self, object_id: ObjectId) -> bool:
        """Whether changes of an object are told, as far as can be known."""
        entry = self._entries.get(object_id)
        return (
            entry is not None
            and entry.told is not None
            and entry.doubted_ns == 0
            and self._clock.monotonic_ns() < entry.until_ns
        )

    def take(self, notification: Notification) -> dict[Asked, Answer]:
        """Answers a notification amounts to; empty if it is not for us, or not of this device."""
        if notification.device_instance != self._device.instance:
            return {}
        for entry in self._entries.values():
            same = (notification.object_number, notification.object_instance) == (
                entry.object_id.number,
                entry.object_id.instance,
            )
            if same and notification.process_id == entry.process_id:
                return self._told(entry, notification) if self._timely(entry, notification) else {}
        return {}

    def compare(self, object_id: ObjectId, polled: Answer) -> None:
        """Doubt a subscription whose device says something else when it is asked."""
        entry = self._entries.get(object_id)
        if entry is None:
            return
        if isinstance(polled, Refusal):
            entry.until_ns = 0  # what it does not tell when it is asked, it is not believed
            entry.told = None
        if entry.told is None or not isinstance(polled, int | float):
            return
        now_ns = self._clock.monotonic_ns()
        if abs(polled - entry.told) <= 1.5 * entry.increment + 1e-6:
            entry.doubted_ns = 0
        elif entry.doubted_ns == 0:
            entry.doubted_ns = now_ns
        elif now_ns - entry.doubted_ns >= SETTLE_S * _NS_PER_S:
            entry.due_ns = 0

    async def maintain(self) -> None:
        """Make or renew one subscription that is due.

        Raises
        ------
        DeviceError, RemoteProtocolError
            If the device is silent or answers something else.
        """
        now_ns = self._clock.monotonic_ns()
        known = self._device.objects
        for entry in self._entries.values():
            if entry.due_ns > now_ns or known[entry.object_id].wrong:
                continue
            entry.due_ns = now_ns + round(RENEW_S * _NS_PER_S)
            # The first notification may overtake the acknowledgement.
            entry.until_ns = max(entry.until_ns, now_ns + LIFETIME_S * _NS_PER_S)
            try:
                await self._stack.subscribe(self._device.node, self._words(entry))
            except (DeviceRefusedError, DeviceUnsupportedError):
                entry.until_ns = 0
                entry.due_ns = now_ns + round(REFUSED_S * _NS_PER_S)
            else:
                entry.until_ns = self._clock.monotonic_ns() + LIFETIME_S * _NS_PER_S
                entry.doubted_ns = 0
            return

    async def end(self) -> None:
        """Take back what was subscribed, as far as the device lets us."""
        now_ns = self._clock.monotonic_ns()
        for entry in self._entries.values():
            if entry.until_ns > now_ns:
                try:
                    await self._stack.unsubscribe(self._device.node, self._words(entry))
                except (DeviceError, RemoteProtocolError):
                    return

    def _words(self, entry: _Entry) -> Subscription:
        return Subscription(entry.object_id, entry.process_id, LIFETIME_S)

    def _timely(self, entry: _Entry, notification: Notification) -> bool:
        """Whether a notification belongs to a living subscription and is not late."""
        left_ns = entry.until_ns - self._clock.monotonic_ns()
        if left_ns <= 0:
            return False
        return notification.remaining_s - left_ns / _NS_PER_S <= LATE_S

    def _told(self, entry: _Entry, notification: Notification) -> dict[Asked, Answer]:
        value = notification.values.get(int(Property.PRESENT_VALUE))
        entry.told = float(value) if isinstance(value, int | float) else None
        entry.doubted_ns = 0
        answers: dict[Asked, Answer] = {
            Asked(entry.object_id, prop): notification.values[int(prop)]
            for prop in (Property.PRESENT_VALUE, Property.STATUS_FLAGS)
            if int(prop) in notification.values
        }
        if Asked(entry.object_id, Property.PRESENT_VALUE) not in answers:
            return {}
        return answers
