"""What ``web`` needs of the rest: the use cases, and whether the program is well.

The coordinator's services satisfy :class:`Services` as they are; tests pass hand-written fakes.
All calls are synchronous. ``delivery``, ``statement``, ``certificate``, ``explanation``,
``events`` and ``accounting`` read the store and are called from worker threads; everything else
is called on the event loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.alerting import Alerting
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.commands import Taken
from cloud_coordinator.services.emergency import Emergency, EmergencyView
from cloud_coordinator.services.explaining import Explanation
from cloud_coordinator.services.learning_ports import SiteCharacteristics
from cloud_coordinator.services.live import LiveView
from cloud_coordinator.services.optimizing import PlanTask
from cloud_coordinator.services.plans import PlanAnswer, PlanRequest
from cloud_coordinator.services.queries import DeliveryView, SiteView
from cloud_coordinator.services.records import (
    AwardRecord,
    CertificateRecord,
    EventQuery,
    EventRecord,
    StreamAccount,
    TsoCommand,
    Way,
)
from cloud_coordinator.services.situation import Situation
from cloud_coordinator.settlement.records import Statement
from protocols.vocabulary.identifiers import ObligationId, ResourceId, SiteId


class SiteReader(Protocol):
    """The sites and their latest values."""

    def sites(self, now: Moment) -> Sequence[SiteView]:
        """All sites, by id."""

    def site(self, site_id: SiteId, now: Moment) -> SiteView:
        """One site; ``UnknownError`` if there is none."""


class AwardReader(Protocol):
    """The awards."""

    def awards(self) -> Sequence[AwardRecord]:
        """All awards by start."""

    def award(self, obligation_id: ObligationId) -> AwardRecord:
        """One award; ``UnknownError`` if there is none."""


class EvidenceReader(Protocol):
    """What the store says about a delivery."""

    def delivery(self, obligation_id: ObligationId) -> DeliveryView:
        """Promised against delivered; ``UnknownError`` if there is no such award."""

    def statement(self, obligation_id: ObligationId) -> Statement:
        """Settlement of the delivery; ``UnknownError`` if there is no such award."""

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord:
        """Certificate of an award; ``UnknownError`` if there is none."""

    def explanation(
        self, site_id: SiteId, at: datetime, obligation_id: ObligationId | None = None
    ) -> Explanation:
        """Share of a second; ``UnknownError`` if no award bound the site then."""


class RecordReader(Protocol):
    """Events and the accounts of the telemetry."""

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Newest first."""

    def accounting(self) -> Sequence[StreamAccount]:
        """Per site and journal."""


class Reading(SiteReader, AwardReader, EvidenceReader, RecordReader, Protocol):
    """Everything that is only read."""


class AwardDesk(Protocol):
    """Takes awards."""

    def place(self, request: AwardRequest, now: Moment) -> AwardRecord:
        """Take it once; ``RejectedError``, ``ConflictError``."""


class CommandDesk(Protocol):
    """Takes commands."""

    def accept_command(
        self, obligation_id: ObligationId, *, issued_at: datetime, power_w: float, now: Moment
    ) -> tuple[TsoCommand, Taken]:
        """Take it once; ``UnknownError``, ``RejectedError``, ``ConflictError``."""


class PlanDesk(Protocol):
    """Decides plans; ``decide`` is called from a worker thread."""

    def ask(self, request: PlanRequest, now: Moment) -> PlanTask:
        """Look at the fleet; ``UnknownError``, ``RejectedError``, ``StaleError``."""

    def decide(self, task: PlanTask) -> PlanAnswer:
        """Decide; ``RejectedError``, ``AllocationInputError``."""

    def record(self, task: PlanTask, answer: PlanAnswer, *, optimization_id: str) -> None:
        """Write the plan into the record."""


class LiveSource(Protocol):
    """The present."""

    def view(self, now: Moment, *, last_s: int) -> LiveView:
        """Fleet and open awards with their last seconds."""


class MemoryReader(Protocol):
    """What was learned."""

    def learned(self, site_id: SiteId | None = None) -> SiteCharacteristics:
        """Everything that was learned, or of one site; from the store, for worker threads."""


class HandDesk(Protocol):
    """A person's hand on single sites."""

    def stop_site(self, site_id: SiteId, *, by: str, reason: str) -> EmergencyView:
        """Stop it; ``UnknownError``."""

    def release_site(self, site_id: SiteId, *, by: str) -> EmergencyView:
        """End its stop and overrides; ``UnknownError``, ``ConflictError``."""


class OverrideDesk(Protocol):
    """A person's hand on single resources."""

    def override(
        self,
        resource_id: ResourceId,
        *,
        power_w: float | None,
        minutes: float,
        by: str,
        now: Moment,
    ) -> None:
        """Hold a resource, or give it back; ``UnknownError``, ``RejectedError``."""


class Services(Protocol):
    """The use cases; the coordinator of ``services`` is one."""

    @property
    def queries(self) -> Reading:
        """What is read."""

    @property
    def awarding(self) -> AwardDesk:
        """Where awards go."""

    @property
    def dispatching(self) -> CommandDesk:
        """Where commands go."""

    @property
    def optimizing(self) -> PlanDesk:
        """Where plans are asked for."""

    @property
    def live(self) -> LiveSource:
        """What is shown."""

    @property
    def memory(self) -> MemoryReader:
        """What was learned."""

    @property
    def alerting(self) -> Alerting:
        """The watch over the fleet."""

    @property
    def emergency(self) -> Emergency:
        """The people in charge."""

    @property
    def hands(self) -> HandDesk:
        """Stops of single sites."""

    @property
    def overrides(self) -> OverrideDesk:
        """Overrides of single resources."""

    def situation(self) -> Situation:
        """Report the situation."""

    def now(self) -> Moment:
        """Read the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Whether the program's parts are up, at one moment.

    Attributes
    ----------
    broker_up : bool
        Connected to the broker now.
    store_up : bool
        The last use of the store succeeded.
    tick_age_s : float or None
        Since the last completed tick of the coordinator; None before the first.
    """

    broker_up: bool
    store_up: bool
    tick_age_s: float | None


VitalsProbe = Callable[[], Vitals]
"""Asked at every ``/healthz``, on the event loop; must return at once."""
