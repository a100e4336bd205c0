"""The web application over the real use cases, a memory store and a clock that stands still.

Every answer is held against the OpenAPI document before a test sees it.
"""

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator, FormatChecker
from yarl import URL

from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.accounts import Accounts
from cloud_coordinator.services.auditing import Trail
from cloud_coordinator.services.coordinator import Conduct, Coordinator, Stores
from cloud_coordinator.services.identity import Identity
from cloud_coordinator.services.records import (
    AwardRecord,
    CertificateRecord,
    ChildState,
    DispatchRecord,
    EventQuery,
    EventRecord,
    OfferRequest,
    SiteRecord,
    SiteSeconds,
    StreamAccount,
    TsoCommand,
    Way,
)
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.web.access import Access
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.openapi import openapi_document
from cloud_coordinator.web.ports import Vitals
from cloud_coordinator.web.table import ROUTES
from protocols.link.messages import Event, Hello, Layout, Offer, Stream, Telemetry
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import (
    JournalId,
    ModelId,
    ObligationId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Obligation, Service
from protocols.vocabulary.offer import DispatchSignal, OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

START_S = 1_784_680_000
ZONE = ZoneId("tokyo")
JOURNAL = JournalId("journal-1")
SITES = tuple(SiteId(f"site-{i}") for i in range(1, 4))
PERIOD_S = 0.02
DOCUMENT = openapi_document(ROUTES, version="1")


class StandingClock:
    """Time that moves only when a test says so."""

    def __init__(self) -> None:
        self.time_s = START_S - 60.0

    def now(self) -> datetime:
        return utc_from_seconds(self.time_s)

    def monotonic_ns(self) -> int:
        return round((self.time_s - START_S + 1e6) * 1e9)


class AwardMemory:
    """Awards, offers, commands and signals in memory."""

    def __init__(self) -> None:
        self.award_records: dict[ObligationId, AwardRecord] = {}
        self.offer_records: dict[SiteId, Offer] = {}
        self.command_records: list[TsoCommand] = []
        self.award_writes = 0
        self.certificates: dict[tuple[ObligationId, Way], CertificateRecord] = {}

    def save_award(self, award: AwardRecord) -> None:
        self.award_writes += 1
        self.award_records[award.obligation.obligation_id] = award

    def save_state(self, obligation: Obligation) -> None:
        known = self.award_records[obligation.obligation_id]
        self.award_records[obligation.obligation_id] = replace(known, obligation=obligation)

    def save_child_state(self, child: ChildState) -> None:
        pass

    def awards(self) -> Sequence[AwardRecord]:
        return list(self.award_records.values())

    def save_offer(self, offer: Offer) -> None:
        self.offer_records[offer.curve.site_id] = offer

    def offers(
        self, sites: Sequence[SiteId], *, service: Service, interval: Interval
    ) -> Sequence[Offer]:
        found = [self.offer_records[site] for site in sites if site in self.offer_records]
        return [offer for offer in found if offer.curve.service is service]

    def save_command(self, command: TsoCommand) -> None:
        self.command_records.append(command)

    def commands(self, obligation_id: ObligationId) -> Sequence[TsoCommand]:
        return [c for c in self.command_records if c.obligation_id == obligation_id]

    def save_dispatch(self, record: DispatchRecord) -> None:
        pass

    def recent_dispatches(self, zone: ZoneId, *, limit: int) -> Sequence[DispatchRecord]:
        return []

    def dispatch_of(
        self, obligation_id: ObligationId, signal_id: SignalId
    ) -> DispatchRecord | None:
        return None

    def dispatch_at(self, obligation_id: ObligationId, at: datetime) -> DispatchRecord | None:
        return None

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        self.certificates.update({(r.obligation_id, r.way): r for r in records})

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord | None:
        return self.certificates.get((obligation_id, way))

    def next_epoch(self, lease: str) -> int:
        return 1


class RecordMemory:
    """Sites, events and telemetry in memory; ``broken`` makes every reader fail as a disk does."""

    def __init__(self) -> None:
        self.broken = False
        self.site_records: dict[SiteId, SiteRecord] = {}
        self.event_records: list[EventRecord] = []
        self.asked: list[EventQuery] = []
        self.rows: dict[tuple[int, SiteId], tuple[float, float, float]] = {}
        self.account_records: list[StreamAccount] = []
        self.reading: Callable[[], None] = lambda: None

    def _check(self) -> None:
        self.reading()
        if self.broken:
            raise StoreError("/var/lib/vpp/registry.db: disk I/O error")

    def save_site(self, site: SiteRecord) -> None:
        self.site_records[site.site_id] = site

    def sites(self) -> Sequence[SiteRecord]:
        self._check()
        return [self.site_records[key] for key in sorted(self.site_records)]

    def save_event(self, event: EventRecord) -> None:
        self.event_records.append(event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        self.event_records.extend(events)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        self._check()
        self.asked.append(query)
        found = [
            event
            for event in reversed(self.event_records)
            if query.kind in {None, event.kind}
            and query.site_id in {None, event.site_id}
            and (query.since is None or event.recorded_at >= query.since)
        ]
        return found[: query.limit]

    def site_seconds(self, sites: Sequence[SiteId], interval: Interval) -> SiteSeconds:
        self._check()
        first, last = interval.start.timestamp(), interval.end.timestamp()
        keys = sorted(key for key in self.rows if key[1] in sites and first <= key[0] < last)
        values = np.array([self.rows[key] for key in keys]).reshape(len(keys), 3)
        zeros = np.zeros(len(keys), dtype=np.int8)
        return SiteSeconds(
            sites=tuple(sites),
            site_index=np.array([list(sites).index(key[1]) for key in keys], dtype=np.int64),
            second=np.array([key[0] for key in keys], dtype=np.int64),
            signal_id=zeros.astype(np.int64),
            meter_w=values[:, 0],
            baseline_w=values[:, 1],
            share_w=values[:, 2],
            mode=zeros,
            quality=zeros,
        )

    def accounts(self) -> Sequence[StreamAccount]:
        self._check()
        return self.account_records


class Downlink:
    """Takes what would go to the sites."""

    def send_commitment(self, commitment: Commitment) -> None:
        pass

    def request_offer(self, request: OfferRequest) -> None:
        pass

    def send_signal(self, signal: DispatchSignal) -> None:
        pass

    def send_command(
        self, site_id: SiteId, kind: str, payload: Mapping[str, Any], *, valid: timedelta
    ) -> bool:
        return True


class Plant:
    """Three sites with a battery and a meter each, and the coordinator's use cases."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.awards = AwardMemory()
        self.record = RecordMemory()
        self.vitals = Vitals(broker_up=True, store_up=True, tick_age_s=0.5)
        self._sequence = 0
        self.coordinator = Coordinator(
            Stores(
                sites=self.record,
                obligations=self.awards,
                offers=self.awards,
                commands=self.awards,
                dispatches=self.awards,
                epochs=self.awards,
                events=self.record,
                history=self.record,
                certificates=self.awards,
            ),
            Downlink(),
            conduct=Conduct(rules=load_rule_book()),
            clock=self.clock,
        )
        self.coordinator.start()
        for site_id in SITES:
            self.hello(site_id)

    def hello(self, site_id: SiteId, *, zone: ZoneId = ZONE) -> None:
        """Let a site enrol."""
        self.coordinator.intake.hello(
            Hello(
                site_id=site_id,
                zone=zone,
                journal_id=JOURNAL,
                agent_version="1.2.3",
                held={},
                durable_known={},
                oldest=dict.fromkeys(Stream, 1),
                epochs={},
                obligations={},
                offer_version=0,
                layout=Layout(version=1, resources=resources_of(site_id)),
                signal_id=SignalId(0),
            )
        )

    def hear(self, site_id: SiteId, *, meter_w: float = -500.0, soc: float = 0.5) -> None:
        """Let a site send the row of this second."""
        self._sequence += 1
        battery, meter = (1000.0, np.nan, soc, 0.0), (meter_w, np.nan, np.nan, 0.0)
        row = [meter_w, -1500.0, 900.0, 2000.0, 0.0, 0.0, *battery, *meter]
        self.coordinator.intake.live(
            site_id,
            Telemetry(
                journal_id=JOURNAL,
                first_sequence=self._sequence,
                layout_version=1,
                times_s=np.array([int(self.clock.time_s)], dtype=np.int64),
                signal_ids=np.array([7], dtype=np.int64),
                values=np.array([row], dtype=np.float32),
            ),
        )

    def hear_all(self) -> None:
        """Let every site send the row of this second, and tick."""
        for site_id in SITES:
            self.hear(site_id)
        self.coordinator.tick()

    def offer_all(self, *, seconds: int = 300) -> None:
        """Let every site offer plus or minus 4 kW for an award from the start."""
        for site_id in SITES:
            self.coordinator.intake.offer(offer_of(site_id, seconds))

    def accept_all(self, obligation_id: str = "award-1") -> None:
        """Let every site accept its part, as its event says."""
        award = self.coordinator.queries.award(ObligationId(obligation_id))
        for sequence, commitment in enumerate(award.commitments, 1):
            event = Event(
                journal_id=JOURNAL,
                sequence=sequence,
                recorded_at=self.clock.now(),
                kind="obligation.accepted",
                payload={"obligation_id": commitment.obligation.obligation_id, "version": 1},
            )
            self.coordinator.intake.event(SiteId(commitment.obligation.target), event)


def resources_of(site_id: SiteId) -> tuple[Resource, ...]:
    battery = Resource(
        resource_id=ResourceId(f"{site_id}/battery-1"),
        site_id=site_id,
        kind=ResourceKind.BATTERY,
        power_w_min=-5000.0,
        power_w_max=5000.0,
        ramp_w_per_s=float("inf"),
        energy_wh_capacity=10_000.0,
        capabilities=frozenset({Capability.TAKES_SETPOINT, Capability.HAS_SOC}),
    )
    meter = replace(
        battery,
        resource_id=ResourceId(f"{site_id}/meter"),
        kind=ResourceKind.METER,
        power_w_min=0.0,
        power_w_max=0.0,
        energy_wh_capacity=0.0,
        capabilities=frozenset({Capability.MEASURES_SITE}),
    )
    return (battery, meter)


def offer_of(site_id: SiteId, seconds: int) -> Offer:
    start = utc_from_seconds(START_S)
    interval = Interval(start=start, end=start + timedelta(seconds=seconds))
    return Offer(
        journal_id=JOURNAL,
        sequence=1,
        curve=OfferCurve(
            site_id=site_id,
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([10.0, 18.0, 22.0, 30.0]),
            power_w=column([-4000.0, -400.0, 400.0, 4000.0]),
            interval=interval,
        ),
        envelope=Envelope(
            target=site_id,
            interval=interval,
            step_s=seconds,
            power_w_min=column([-4000.0]),
            power_w_max=column([4000.0]),
            energy_wh_min=column([0.0, -1e6]),
            energy_wh_max=column([0.0, 1e6]),
            ramp_w_per_s=1e6,
        ),
        baseline=Baseline(
            target=site_id,
            interval=interval,
            step_s=seconds,
            power_w=column([-1500.0]),
            method="constant",
            computed_at=start,
            data_until=start,
            model_id=ModelId("constant"),
        ),
    )


def award_body(**changes: object) -> dict[str, Any]:
    """Return an award as a system operator posts it."""
    start = utc_from_seconds(START_S)
    body: dict[str, Any] = {
        "obligation_id": "award-1",
        "service": "secondary1",
        "zone": "tokyo",
        "start": start.isoformat(),
        "end": (start + timedelta(seconds=300)).isoformat(),
        "power_w": 6000.0,
        "tolerance_w": 300.0,
        "price_jpy_per_kw_30min": "10.50",
    }
    return {**body, **changes}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    media: str
    text: str
    json: Any = field(default=None)


class Api:
    """A client that holds every answer against the document."""

    def __init__(self, plant: Plant, runner: asyncio.Runner, access: Access | None = None) -> None:
        self.plant = plant
        self._runner = runner
        app = create_app(
            plant.coordinator, vitals=lambda: plant.vitals, period_s=PERIOD_S, access=access
        )
        self.client: TestClient[Any, Any] = runner.run(_started(app))

    def run(self, work: Awaitable[Any]) -> Any:
        """Run something beside the server, for at most 5 s."""

        async def bounded() -> Any:
            async with asyncio.timeout(5.0):
                return await work

        return self._runner.run(bounded())

    def get(self, path: str, **options: Any) -> Reply:
        """Ask for a path."""
        return self.call("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> Reply:
        """Post JSON, or ``data`` as it is."""
        if "data" not in options:
            options["json"] = body
        return self.call("POST", path, **options)

    def call(self, method: str, path: str, **options: Any) -> Reply:
        """Send one request; paths are sent as they are written."""
        reply: Reply = self.run(self._call(method, path, options))
        check_reply(method, path, reply)
        return reply

    async def _call(self, method: str, path: str, options: dict[str, Any]) -> Reply:
        base = str(self.client.make_url("/")).rstrip("/")
        url = URL(base + path, encoded=True)
        async with self.client.session.request(method, url, **options) as response:
            text = await response.text()
            media = response.content_type
            has_json = media.endswith("json") and bool(text)
            return Reply(
                status=response.status,
                headers=dict(response.headers),
                media=media,
                text=text,
                json=json.loads(text, parse_constant=_no_constant) if has_json else None,
            )

    def raw(self, data: bytes) -> bytes:
        """Send bytes to the server's port and return all it answers."""

        async def exchange() -> bytes:
            port = self.client.server.port
            assert port is not None
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            await writer.drain()
            try:
                return await reader.read(65_536)
            finally:
                writer.close()

        answer: bytes = self.run(exchange())
        return answer

    def close(self) -> None:
        """Stop the server."""
        self._runner.run(self.client.close())


def _no_constant(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


async def _started(app: Any) -> TestClient[Any, Any]:
    client: TestClient[Any, Any] = TestClient(TestServer(app))
    await client.start_server()
    return client


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Find what the document says of a call; None if it says nothing."""
    bare = path.partition("?")[0]
    templates = sorted(DOCUMENT["paths"], key=lambda one: "{" in one)
    for template in templates:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), bare):
            found: dict[str, Any] | None = DOCUMENT["paths"][template].get(method.lower())
            return found
    return None


def check_schema(schema: Mapping[str, Any], value: object) -> None:
    """Hold a value against a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)


def check_reply(method: str, path: str, reply: Reply) -> None:
    """Hold an answer against the document; refusals are problem+json on one line."""
    assert reply.status < 500 or reply.status in {503, 504}, f"{method} {path}: {reply.text}"
    if method == "HEAD":
        return
    is_login = reply.status == 401 and reply.media == "text/html"
    if reply.status >= 400 and reply.media != "application/json" and not is_login:
        assert reply.media == "application/problem+json", f"{method} {path}: {reply.text}"
        check_schema({"$ref": "#/components/schemas/ProblemDetails"}, reply.json)
        assert reply.json["status"] == reply.status
        assert reply.json["detail"].isprintable(), reply.json["detail"]
        assert len(reply.json["detail"]) < 5000
    operation = operation_of(method, path)
    if operation is None:
        assert reply.status in {404, 405}, f"{method} {path} is not in the document"
        return
    assert str(reply.status) in operation["responses"], f"{method} {path}: {reply.status}"
    content = operation["responses"][str(reply.status)]["content"]
    assert reply.media in content, f"{method} {path}: {reply.media} is not in the document"
    check_schema(content[reply.media]["schema"], reply.text if reply.json is None else reply.json)


@pytest.fixture
def plant() -> Plant:
    """Return three enrolled sites that have not been heard yet."""
    return Plant()


@pytest.fixture
def api(plant: Plant, caplog: pytest.LogCaptureFixture) -> Iterator[Api]:
    """Serve the plant; no request may end in a fault of the server."""
    with serving(plant) as served:
        yield served
    assert "Unhandled exception" not in caplog.text


@contextmanager
def serving(plant: Plant, access: Access | None = None) -> Iterator[Api]:
    with asyncio.Runner() as runner:
        served = Api(plant, runner, access)
        yield served
        served.close()


@pytest.fixture
def make_award() -> Callable[..., dict[str, Any]]:
    """Return the maker of award bodies."""
    return award_body


@pytest.fixture
def running(api: Api) -> Api:
    """Serve an allocated award of 6 kW that every site accepted, at its fifth second."""
    run_award(api)
    return api


@pytest.fixture(scope="module")
def guarded_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Access]]:
    """Serve a plant with a running award that asks everybody who they are."""
    registry = Registry.open(tmp_path_factory.mktemp("guarded") / "registry.sqlite3")
    plant = Plant()
    people = Accounts(registry.identities, plant.clock, draw=secrets.token_bytes)
    access = Access(
        identity=Identity(registry.identities, plant.clock, draw=secrets.token_bytes),
        accounts=people,
        trail=Trail(registry.audit, plant.clock),
    )
    with serving(plant, access) as served:
        yield served, access
    registry.close()


@pytest.fixture(scope="module")
def _shared() -> Iterator[Api]:
    with serving(Plant()) as served:
        run_award(served)
        yield served


@pytest.fixture
def shared(_shared: Api, caplog: pytest.LogCaptureFixture) -> Iterator[Api]:
    """Serve a running award to tests that change nothing."""
    yield _shared
    assert "Unhandled exception" not in caplog.text


def run_award(api: Api) -> None:
    """Award 6 kW, let every site accept its part, and go to the fifth second."""
    plant = api.plant
    plant.hear_all()
    plant.offer_all()
    assert api.post("/api/v1/obligations", award_body()).status == 201
    plant.accept_all()
    for second in range(5):
        plant.clock.time_s = START_S + second + 0.5
        plant.hear_all()


@pytest.fixture
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return DOCUMENT


@pytest.fixture
def validate() -> Callable[[Mapping[str, Any], object], None]:
    """Return what holds a value against a schema of the document."""
    return check_schema
