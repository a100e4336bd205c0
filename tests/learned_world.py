"""A store with awards that were called and delivered, for tests of what is learned from them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from cloud_coordinator.fleet.event_fit import shifted
from cloud_coordinator.services.book import AwardBook, child_id
from cloud_coordinator.services.learning import Learning, Memory
from cloud_coordinator.services.records import (
    AllocationRecord,
    AwardRecord,
    AwardTerms,
    DispatchRecord,
    SiteRecord,
)
from cloud_coordinator.store.event_history import learning_ports
from cloud_coordinator.store.history import History
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.link.messages import Layout, Telemetry
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
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
from protocols.vocabulary.obligation import (
    HoldRule,
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)
from protocols.vocabulary.offer import OfferCurve
from protocols.vocabulary.resource import Resource, ResourceKind

T0 = 1_784_680_200
LENGTH_S = 900
LEAD_S = 30
REACH_W = 6_000.0
BASELINE_W = -700.0
PER_SITE = 2
CAPACITY_WH = 4_000.0
EFFICIENCY = 0.9
JOURNAL = JournalId("j-1")
ZONE = ZoneId("tokyo")


class LateClock:
    """A clock long after every award."""

    def now(self) -> datetime:
        return utc_from_seconds(T0 + 1_000_000)

    def monotonic_ns(self) -> int:
        return 0


@dataclass(kw_only=True)
class Truth:
    """What a site of the world really does."""

    delay_s: float
    gain: float
    up: float = 1.0
    claims: float = 0.0
    """Part of their calls that resources claim beyond what moves the meter."""


@dataclass(kw_only=True)
class LearnedWorld:
    """Sites with hidden characters, and the store of what they did."""

    root: Path
    truths: dict[SiteId, Truth]
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def __post_init__(self) -> None:
        """Open the stores and register the sites."""
        self.open()
        for site in self.truths:
            self.registry.sites.save_site(
                SiteRecord(
                    site_id=site,
                    zone=ZONE,
                    journal_id=JOURNAL,
                    agent_version="1",
                    layout=Layout(version=1, resources=_resources(site)),
                    seen_at=utc_from_seconds(T0 - 60),
                )
            )

    def open(self) -> None:
        """Open the stores, as a coordinator does that starts."""
        clock = LateClock()
        self.registry = Registry.open(self.root / "registry.sqlite3")
        self.telemetry = TelemetryStore(TelemetrySettings(root=self.root / "telemetry"), clock)
        self.history = History(self.telemetry)
        self.ports = learning_ports(self.registry, self.history)
        self.memory = Memory(self.ports)
        book = AwardBook(self.registry.obligations)
        self.learning = Learning(book, self.ports, memory=self.memory, clock=clock)

    def close(self) -> None:
        """Close them."""
        self.history.close()
        self.registry.close()

    def learn(self) -> None:
        """Learn from every award that is due."""
        for award in self.learning.due():
            for step in self.learning.steps(award):
                step()

    def run(self, number: int) -> ObligationId:
        """Let an award be called and delivered, and store what came of it."""
        start_s = T0 + number * 3600
        award = _award(number, tuple(self.truths))
        self.registry.obligations.save_award(award)
        prices = _prices(self.random)
        for at in range(0, LENGTH_S, 2):
            self.registry.dispatches.save_dispatch(_dispatch(award, start_s + at, price=prices[at]))
        self.registry.dispatches.flush()
        called_w = np.concatenate([np.zeros(LEAD_S), prices * REACH_W / 20.0])
        for site, truth in self.truths.items():
            self.telemetry.append(site, self._rows(number, truth, called_w))
        self.telemetry.flush()
        self.open_again()
        return award.obligation.obligation_id

    def open_again(self) -> None:
        """Read the awards anew."""
        book = AwardBook(self.registry.obligations)
        self.learning = Learning(book, self.ports, memory=self.memory, clock=LateClock())

    def _rows(self, number: int, truth: Truth, called_w: FloatArray) -> Telemetry:
        count = LEAD_S + LENGTH_S
        minutes = self.random.random(count // 60 + 1) < truth.up
        up = np.repeat(minutes, 60)[:count]
        true_w = truth.gain * shifted(called_w[None, :], np.array([truth.delay_s]))[0] * up
        power_w = np.stack(
            [true_w / PER_SITE + 5.0 * self.random.standard_normal(count) for _ in range(PER_SITE)]
        )
        flow_wh = power_w / 3600.0
        stored = np.where(flow_wh > 0.0, flow_wh / EFFICIENCY**0.5, flow_wh * EFFICIENCY**0.5)
        soc = 0.5 - stored.cumsum(axis=1) / CAPACITY_WH
        meter_w = BASELINE_W + power_w.sum(axis=0) + 5.0 * self.random.standard_normal(count)
        nothing = np.zeros(count)
        if truth.claims:
            meter_w = BASELINE_W + 5.0 * self.random.standard_normal(count)
        columns = [meter_w, np.full(count, BASELINE_W), called_w, nothing, nothing, nothing]
        for at in range(PER_SITE):
            columns += [power_w[at], called_w / PER_SITE, soc[at], nothing]
        start_s = T0 + number * 3600 - LEAD_S
        return Telemetry(
            journal_id=JOURNAL,
            first_sequence=number * count + 1,
            layout_version=1,
            times_s=np.arange(start_s, start_s + count, dtype=np.int64),
            signal_ids=np.zeros(count, dtype=np.int64),
            values=np.stack(columns, axis=1).astype(np.float32),
        )


def _prices(random: np.random.Generator) -> FloatArray:
    """Multipliers that wander between their ends, the same for two seconds."""
    steps = np.repeat(random.uniform(-18.0, 18.0, LENGTH_S // 30), 30)
    smooth = np.convolve(steps, np.ones(9) / 9.0, mode="same")
    return np.asarray(np.repeat(smooth[::2], 2), dtype=np.float64)


def _resources(site: SiteId) -> tuple[Resource, ...]:
    return tuple(
        Resource(
            resource_id=ResourceId(f"{site}/battery-{at}"),
            site_id=site,
            kind=ResourceKind.BATTERY,
            power_w_min=-4000.0,
            power_w_max=4000.0,
            ramp_w_per_s=float("inf"),
            energy_wh_capacity=CAPACITY_WH,
        )
        for at in range(PER_SITE)
    )


def _award(number: int, sites: tuple[SiteId, ...]) -> AwardRecord:
    start = utc_from_seconds(T0 + number * 3600)
    span = Interval(start=start, end=start + timedelta(seconds=LENGTH_S))
    parent = Obligation(
        obligation_id=ObligationId(f"a{number}"),
        parent_id=None,
        target=ZONE,
        service=Service.SECONDARY_1,
        interval=span,
        step_s=float(LENGTH_S),
        power_w=column([REACH_W * len(sites)]),
        relative_to=RelativeTo.BASELINE,
        tolerance_w=500.0,
        state=ObligationState.DONE,
    )
    return AwardRecord(
        obligation=parent,
        terms=AwardTerms(price_jpy_per_kw_30min=Decimal(1), rule_set_id="seed-internal"),
        received_at=start,
        allocation=AllocationRecord(
            multiplier_up=1.0,
            multiplier_down=-1.0,
            shortfall_up_w=0.0,
            shortfall_down_w=0.0,
            duality_gap_jpy_per_h=0.0,
            limits={},
        ),
        commitments=tuple(_commitment(parent, site) for site in sites),
    )


def _commitment(parent: Obligation, site: SiteId) -> Commitment:
    span = parent.interval
    return Commitment(
        obligation=replace(
            parent,
            obligation_id=child_id(parent.obligation_id, site),
            parent_id=parent.obligation_id,
            target=site,
            power_w=column([REACH_W]),
            tolerance_w=100.0,
            state=ObligationState.ACCEPTED,
        ),
        curve=OfferCurve(
            site_id=site,
            service=parent.service,
            version=1,
            multipliers=column([-20.0, 20.0]),
            power_w=column([-REACH_W, REACH_W]),
            interval=span,
        ),
        envelope=Envelope(
            target=site,
            interval=span,
            step_s=float(LENGTH_S),
            power_w_min=column([-REACH_W]),
            power_w_max=column([REACH_W]),
            energy_wh_min=column([0.0, -9000.0]),
            energy_wh_max=column([0.0, 9000.0]),
            ramp_w_per_s=1e6,
        ),
        baseline=Baseline(
            target=site,
            interval=span,
            step_s=float(LENGTH_S),
            power_w=column([BASELINE_W]),
            method="constant",
            computed_at=span.start,
            data_until=span.start,
            model_id=ModelId("none"),
        ),
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-100.0]),
        band_upper_w=column([100.0]),
    )


def _dispatch(award: AwardRecord, second: int, *, price: float) -> DispatchRecord:
    return DispatchRecord(
        obligation_id=award.obligation.obligation_id,
        zone=ZONE,
        service=award.obligation.service,
        signal_id=SignalId(second),
        epoch=1,
        sent_at=utc_from_seconds(second),
        multiplier=float(price),
        command_w=0.0,
        correction_w=0.0,
        held_w=0.0,
        shortfall_w=0.0,
        following=1,
        held=0,
    )
