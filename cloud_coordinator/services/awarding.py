"""Awarding: an award becomes commitments of sites, stored before anything is sent.

An award is taken, then waits for offers that cover it, then is allocated once. A second post
of the same award changes nothing; a different one under the same id is refused.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from cloud_coordinator.allocation.dependable_capacity import (
    Assurance,
    allocate_capacity_dependably,
)
from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.market.rules import STEERING_RULE_SET, RuleBook
from cloud_coordinator.services.assurance import AssurancePolicy
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.candidates import Candidates, Found, Law
from cloud_coordinator.services.committing import by_droop, certificates, committed
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.fitting import on_minutes
from cloud_coordinator.services.ports import (
    CertificateStore,
    Downlink,
    EventStore,
    OfferStore,
    SiteStore,
)
from cloud_coordinator.services.products import MANNERS, at_once
from cloud_coordinator.services.records import (
    AwardRecord,
    AwardTerms,
    CertificateRecord,
    OfferRequest,
)
from protocols.vocabulary.arrays import column
from protocols.vocabulary.calendar import market_day
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ObligationId, SiteId, ZoneId, checked_name
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import (
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)

START_TOLERANCE_S: Final = 5.0
"""An award may have begun this long ago when it is posted: the way of the request."""
LONGEST_AWARD_S: Final = 86_400.0
OFFER_WAIT_S: Final = 30.0
"""How long an award waits for sites that are heard but have not offered."""
COMMIT_LEAD_S: Final = 9.0
"""It waits no longer than to this long before its start, so that commitments arrive in time;
sharing it among thousands of sites takes seconds, beside what else goes on."""
ASK_AGAIN_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRequest:
    """An award as it is posted.

    Attributes
    ----------
    obligation_id : ObligationId
        Made by the originator; the idempotency key.
    service, zone, interval
        What, where, when; whole seconds.
    power_w, tolerance_w : float
        Awarded capacity and half width of its band, W.
    price_jpy_per_kw_30min : Decimal
        Capacity price.
    """

    obligation_id: ObligationId
    service: Service
    zone: ZoneId
    interval: Interval
    power_w: float
    tolerance_w: float
    price_jpy_per_kw_30min: Decimal


@dataclass(slots=True, kw_only=True)
class _Asked:
    """When the sites of a pending award were asked, and which."""

    first_at_s: float
    last_at_s: float
    sites: frozenset[SiteId]


Shared = tuple[AwardRecord, tuple[CertificateRecord, ...]]
"""An award with its commitments, and what certifies them."""


class Apart(Protocol):
    """Where what takes seconds is computed, so that links and signals go on meanwhile."""

    def submit(self, work: Callable[[], Shared], /) -> Future[Shared]:
        """Begin the work; the answer comes later."""


class AtOnce:
    """Computes where it is asked: for few sites."""

    def submit(self, work: Callable[[], Shared], /) -> Future[Shared]:
        """Do the work now."""
        done: Future[Shared] = Future()
        done.set_result(work())
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardingPorts:
    """What awarding needs of the outside."""

    offers: OfferStore
    sites: SiteStore
    events: EventStore
    certificates: CertificateStore
    downlink: Downlink
    apart: Apart
    allowed: Callable[[SiteId], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """An award to be shared, with all that its answer depends on."""

    award: AwardRecord
    found: Found
    laws: dict[SiteId, Law] | None
    assurance: Assurance
    at: datetime

    def answered(self) -> Shared:
        """Allocate with the margin that keeps the award, and certify it."""
        award, wanted = self.award, self.assurance.probability
        downward = MANNERS[award.obligation.service].downward
        found = allocate_capacity_dependably(
            self.found.bounds,
            self.assurance,
            up_w=award.award_w,
            down_w=award.award_w if downward else 0.0,
        )
        agreed = committed(award, found, self.found.offers, wanted=wanted)
        return (
            agreed if self.laws is None else by_droop(agreed, self.laws),
            certificates(award, found, wanted=wanted, at=self.at),
        )


class Awarding:
    """The use case of taking and allocating awards.

    Parameters
    ----------
    book : AwardBook
        The awards.
    fleet : Fleet
        Who is there.
    rules : RuleBook
        Product rules.
    ports : AwardingPorts
        Offers, registry, certificates, the way down and where awards are shared.
    policy : AssurancePolicy
        How sure awards are to be.
    """

    def __init__(
        self,
        book: AwardBook,
        fleet: Fleet,
        *,
        rules: RuleBook,
        ports: AwardingPorts,
        policy: AssurancePolicy,
    ) -> None:
        self._policy = policy
        self._candidates = Candidates(book, rules=rules, stores=ports, answers=policy.answers)
        self._book = book
        self._fleet = fleet
        self._rules = rules
        self._ports = ports
        self._asked: dict[ObligationId, _Asked] = {}
        self._sharing: dict[ObligationId, Future[Shared]] = {}
        self._allocated: list[AwardRecord] = []

    def place(self, request: AwardRequest, now: Moment) -> AwardRecord:
        """Take an award; allocate it at once if the offers are there.

        Raises
        ------
        RejectedError
            If a field is wrong; nothing is stored.
        ConflictError
            If the id is taken by a different award, or the zone already has an award then.
        """
        parent = _parent(request)
        known = self._book.find(request.obligation_id)
        if known is not None:
            if not _same(known, parent, request):
                raise ConflictError(
                    f"obligation {request.obligation_id!r} exists with different content"
                )
            return known
        self._check(request, now)
        self._book.put(
            AwardRecord(
                obligation=parent,
                terms=AwardTerms(
                    price_jpy_per_kw_30min=request.price_jpy_per_kw_30min,
                    rule_set_id=STEERING_RULE_SET,
                ),
                received_at=now.at,
            )
        )
        self.progress(now)
        return self._book.get(request.obligation_id)

    def resume(self) -> None:
        """Send again, after a restart, every commitment that no site has answered yet."""
        for award in self._book.all():
            if award.obligation.state in {ObligationState.ACCEPTED, ObligationState.ACTIVE}:
                for commitment in award.commitments:
                    if commitment.obligation.state is ObligationState.PROPOSED:
                        self._ports.downlink.send_commitment(commitment)

    def tick(self, now: Moment) -> Sequence[AwardRecord]:
        """Do :meth:`progress`, and return what was allocated since the last tick."""
        self.progress(now)
        allocated, self._allocated = self._allocated, []
        return allocated

    def progress(self, now: Moment) -> None:
        """Allocate every pending award that can be; ask sites for missing offers."""
        for award in self._book.all():
            if award.obligation.state is ObligationState.PROPOSED:
                done = self._try(award, now)
                if done is not None:
                    self._allocated.append(done)

    def _check(self, request: AwardRequest, now: Moment) -> None:
        start = request.interval.start
        if start < now.at - timedelta(seconds=START_TOLERANCE_S):
            raise RejectedError(f"start: {start.isoformat()} is in the past")
        if request.zone not in set(self._fleet.snapshot(now).zones):
            raise RejectedError(f"zone: {request.zone!r} has no site")
        if refusal := self._candidates.refusal(request.service, request.zone):
            raise RejectedError(f"service: {refusal}")
        try:
            self._rules.rule(STEERING_RULE_SET, request.service, market_day(start))
            self._rules.settling(request.service, market_day(start))
        except ConfigError as error:
            raise RejectedError(f"service: {error}") from error
        for other in self._book.open_in(request.zone):
            if other.obligation.interval.overlaps(request.interval):
                self._check_beside(request, other.obligation)

    def _check_beside(self, request: AwardRequest, other: Obligation) -> None:
        """Refuse what cannot be owed beside another award of the zone."""
        if not at_once(request.service, other.service):
            raise ConflictError(
                f"zone {request.zone!r} already has obligation {other.obligation_id!r} "
                f"({other.service.value}) in that time, {request.service.value} cannot be beside it"
            )
        if not (on_minutes(request.interval) and on_minutes(other.interval)):
            raise RejectedError(
                f"start, end: awards at the same time ({other.obligation_id!r} is one) "
                "begin and end on whole minutes"
            )

    def _try(self, award: AwardRecord, now: Moment) -> AwardRecord | None:
        obligation_id = award.obligation.obligation_id
        if obligation_id not in self._sharing:
            question = self._question(award, now)
            if question is None:
                return None
            self._sharing[obligation_id] = self._ports.apart.submit(question.answered)
        if not self._sharing[obligation_id].done():
            return None
        accepted, certified = self._sharing.pop(obligation_id).result()
        self._ports.certificates.save_certificates(certified)
        self._book.put(accepted)
        self._asked.pop(obligation_id, None)
        for commitment in accepted.commitments:
            self._ports.downlink.send_commitment(commitment)
        return accepted

    def _question(self, award: AwardRecord, now: Moment) -> _Question | None:
        """Ask for missing offers; if the award need not wait for more, put the question."""
        interval = award.obligation.interval
        heard = self._fleet.snapshot(now).live_in(award.zone)
        live = self._candidates.able(
            award.obligation.service, [site for site in heard if self._ports.allowed(site)]
        )
        offers = self._candidates.covering(award, live)
        missing = frozenset(live) - {offer.curve.site_id for offer in offers}
        asked = self._ask(award, missing, now)
        waited = now.wall_s - asked.first_at_s >= OFFER_WAIT_S
        near = now.wall_s >= interval.start.timestamp() - COMMIT_LEAD_S
        if not offers or (missing and not waited and not near):
            return None
        found = self._candidates.of(award, offers)
        reach_w = math.fsum(max(one.up.power_w, 0.0) for one in found.bounds)
        if reach_w < award.award_w and now.at < interval.start:
            return None
        records = {site.site_id: site for site in self._ports.sites.sites()}
        return _Question(
            award=award,
            found=found,
            laws=self._candidates.laws(award, found.tested),
            assurance=self._policy.of([one.site_id for one in found.bounds], records),
            at=now.at,
        )

    def _ask(self, award: AwardRecord, missing: frozenset[SiteId], now: Moment) -> _Asked:
        """Ask sites without an offer, at once and then every few seconds."""
        obligation = award.obligation
        asked = self._asked.setdefault(
            obligation.obligation_id,
            _Asked(first_at_s=now.wall_s, last_at_s=-math.inf, sites=frozenset()),
        )
        again = now.wall_s - asked.last_at_s >= ASK_AGAIN_S
        for site_id in sorted(missing if again else missing - asked.sites):
            self._ports.downlink.request_offer(
                OfferRequest(
                    site_id=site_id, service=obligation.service, interval=obligation.interval
                )
            )
        asked.sites |= missing
        if again:
            asked.last_at_s = now.wall_s
        return asked


def _parent(request: AwardRequest) -> Obligation:
    """Check the request by itself and turn it into the parent obligation."""
    try:
        checked_name(request.obligation_id, "obligation_id")
    except ConfigError as error:
        raise RejectedError(str(error)) from error
    interval = request.interval
    if interval.start.microsecond or interval.end.microsecond:
        raise RejectedError("start, end: must be whole seconds")
    if interval.duration_s > LONGEST_AWARD_S:
        raise RejectedError(f"end: an award lasts at most {LONGEST_AWARD_S:.0f} s")
    if not (math.isfinite(request.power_w) and request.power_w > 0.0):
        raise RejectedError("power_w: must be a positive number of W")
    if not (math.isfinite(request.tolerance_w) and request.tolerance_w >= 0.0):
        raise RejectedError("tolerance_w: must be a number of W, not negative")
    price = request.price_jpy_per_kw_30min
    if not price.is_finite() or price < 0:
        raise RejectedError("price_jpy_per_kw_30min: must be a number, not negative")
    return Obligation(
        obligation_id=request.obligation_id,
        parent_id=None,
        target=request.zone,
        service=request.service,
        interval=interval,
        step_s=interval.duration_s,
        power_w=column([request.power_w]),
        relative_to=RelativeTo.BASELINE,
        tolerance_w=request.tolerance_w,
    )


def _same(known: AwardRecord, parent: Obligation, request: AwardRequest) -> bool:
    obligation = known.obligation
    return (
        obligation.target == parent.target
        and obligation.service is parent.service
        and obligation.interval == parent.interval
        and obligation.power_w.tolist() == parent.power_w.tolist()
        and obligation.tolerance_w == parent.tolerance_w
        and known.terms.price_jpy_per_kw_30min == request.price_jpy_per_kw_30min
    )
