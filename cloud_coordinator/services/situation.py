"""The situation report for whoever takes control: connected, owed, running, at stake in yen."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.live import LiveAward, LiveBoard

_HALF_HOUR_S: Final = Decimal(1800)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAward:
    """One award that is owed.

    Attributes
    ----------
    obligation_id : str
        Which.
    ends_at : datetime
        Aware UTC.
    award_w, command_w : float
        Sold, and asked for now, W.
    measured_w : float or None
        Latest second; None if there is none.
    at_stake_jpy : Decimal
        Capacity money of the time that is left: what is lost if nothing more is delivered,
        before penalties.
    """

    obligation_id: str
    ends_at: datetime
    award_w: float
    command_w: float
    measured_w: float | None
    at_stake_jpy: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a person must know to decide.

    Attributes
    ----------
    at : datetime
        Now.
    sites_by_link : dict of str to int
        Sites by the condition of their link.
    sites_by_mode : dict of str to int
        Sites that are heard, by mode.
    awards : tuple of OpenAward
        Owed now or later.
    at_stake_jpy : Decimal
        Their sum.
    """

    at: datetime
    sites_by_link: dict[str, int]
    sites_by_mode: dict[str, int]
    awards: tuple[OpenAward, ...]
    at_stake_jpy: Decimal


def situation_of(live: LiveBoard, now: Moment) -> Situation:
    """Report the situation."""
    view = live.view(now, last_s=1)
    awards = tuple(
        _open(one, now) for one in view.awards if one.award.obligation.interval.end > now.at
    )
    modes = (site.mode for site in view.sites if site.link.name == "LIVE")
    return Situation(
        at=now.at,
        sites_by_link=dict(Counter(site.link.name.lower() for site in view.sites)),
        sites_by_mode=dict(Counter("unknown" if m is None else str(m) for m in modes)),
        awards=awards,
        at_stake_jpy=sum((one.at_stake_jpy for one in awards), Decimal(0)),
    )


def _open(live: LiveAward, now: Moment) -> OpenAward:
    award = live.award
    interval = award.obligation.interval
    left_s = (interval.end - max(now.at, interval.start)).total_seconds()
    money = award.terms.price_jpy_per_kw_30min * Decimal(award.award_w) / 1000
    at_stake = money * Decimal(left_s) / _HALF_HOUR_S
    return OpenAward(
        obligation_id=str(award.obligation.obligation_id),
        ends_at=interval.end,
        award_w=award.award_w,
        command_w=live.command_w,
        measured_w=live.points[-1].measured_w if live.points else None,
        at_stake_jpy=at_stake.quantize(Decimal(1), ROUND_HALF_UP),
    )
