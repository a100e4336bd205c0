"""Turns the present into what the live feed says; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from cloud_coordinator.fleet.snapshot import LinkCondition
from cloud_coordinator.services.live import LiveAward, LivePoint, LiveSite, LiveView
from cloud_coordinator.services.records import EventRecord
from cloud_coordinator.web.live_models import (
    LiveAwardState,
    LiveFleet,
    LiveMessage,
    LiveSecond,
    LiveSiteState,
)
from cloud_coordinator.web.views import delivered_w, event_item, link_name, mode_name, number
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.obligation import ObligationState

SITES_SHOWN: Final = 200
AWARDS_SHOWN: Final = 8
BAND_SHARE: Final = 0.05
"""Half width of the band that is drawn, as a part of the award."""
MODE_NAMES: Final = ("normal", "degraded", "autonomous", "safe", "manual", "unknown")

_URGENCY: Final = (LinkCondition.LOST, LinkCondition.LATE, LinkCondition.NEVER, LinkCondition.LIVE)


def live_message(
    view: LiveView, *, events: Sequence[EventRecord], soc: Mapping[SiteId, float | None]
) -> LiveMessage:
    """Say the present.

    Parameters
    ----------
    view : LiveView
        Fleet and awards.
    events : sequence of EventRecord
        The latest, newest first.
    soc : mapping of SiteId to float or None
        State of charge of the sites for which it is known.
    """
    shown = sorted(view.sites, key=lambda site: (_URGENCY.index(site.link), site.site_id))
    shown = shown[:SITES_SHOWN]
    running = [one for one in view.awards if not _is_over(one, view.at)]
    ended = [one for one in view.awards if _is_over(one, view.at)]
    ended.sort(key=lambda one: one.award.obligation.interval.end, reverse=True)
    return LiveMessage(
        at=view.at,
        fleet=_fleet(view.sites),
        awards=[_award(one, view.at) for one in (*running, *ended)[:AWARDS_SHOWN]],
        sites=[_site(site, soc.get(site.site_id)) for site in shown],
        sites_left_out=len(view.sites) - len(shown),
        events=[event_item(event) for event in events],
    )


def _fleet(sites: Sequence[LiveSite]) -> LiveFleet:
    links = Counter(site.link for site in sites)
    live = [site for site in sites if site.link is LinkCondition.LIVE]
    meters_w = [site.meter_w for site in live if site.meter_w is not None]
    modes = Counter(mode_name(site.mode) or "unknown" for site in live)
    modes["unknown"] += len(sites) - len(live)
    return LiveFleet.model_validate(
        {
            "sites": len(sites),
            "live": links[LinkCondition.LIVE],
            "late": links[LinkCondition.LATE],
            "lost": links[LinkCondition.LOST],
            "never": links[LinkCondition.NEVER],
            "modes": {name: modes[name] for name in MODE_NAMES},
            "meter_w": sum(meters_w) if meters_w else None,
        }
    )


def _is_over(live: LiveAward, at: datetime) -> bool:
    return live.award.obligation.interval.end <= at


def _award(live: LiveAward, at: datetime) -> LiveAwardState:
    award, over = live.award, _is_over(live, at)
    obligation, dispatch = award.obligation, None if over else live.dispatch
    accepted = [c for c in award.commitments if c.obligation.state is ObligationState.ACCEPTED]
    return LiveAwardState.model_validate(
        {
            "obligation_id": obligation.obligation_id,
            "service": obligation.service.value,
            "zone": award.zone,
            "start": obligation.interval.start,
            "end": obligation.interval.end,
            "state": obligation.state.value,
            "award_w": award.award_w,
            "tolerance_w": obligation.tolerance_w,
            "band_w": BAND_SHARE * award.award_w,
            "command_w": None if over else live.command_w,
            "multiplier": None if dispatch is None else number(dispatch.multiplier),
            "correction_w": None if dispatch is None else number(dispatch.correction_w),
            "held_w": None if dispatch is None else number(dispatch.held_w),
            "shortfall_w": None if dispatch is None else number(dispatch.shortfall_w),
            "following": None if dispatch is None else dispatch.following,
            "held": None if dispatch is None else dispatch.held,
            "sites_committed": len(award.commitments),
            "sites_accepted": len(accepted),
            "points": [_second(point) for point in live.points],
        }
    )


def _second(point: LivePoint) -> LiveSecond:
    return LiveSecond(
        second=point.second,
        promised_w=round(point.promised_w, 1),
        measured_w=round(point.measured_w, 1),
        booked_w=round(point.booked_w, 1),
        reporting=point.reporting,
        expected=point.expected,
        lower_w=round(point.lower_w, 1),
        upper_w=round(point.upper_w, 1),
    )


def _site(site: LiveSite, soc: float | None) -> LiveSiteState:
    return LiveSiteState(
        site_id=site.site_id,
        zone=site.zone,
        link=link_name(site.link),
        age_s=number(site.age_s),
        mode=mode_name(site.mode),
        meter_w=number(site.meter_w),
        delivered_w=number(delivered_w(site)),
        share_w=number(site.share_w),
        soc=soc,
    )
