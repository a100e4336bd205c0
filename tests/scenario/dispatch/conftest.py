"""A whole zone in one process under a virtual clock: fake sites, lossy links, a memory store."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.coordinator import Conduct, Coordinator, Stores
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
from protocols.link.messages import Event, Hello, Layout, Offer, Stream, Telemetry
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.droop import Owing
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import (
    JournalId,
    ModelId,
    ObligationId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Obligation, Service
from protocols.vocabulary.offer import DispatchSignal, OfferCurve, share
from protocols.vocabulary.resource import Resource

ZONE = ZoneId("tokyo")
START_S = 1_784_680_000
JOURNAL = JournalId("journal-1")
ROW_DELAY_S = 0.3
TICK_PHASE_S = 0.9
WATCH_PHASE_S = 0.4


class VirtualClock:
    """Time that moves only when the world does."""

    def __init__(self, start_s: float) -> None:
        self.time_s = start_s

    def now(self) -> datetime:
        return utc_from_seconds(self.time_s)

    def monotonic_ns(self) -> int:
        return round((self.time_s - START_S + 1e6) * 1e9)


class MemoryStores:
    """Every store port in memory; it outlives a coordinator as a disk does."""

    def __init__(self) -> None:
        self.site_records: dict[SiteId, SiteRecord] = {}
        self.award_records: dict[ObligationId, AwardRecord] = {}
        self.children: dict[ObligationId, ChildState] = {}
        self.offer_records: dict[tuple[SiteId, Service], Offer] = {}
        self.command_records: list[TsoCommand] = []
        self.dispatch_records: list[DispatchRecord] = []
        self.event_records: dict[str, EventRecord] = {}
        self.certificates: dict[tuple[ObligationId, Way], CertificateRecord] = {}
        self.epoch = 0
        self.rows: dict[tuple[SiteId, int], tuple[float, ...]] = {}

    def save_site(self, site: SiteRecord) -> None:
        self.site_records[site.site_id] = site

    def sites(self) -> Sequence[SiteRecord]:
        return [self.site_records[key] for key in sorted(self.site_records)]

    def save_award(self, award: AwardRecord) -> None:
        self.award_records[award.obligation.obligation_id] = award

    def save_state(self, obligation: Obligation) -> None:
        known = self.award_records[obligation.obligation_id]
        self.award_records[obligation.obligation_id] = replace(known, obligation=obligation)

    def save_child_state(self, child: ChildState) -> None:
        self.children[child.obligation_id] = child

    def awards(self) -> Sequence[AwardRecord]:
        return [self._with_states(award) for award in self.award_records.values()]

    def _with_states(self, award: AwardRecord) -> AwardRecord:
        commitments = []
        for commitment in award.commitments:
            obligation = commitment.obligation
            child = self.children.get(obligation.obligation_id)
            state = obligation.state if child is None else child.state
            commitments.append(replace(commitment, obligation=replace(obligation, state=state)))
        return replace(award, commitments=tuple(commitments))

    def save_offer(self, offer: Offer) -> None:
        self.offer_records[offer.curve.site_id, offer.curve.service] = offer

    def offers(
        self, sites: Sequence[SiteId], *, service: Service, interval: Interval
    ) -> Sequence[Offer]:
        asked = [(site, service) for site in sites]
        found = [self.offer_records[key] for key in asked if key in self.offer_records]
        return [
            o
            for o in found
            if o.curve.interval.start <= interval.start and o.curve.interval.end >= interval.end
        ]

    def save_command(self, command: TsoCommand) -> None:
        self.command_records.append(command)

    def commands(self, obligation_id: ObligationId) -> Sequence[TsoCommand]:
        found = [c for c in self.command_records if c.obligation_id == obligation_id]
        return sorted(found, key=lambda command: command.issued_at)

    def save_dispatch(self, record: DispatchRecord) -> None:
        self.dispatch_records.append(record)

    def recent_dispatches(self, zone: ZoneId, *, limit: int) -> Sequence[DispatchRecord]:
        return [r for r in self.dispatch_records if r.zone == zone][-limit:]

    def dispatch_of(
        self, obligation_id: ObligationId, signal_id: SignalId
    ) -> DispatchRecord | None:
        found = [r for r in self.dispatch_records if r.signal_id == signal_id]
        return next((r for r in found if r.obligation_id == obligation_id), None)

    def dispatch_at(self, obligation_id: ObligationId, at: datetime) -> DispatchRecord | None:
        found = [r for r in self.dispatch_records if r.obligation_id == obligation_id]
        return next((r for r in reversed(found) if r.sent_at <= at), None)

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        self.certificates.update({(r.obligation_id, r.way): r for r in records})

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord | None:
        return self.certificates.get((obligation_id, way))

    def next_epoch(self, lease: str) -> int:
        self.epoch += 1
        return self.epoch

    def save_event(self, event: EventRecord) -> None:
        self.event_records.setdefault(event.event_key, event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        for event in events:
            self.save_event(event)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        found = [
            e
            for e in self.event_records.values()
            if query.kind in {None, e.kind}
            and query.site_id in {None, e.site_id}
            and (query.since is None or e.recorded_at >= query.since)
            and (query.until is None or e.recorded_at < query.until)
        ]
        return sorted(found, key=lambda e: e.received_at, reverse=True)[: query.limit]

    def site_seconds(self, sites: Sequence[SiteId], interval: Interval) -> SiteSeconds:
        first, last = interval.start.timestamp(), interval.end.timestamp()
        place = {site: i for i, site in enumerate(sites)}
        keys = sorted(
            ((s, k) for s, k in self.rows if s in place and first <= k < last),
            key=lambda key: (key[1], key[0]),
        )
        values = np.array([self.rows[key] for key in keys]).reshape(len(keys), 4)
        return SiteSeconds(
            sites=tuple(sites),
            site_index=np.array([place[s] for s, _ in keys], dtype=np.int64),
            second=np.array([k for _, k in keys], dtype=np.int64),
            signal_id=values[:, 3].astype(np.int64),
            meter_w=values[:, 0],
            baseline_w=values[:, 1],
            share_w=values[:, 2],
            mode=np.zeros(len(keys), dtype=np.int8),
            quality=np.zeros(len(keys), dtype=np.int8),
        )

    def accounts(self) -> Sequence[StreamAccount]:
        return []

    def ports(self) -> Stores:
        return Stores(
            sites=self,
            obligations=self,
            offers=self,
            commands=self,
            dispatches=self,
            epochs=self,
            events=self,
            history=self,
            certificates=self,
        )


@dataclass
class FakeSite:
    """A site as a first-order plant behind a link that can be cut.

    ``gain`` 0 makes a site that answers but does not move; ``drift_w`` is added at its meter.
    """

    site_id: SiteId
    curve: OfferCurve
    baseline_w: float
    phase_s: float
    noise: np.random.Generator
    tau_s: float = 0.3
    gain: float = 1.0
    drift_w: float = 0.0
    cap_w: float = math.inf
    noise_w: float = 10.0
    up: bool = True
    offers_anything: bool = True
    stale_curve: OfferCurve | None = None
    keeps_stale: bool = False
    prompt: bool = False
    moved_s: float = 0.0
    told_version: int = 0
    held: dict[ObligationId, Commitment] = field(default_factory=dict)
    frequency_hz: Callable[[float], float] = lambda _: 50.0
    response_w: float = 0.0
    resources: tuple[Resource, ...] = ()
    signal: DispatchSignal | None = None
    share_w: float = 0.0
    signal_id: int = 0
    power_w: float = 0.0
    sequence: int = 0
    events: int = 0
    unsent: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)

    @property
    def commitment(self) -> Commitment | None:
        """The newest one."""
        return next(reversed(self.held.values()), None)

    @commitment.setter
    def commitment(self, commitment: Commitment) -> None:
        self.held[commitment.obligation.obligation_id] = commitment

    def offer(self, interval: Interval, service: Service = Service.SECONDARY_1) -> Offer:
        n = 1
        seconds = interval.duration_s
        return Offer(
            journal_id=JOURNAL,
            sequence=1,
            curve=replace(self.curve, interval=interval, service=service),
            envelope=Envelope(
                target=self.site_id,
                interval=interval,
                step_s=seconds,
                power_w_min=column([float(self.curve.power_w[0])] * n),
                power_w_max=column([float(self.curve.power_w[-1])] * n),
                energy_wh_min=column([0.0, -1e6]),
                energy_wh_max=column([0.0, 1e6]),
                ramp_w_per_s=1e6,
            ),
            baseline=Baseline(
                target=self.site_id,
                interval=interval,
                step_s=seconds,
                power_w=column([self.baseline_w] * n),
                method="constant",
                computed_at=interval.start,
                data_until=interval.start,
                model_id=ModelId("constant"),
            ),
        )

    def power_at(self, time_s: float) -> float:
        """Power on its way to the share."""
        passed_s = max(time_s - self.moved_s, 0.0)
        goal_w = min(self.share_w + self.response_w, self.cap_w)
        return goal_w + (self.power_w - goal_w) * math.exp(-passed_s / self.tau_s)

    def hear(self, signal: DispatchSignal, now: datetime) -> None:
        """Take a signal; a prompt site acts on it at once, as agents do."""
        self.signal = signal
        if self.prompt:
            self.decide(now)

    def decide(self, now: datetime) -> None:
        """Let the power move on toward the share that is owed from now on."""
        self.power_w, self.moved_s = self.power_at(now.timestamp()), now.timestamp()
        running = [c for _, c in sorted(self.held.items()) if c.obligation.interval.contains(now)]
        called = [c for c in running if c.droop is None]
        self.response_w = sum(self.response_of(c, now) for c in running if c.droop is not None)
        if not called:
            self.share_w = 0.0
        elif self.signal is not None and self.signal.interval.contains(now):
            curves = [self.stale_curve or c.curve for c in called]
            self.share_w = sum(share(curve, self.signal.multipliers) for curve in curves)
            self.told_version = curves[0].version
            self.signal_id = self.signal.signal_id

    def response_of(self, commitment: Commitment, now: datetime) -> float:
        """Answer the frequency by the committed law, as the site's own loop does."""
        assert commitment.droop is not None
        owing = Owing(
            droop=commitment.droop,
            rated_w=float(self.curve.power_w[-1]),
            award_w=float(commitment.obligation.power_w.max()),
        )
        return owing.theory_w(self.frequency_hz(now.timestamp()))

    def cycle(self, now: datetime) -> tuple[float, ...]:
        """Read the meter, then decide the share; return the telemetry row."""
        delivered_w = self.gain * self.power_at(now.timestamp()) + self.drift_w
        meter_w = self.baseline_w + delivered_w + self.noise_w * self.noise.standard_normal()
        self.decide(now)
        self.sequence += 1
        return (meter_w, self.baseline_w, self.share_w, float(self.signal_id))


