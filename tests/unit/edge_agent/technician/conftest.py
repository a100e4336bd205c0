"""A site on paper whose agent really decided and journaled: what the technician reads."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.control.decide import decide
from edge_agent.control.inputs import Binding, ControlState, CycleInputs, HeldSignal
from edge_agent.control.plain import digest_of, pack_frame
from edge_agent.cycle.framing import binding_of, frame_of
from edge_agent.cycle.record import (
    Answer,
    Happened,
    cycle_drafts,
    event_drafts,
    frame_draft,
    outcome_drafts,
)
from edge_agent.drivers.port import WriteOutcome, WriteState
from edge_agent.image.image import LatestValues, freeze
from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft
from edge_agent.points.table import point_id, points_of
from protocols.link.messages import Layout
from protocols.vocabulary.identifiers import SignalId, ZoneId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.measurement import Measurement, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import DispatchSignal
from protocols.vocabulary.resource import Capability, Resource

T0 = datetime(2026, 7, 22, 5, 3, 0, tzinfo=UTC)
"""14:03:00 JST."""
CONFIG = """
site_id = "site-001"
zone = "tokyo"
data_dir = "data"
[link]
brokers = ["mqtt://127.0.0.1:1883"]
[limits]
contract_import_w = 10000
export_limit_w = 5000
[tariff]
import_jpy_per_kwh = 30.0
export_jpy_per_kwh = 8.0
[location]
latitude = 35.6
longitude = 139.7
[echonet]
address = "127.1.250.1"
port = 43610
[[devices]]
id = "meter"
kind = "meter"
protocol = "echonet-lite"
address = "127.1.250.10"
eoj = "028801"
[[devices]]
id = "battery-1"
kind = "battery"
protocol = "echonet-lite"
address = "127.1.250.11"
eoj = "027D01"
"""


@dataclass
class FakeClock:
    """Moved by the test."""

    wall: datetime = T0

    def now(self) -> datetime:
        return self.wall

    def monotonic_ns(self) -> int:
        return round((self.wall - T0).total_seconds() * 1e9) + 10**12


@dataclass
class PaperSite:
    """Runs cycles into a real journal without sockets or waiting."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    cycle: int = 0
    state: ControlState = field(default_factory=ControlState)
    config: SiteConfig = field(init=False)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Write the configuration and begin."""
        path = self.folder / "site.toml"
        path.write_text(CONFIG, encoding="utf-8")
        self.config = load_config(path)
        self.latest = LatestValues(self.clock)
        self.specs = points_of(self.config)
        self.start()

    @property
    def config_path(self) -> Path:
        return self.folder / "site.toml"

    def start(self) -> None:
        """Open the journal, as a new life of the agent does."""
        self.journal = Journal.open(self.config.journal_path, self.config.site_id, self.clock)
        self.framed = False
        told = Happened(kind="agent.started", payload={"new_journal": False})
        self.pending = [told]

    def binding(self) -> Binding:
        device = self.config.devices[1]
        return binding_of(
            device,
            Resource(
                resource_id=self.config.resource_id(device.device_id),
                site_id=self.config.site_id,
                kind=device.kind,
                power_w_min=-5000.0,
                power_w_max=5000.0,
                ramp_w_per_s=5000.0,
                energy_wh_capacity=10_000.0,
                capabilities=frozenset(
                    {Capability.READS_POWER, Capability.TAKES_SETPOINT, Capability.HAS_SOC}
                ),
            ),
        )

    def see(self, device: str, quantity: str, value: float) -> None:
        """Let a device say a value now."""
        now = self.clock.now()
        self.latest.update(
            point_id(device, quantity),
            Measurement(value=value, quality=Quality.GOOD, measured_at=now, received_at=now),
        )

    def second(
        self,
        *,
        meter_w: float | None = -1200.0,
        mode: Mode = Mode.NORMAL,
        tell: tuple[Happened, ...] = (),
        outcomes: tuple[WriteOutcome, ...] = (),
        tamper: Callable[[Draft], Draft] = lambda draft: draft,
    ) -> None:
        """Run one cycle and move the clock to the next second."""
        self.cycle += 1
        if meter_w is not None:
            self.see("meter", "power_w", meter_w)
        self.see("battery-1", "power_w", 0.0)
        self.see("battery-1", "soc", 0.5)
        frame = frame_of(
            self.config, (self.binding(),), specs=self.specs, commitments=(), stop=False
        )
        now = self.clock.now()
        inputs = CycleInputs(
            cycle=self.cycle,
            slot_s=int(now.timestamp()),
            now=now,
            image=freeze(
                self.latest,
                self.specs,
                cycle=self.cycle,
                taken_at=now,
                monotonic_ns=self.clock.monotonic_ns(),
            ),
            frame=frame,
            frame_id=digest_of(pack_frame(frame)),
            signal=HeldSignal(
                signal=DispatchSignal(
                    zone=ZoneId("tokyo"),
                    signal_id=SignalId(77),
                    epoch=1,
                    interval=Interval(start=T0, end=T0 + timedelta(seconds=30)),
                    multipliers={Service.SECONDARY_1: 12.5},
                ),
                received_at=T0,
            ),
            mode=mode,
        )
        decision, after = decide(inputs, self.state)
        answer = Answer(
            inputs=inputs,
            before=self.state,
            after=after,
            decision=decision,
            steps_ms={"cycle": self.cycle - 1.0, "read": 300.0, "decide": 1.0, "journal": 2.0},
        )
        drafts = [] if self.framed else [frame_draft(frame, self.cycle)]
        drafts += outcome_drafts(outcomes, self.cycle)
        layout = Layout(version=1, resources=(self.binding().resource,))
        drafts += [tamper(draft) for draft in cycle_drafts(answer, layout)]
        drafts += event_drafts([*self.pending, *tell], (), self.cycle)
        self.journal.append(drafts)
        self.framed, self.pending, self.state = True, [], after
        self.clock.wall = utc_from_seconds(inputs.slot_s + 1)

    def outcome(self, sequence: int) -> WriteOutcome:
        return WriteOutcome(
            resource_id=self.binding().resource.resource_id,
            sequence=sequence,
            state=WriteState.DONE,
            read_back_w=-1500.0,
            detail="EB",
            finished_at=self.clock.now(),
        )


@pytest.fixture
def site(tmp_path: Path) -> PaperSite:
    """Make a site that has not run a cycle yet."""
    return PaperSite(tmp_path)
