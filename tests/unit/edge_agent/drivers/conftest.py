"""A field device by hand, a book, a ledger and a clock, in virtual time.

Nothing here waits: the loop's clock jumps to the next timer whenever nothing else is to be
done, so a test over ten minutes takes milliseconds and is the same every time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.field_device import UNLIMITED, Carried, FieldDevice, Order
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.lease_book import WIRE_NONE, LeasedDevice
from edge_agent.drivers.port import FoundDevice, Reading, WriteState
from protocols.templates.template import Writes
from protocols.vocabulary.errors import DeviceTimeoutError, JournalError
from protocols.vocabulary.identifiers import PointId, ResourceId, SiteId
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.resource import Resource, ResourceKind
from protocols.vocabulary.setpoint import Setpoint

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while nothing is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        really = self._selector.select

        def select(timeout: float | None) -> list[object]:
            assert timeout is not None, "everything waits for something that cannot happen"
            self._now_s += timeout
            return really(0)

        self._selector.select = select

    def time(self) -> float:
        return self._now_s


class VirtualClock:
    """The agent's clock on the loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time())

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 1e9)


class FakeLedger:
    """Counts in memory."""

    def __init__(self) -> None:
        self.counts: dict[ResourceId, int] = {}

    def spend(self, resource_id: ResourceId, writes: int, budget: int | None) -> bool:
        count = self.count(resource_id) + writes
        if budget is not None and count > budget:
            return False
        self.counts[resource_id] = count
        return True

    def count(self, resource_id: ResourceId) -> int:
        return self.counts.get(resource_id, 0)


class FakeBook:
    """The lease book, in memory, with everything that was ever written into it."""

    def __init__(self, left_over: tuple[LeasedDevice, ...] = ()) -> None:
        self.held: dict[ResourceId, LeasedDevice] = {e.resource_id: e for e in left_over}
        self.dropped: list[ResourceId] = []
        self.full = False

    def hold(self, leased: LeasedDevice) -> None:
        if self.full:
            raise JournalError("release.json: no space left on device")
        self.held[leased.resource_id] = leased

    def drop(self, resource_id: ResourceId) -> None:
        self.held.pop(resource_id, None)
        self.dropped.append(resource_id)

    def left_over(self) -> tuple[LeasedDevice, ...]:
        return tuple(self.held.values())


class LibraryError(BaseException):
    """What a library raises that no ``except Exception`` sees."""


@dataclass
class Fault:
    """What goes wrong in the next calls: an error to raise, or a time to take."""

    error: BaseException | None = None
    takes_s: float = 0.0

    async def happen(self) -> None:
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error


