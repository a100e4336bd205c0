"""One run of a fleet: a coordinator as its operator starts it, the gateways, an award, a record.

The gateways have a thread of their own; this side starts the processes, posts the award and
the commands, lets sites and links fail, and reads the coordinator's own accounts at the end.
"""

import asyncio
import contextlib
import math
import os
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np

from firmware_sim.demo.coordinator_client import CoordinatorClient, RefusedError
from firmware_sim.demo.machine import cpu_s
from firmware_sim.demo.ports import HOST, broker_port, page_port
from firmware_sim.demo.processes import Family, Program, ProgramError
from firmware_sim.demo.programs import command_path, environment
from firmware_sim.demo.readings import read_pages
from firmware_sim.demo.signal_file import DispatchFile
from firmware_sim.fleet.contracts import Contracts, Identity
from firmware_sim.fleet.gateways import FleetGateways
from firmware_sim.fleet.makings import Makings
from firmware_sim.fleet.mqtt import MqttHub
from firmware_sim.fleet.outages import JOIN_PER_S, Outages
from firmware_sim.fleet.plant import Plant, draw
from firmware_sim.fleet.rows import Rows
from firmware_sim.fleet.sessions import TELEMETRY
from protocols.link.topics import Topics, signal_topic
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.errors import LinkError
from protocols.vocabulary.identifiers import JournalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Clock, utc_from_seconds
from protocols.vocabulary.obligation import Service

ZONE: Final = ZoneId("fleet")
OBLIGATION_ID: Final = "fleet-award"
SERVICE: Final = Service.SECONDARY_1
AWARD_PART: Final = 0.35
"""Part of the fleet's reach that is awarded: the rest makes up for those that fail."""
TOLERANCE_PART: Final = 0.05
START_S: Final = 30.0
ANSWER_S: Final = 60.0
COMMAND_S: Final = 1.0
DRAIN_S: Final = 90.0
LOSS_PART: Final = 0.2
TRIP_AT, RESTORE_AT, CUT_AT = 0.45, 0.65, 0.8
"""Parts of the run after which sites trip, come back, and links are cut at once."""
CUT_S: Final = 6.0
COORDINATOR: Final = "coordinator"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """What a person asks for.

    Attributes
    ----------
    gateways, resources : int
        n and m.
    dispatch : DispatchFile or None
        The signal; None for a run without an award.
    dropout : float
        Part of the links that is gone at any time.
    duration_s : int
        Length of the award, or of the run without one.
    seed : int
        Devices, loads, failures.
    folder : Path
        For data and logs.
    coordinator : tuple of str
        Further words for ``vpp coordinator``.
    """

    gateways: int
    resources: int
    dispatch: DispatchFile | None
    dropout: float
    duration_s: int
    seed: int
    folder: Path
    coordinator: tuple[str, ...] = ()


@dataclass(slots=True)
class Sample:
    """One second of the run as this side saw it; CPU since the start, s."""

    at_s: float
    missing_rows: int
    received_rows: int
    journaled_rows: int
    live: int
    cpu_s: dict[str, float]


@dataclass(slots=True)
class FleetRecord:
    """What a run leaves for its report; times are Unix seconds or spans in s.

    ``journaled`` is how many rows each gateway had at the end, ``accounts`` what the coordinator
    says it holds when these are durable.
    """

    joined_s: float = 0.0
    start_s: int = 0
    award_w: float = 0.0
    accepted: int = 0
    allocated_s: float | None = None
    commands: list[tuple[float, float]] = field(default_factory=list)
    commands_lost: int = 0
    tripped_s: float | None = None
    cut_s: float | None = None
    ended_s: float = math.inf
    journaled: IntArray | None = None
    drained_s: float | None = None
    samples: list[Sample] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)


