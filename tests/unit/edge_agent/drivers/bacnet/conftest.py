"""A BACnet device of the driver over a wire that answers from a table."""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge_agent.config.site import DeviceConfig
from edge_agent.drivers.bacnet.comfort import ComfortWatch
from edge_agent.drivers.bacnet.contact import BacnetContact
from edge_agent.drivers.bacnet.cov import Subscriptions
from edge_agent.drivers.bacnet.device import BacnetDevice, device_of
from edge_agent.drivers.bacnet.ears import Ears
from edge_agent.drivers.bacnet.orders import BacnetOrders, OrderParts
from edge_agent.drivers.bacnet.poller import Poller
from edge_agent.drivers.bacnet.reading import BacnetReadings
from edge_agent.drivers.bacnet.stack import Answer, Asked, Refusal, Subscription
from edge_agent.drivers.bacnet.wiring import Wiring
from edge_agent.drivers.field_device import Carried
from protocols.bacnet.objects import ANY_DEVICE, ObjectId, Property, device_id, parse_object_id
from protocols.templates.catalogue import template_of
from protocols.vocabulary.errors import DeviceError, DeviceTimeoutError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.resource import ResourceKind

INSTANCE = 77
NODE = "127.4.0.1:47808"
LIMIT = parse_object_id("analog-value,10")
POWER = parse_object_id("analog-input,1")
ROOM = parse_object_id("analog-input,2")


class HandClock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self._now = datetime(2026, 7, 1, tzinfo=UTC)
        self._ns = 1_000_000_000_000

    def now(self) -> datetime:
        """Wall time."""
        return self._now

    def monotonic_ns(self) -> int:
        """Monotonic time."""
        return self._ns

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._ns += round(seconds * 1e9)


@dataclass
class TableStack:
    """Answers from a table, and keeps a priorityArray as a device does.

    ``fails`` is raised for requests of that name; ``longest`` is how many properties fit into
    an answer; ``deaf`` takes writes and does nothing.
    """

    table: dict[Asked, Answer] = field(default_factory=dict)
    fails: dict[str, DeviceError] = field(default_factory=dict)
    calls: list[tuple[str, object]] = field(default_factory=list)
    array: list[float | None] = field(default_factory=lambda: [None] * 16)
    default: float = 20.0
    deaf: bool = False

    def set(self, object_id: ObjectId, prop: Property, answer: Answer) -> None:
        """Put an answer into the table."""
        self.table[Asked(object_id, prop)] = answer

    def _answer(self, asked: Asked) -> Answer:
        if asked.object_id == LIMIT and asked.prop is Property.PRIORITY_ARRAY:
            return tuple(self.array)
        if asked.object_id == LIMIT and asked.prop is Property.PRESENT_VALUE:
            return next((value for value in self.array if value is not None), self.default)
        return self.table.get(asked, Refusal("unknown-property"))

    async def read(self, node: str, asked: Sequence[Asked]) -> dict[Asked, Answer]:
        """ReadPropertyMultiple."""
        self.calls.append(("read", tuple(asked)))
        if "read" in self.fails:
            raise self.fails["read"]
        return {entry: self._answer(entry) for entry in asked}

    async def read_one(self, node: str, asked: Asked) -> Answer:
        """ReadProperty."""
        self.calls.append(("read_one", asked))
        if "read_one" in self.fails:
            raise self.fails["read_one"]
        return self._answer(asked)

    async def write(
        self, node: str, object_id: ObjectId, *, value: float | None, priority: int
    ) -> None:
        """WriteProperty."""
        self.calls.append(("write", (value, priority)))
        if not self.deaf and not isinstance(self.fails.get("write"), DeviceError):
            self.array[priority - 1] = value
        if "write" in self.fails:
            if isinstance(self.fails["write"], DeviceTimeoutError) and not self.deaf:
                self.array[priority - 1] = value
            raise self.fails["write"]

    async def subscribe(self, node: str, subscription: Subscription) -> None:
        """SubscribeCOV."""
        self.calls.append(("subscribe", subscription))
        if "subscribe" in self.fails:
            raise self.fails["subscribe"]

    async def unsubscribe(self, node: str, subscription: Subscription) -> None:
        """SubscribeCOV without lifetime."""
        self.calls.append(("unsubscribe", subscription))

    def said(self, name: str) -> list[object]:
        """List what was sent by requests of that name."""
        return [what for called, what in self.calls if called == name]


def make_device(template: str = "bacnet-ahu-demand-limit") -> BacnetDevice:
    """Make the record of a device that is configured."""
    config = DeviceConfig(
        device_id="hvac",
        kind=ResourceKind.LOAD,
        protocol="bacnet",
        address=NODE,
        template_id=template,
        identity=str(INSTANCE),
        power_w_min=None,
        power_w_max=None,
        ramp_w_per_s=None,
        energy_wh_capacity=None,
        soc_min=0.0,
        soc_max=1.0,
    )
    return device_of(SiteId("site-1"), config, template_of(template), priority=10)


@pytest.fixture
def stack() -> TableStack:
    """Answer as the air handling unit of the template would."""
    made = TableStack()
    made.set(device_id(INSTANCE), Property.OBJECT_IDENTIFIER, INSTANCE)
    for object_id, value, unit in ((POWER, 6.5, 48), (ROOM, 25.0, 62)):
        made.set(object_id, Property.PRESENT_VALUE, value)
        made.set(object_id, Property.STATUS_FLAGS, (False, False, False, False))
        made.set(object_id, Property.UNITS, unit)
    made.set(LIMIT, Property.UNITS, 48)
    made.set(device_id(ANY_DEVICE), Property.OBJECT_IDENTIFIER, INSTANCE)
    return made


@pytest.fixture
def clock() -> HandClock:
    """Give time into the test's hand."""
    return HandClock()


class Bed:
    """A device with its parts over the table."""

    def __init__(self, stack: TableStack, clock: HandClock) -> None:
        self.device = make_device()
        self.stack, self.clock = stack, clock
        poller = Poller(self.device, stack)
        assert self.device.command is not None
        comfort = ComfortWatch(self.device, clock)
        parts = OrderParts(stack=stack, poller=poller, comfort=comfort, clock=clock)
        self.orders = BacnetOrders(self.device, self.device.command, parts)
        self.subscriptions = Subscriptions(
            self.device, stack, clock=clock, numbers=itertools.count(500)
        )
        wiring = Wiring(
            stack=stack,
            poller=poller,
            ears=Ears(),
            subscriptions=self.subscriptions,
            clock=clock,
            guard=self.orders.guard,
        )
        self.readings = BacnetReadings(self.device, wiring)
        self.contact = BacnetContact(self.device, wiring)

    async def order(self, power_w: float, *, lease_s: float | None = 60.0) -> Carried:
        """Plan and carry out."""
        return await self.orders.carry_out(self.orders.plan(power_w, lease_s), lambda: False)

    async def release(self) -> Carried:
        """Plan and carry out a release."""
        return await self.orders.carry_out(self.orders.plan_release(), lambda: False)

    def told(self) -> dict[str, Measurement]:
        """Measurements since the last call, by quantity."""
        return {str(point).split(".")[-1]: what for point, what in self.readings.take()}


@pytest.fixture
def bed(stack: TableStack, clock: HandClock) -> Bed:
    """Put a device together."""
    return Bed(stack, clock)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what a test waits for."""
    asyncio.run(coroutine)
