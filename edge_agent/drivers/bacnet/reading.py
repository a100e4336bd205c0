"""What a device says of itself: polls, notifications and the points they become.

Each poll asks the device object too, so that another device at the address is not taken for
ours. ``measured_at`` is when an answer or a notification arrived, never later: a subscription
that is silent does not make a value younger. What must be young is asked for again when nothing
was told for :data:`CONFIRM_S`, and in any case each :data:`POLL_S`, for a device that only talks
and never answers is not under control.
"""

from collections.abc import Iterable
from typing import Final

from edge_agent.drivers.bacnet.application import Notification
from edge_agent.drivers.bacnet.contact import identify, learn
from edge_agent.drivers.bacnet.device import BacnetDevice
from edge_agent.drivers.bacnet.stack import Answer, Asked, Refusal
from edge_agent.drivers.bacnet.wiring import Wiring
from edge_agent.drivers.port import Reading
from edge_agent.points.table import FREQUENCY_HZ, POWER_W, SOC
from protocols.bacnet.command import Meaning
from protocols.bacnet.objects import ObjectId, Property, device_id
from protocols.vocabulary.errors import DeviceRefusedError
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

CONFIRM_S: Final = 2.0
"""Age at which a fast value that is subscribed to is asked for all the same."""
POLL_S: Final = 5.0
"""Longest pause between two polls of a fast value, however much is told."""
PROMPT_S: Final = 1.0
"""An answer that took longer may be as old as its question, and is dated so."""
_NS_PER_S: Final = 1_000_000_000


class BacnetReadings:
    """Reads one device.

    Parameters
    ----------
    device : BacnetDevice
        Where what it says is kept.
    wiring : Wiring
        What it stands on.
    """

    def __init__(self, device: BacnetDevice, wiring: Wiring) -> None:
        self._device = device
        self._wiring = wiring
        self._polled_ns: dict[ObjectId, int] = {}

    async def poll_fast(self) -> None:
        """Ask for fast values that nobody told lately, and renew a subscription."""
        await self._ask(self._due())
        await self._wiring.subscriptions.maintain()
        await self._wiring.guard()

    async def poll_slow(self) -> bool:
        """Ask for everything; False if another device answers in its place."""
        device, wiring = self._device, self._wiring
        if await identify(device, wiring.stack, wiring.ears) != device.instance:
            return False
        if any(known.wrong for known in device.objects.values()):
            await learn(device, wiring)
        else:
            await self._ask(everything(device))
        await wiring.guard()
        return True

    def notified(self, notification: Notification) -> None:
        """Take what the device told by itself."""
        answers = self._wiring.subscriptions.take(notification)
        if answers:
            clock = self._wiring.clock
            self._device.take(answers, clock.now(), clock.monotonic_ns())

    def take(self) -> list[Reading]:
        """Measurements that arrived since the last call."""
        return self._device.take_fresh()

    def resource(self) -> Resource:
        """Describe the resource as far as known; the configuration wins."""
        device, plate = self._device, self._device.template.nameplate
        config = device.config
        low_w, high_w = device.power_w_bounds()
        default_w = device.template.lease.default_power_w
        return Resource(
            resource_id=device.resource_id,
            site_id=device.site_id,
            kind=config.kind,
            power_w_min=low_w,
            power_w_max=high_w,
            ramp_w_per_s=config.ramp_w_per_s or plate.ramp_w_per_s,
            energy_wh_capacity=config.energy_wh_capacity or plate.energy_wh_capacity,
            soc_min=config.soc_min,
            soc_max=config.soc_max,
            default_power_w=default_w or 0.0,
            capabilities=_capabilities(device),
        )

    def _due(self) -> list[Asked]:
        """List what must be asked now: fast values, and a command that may be overruled."""
        device = self._device
        now_ns = self._wiring.clock.monotonic_ns()
        patience_ns = round(CONFIRM_S * _NS_PER_S)
        asked: list[Asked] = []
        for point in device.wire.points:
            if not point.fast:
                continue
            object_id = point.object_id
            told = self._wiring.subscriptions.alive(object_id)
            overdue = now_ns - self._polled_ns.get(object_id, 0) >= round(POLL_S * _NS_PER_S)
            if overdue or device.due(object_id, now_ns, patience_ns if told else 0):
                asked += _value_of(object_id)
        command = device.command
        if (
            command is not None
            and device.ours
            and device.due(command.object_id, now_ns, patience_ns)
        ):
            asked += _value_of(command.object_id)
            asked.append(Asked(command.object_id, Property.PRIORITY_ARRAY))
        return asked

    async def _ask(self, asked: Iterable[Asked]) -> None:
        wanted = tuple(asked)
        if not wanted:
            return
        device, clock = self._device, self._wiring.clock
        me = Asked(device_id(device.instance or 0), Property.OBJECT_IDENTIFIER)
        began, began_ns = clock.now(), clock.monotonic_ns()
        answers = await self._wiring.poller.read((me, *wanted))
        if _is_another(answers.pop(me), device.instance):
            raise DeviceRefusedError(f"{device.node}: another device answers")
        for entry, answer in answers.items():
            if entry.prop is Property.PRESENT_VALUE:
                self._wiring.subscriptions.compare(entry.object_id, answer)
                self._polled_ns[entry.object_id] = began_ns
        now_ns = clock.monotonic_ns()
        prompt = now_ns - began_ns <= round(PROMPT_S * _NS_PER_S)
        device.take(answers, clock.now() if prompt else began, now_ns)


def _is_another(answer: Answer, instance: int | None) -> bool:
    """Whether the answer about the device object shows that it is not ours."""
    if isinstance(answer, Refusal):
        return answer.cause == "unknown-object"
    return answer != instance


def everything(device: BacnetDevice) -> tuple[Asked, ...]:
    """Everything that is asked in a slow poll."""
    asked: list[Asked] = []
    for point in device.wire.points:
        asked += _value_of(point.object_id)
        asked.append(Asked(point.object_id, Property.RELIABILITY))
    if device.command is not None:
        asked += _value_of(device.command.object_id)
        asked.append(Asked(device.command.object_id, Property.PRIORITY_ARRAY))
    return tuple(asked)


def _value_of(object_id: ObjectId) -> tuple[Asked, Asked]:
    return Asked(object_id, Property.PRESENT_VALUE), Asked(object_id, Property.STATUS_FLAGS)


def _capabilities(device: BacnetDevice) -> frozenset[Capability]:
    """List what the device was found able to do."""
    found: set[Capability] = set()
    there = {p.quantity for p in device.wire.points if _usable(device, p.object_id)}
    if POWER_W in there:
        found.add(Capability.READS_POWER)
        if device.config.kind is ResourceKind.METER:
            found.add(Capability.MEASURES_SITE)
    if SOC in there:
        found.add(Capability.HAS_SOC)
    if FREQUENCY_HZ in there:
        found.add(Capability.MEASURES_FREQUENCY)
    command = device.command
    if command is not None and _usable(device, command.object_id) and device.array is not None:
        found.add(_TAKES.get(command.meaning, Capability.TAKES_LIMIT))
    return frozenset(found)


_TAKES: Final = {
    Meaning.SETPOINT: Capability.TAKES_SETPOINT,
    Meaning.ON_OFF: Capability.TAKES_ON_OFF,
}


def _usable(device: BacnetDevice, object_id: ObjectId) -> bool:
    known = device.objects.get(object_id)
    return known is not None and not known.wrong
