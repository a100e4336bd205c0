"""Each sign that the watch looks for, from where it really arises: door, seals, link, agent.

The coordinator is the real one on a real store; only the wire is held in the hand, and time.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import EVERYWHERE
from cloud_coordinator.admitting import admit
from cloud_coordinator.gateway.bus import BusStatistics, MessageCallback
from cloud_coordinator.gateway.link import LinkGateway
from cloud_coordinator.gateway.sealed_bus import SealedBus
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.opening import open_store
from cloud_coordinator.securing import Secured
from cloud_coordinator.services.coordinator import Conduct, Coordinator
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.ports import Vitals
from edge_agent.cycle.alarms import Alarms
from edge_agent.cycle.arrivals import take
from edge_agent.cycle.memory import AgentMemory
from edge_agent.cycle.record import Happened
from edge_agent.drivers.port import WriteOutcome, WriteState
from edge_agent.drivers.violation import Violations
from edge_agent.link.inbox import GuardMemory, Inbox
from edge_agent.link.seals import LinkSeals
from edge_agent.link.site_link import SiteLink
from protocols.identity.signing import Signer, Statement, Verifier
from protocols.link.edge_session import EdgeSession, Holdings
from protocols.link.fencing import partition_lease
from protocols.link.messages import Command, Event, Hello, Layout, Stream, Telemetry
from protocols.link.topics import TopicKind, Topics
from protocols.link.wire import encode
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import (
    JournalId,
    PointId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SITE, ZONE = SiteId("site-001"), ZoneId("tokyo")
JOURNAL = JournalId("00112233445566778899aabbccddeeff")
TOPICS = Topics(SITE)
EPOCH = 3
BATTERY = Resource(
    resource_id=ResourceId("site-001/battery-1"),
    site_id=SITE,
    kind=ResourceKind.BATTERY,
    power_w_min=-5000.0,
    power_w_max=5000.0,
    ramp_w_per_s=float("inf"),
    energy_wh_capacity=10_000.0,
    capabilities=frozenset({Capability.TAKES_SETPOINT, Capability.HAS_SOC}),
)


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic_ns(self) -> int:
        return round((self.moment - NOW).total_seconds() * 1e9) + 10**12


class Wire:
    """A bus in the hand."""

    def __init__(self) -> None:
        self.statistics = BusStatistics()
        self.callback: MessageCallback = lambda _topic, _payload: None

    def publish(self, topic: str, payload: bytes) -> bool:
        return True

    async def subscribe(self, _pattern: str, callback: MessageCallback) -> None:
        self.callback = callback

    async def close(self) -> None:
        pass


class World:
    """A coordinator and one gateway's key."""

    def __init__(self, folder: Path, closing: contextlib.ExitStack) -> None:
        self.clock: Any = HandClock()
        self.wire, self.key, self.ours = Wire(), Signer(bytes(range(32))), Signer(bytes(32))
        store = open_store(folder, self.clock, closing)
        self.admitted = admit(
            store,
            self.clock,
            wishes=("127.0.0.1", False),
            data_dir=folder,
            security=None,
            draw=secrets.token_bytes,
        )
        closing.callback(self.admitted.close)
        bus = SealedBus(
            self.wire,
            self.ours,
            site_key={SITE: self.key.public}.get,
            clock=self.clock,
            epoch=EPOCH,
        )
        self.gateway = LinkGateway(bus, store.link_ports(), epoch=EPOCH, clock=self.clock)
        Secured(bus=bus).tell(self.gateway.refusals)
        self.coordinator = Coordinator(
            store.ports(),
            self.gateway.downlink,
            conduct=Conduct(rules=load_rule_book()),
            clock=self.clock,
        )
        self.coordinator.start()
        asyncio.run(self.gateway.start(self.coordinator.intake))
        self.sequence = self.row = 0
        self.send(TopicKind.HELLO, encode(_hello()))

    def send(self, kind: TopicKind, data: bytes) -> None:
        """Let a message come over the wire, and take it."""
        self.wire.callback(TOPICS.topic(kind), data)
        self.gateway.tick()

    def tell(self, happened: tuple[Happened, ...], *, key: Signer | None = None) -> None:
        """Let the gateway tell what happened, under its seal."""
        for one in happened:
            self.sequence += 1
            event = Event(
                journal_id=JOURNAL,
                sequence=self.sequence,
                recorded_at=self.clock.now(),
                kind=one.kind,
                payload=one.payload,
            )
            statement = Statement(
                kind=TopicKind.EVENT.value,
                scope=SITE,
                sequence=self.sequence,
                epoch=0,
                not_before_ms=0,
                valid_until_ms=1 << 50,
            )
            self.send(TopicKind.EVENT, (key or self.key).seal(statement, encode(event)))

    def live(self, power_w: float) -> None:
        """Let a second of telemetry come."""
        self.row += 1
        values = [power_w, 0.0, 0.0, 0.0, 0.0, 0.0, power_w, np.nan, 0.5, 0.0]
        message = Telemetry(
            journal_id=JOURNAL,
            first_sequence=self.row,
            layout_version=1,
            times_s=np.array([int(self.clock.now().timestamp())]),
            signal_ids=np.array([0]),
            values=np.array([values], dtype=np.float32),
        )
        self.send(TopicKind.TELEMETRY, encode(message))

    def look(self, *, after_s: float = 1.0) -> dict[str, int]:
        """Let time pass and the watch look; count by rule of what stands."""
        self.clock.moment += timedelta(seconds=after_s)
        self.coordinator.tick()
        return {one.rule: one.count for one in self.coordinator.alerting.standing}