@dataclass
class FakeUnit:
    """A device of no protocol: it holds a power, and everything about it can go wrong."""

    name: str
    clock: VirtualClock
    address: str = "here"
    present: bool = True
    somebody_else: bool = False
    power_w: float | None = None
    timer: bool = False
    meeting: Fault = field(default_factory=lambda: Fault(takes_s=0.01))
    polling: Fault = field(default_factory=lambda: Fault(takes_s=0.01))
    writing: Fault = field(default_factory=lambda: Fault(takes_s=0.01))
    telling: BaseException | None = None
    refuses: bool = False
    calls: list[tuple[str, float]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    lost: int = 0
    _arrived: list[Reading] = field(default_factory=list)

    @property
    def resource_id(self) -> ResourceId:
        return ResourceId(f"site-1/{self.name}")

    def said(self, call: str) -> list[float]:
        return [at for name, at in self.calls if name == call]

    def _note(self, call: str) -> None:
        self.calls.append((call, self.clock.monotonic_ns() / 1e9))

    # contact

    async def meet(self) -> bool:
        self._note("meet")
        await self.meeting.happen()
        if not self.present:
            raise DeviceTimeoutError("nobody answers")
        return not self.somebody_else

    async def lose(self) -> None:
        self.lost += 1

    def go_to(self, address: str) -> None:
        self.address = address

    def describe(self) -> FoundDevice:
        return FoundDevice(
            address=self.address, unit="1", identity="", device_id=self.name, about="fake"
        )

    # readings

    async def poll_fast(self) -> None:
        self._note("fast")
        await self.polling.happen()
        if not self.present:
            raise DeviceTimeoutError("nobody answers")
        now = self.clock.now()
        value = Measurement(
            value=self.power_w or 0.0, quality=Quality.GOOD, measured_at=now, received_at=now
        )
        self._arrived.append((PointId(f"{self.name}.power_w"), value))

    async def poll_slow(self) -> bool:
        self._note("slow")
        if not self.present:
            raise DeviceTimeoutError("nobody answers")
        return not self.somebody_else

    def take(self) -> list[Reading]:
        if self.telling is not None:
            raise self.telling
        arrived, self._arrived = self._arrived, []
        return arrived

    def resource(self) -> Resource:
        if self.telling is not None:
            raise self.telling
        return Resource(
            resource_id=self.resource_id,
            site_id=SiteId("site-1"),
            kind=ResourceKind.BATTERY,
            power_w_min=-5000.0,
            power_w_max=5000.0,
            ramp_w_per_s=1e6,
        )

    # orders

    def plan(self, power_w: float, lease_s: float | None) -> Order:
        words = (power_w, lease_s)
        detail = f"{power_w:.0f} W"
        return Order(power_w=power_w, words=words, runs_out=self.timer, detail=detail, writes=2)

    def plan_release(self) -> Order:
        return Order(power_w=None, words=None, runs_out=False, detail="default", writes=1)

    async def carry_out(self, order: Order, superseded: Callable[[], bool]) -> Carried:
        self._note("write")
        self.orders.append(order)
        await self.writing.happen()
        if superseded():
            return Carried(state=WriteState.SUPERSEDED, detail="a newer setpoint waits")
        if not self.present:
            raise DeviceTimeoutError("nobody answers")
        if self.refuses:
            return Carried(state=WriteState.REFUSED, detail="no")
        self.power_w = order.power_w
        return Carried(state=WriteState.DONE, detail=order.detail)

    def in_force(self, order: Order) -> bool:
        return self.power_w == order.power_w

    def same(self, order: Order, other: Order) -> bool:
        return order.power_w == other.power_w

    def setting_power_w(self) -> float | None:
        return self.power_w

    def record(self, order: Order, valid_until: datetime) -> LeasedDevice:
        return LeasedDevice(
            resource_id=self.resource_id,
            wire=WIRE_NONE,
            address="",
            port=0,
            frames=(),
            check_frame=b"",
            expected=b"",
            restores=order.detail,
            valid_until=valid_until,
        )

    def adopt(self, leased: LeasedDevice) -> None:
        self._note("adopt")


class Yard:
    """Fake units, the family over them, and what it stands on."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.book = FakeBook()
        self.ledger = FakeLedger()
        self.units: dict[str, FakeUnit] = {}
        self._terms: dict[str, FieldDevice] = {}
        self._sequence = 0

    @property
    def ports(self) -> FamilyPorts:
        return FamilyPorts(clock=self.clock, book=self.book, ledger=self.ledger, tap=NO_TAP)

    def add(self, name: str, *, pacing_s: float = 0.0, writes: Writes = UNLIMITED) -> FakeUnit:
        unit = self.units[name] = FakeUnit(name, self.clock)
        self._terms[name] = FieldDevice(
            resource_id=unit.resource_id,
            contact=unit,
            readings=unit,
            orders=unit,
            slow_s=30.0,
            pacing_s=pacing_s,
            writes=writes,
        )
        return unit

    def read_only(self, name: str) -> None:
        self._terms[name] = replace(self._terms[name], orders=None)

    def family(self, name: str = "fake") -> DeviceFamily:
        return DeviceFamily(name, list(self._terms.values()), self.ports)

    def setpoint(self, power_w: float, *, name: str = "a", lease_s: float = 20.0) -> Setpoint:
        self._sequence += 1
        now = self.clock.now()
        return Setpoint(
            resource_id=ResourceId(f"site-1/{name}"),
            power_w=power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=lease_s),
            reason="test",
            cycle=self._sequence,
            sequence=self._sequence,
        )


def in_virtual_time(test: Callable[[Yard], Awaitable[None]]) -> list[dict[str, object]]:
    """Run a test's coroutine in virtual time; return everything that was logged."""
    with (
        structlog.testing.capture_logs() as logged,
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)

        async def bounded() -> None:
            async with asyncio.timeout(7200.0):
                await test(Yard(loop))

        runner.run(bounded())
    return list(logged)


@pytest.fixture
def in_yard() -> Callable[[Callable[[Yard], Awaitable[None]]], list[dict[str, object]]]:
    """Give what runs a test with fake units in virtual time."""
    return in_virtual_time