class World:
    """The zone. ``run_until`` moves time; ``restart`` kills and starts the coordinator."""

    def __init__(self, sites: int = 20, seed: int = 1) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.clock = VirtualClock(START_S - 10.0)
        self.stores = MemoryStores()
        self.sites = {site.site_id: site for site in map(self._make_site, range(sites))}
        self.sent_commitments: list[Commitment] = []
        self.signals: list[DispatchSignal] = []
        self.alive = True
        self.commitments_get_lost = False
        self.row_delay_s = ROW_DELAY_S
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self.coordinator = self._start()
        for site in self.sites.values():
            self.hello(site)
            self.at(START_S - 9 + site.phase_s, self._cycle_of(site, START_S - 9))
        self.at(START_S - 9 + TICK_PHASE_S, self._tick)
        self.at(START_S - 9 + WATCH_PHASE_S, self._watch)

    def _make_site(self, index: int) -> FakeSite:
        site_id = SiteId(f"site-{index:03d}")
        span_w = float(self.rng.uniform(2000.0, 5000.0))
        middle = float(self.rng.uniform(15.0, 25.0))
        curve = OfferCurve(
            site_id=site_id,
            service=Service.SECONDARY_1,
            version=1,
            multipliers=column([middle - 12.0, middle - 2.0, middle + 2.0, middle + 12.0]),
            power_w=column([-span_w, -0.1 * span_w, 0.1 * span_w, span_w]),
            interval=Interval(start=utc_from_seconds(0), end=utc_from_seconds(4e9)),
        )
        return FakeSite(
            site_id=site_id,
            curve=curve,
            baseline_w=float(self.rng.uniform(-3000.0, 0.0)),
            phase_s=float(self.rng.uniform(0.0, 0.8)),
            noise=np.random.default_rng(self.seed * 1000 + index),
        )

    def _start(self) -> Coordinator:
        coordinator = Coordinator(
            self.stores.ports(), self, conduct=Conduct(rules=load_rule_book()), clock=self.clock
        )
        coordinator.start()
        return coordinator

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (time_s, self._order, action))

    def run_until(self, time_s: float) -> None:
        while self._queue and self._queue[0][0] <= time_s:
            self.clock.time_s, _, action = heapq.heappop(self._queue)
            action()
        self.clock.time_s = time_s

    def kill(self) -> None:
        self.alive = False

    def restart(self) -> None:
        self.coordinator = self._start()
        self.alive = True

    def _tick(self) -> None:
        if self.alive:
            self.coordinator.tick()
        self.at(self.clock.time_s + 1.0, self._tick)

    def _watch(self) -> None:
        if self.alive:
            self.coordinator.watch()
        self.at(self.clock.time_s + 1.0, self._watch)

    def _cycle_of(self, site: FakeSite, second: int) -> Callable[[], None]:
        def cycle() -> None:
            row = site.cycle(self.clock.now())
            self.at(self.clock.time_s + self.row_delay_s, lambda: self._row(site, second, row))
            self.at(second + 1 + site.phase_s, self._cycle_of(site, second + 1))

        return cycle

    def _row(self, site: FakeSite, second: int, row: tuple[float, ...]) -> None:
        site.unsent.append((second, row))
        if not (site.up and self.alive):
            return
        for stored_second, values in site.unsent:
            self.stores.rows[site.site_id, stored_second] = values
        site.unsent.clear()
        self.coordinator.intake.live(
            site.site_id,
            Telemetry(
                journal_id=JOURNAL,
                first_sequence=site.sequence,
                layout_version=1 + len(site.resources),
                times_s=np.array([second], dtype=np.int64),
                signal_ids=np.array([int(row[3])], dtype=np.int64),
                values=np.array(
                    [[*row[:3], 0.0, 0.0, 0.0, *[0.0] * 4 * len(site.resources)]], dtype=np.float32
                ),
                curve_version=site.told_version,
            ),
        )

    def hello(self, site: FakeSite) -> None:
        self.coordinator.intake.hello(
            Hello(
                site_id=site.site_id,
                zone=ZONE,
                journal_id=JOURNAL,
                agent_version="1",
                held={},
                durable_known={},
                oldest=dict.fromkeys(Stream, 1),
                epochs={},
                obligations={},
                offer_version=0,
                layout=Layout(version=1 + len(site.resources), resources=site.resources),
                signal_id=SignalId(site.signal_id),
            )
        )

    def cut(self, count: int) -> list[FakeSite]:
        chosen = list(self.sites.values())[:count]
        for site in chosen:
            site.up = False
        return chosen

    def heal(self, sites: Sequence[FakeSite]) -> None:
        for site in sites:
            site.up = True
            self.hello(site)
            site.signal = self.coordinator.intake.signal_of(ZONE)

    def award(
        self,
        power_w: float,
        *,
        duration_s: int = 300,
        name: str = "award-1",
        service: Service = Service.SECONDARY_1,
        start_s: int = START_S,
    ) -> AwardRecord:
        start = utc_from_seconds(start_s)
        return self.coordinator.awarding.place(
            AwardRequest(
                obligation_id=ObligationId(name),
                service=service,
                zone=ZONE,
                interval=Interval(start=start, end=start + timedelta(seconds=duration_s)),
                power_w=power_w,
                tolerance_w=0.05 * power_w,
                price_jpy_per_kw_30min=load_price(),
            ),
            self.coordinator.now(),
        )

    def command(self, second: int, power_w: float, name: str = "award-1") -> None:
        if self.alive:
            self.coordinator.dispatching.accept_command(
                ObligationId(name),
                issued_at=utc_from_seconds(second),
                power_w=power_w,
                now=self.coordinator.now(),
            )

    def send_commitment(self, commitment: Commitment) -> None:
        self.sent_commitments.append(commitment)
        site = self.sites[SiteId(commitment.obligation.target)]
        if not site.up or self.commitments_get_lost:
            return
        site.commitment = commitment
        if commitment.obligation.version > 1 and not site.keeps_stale:
            site.stale_curve = None
        site.events += 1
        event = Event(
            journal_id=JOURNAL,
            sequence=site.events,
            recorded_at=self.clock.now(),
            kind="obligation.accepted",
            payload={
                "obligation_id": commitment.obligation.obligation_id,
                "version": commitment.obligation.version,
            },
        )
        self.at(self.clock.time_s + 0.1, lambda: self.coordinator.intake.event(site.site_id, event))

    def request_offer(self, request: OfferRequest) -> None:
        site = self.sites[request.site_id]
        if site.up and site.offers_anything:
            offer = site.offer(request.interval, request.service)
            self.at(self.clock.time_s + 0.1, lambda: self.coordinator.intake.offer(offer))

    def send_signal(self, signal: DispatchSignal) -> None:
        self.signals.append(signal)
        for site in self.sites.values():
            if site.up:
                site.hear(signal, self.clock.now())


def load_price() -> Decimal:
    return Decimal("10.50")


def regulation(seconds: int, seed: int) -> np.ndarray:
    """Make a dispatch signal of the RegD kind: -1..1, one value per 2 s, held.

    Slow sines whose 2-s steps are at most 0.042, as 95 % of RegD's are.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(0, seconds, 2.0)
    value = sum(
        amplitude * np.sin(2 * np.pi * time_s / period_s + rng.uniform(0, 2 * np.pi))
        for amplitude, period_s in ((0.5, 600.0), (0.3, 240.0), (0.15, 120.0))
    )
    return np.clip(value, -1.0, 1.0)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Return the maker of worlds."""
    return World


@pytest.fixture
def make_regulation() -> Callable[[int, int], np.ndarray]:
    """Return the maker of dispatch signals."""
    return regulation