class FleetRun:
    """The course of a run.

    Parameters
    ----------
    options : FleetOptions
        What to do.
    clock : Clock
        The only clock.
    tell : callable
        Is told what happens, for people.
    """

    def __init__(self, options: FleetOptions, *, clock: Clock, tell: Callable[[str], None]) -> None:
        self._options = options
        self._clock = clock
        self._tell = tell
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._pids: dict[str, int] = {}
        self.record = FleetRecord()
        self.gateways: FleetGateways | None = None

    async def run(self) -> FleetGateways:
        """Do everything; the gateways come back with their counts.

        Raises
        ------
        VppError
            If a program fails, or the fleet does not join.
        """
        async with contextlib.AsyncExitStack() as closing:
            client, mqtt_port = await self._programs(closing)
            gateways, parts = self._make(mqtt_port)
            self.gateways = gateways
            closing.push_async_callback(self._end_thread, self._thread(gateways, parts.hub))
            sampling = asyncio.create_task(self._sample(gateways))
            closing.callback(sampling.cancel)
            await self._join(gateways)
            if self._options.dispatch is None:
                parts.outages.begin(self._now_s(), self._now_s() + self._options.duration_s - 20.0)
                await asyncio.sleep(self._options.duration_s)
            else:
                await self._award(client, gateways, parts)
                await self._deliver(client, self._options.dispatch, parts)
            await self._drain(gateways)
            self.record.accounts = await read_pages(client, "/api/v1/telemetry/accounting")
        return gateways

    async def _programs(self, closing: contextlib.AsyncExitStack) -> tuple[CoordinatorClient, int]:
        """Start the coordinator with its broker."""
        family = Family(environment())
        closing.push_async_callback(family.end, [(COORDINATOR,)])
        mqtt_port, http_port = broker_port(), page_port(None, 0)
        folder = self._options.folder
        program = Program(
            name=COORDINATOR,
            command=(
                command_path("vpp"),
                "coordinator",
                *("--data-dir", str(folder / "coordinator")),
                *("--http", f"{HOST}:{http_port}"),
                *("--mqtt-port", str(mqtt_port)),
                *self._options.coordinator,
            ),
            log=folder / "coordinator.log",
            ready_event="coordinator.ready",
        )
        ready = await (await family.start(program)).ready(START_S)
        broker = folder / "coordinator" / "broker" / "nats-server.pid"
        self._pids = {
            "coordinator": int(ready["pid"]),
            "broker": int(broker.read_text()),
            "simulator": os.getpid(),
        }
        session = await closing.enter_async_context(aiohttp.ClientSession())
        return CoordinatorClient(str(ready["http"]).rstrip("/"), session), mqtt_port

    def _make(self, mqtt_port: int) -> tuple[FleetGateways, Makings]:
        options, dice = self._options, np.random.default_rng(self._options.seed)
        identities = tuple(
            Identity(site_id=SiteId(f"gw-{number:05d}"), journal_id=JournalId(dice.bytes(16).hex()))
            for number in range(options.gateways)
        )
        characters = draw(options.gateways, options.resources, dice)
        zone = signal_topic(ZONE)
        parts = Makings(
            identities=identities,
            zone=ZONE,
            characters=characters,
            plant=Plant(characters, dice),
            contracts=Contracts(identities, characters, SERVICE),
            rows=Rows(options.gateways, options.resources, seconds=options.duration_s + 300),
            hub=MqttHub(
                HOST,
                mqtt_port,
                client_ids=[one.site_id for one in identities],
                filters=[(Topics(one.site_id).downlink_filter, zone) for one in identities],
            ),
            outages=Outages(options.gateways, options.dropout, dice, now_s=self._now_s()),
        )
        return FleetGateways(parts, clock=self._clock), parts

    def _thread(self, gateways: FleetGateways, hub: MqttHub) -> threading.Thread:
        def work() -> None:
            try:
                while not self._stop.is_set():
                    gateways.turn()
            except BaseException as error:  # noqa: BLE001  handed to the main thread, raised there
                self._failure = error
            finally:
                hub.close()

        thread = threading.Thread(target=work, name="fleet")
        thread.start()
        return thread

    async def _end_thread(self, thread: threading.Thread) -> None:
        self._stop.set()
        await asyncio.to_thread(thread.join)

    async def _sample(self, gateways: FleetGateways) -> None:
        while True:
            sessions = gateways.sessions
            live = sessions.live
            missing = (sessions.journaled[TELEMETRY] - sessions.received[TELEMETRY])[live]
            self.record.samples.append(
                Sample(
                    at_s=self._now_s(),
                    missing_rows=int(missing.sum()),
                    received_rows=int(sessions.received[TELEMETRY].sum()),
                    journaled_rows=int(sessions.journaled[TELEMETRY].sum()),
                    live=int(live.sum()),
                    cpu_s={name: cpu_s(pid) or 0.0 for name, pid in self._pids.items()},
                )
            )
            await asyncio.sleep(1.0)

    async def _join(self, gateways: FleetGateways) -> None:
        began_s = self._now_s()
        allowed_s = START_S + 4.0 * gateways.count / JOIN_PER_S
        async for _ in self._until(allowed_s):
            if gateways.sessions.live.all():
                self.record.joined_s = self._now_s() - began_s
                self._tell(f"{gateways.count} gateways joined in {self.record.joined_s:.1f} s")
                return
        live = int(gateways.sessions.live.sum())
        raise ProgramError(f"only {live} of {gateways.count} gateways joined in {allowed_s:.0f} s")

    async def _award(
        self, client: CoordinatorClient, gateways: FleetGateways, parts: Makings
    ) -> None:
        """Post the award and wait until all sites accepted it, or it begins."""
        record = self.record
        record.award_w = round(AWARD_PART * float(parts.characters.power_w[:, -1].sum()), -3)
        lead_s = 12 + math.ceil(gateways.count / 100)
        posted_s = self._now_s()
        record.start_s = int(posted_s) + lead_s
        await self._post(
            client,
            "/api/v1/obligations",
            {
                "obligation_id": OBLIGATION_ID,
                "service": SERVICE.value,
                "zone": ZONE,
                "start": _iso(record.start_s),
                "end": _iso(record.start_s + self._options.duration_s),
                "power_w": record.award_w,
                "tolerance_w": TOLERANCE_PART * record.award_w,
                "price_jpy_per_kw_30min": "3.00",
            },
        )
        async for _ in self._until(lead_s - 1.0):
            with contextlib.suppress(LinkError):
                seen = await client.get(f"/api/v1/obligations/{OBLIGATION_ID}")
                record.accepted = seen.get("sites_accepted", 0)
                if record.allocated_s is None and seen.get("sites_committed", 0):
                    record.allocated_s = self._now_s() - posted_s
                if record.accepted == gateways.count:
                    break
        self._tell(
            f"award of {record.award_w / 1e6:.1f} MW: {record.accepted} sites accepted after "
            f"{self._now_s() - posted_s:.1f} s"
        )

    async def _deliver(
        self, client: CoordinatorClient, dispatch: DispatchFile, parts: Makings
    ) -> None:
        record, duration_s = self.record, self._options.duration_s
        start_s, count = record.start_s, self._options.gateways
        chosen = np.random.default_rng(self._options.seed + 1).permutation(count)
        some = np.sort(chosen[: round(LOSS_PART * count)])
        others = np.sort(chosen[-round(LOSS_PART * count) :])
        parts.outages.begin(start_s, start_s + duration_s - 10.0)
        disturbances = asyncio.create_task(self._disturb(parts, some, others))
        steps = min(len(dispatch.values), math.ceil(duration_s / dispatch.step_s))
        for number in range(steps):
            issued_s = start_s + number * dispatch.step_s
            await asyncio.sleep(max(0.0, issued_s - self._now_s()))
            power_w = dispatch.values[number] * record.award_w
            path = f"/api/v1/obligations/{OBLIGATION_ID}/commands"
            body = {"issued_at": _iso(issued_s), "power_w": power_w}
            try:
                await client.post(path, body, timeout_s=COMMAND_S)
            except (LinkError, RefusedError) as error:
                record.commands_lost += 1
                self._tell(f"a command was not taken: {error}")
            record.commands.append((issued_s, power_w))
            self._check()
        await disturbances
        await asyncio.sleep(max(0.0, start_s + duration_s - self._now_s()))

    async def _disturb(self, parts: Makings, some: IntArray, others: IntArray) -> None:
        record, duration_s = self.record, self._options.duration_s
        await self._sleep_until(record.start_s + TRIP_AT * duration_s)
        record.tripped_s = self._now_s()
        parts.plant.tripped[some] = True
        self._tell(f"{len(some)} sites lose their power")
        await self._sleep_until(record.start_s + RESTORE_AT * duration_s)
        parts.plant.tripped[some] = False
        record.cut_s = record.start_s + CUT_AT * duration_s
        parts.outages.cut_at(record.cut_s, others, for_s=CUT_S)
        await self._sleep_until(record.cut_s)
        self._tell(f"{len(others)} links are cut for {CUT_S:.0f} s")

    async def _drain(self, gateways: FleetGateways) -> None:
        """Wait until all that was journaled up to now is durable at the coordinator."""
        record = self.record
        record.ended_s = self._now_s()
        record.journaled = gateways.sessions.journaled[TELEMETRY].copy()
        async for _ in self._until(DRAIN_S):
            if bool((gateways.sessions.durable[TELEMETRY] >= record.journaled).all()):
                record.drained_s = self._now_s() - record.ended_s
                return
        self._tell(f"the record was not whole after {DRAIN_S:.0f} s")

    async def _until(self, seconds: float) -> AsyncIterator[None]:
        """Come back every fifth of a second until the time is over."""
        end_s = self._now_s() + seconds
        while self._now_s() < end_s:
            self._check()
            yield
            await asyncio.sleep(0.2)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _post(self, client: CoordinatorClient, path: str, body: dict[str, Any]) -> None:
        try:
            await client.post(path, body, timeout_s=ANSWER_S)
        except RefusedError as error:
            raise ProgramError(f"the coordinator refuses: {error}") from None

    async def _sleep_until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._now_s()))

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _iso(at_s: float) -> str:
    return utc_from_seconds(at_s).isoformat().replace("+00:00", "Z")