def _hello() -> Hello:
    return Hello(
        site_id=SITE,
        zone=ZONE,
        journal_id=JOURNAL,
        agent_version="1.2.3",
        held={},
        durable_known={},
        oldest=dict.fromkeys(Stream, 1),
        epochs={},
        obligations={},
        offer_version=0,
        layout=Layout(version=1, resources=(BATTERY,)),
        signal_id=SignalId(0),
    )


class Gateway:
    """The gateway's end of the link, which judges what comes down."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.inbox = Inbox(SITE, ZONE, GuardMemory(epochs={}))
        seals = LinkSeals(
            SITE,
            ZONE,
            verifier=Verifier([world.ours.public]),
            signer=world.key,
            epochs={partition_lease(SITE): EPOCH},
        )
        holdings = Holdings(
            last=dict.fromkeys(Stream, 0),
            durable={},
            trimmed=dict.fromkeys(Stream, 0),
            epoch=EPOCH,
        )
        self.link = SiteLink(
            connection=SimpleNamespace(connected=False),  # type: ignore[arg-type]
            session=EdgeSession(JOURNAL, holdings),
            uplink=SimpleNamespace(),  # type: ignore[arg-type]
            inbox=self.inbox,
            topics=TOPICS,
            clock=world.clock,
            seals=seals,
        )

    def order(self, sequence: int, *, epoch: int = EPOCH, scope: str = SITE) -> bytes:
        """Seal a command as the coordinator, or somebody who was it, would."""
        now = self._world.clock.now()
        command = Command(
            sequence=sequence,
            epoch=epoch,
            validity=Interval(start=now, end=now + timedelta(minutes=5)),
            kind="stop",
            payload={},
        )
        statement = Statement(
            kind=TopicKind.COMMAND.value,
            scope=scope,
            sequence=(epoch << 32) + sequence,
            epoch=epoch,
            not_before_ms=round(now.timestamp() * 1e3),
            valid_until_ms=round(now.timestamp() * 1e3) + 30_000,
        )
        return self._world.ours.seal(statement, encode(command))

    def receive(self, *messages: bytes) -> None:
        """Take messages; what the next cycle tells goes up."""
        for data in messages:
            self.link.link_message(TOPICS.topic(TopicKind.COMMAND), data)
        now = self._world.clock.now()
        taken = take(AgentMemory(), self.inbox.drain(now), durable={}, now=now)
        self._world.tell(taken.happened)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with contextlib.ExitStack() as closing:
        yield World(tmp_path, closing)


def test_wrong_passwords_at_the_door_raise_and_clear(world: World) -> None:
    """If it fails, somebody guesses passwords and nobody is told."""
    world.admitted.access.accounts.add_user(
        "hana", "planted-password-xyzzy", roles=frozenset({Role.ADMINISTRATOR}), scope=EVERYWHERE
    )

    async def guess() -> None:
        vitals = Vitals(broker_up=True, store_up=True, tick_age_s=0.5)
        app = create_app(world.coordinator, vitals=lambda: vitals, access=world.admitted.access)
        async with TestClient(TestServer(app), cookie_jar=DummyCookieJar()) as client:
            for number in range(6):
                body = {"name": "hana", "password": f"wrong-password-{number}"}
                await client.post("/api/v1/session", json=body)
                world.clock.moment += timedelta(seconds=11)

    asyncio.run(guess())
    found = world.look()
    assert found.keys() >= {"login-failed", "login-locked"}, found
    assert not world.look(after_s=1200.0)


def test_messages_that_are_not_believed_raise_group_and_clear(world: World) -> None:
    """If it fails, a forgery, a replay or a replaced coordinator goes unseen."""
    gateway = Gateway(world)
    assert not world.look()
    first = gateway.order(5)
    gateway.receive(first, first, gateway.order(6, epoch=EPOCH - 1), gateway.order(7, scope="x"))
    found = world.look()
    assert found == {"message-replayed": 1, "epoch-stale": 1, "message-wrong-target": 1}, found
    for number in range(3):
        world.clock.moment += timedelta(seconds=61)
        again = gateway.order(8 + number)
        gateway.receive(again, again)
    found = world.look()
    assert found["message-replayed"] == 4, found
    world.tell((Happened(kind="obligation.accepted"),), key=Signer(bytes(31) + b"x"))
    world.wire.callback("v1/60/site-001/sideways", b"x")
    for _ in range(2):
        world.clock.moment += timedelta(seconds=61)
        world.send(TopicKind.TELEMETRY, b"\xc1")
    found = world.look()
    assert found.keys() >= {"message-forged", "message-out-of-topic", "message-malformed"}, found
    assert not world.look(after_s=4000.0)


def test_devices_that_break_the_rules_raise_and_clear(world: World) -> None:
    """If it fails, a device that was taken over is taken for a silent one."""
    point, now = PointId("battery-1.power"), world.clock.now()
    good = Measurement(value=1.0, quality=Quality.GOOD, measured_at=now, received_at=now)
    violations = Violations(world.clock)
    image = ProcessImage(
        cycle=1, taken_at=now, monotonic_ns=1, points=dict(violations.read([(point, good)]))
    )
    alarms, _ = Alarms().after_reading(image, {"battery-1": point})
    violations.lost(RemoteProtocolError("frame of 3 bytes, 12 at least"))
    broken = replace(image, cycle=2, points=dict(violations.read([])))
    alarms, told = alarms.after_reading(broken, {"battery-1": point})
    outcome = WriteOutcome(
        resource_id=BATTERY.resource_id,
        sequence=4,
        state=WriteState.UNCONFIRMED,
        read_back_w=0.0,
        detail="said 0 W",
        finished_at=now,
    )
    _, more = alarms.after_writes([outcome])
    world.tell((*told, *more))
    assert world.look().keys() == {"device-protocol", "device-disobeys"}
    assert not world.look(after_s=700.0)


def test_impossible_telemetry_and_floods_of_commands_raise_and_clear(world: World) -> None:
    """If it fails, a site is paid for power that it cannot have, or is driven to wear."""
    for _ in range(8):
        world.live(9_000.0)
        found = world.look()
    assert found.keys() == {"outside-nameplate"}, found
    for number in range(121):
        world.tell((Happened(kind="command.done", payload={"sequence": number, "reason": ""}),))
    assert "command-rate" in world.look()
    assert not world.look(after_s=1000.0)
