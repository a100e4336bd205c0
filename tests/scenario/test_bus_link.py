"""The link's shell on the embedded broker with the real store: kills lose and double nothing."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.connect import connect_bus
from cloud_coordinator.gateway.link import LinkGateway
from cloud_coordinator.gateway.link_ports import LinkPorts
from cloud_coordinator.store.history import History
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.link.messages import (
    Acknowledgement,
    Event,
    Hello,
    Layout,
    Offer,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.telemetry import RowBlock
from protocols.link.topics import TopicKind, Topics, parse_topic
from protocols.link.wire import decode, encode
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import NO_SIGNAL, JournalId, SiteId, ZoneId
from protocols.vocabulary.offer import DispatchSignal
from tests.ports import free_port

ROWS = 150
PERIOD_S = 0.02
CHUNK = 25


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(tz=UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Taker:
    """Use cases that only count."""

    def __init__(self) -> None:
        self.hellos = 0

    def hello(self, hello: Hello) -> None:
        self.hellos += 1

    def live(self, site_id: SiteId, telemetry: Telemetry) -> bool:
        return True

    def live_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        pass

    def settle(self) -> None:
        pass

    def event(self, site_id: SiteId, event: Event) -> None:
        pass

    def offer(self, offer: Offer) -> None:
        pass

    def commitments_of(self, site_id: SiteId) -> tuple[Commitment, ...]:
        return ()

    def signal_of(self, zone: ZoneId) -> DispatchSignal | None:
        return None


class Site:
    """The least a gateway must do: journal, send live, send again from the acknowledgement."""

    def __init__(self, name: str, bus: Bus) -> None:
        self.site_id = SiteId(name)
        self.journal_id = JournalId(f"journal-{name}")
        self.topics = Topics(self.site_id)
        self.held = 0
        self.durable = 0
        self._bus = bus
        self._greeted = 0

    async def start(self) -> None:
        await self._bus.subscribe(self.topics.downlink_filter, self._down)

    async def live(self) -> None:
        while self.held < ROWS:
            self.held += 1
            self._bus.publish(self.topics.topic(TopicKind.TELEMETRY), self._rows(self.held, 1))
            if self.held % 25 == 1:
                self._hello()
            await asyncio.sleep(PERIOD_S)

    def _hello(self) -> None:
        counts = dict.fromkeys(Stream, 0) | {Stream.TELEMETRY: self.held}
        hello = Hello(
            site_id=self.site_id,
            zone=ZoneId("tokyo"),
            journal_id=self.journal_id,
            agent_version="1",
            held=counts,
            durable_known=dict.fromkeys(Stream, 0) | {Stream.TELEMETRY: self.durable},
            oldest=dict.fromkeys(Stream, 1),
            epochs={},
            obligations={},
            offer_version=0,
            layout=Layout(version=1, resources=()),
            signal_id=NO_SIGNAL,
        )
        self._bus.publish(self.topics.topic(TopicKind.HELLO), encode(hello))

    def _rows(self, first: int, count: int) -> bytes:
        sequences = np.arange(first, first + count, dtype=np.int64)
        return encode(
            Telemetry(
                journal_id=self.journal_id,
                first_sequence=first,
                layout_version=1,
                times_s=1_784_682_000 + sequences,
                signal_ids=np.zeros(count, dtype=np.int64),
                values=np.repeat(sequences[:, None], 6, axis=1).astype(np.float32),
            )
        )

    def _down(self, topic: str, payload: bytes) -> None:
        kind = parse_topic(topic).kind
        if kind not in {TopicKind.ACKNOWLEDGEMENT, TopicKind.SNAPSHOT}:
            return
        message = decode(kind, payload)
        answer = message.acknowledgement if isinstance(message, Snapshot) else message
        assert isinstance(answer, Acknowledgement)
        self.durable = max(self.durable, answer.durable[Stream.TELEMETRY])
        received = answer.received[Stream.TELEMETRY]
        if received < self.held:
            count = min(CHUNK, self.held - received)
            rows = self._rows(received + 1, count)
            self._bus.publish(self.topics.topic(TopicKind.BACKFILL), rows)


@contextlib.asynccontextmanager
async def coordinator(data: Path, broker: EmbeddedBroker) -> AsyncIterator[TelemetryStore]:
    """One run of the coordinator; leaving it is a kill: nothing is flushed or said goodbye."""
    clock = SystemClock()
    registry = Registry.open(data / "registry.sqlite")
    store = TelemetryStore(TelemetrySettings(root=data / "history"), clock)
    bus = await connect_bus(broker.url)
    ports = LinkPorts(
        telemetry=store,
        entries=registry.progress,
        events=registry.events,
        batching=registry.database,
    )
    epoch = registry.epochs.next_epoch("partitions")
    gateway = LinkGateway(bus, ports, epoch=epoch, clock=clock)
    await gateway.start(Taker())
    running = asyncio.create_task(gateway.run(flush_s=0.3))
    try:
        yield store
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await bus.close()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[BrokerSettings]:
    yield BrokerSettings(data_dir=tmp_path, mqtt_port=free_port())
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((tmp_path / "broker" / "nats-server.pid").read_text()), signal.SIGKILL)


@pytest.mark.timeout(60)
def test_kills_of_broker_and_coordinator_leave_each_row_once(
    settings: BrokerSettings, tmp_path: Path
) -> None:
    """A crash in the middle of an award would cost seconds of its record, or count them twice."""

    async def scenario() -> None:
        broker = EmbeddedBroker(settings, SystemClock())
        await broker.ensure()
        watching = asyncio.create_task(broker.supervise())
        buses = [await connect_bus(f"mqtt://127.0.0.1:{settings.mqtt_port}") for _ in range(3)]
        sites = [Site(f"site-{number}", bus) for number, bus in enumerate(buses)]
        for site in sites:
            await site.start()
        async with asyncio.TaskGroup() as group:
            for site in sites:
                group.create_task(site.live())
            async with coordinator(tmp_path, broker):
                await asyncio.sleep(0.5)
                os.kill(broker.pid, signal.SIGKILL)
                await asyncio.sleep(1.0)
            async with coordinator(tmp_path, broker) as store:
                end = time.monotonic() + 30.0
                while min(site.durable for site in sites) < ROWS:
                    assert time.monotonic() < end, [site.durable for site in sites]
                    await asyncio.sleep(0.05)
                accounts = History(store).accounts()
        assert broker.restarts == 1
        assert [account.rows for account in accounts] == [ROWS] * 3
        assert [account.distinct for account in accounts] == [ROWS] * 3
        assert [account.missing for account in accounts] == [0] * 3
        watching.cancel()
        for bus in buses:
            await bus.close()
        await broker.stop()

    asyncio.run(scenario())
