"""Committing: what was found for an award, written as commitments, record and certificates.

Pure. Called by awarding.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from cloud_coordinator.allocation.certificate import certify, to_data
from cloud_coordinator.allocation.dependable_capacity import Assured, DependableCapacity
from cloud_coordinator.allocation.promise import Promise, SharedOutage
from cloud_coordinator.services.book import child_id
from cloud_coordinator.services.candidates import Law
from cloud_coordinator.services.records import (
    AllocationRecord,
    AssuredRecord,
    AwardRecord,
    CertificateRecord,
    Way,
)
from protocols.link.messages import Offer
from protocols.vocabulary.arrays import IntArray, column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.obligation import HoldRule, ObligationState


def committed(
    award: AwardRecord, found: DependableCapacity, offers: Sequence[Offer], *, wanted: float
) -> AwardRecord:
    """Write one commitment per site; a site may owe 0 W of capacity and stand in for others.

    Parameters
    ----------
    award : AwardRecord
        Not yet allocated.
    found : DependableCapacity
        What the sites are to keep available.
    offers : sequence of Offer
        One of each of its sites.
    wanted : float
        Probability that was wanted.

    Returns
    -------
    AwardRecord
        Accepted. Its children sum to the award and the margin, or the shortfall is stated.
    """
    parent, up = award.obligation, found.allocation.up
    by_site = {offer.curve.site_id: offer for offer in offers}
    sites = found.allocation.sites
    spans = [
        float(by_site[site].curve.power_w[-1] - by_site[site].curve.power_w[0]) for site in sites
    ]
    total = sum(spans)
    commitments = []
    for row, site in enumerate(sites):
        tolerance_w = parent.tolerance_w * spans[row] / total if total > 0.0 else 0.0
        obligation = replace(
            parent,
            obligation_id=child_id(parent.obligation_id, site),
            parent_id=parent.obligation_id,
            target=site,
            power_w=column([up.power_w[row]]),
            tolerance_w=tolerance_w,
        )
        commitments.append(
            Commitment(
                obligation=obligation,
                curve=by_site[site].curve,
                envelope=by_site[site].envelope,
                baseline=by_site[site].baseline,
                hold=HoldRule.HOLD_SHARE,
                band_lower_w=column([-tolerance_w]),
                band_upper_w=column([tolerance_w]),
                rule_set_id=award.terms.rule_set_id,
            )
        )
    return replace(
        award,
        obligation=replace(parent, state=ObligationState.ACCEPTED),
        allocation=_record(found, wanted),
        commitments=tuple(commitments),
    )


def by_droop(award: AwardRecord, laws: Mapping[SiteId, Law]) -> AwardRecord:
    """Let sites follow the frequency instead of a signal.

    Parameters
    ----------
    award : AwardRecord
        Just allocated.
    laws : mapping of SiteId to Law
        Of each of its sites.

    Returns
    -------
    AwardRecord
        Sites without a part of it owe nothing: nobody could call them to stand in.
    """
    return replace(
        award,
        commitments=tuple(
            replace(
                one,
                hold=HoldRule.FOLLOW_DROOP,
                droop=laws[SiteId(one.obligation.target)].droop(
                    float(one.obligation.power_w.max())
                ),
            )
            for one in award.commitments
            if one.obligation.power_w.max() > 0.0
        ),
    )


def certificates(
    award: AwardRecord, found: DependableCapacity, *, wanted: float, at: datetime
) -> tuple[CertificateRecord, ...]:
    """Certify both directions of an award.

    Parameters
    ----------
    award : AwardRecord
        What is owed.
    found : DependableCapacity
        What is kept available for it.
    wanted : float
        Probability that was wanted.
    at : datetime
        Now, aware UTC.
    """
    sites = found.allocation.sites
    return tuple(
        CertificateRecord(
            obligation_id=award.obligation.obligation_id,
            way=way,
            made_at=at,
            body=_body(award, sites, assured, way=way, wanted=wanted),
        )
        for way, assured in ((Way.UP, found.up), (Way.DOWN, found.down))
    )


def _body(
    award: AwardRecord, sites: Sequence[SiteId], assured: Assured, *, way: Way, wanted: float
) -> bytes:
    """Write a certificate of the sites that owe anything."""
    chosen = np.flatnonzero(assured.promise.power_w > 0.0)
    names = [str(sites[row]) for row in chosen.tolist()]
    promise = _only(assured.promise, chosen)
    data = to_data(certify(names, promise, award.award_w))
    interval = award.obligation.interval
    data["award"] = {
        "obligation_id": award.obligation.obligation_id,
        "direction": way.value,
        "service": award.obligation.service.value,
        "zone": award.zone,
        "start": interval.start.isoformat(),
        "end": interval.end.isoformat(),
        "probability_wanted": wanted,
        "kept": assured.is_kept,
        "probability": assured.probability,
        "spread": assured.spread,
        "margin_w": assured.margin_w,
    }
    return json.dumps(data, indent=1).encode()


def _only(promise: Promise, rows: IntArray) -> Promise:
    """Keep some sites of a promise, and the causes that hit any of them."""
    place = np.full(len(promise.power_w), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    causes = []
    for cause in promise.causes:
        members = place[cause.members]
        members = members[members >= 0]
        if len(members):
            causes.append(
                SharedOutage(
                    name=cause.name,
                    outage_probability=cause.outage_probability,
                    members=members,
                )
            )
    return Promise(
        power_w=promise.power_w[rows],
        reliability=promise.reliability[rows],
        causes=tuple(causes),
    )


def _record(found: DependableCapacity, wanted: float) -> AllocationRecord:
    up, down = found.allocation.up, found.allocation.down
    sites = found.allocation.sites
    return AllocationRecord(
        multiplier_up=None if math.isnan(up.multiplier) else up.multiplier,
        multiplier_down=None if math.isnan(down.multiplier) else down.multiplier,
        shortfall_up_w=up.shortfall_w,
        shortfall_down_w=down.shortfall_w,
        duality_gap_jpy_per_h=up.duality_gap_jpy_per_h + down.duality_gap_jpy_per_h,
        limits={site: name for site, name in zip(sites, up.limited_by, strict=True) if name},
        assured=AssuredRecord(
            wanted=wanted,
            probability_up=found.up.probability,
            probability_down=found.down.probability,
            margin_up_w=found.up.margin_w,
            margin_down_w=found.down.margin_w,
            cost_up_jpy_per_h=up.cost_jpy_per_h,
            cost_down_jpy_per_h=down.cost_jpy_per_h,
        ),
    )
