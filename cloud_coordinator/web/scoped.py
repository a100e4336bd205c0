"""The use cases narrowed to a scope: what lies outside is not there, and cannot be changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cloud_coordinator.access.scope import Allowed
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.alerting import Alerting
from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.commands import Taken
from cloud_coordinator.services.emergency import Emergency, EmergencyView
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.explaining import Explanation
from cloud_coordinator.services.learning_ports import SiteCharacteristics
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
from cloud_coordinator.web.ports import (
    AwardDesk,
    CommandDesk,
    HandDesk,
    LiveSource,
    MemoryReader,
    OverrideDesk,
    PlanDesk,
    Reading,
    Services,
)
from protocols.vocabulary.errors import AccessDeniedError
from protocols.vocabulary.identifiers import ObligationId, ResourceId, SiteId

_EVENTS_DEPTH: int = 10_000


def scoped(services: Services, allowed: Allowed) -> Services:
    """Narrow the use cases to what was allowed; the same ones where the scope has no limits."""
    return services if allowed.scope.whole else _Scoped(services, allowed)


@dataclass(frozen=True, slots=True)
class _Scoped:
    """Use cases within a scope; each part checks for itself."""

    services: Services
    allowed: Allowed

    @property
    def queries(self) -> Reading:
        return _Reading(self.services, self.allowed)

    @property
    def awarding(self) -> AwardDesk:
        return _Desk(self.services, self.allowed)

    @property
    def dispatching(self) -> CommandDesk:
        return _Desk(self.services, self.allowed)

    @property
    def optimizing(self) -> PlanDesk:
        raise AccessDeniedError("plans speak of the whole fleet, your scope is narrower")

    @property
    def live(self) -> LiveSource:
        raise AccessDeniedError("the live view shows the whole fleet, your scope is narrower")

    @property
    def memory(self) -> MemoryReader:
        return _Memory(self.services, self.allowed)

    @property
    def alerting(self) -> Alerting:
        raise AccessDeniedError("alerts speak of the whole fleet, your scope is narrower")

    @property
    def emergency(self) -> Emergency:
        raise AccessDeniedError("a stop concerns the whole fleet, your scope is narrower")

    @property
    def hands(self) -> HandDesk:
        return _Hands(self.services, self.allowed)

    @property
    def overrides(self) -> OverrideDesk:
        return _Hands(self.services, self.allowed)

    def situation(self) -> Situation:
        raise AccessDeniedError("the situation is the whole fleet's, your scope is narrower")

    def now(self) -> Moment:
        return self.services.now()


@dataclass(frozen=True, slots=True)
class _Hands:
    services: Services
    allowed: Allowed

    def stop_site(self, site_id: SiteId, *, by: str, reason: str) -> EmergencyView:
        self._check(site_id)
        return self.services.hands.stop_site(site_id, by=by, reason=reason)

    def release_site(self, site_id: SiteId, *, by: str) -> EmergencyView:
        self._check(site_id)
        return self.services.hands.release_site(site_id, by=by)

    def override(
        self,
        resource_id: ResourceId,
        *,
        power_w: float | None,
        minutes: float,
        by: str,
        now: Moment,
    ) -> None:
        self._check(SiteId(resource_id.split("/", 1)[0]))
        self.services.overrides.override(
            resource_id, power_w=power_w, minutes=minutes, by=by, now=now
        )

    def _check(self, site_id: SiteId) -> None:
        found = self.services.queries.site(site_id, self.services.now())
        if not self.allowed.scope.admits_site(found.record.site_id, found.record.zone):
            raise UnknownError(f"site {site_id!r}: there is none within your scope")


@dataclass(frozen=True, slots=True)
class _Reading:
    services: Services
    allowed: Allowed

    def sites(self, now: Moment) -> Sequence[SiteView]:
        return [one for one in self.services.queries.sites(now) if self._admits(one)]

    def site(self, site_id: SiteId, now: Moment) -> SiteView:
        found = self.services.queries.site(site_id, now)
        if not self._admits(found):
            raise UnknownError(f"site {site_id!r}: there is none within your scope")
        return found

    def awards(self) -> Sequence[AwardRecord]:
        scope = self.allowed.scope
        return [one for one in self.services.queries.awards() if scope.admits_area(one.zone)]

    def award(self, obligation_id: ObligationId) -> AwardRecord:
        found = self.services.queries.award(obligation_id)
        if not self.allowed.scope.admits_area(found.zone):
            raise UnknownError(f"obligation {obligation_id!r}: there is none within your scope")
        return found

    def delivery(self, obligation_id: ObligationId) -> DeliveryView:
        self.award(obligation_id)
        return self.services.queries.delivery(obligation_id)

    def statement(self, obligation_id: ObligationId) -> Statement:
        self.award(obligation_id)
        return self.services.queries.statement(obligation_id)

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord:
        self.award(obligation_id)
        return self.services.queries.certificate(obligation_id, way)

    def explanation(
        self, site_id: SiteId, at: datetime, obligation_id: ObligationId | None = None
    ) -> Explanation:
        self.site(site_id, self.services.now())
        return self.services.queries.explanation(site_id, at, obligation_id)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        within = self._within()
        found = self.services.queries.events(replace(query, limit=_EVENTS_DEPTH))
        return [one for one in found if one.site_id in within][: query.limit]

    def accounting(self) -> Sequence[StreamAccount]:
        within = self._within()
        return [one for one in self.services.queries.accounting() if one.site_id in within]

    def _within(self) -> frozenset[SiteId]:
        return frozenset(one.record.site_id for one in self.sites(self.services.now()))

    def _admits(self, view: SiteView) -> bool:
        return self.allowed.scope.admits_site(view.record.site_id, view.record.zone)


@dataclass(frozen=True, slots=True)
class _Desk:
    services: Services
    allowed: Allowed

    def place(self, request: AwardRequest, now: Moment) -> AwardRecord:
        self.allowed.for_area(request.zone)
        return self.services.awarding.place(request, now)

    def accept_command(
        self, obligation_id: ObligationId, *, issued_at: datetime, power_w: float, now: Moment
    ) -> tuple[TsoCommand, Taken]:
        self.allowed.for_area(self.services.queries.award(obligation_id).zone)
        return self.services.dispatching.accept_command(
            obligation_id, issued_at=issued_at, power_w=power_w, now=now
        )


@dataclass(frozen=True, slots=True)
class _Memory:
    services: Services
    allowed: Allowed

    def learned(self, site_id: SiteId | None = None) -> SiteCharacteristics:
        if site_id is None:
            raise AccessDeniedError("site_id: name a site, your scope is narrower than the fleet")
        _Reading(self.services, self.allowed).site(site_id, self.services.now())
        return self.services.memory.learned(site_id)
