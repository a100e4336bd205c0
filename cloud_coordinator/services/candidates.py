"""Candidates: the sites that can take part in an award, and how much each could keep.

By its offer, the product's response time and duration, what the site was found to deliver, what
it owes of other products at that time, the part of its headroom that other waiting awards need,
and for primary reserve its step test. Called by awarding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from cloud_coordinator.allocation.capacity import Bound, CapacityOffer, bounds
from cloud_coordinator.market.areas import Area, load_areas
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.market.rules import RuleBook
from cloud_coordinator.services.assurance import Answers
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.dividing import Room, Wanted, divided
from cloud_coordinator.services.eligibility import Eligibility, Qualified, law_of
from cloud_coordinator.services.fitting import fitted, within
from cloud_coordinator.services.ports import EventStore, OfferStore, SiteStore
from cloud_coordinator.services.products import MANNERS, REFUSED, at_once, follows_frequency
from cloud_coordinator.services.records import AwardRecord
from protocols.link.messages import Offer
from protocols.vocabulary.calendar import market_day
from protocols.vocabulary.commitment import Commitment, Droop
from protocols.vocabulary.identifiers import SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import ObligationState, Service

DIVIDED_MOST: Final = 8
"""Products that share headroom in one allocation."""
_STEP_TEST: Final = "step test"
_OTHER_PRODUCTS: Final = "other products"


class CandidateStores(Protocol):
    """What is known of sites."""

    @property
    def offers(self) -> OfferStore:
        """Their offers."""

    @property
    def sites(self) -> SiteStore:
        """The registry."""

    @property
    def events(self) -> EventStore:
        """What they told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Who can take part; one row per site in ``bounds``, sorted by site.

    Attributes
    ----------
    offers : tuple of Offer
        As they may be committed.
    bounds : tuple of CapacityOffer
        What each could keep.
    tested : mapping of SiteId to Qualified
        For primary reserve.
    """

    offers: tuple[Offer, ...]
    bounds: tuple[CapacityOffer, ...]
    tested: dict[SiteId, Qualified] = field(default_factory=dict)


class Candidates:
    """Finds them.

    Parameters
    ----------
    book : AwardBook
        What is owed and what waits.
    rules : RuleBook
        Product rules.
    stores : CandidateStores
        Offers, registry and events.
    answers : Answers
        How sites were found to answer their calls.
    """

    def __init__(
        self, book: AwardBook, *, rules: RuleBook, stores: CandidateStores, answers: Answers
    ) -> None:
        self._book = book
        self._rules = rules
        self._stores = stores
        self._answers = answers
        self._eligibility = Eligibility(stores.events)
        self._areas = load_areas()

    def refusal(self, service: Service, zone: ZoneId) -> str:
        """Say why a product is not carried out in a zone; empty if it is."""
        if service not in MANNERS:
            return REFUSED[service]
        if not follows_frequency(service):
            return ""
        if zone not in self._areas:
            return (
                f"{service.value} needs the frequency of an area, and zone {zone!r} is none of "
                f"{', '.join(self._areas)}"
            )
        sites = [site for site in self._stores.sites.sites() if site.zone == zone]
        if not self._eligibility.of(service, sites):
            return (
                f"{service.value} needs a site that measures the frequency and told of a passed "
                f"step test (edge-agent primary test --save): zone {zone!r} has none"
            )
        return ""

    def able(self, service: Service, live: Sequence[SiteId]) -> Sequence[SiteId]:
        """Those of some sites that may be asked for a product."""
        if not follows_frequency(service):
            return live
        sites = {site.site_id: site for site in self._stores.sites.sites()}
        shown = self._eligibility.of(service, [sites[name] for name in live if name in sites])
        return [name for name in live if name in shown]

    def covering(self, award: AwardRecord, live: Sequence[SiteId]) -> list[Offer]:
        """Return the offers of sites that hold for all of an award."""
        interval = award.obligation.interval
        found = self._stores.offers.offers(
            live, service=award.obligation.service, interval=interval
        )
        return [
            offer
            for offer in found
            if _covers(offer.curve.interval, interval)
            and _covers(offer.envelope.interval, interval)
            and _covers(offer.baseline.interval, interval)
        ]

    def of(self, award: AwardRecord, offers: Sequence[Offer]) -> Found:
        """Bound each offer by all that is known of its site, beside the other awards."""
        found = self._alone(award, offers)
        rivals = self._rivals(award)
        if not rivals:
            return found
        wanted = [self._wanted(award, found)]
        for rival in rivals[: DIVIDED_MOST - 1]:
            theirs = self._alone(rival, self.covering(rival, [o.curve.site_id for o in offers]))
            wanted.append(self._wanted(rival, theirs))
        parts_w = divided(wanted)[0]
        limited = {one.site_id: _limited(one, parts_w[one.site_id]) for one in found.bounds}
        return replace(
            found,
            bounds=tuple(limited.values()),
            offers=tuple(
                within(
                    offer,
                    low_w=-limited[offer.curve.site_id].down.power_w,
                    high_w=limited[offer.curve.site_id].up.power_w,
                )
                for offer in found.offers
            ),
        )

    def laws(
        self, award: AwardRecord, tested: dict[SiteId, Qualified]
    ) -> "dict[SiteId, Law] | None":
        """By which law each site follows the frequency; None for a product of commands."""
        if not follows_frequency(award.obligation.service):
            return None
        area, delay_s = self._areas[award.zone], float(self._rule(award).lag.newer_s)
        return {name: Law(area=area, shown=one, delay_s=delay_s) for name, one in tested.items()}

    def _rule(self, award: AwardRecord) -> ProductRule:
        obligation = award.obligation
        day = market_day(obligation.interval.start)
        return self._rules.rule(award.terms.rule_set_id, obligation.service, day)

    def _alone(self, award: AwardRecord, offers: Sequence[Offer]) -> Found:
        """Bound each offer as if no other award waited."""
        interval, rule = award.obligation.interval, self._rule(award)
        tested = self._tested(award, offers)
        ordered = sorted(offers, key=lambda offer: offer.curve.site_id)
        if tested is not None:
            ordered = [one for one in ordered if one.curve.site_id in tested]
        names = [one.curve.site_id for one in ordered]
        gain, delay_s = self._answers.answers(names)
        fits, found = [], []
        for row, offer in enumerate(ordered):
            name = names[row]
            fit = fitted(offer, interval, self._held(award, name))
            up, down = (
                replace(bound, power_w=float(gain[row]) * bound.power_w)
                for bound in bounds(
                    fit.curve,
                    fit.envelope,
                    interval,
                    response_s=max(rule.response_s - float(delay_s[row]), 0.0),
                )
            )
            if tested is not None:
                up, down = (_least(one, tested[name].available_w, _STEP_TEST) for one in (up, down))
            fits.append(fit)
            found.append(CapacityOffer(site_id=name, curve=fit.curve, up=up, down=down))
        return Found(offers=tuple(fits), bounds=tuple(found), tested=tested or {})

    def _tested(
        self, award: AwardRecord, offers: Sequence[Offer]
    ) -> dict[SiteId, Qualified] | None:
        if not follows_frequency(award.obligation.service):
            return None
        asked = {offer.curve.site_id for offer in offers}
        sites = [site for site in self._stores.sites.sites() if site.site_id in asked]
        return self._eligibility.of(award.obligation.service, sites)

    def _held(self, award: AwardRecord, site_id: SiteId) -> list[Commitment]:
        """List what a site owes of other awards in that time."""
        interval = award.obligation.interval
        own = award.obligation.obligation_id
        return [
            one
            for one in self._book.commitments_of(site_id)
            if one.obligation.parent_id != own and one.obligation.interval.overlaps(interval)
        ]

    def _rivals(self, award: AwardRecord) -> list[AwardRecord]:
        """Awards of other products that wait for the same time."""
        mine = award.obligation
        return [
            one
            for one in self._book.open_in(award.zone)
            if one.obligation.state is ObligationState.PROPOSED
            and one.obligation.obligation_id != mine.obligation_id
            and at_once(one.obligation.service, mine.service)
            and one.obligation.interval.overlaps(mine.interval)
        ]

    def _wanted(self, award: AwardRecord, found: Found) -> Wanted:
        interval, rule = award.obligation.interval, self._rule(award)
        long_s = interval.duration_s
        if follows_frequency(award.obligation.service):
            long_s = min(long_s, float(rule.duration_s or rule.block_minutes * 60))
        rooms = {}
        for offer, bound in zip(found.offers, found.bounds, strict=True):
            envelope = offer.envelope
            rooms[bound.site_id] = Room(
                curve=offer.curve,
                power_w=bound.up.power_w,
                headroom_w=max(float(envelope.power_w_max.min()), 0.0),
                energy_wh=max(float(envelope.energy_wh_max[-1]), 0.0),
            )
        return Wanted(
            name=award.obligation.obligation_id,
            award_w=award.award_w,
            price=float(award.terms.price_jpy_per_kw_30min),
            duration_s=long_s,
            rooms=rooms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What a site's droop is made of, once its part is known."""

    area: Area
    shown: Qualified
    delay_s: float

    def droop(self, child_w: float) -> Droop:
        """Return the law for a part of the award, W > 0."""
        return law_of(self.area, self.shown, child_w=child_w, delay_s=self.delay_s)


def _limited(one: CapacityOffer, part_w: float) -> CapacityOffer:
    """Bound a site by its part; downward by as much of what it could as upward."""
    ratio = min(part_w / one.up.power_w, 1.0) if one.up.power_w > 0.0 else 0.0
    return replace(
        one,
        up=_least(one.up, part_w, _OTHER_PRODUCTS),
        down=_least(one.down, ratio * one.down.power_w, _OTHER_PRODUCTS),
    )


def _least(bound: Bound, power_w: float, name: str) -> Bound:
    return bound if bound.power_w <= power_w else Bound(power_w=max(power_w, 0.0), limited_by=name)


def _covers(outer: Interval, inner: Interval) -> bool:
    return outer.start <= inner.start and outer.end >= inner.end
