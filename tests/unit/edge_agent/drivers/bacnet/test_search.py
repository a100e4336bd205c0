"""Where a device is: who is believed when it is missing, and when it has restarted."""

import asyncio
from dataclasses import dataclass, field

import pytest

from edge_agent.drivers.bacnet.application import Announcement
from edge_agent.drivers.bacnet.ears import Ears
from edge_agent.drivers.bacnet.search import BacnetSearch
from edge_agent.drivers.contact import Contact
from protocols.bacnet.objects import Property, device_id
from tests.unit.edge_agent.drivers.bacnet.conftest import (
    INSTANCE,
    NODE,
    Bed,
    HandClock,
    run,
)

ELSEWHERE, THIRD = "127.4.0.9:47808", "127.4.0.10:47808"


@dataclass
class Worker:
    """What a search may ask of a worker."""

    contact: Contact = Contact.LOST
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[str] = field(default_factory=list)

    def go_to(self, address: str) -> None:
        """Take note of an address."""
        self.told.append(address)

    def look_now(self) -> None:
        """Look."""
        self.told.append("look")

    def restarted(self) -> None:
        """Begin anew."""
        self.told.append("restarted")


@dataclass
class Asking:
    """A wire that only asks who is there."""

    asked: list[tuple[str | None, tuple[int, int] | None]] = field(default_factory=list)

    def who_is(self, node: str | None, *, instances: tuple[int, int] | None = None) -> None:
        """Ask."""
        self.asked.append((node, instances))


async def searched(bed: Bed, worker: Worker, nodes: list[str]) -> Asking:
    """Search with claims of these nodes; the first passes of the search are run."""
    asking, ears = Asking(), Ears()
    search = BacnetSearch(
        [bed.device],
        asking,
        ears,
        clock=bed.clock,
        broadcasts=[None],  # type: ignore[arg-type]
    )
    search.follow(lambda _resource_id: worker)  # type: ignore[arg-type, return-value]
    running = asyncio.ensure_future(search.run())
    await asyncio.sleep(0)
    for node in nodes:
        ears.hear(Announcement(node, INSTANCE))
    bed.clock.pass_s(10.0)
    await asyncio.sleep(1.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return asking


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([ELSEWHERE], [ELSEWHERE]),
        ([ELSEWHERE, ELSEWHERE], [ELSEWHERE]),
        ([NODE], ["look"]),
        ([NODE, ELSEWHERE], ["look"]),
        ([ELSEWHERE, THIRD], []),
        ([], []),
    ],
)
def test_a_missing_device_is_where_only_one_says_it_is(
    bed: Bed, nodes: list[str], told: list[str]
) -> None:
    """If it fails, a second device of the same instance is taken for ours."""

    async def test() -> None:
        worker = Worker()
        asking = await searched(bed, worker, nodes)
        assert worker.told == told
        assert asking.asked[:2] == [(None, (77, 77)), (NODE, (77, 77))]

    run(test())


def test_a_device_that_was_never_looked_for_is_not_missing(bed: Bed) -> None:
    """If it fails, at each start every device is searched for in the whole network."""

    async def test() -> None:
        asking = await searched(bed, Worker(contact=Contact.NEW), [])
        assert asking.asked == []

    run(test())


def test_a_device_in_contact_stays_where_it_is(bed: Bed) -> None:
    """If it fails, anybody moves a device by a single datagram."""

    async def test() -> None:
        worker = Worker(contact=Contact.LIVE)
        bed.clock.pass_s(100.0)
        await searched(bed, worker, [ELSEWHERE])
        assert worker.told == []
        await searched(bed, worker, [NODE])
        assert worker.told == ["restarted"], "unasked, from where it is: it has started"

    run(test())


def test_a_device_of_another_name_is_not_the_one_that_moved(bed: Bed, clock: HandClock) -> None:
    """If it fails, another building's device with our instance is commanded."""

    async def test() -> None:
        bed.stack.set(device_id(INSTANCE), Property.OBJECT_NAME, "AHU-1")
        assert await bed.contact.meet()
        bed.contact.go_to(ELSEWHERE)
        bed.stack.set(device_id(INSTANCE), Property.OBJECT_NAME, "AHU-9")
        assert not await bed.contact.meet()
        assert bed.device.node == NODE, "looked for again where it was configured"
        assert await bed.contact.meet(), "at its own address it may be renamed"
        bed.contact.go_to(ELSEWHERE)
        assert await bed.contact.meet()

    run(test())
