"""Queries: what people and programs may ask of the record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.market.punctuality import filed_until
from cloud_coordinator.market.rules import RuleBook
from cloud_coordinator.services.attributing import Attributing, beside, bound_of
from cloud_coordinator.services.baselines import CommittedBaselines
from cloud_coordinator.services.dispatching import Books
from cloud_coordinator.services.errors import UnknownError
from cloud_coordinator.services.explaining import Explanation, QueryStores, binding, explain
from cloud_coordinator.services.holidays import calendar_around
from cloud_coordinator.services.live import LiveSite, live_sites
from cloud_coordinator.services.records import (
    AwardRecord,
    CertificateRecord,
    EventQuery,
    EventRecord,
    SiteRecord,
    StreamAccount,
    Way,
)
from cloud_coordinator.settlement.assessing import Ruling
from cloud_coordinator.settlement.records import (
    AwardTermsOf,
    Circumstances,
    DeliveredRows,
    DeliverySeries,
    Promise,
    Statement,
)
from cloud_coordinator.settlement.settle import delivery_series, settle
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import Slot, market_day, slots_of
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import ObligationId, ResourceId, SiteId
from protocols.vocabulary.obligation import ObligationState
from protocols.vocabulary.resource import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceView:
    """A resource, and its latest values: telemetry column to number, None where unknown."""

    resource: Resource
    values: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """A site: the registry's record, what was last heard, and its resources."""

    record: SiteRecord
    live: LiveSite
    resources: tuple[ResourceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """Promised against delivered from the store.

    Attributes
    ----------
    award : AwardRecord
        The award.
    series : DeliverySeries
        Per second, all sites.
    rows : DeliveredRows
        Per site and second; ``site_index`` points into ``sites``.
    share_w : FloatArray
        Shape of ``rows``: the share each site says it owed, W; NaN where it says none.
    sites : tuple of SiteId
        Bound sites.
    """

    award: AwardRecord
    series: DeliverySeries
    rows: DeliveredRows
    share_w: FloatArray
    sites: tuple[SiteId, ...]


class Queries:
    """Read-only use cases.

    Parameters
    ----------
    books : Books
        Awards and commands.
    fleet : Fleet
        The live table.
    rules : RuleBook
        For statements.
    stores : QueryStores
        The record.
    """

    def __init__(self, books: Books, fleet: Fleet, *, rules: RuleBook, stores: QueryStores) -> None:
        self._books = books
        self._fleet = fleet
        self._rules = rules
        self._stores = stores
        self._attributing = Attributing(books.commands, stores.events)

    def sites(self, now: Moment) -> Sequence[SiteView]:
        """All sites, by id."""
        live = {site.site_id: site for site in live_sites(self._fleet.snapshot(now))}
        return [
            SiteView(
                record=record,
                live=live[record.site_id],
                resources=self._resources(record.site_id),
            )
            for record in self._stores.sites.sites()
            if record.site_id in live
        ]

    def site(self, site_id: SiteId, now: Moment) -> SiteView:
        """Return one site.

        Raises
        ------
        UnknownError
            If there is no such site.
        """
        for view in self.sites(now):
            if view.record.site_id == site_id:
                return view
        raise UnknownError(f"site {site_id!r} is not known")

    def awards(self) -> Sequence[AwardRecord]:
        """All awards by start."""
        return self._books.awards.all()

    def award(self, obligation_id: ObligationId) -> AwardRecord:
        """Return one award.

        Raises
        ------
        UnknownError
            If there is no such award.
        """
        return self._books.awards.get(obligation_id)

    def certificate(self, obligation_id: ObligationId, way: Way) -> CertificateRecord:
        """Return the certificate of an award, as it was made with its allocation.

        Raises
        ------
        UnknownError
            If there is no such award, or it has no certificate (yet).
        """
        award = self._books.awards.get(obligation_id)
        found = self._stores.certificates.certificate(award.obligation.obligation_id, way)
        if found is None:
            raise UnknownError(f"obligation {obligation_id!r} has no certificate {way.value}")
        return found

    def explanation(
        self, site_id: SiteId, at: datetime, obligation_id: ObligationId | None = None
    ) -> Explanation:
        """Recompute the share of a site in one second from what is stored.

        Raises
        ------
        UnknownError
            If no award bound the site then.
        """
        whole = at.replace(microsecond=0)
        award = binding(self._books.awards.all(), site_id, at=whole, obligation_id=obligation_id)
        others = beside(award, self._books.awards.all())
        return explain(
            award, self._books.commands, self._stores, site_id=site_id, at=whole, others=others
        )

    def delivery(self, obligation_id: ObligationId) -> DeliveryView:
        """Return promised against delivered power of an award, from the store."""
        award = self._books.awards.get(obligation_id)
        bound, terms = bound_of(award), self._terms(award)
        stored = self._stores.history.site_seconds(terms.sites, award.obligation.interval)
        place = {site: row for row, site in enumerate(terms.sites)}
        to_row = np.array([place[site] for site in stored.sites], dtype=np.int64)
        index = to_row[stored.site_index] if len(to_row) else stored.site_index
        delivered_w = stored.meter_w - CommittedBaselines(bound).at(index, stored.second)
        share_w = stored.share_w
        for other in self._attributing.others(award, self._books.awards.all()):
            theirs_w = other.of(terms.sites, index, stored.second)
            delivered_w = delivered_w - theirs_w
            share_w = share_w - theirs_w if other.by_command else share_w
        if terms.primary is not None:
            share_w = self._attributing.owed(award).of(terms.sites, index, stored.second)
        rows = DeliveredRows(site_index=index, second=stored.second, delivered_w=delivered_w)
        return DeliveryView(
            award=award,
            series=delivery_series(terms, self._promise(award), rows),
            rows=rows,
            share_w=share_w,
            sites=terms.sites,
        )

    def statement(self, obligation_id: ObligationId) -> Statement:
        """Settle an award by the rules the market settles by on its day."""
        view = self.delivery(obligation_id)
        award = view.award
        day = market_day(award.obligation.interval.start)
        rule = self._rules.settling(award.obligation.service, day)
        ruling = Ruling(rule=rule, members=self._rules.members_of(rule, day))
        excluded = self._books.commands.beyond_award(obligation_id)
        terms = replace(self._terms(award), circumstances=Circumstances(excluded=excluded))
        return settle(terms, self._promise(award), view.rows, ruling=ruling)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        """Events, newest first."""
        return self._stores.events.events(query)

    def accounting(self) -> Sequence[StreamAccount]:
        """Return what the store holds of each telemetry journal."""
        return self._stores.history.accounts()

    def _terms(self, award: AwardRecord) -> AwardTermsOf:
        obligation, bound = award.obligation, bound_of(award)
        others = beside(award, self._books.awards.all())
        return AwardTermsOf(
            obligation_id=obligation.obligation_id,
            zone=award.zone,
            service=obligation.service,
            interval=obligation.interval,
            award_w=award.award_w,
            tolerance_w=obligation.tolerance_w,
            price_jpy_per_kw_30min=award.terms.price_jpy_per_kw_30min,
            sites=tuple(SiteId(c.obligation.target) for c in bound),
            child_w=tuple(float(c.obligation.power_w.max()) for c in bound),
            available_w=tuple(
                _available_w(bound, slot, others) for slot in slots_of(obligation.interval)
            ),
            final_at=filed_until(
                obligation.interval.end, calendar_around(market_day(obligation.interval.end))
            ),
            primary=self._attributing.primary(award),
        )

    def _promise(self, award: AwardRecord) -> Promise:
        return Promise(steps=tuple(self._books.commands.steps(award.obligation.obligation_id)))

    def _resources(self, site_id: SiteId) -> tuple[ResourceView, ...]:
        layout, latest = self._fleet.layout_of(site_id), self._fleet.resources_of(site_id)
        found: tuple[Resource, ...] = () if layout is None else layout.resources
        return tuple(
            ResourceView(resource=resource, values=_known(latest, resource.resource_id))
            for resource in found
        )


def _known(
    latest: dict[ResourceId, dict[str, float]], resource_id: ResourceId
) -> dict[str, float | None]:
    return {
        name: value if np.isfinite(value) else None for name, value in latest[resource_id].items()
    }


def _available_w(bound: Sequence[Commitment], slot: Slot, others: Sequence[AwardRecord]) -> float:
    """Add up what the sites that accepted can deliver all through a slot, W above baseline.

    What a site owes of other awards in the slot is no spare of this one.
    """
    elsewhere: dict[str, float] = {}
    for other in others:
        if other.obligation.interval.overlaps(slot.interval):
            for one in bound_of(other):
                name, child_w = one.obligation.target, float(one.obligation.power_w.max())
                elsewhere[name] = elsewhere.get(name, 0.0) + child_w
    total_w = 0.0
    for commitment in bound:
        envelope, child = commitment.envelope, commitment.obligation
        if child.state in {ObligationState.PROPOSED, ObligationState.CANCELLED}:
            continue
        start = max(slot.interval.start, envelope.interval.start)
        end = min(slot.interval.end, envelope.interval.end)
        if start < end:
            first = (start - envelope.interval.start).total_seconds() // envelope.step_s
            last = (end - envelope.interval.start).total_seconds() / envelope.step_s
            top_w = float(envelope.power_w_max[int(first) : math.ceil(last)].min())
            own_w = min(float(child.power_w.max()), top_w)
            total_w += max(0.0, own_w, top_w - elsewhere.get(child.target, 0.0))
    return total_w
