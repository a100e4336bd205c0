"""What the use cases keep and hand on: plain frozen records, no behaviour beyond a sum.

Called by the services, and by the adapters (store, gateway, web) that keep, send or show them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from protocols.link.messages import Layout, Plain
from protocols.vocabulary.arrays import FloatArray, IntArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import (
    JournalId,
    ObligationId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Obligation, ObligationState, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """A site as the registry knows it, so that a restarted coordinator knows its fleet.

    Attributes
    ----------
    site_id, zone : SiteId, ZoneId
        Who and where.
    journal_id : JournalId
        The journal of the site's last hello.
    agent_version : str
        As the hello said.
    layout : Layout
        The resources its telemetry rows speak of.
    seen_at : datetime
        When the last hello came, aware UTC.
    """

    site_id: SiteId
    zone: ZoneId
    journal_id: JournalId
    agent_version: str
    layout: Layout
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardTerms:
    """The money side of an award.

    Attributes
    ----------
    price_jpy_per_kw_30min : Decimal
        Capacity price, JPY per kW and half hour.
    rule_set_id : str
        Rule set in force when it was made.
    """

    price_jpy_per_kw_30min: Decimal
    rule_set_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssuredRecord:
    """How sure an award is, as its certificates say.

    Attributes
    ----------
    wanted : float
        Probability that was wanted of delivering at least the award.
    probability_up, probability_down : float
        That was reached.
    margin_up_w, margin_down_w : float
        Committed beyond the award, W; negative where the offers fall short.
    cost_up_jpy_per_h, cost_down_jpy_per_h : float
        Of the committed power, by the sites' curves, were all of it called.
    """

    wanted: float
    probability_up: float
    probability_down: float
    margin_up_w: float
    margin_down_w: float
    cost_up_jpy_per_h: float
    cost_down_jpy_per_h: float

    @property
    def is_kept(self) -> bool:
        """Whether both directions are as probable as was wanted."""
        return min(self.probability_up, self.probability_down) >= self.wanted


class Way(enum.Enum):
    """Direction of a certificate."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRecord:
    """A certificate as it was made with its award.

    Attributes
    ----------
    obligation_id : ObligationId
        The award.
    way : Way
        Which direction it speaks of.
    made_at : datetime
        Aware UTC.
    body : bytes
        JSON, as ``vpp certificate verify`` reads it.
    """

    obligation_id: ObligationId
    way: Way
    made_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRecord:
    """How the award was shared, with what proves it.

    Attributes
    ----------
    multiplier_up, multiplier_down : float or None
        JPY/kWh at which the curves sum to the award, upward and downward; None when nothing
        was offered in that direction.
    shortfall_up_w, shortfall_down_w : float
        W of the award that no offer covers, >= 0.
    duality_gap_jpy_per_h : float
        Cost above the lower bound that the multiplier proves.
    limits : mapping of SiteId to str
        The limit that binds at a site; absent where none does.
    assured : AssuredRecord or None
        How sure it is; None for an award of before that was judged.
    """

    multiplier_up: float | None
    multiplier_down: float | None
    shortfall_up_w: float
    shortfall_down_w: float
    duality_gap_jpy_per_h: float
    limits: Mapping[SiteId, str]
    assured: AssuredRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardRecord:
    """One award with its children.

    Attributes
    ----------
    obligation : Obligation
        The parent: ``target`` is the zone, ``parent_id`` None, ``power_w`` the award.
        ``state`` is PROPOSED until it is allocated, then ACCEPTED, ACTIVE, DONE.
    terms : AwardTerms
        Price and rule set.
    received_at : datetime
        When it was first posted, aware UTC.
    allocation : AllocationRecord or None
        None until it is allocated.
    commitments : tuple of Commitment
        One child per site; the children's ``obligation.state`` is what the site answered
        (PROPOSED until it receipts, then ACCEPTED or REFUSED).
    """

    obligation: Obligation
    terms: AwardTerms
    received_at: datetime
    allocation: AllocationRecord | None = None
    commitments: tuple[Commitment, ...] = ()

    @property
    def zone(self) -> ZoneId:
        """Zone the award is for."""
        return ZoneId(self.obligation.target)

    @property
    def award_w(self) -> float:
        """Greatest awarded power, W."""
        return float(self.obligation.power_w.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class TsoCommand:
    """One command of the system operator, in force from ``issued_at`` until the next.

    Attributes
    ----------
    obligation_id : ObligationId
        The award it calls.
    issued_at : datetime
        Aware UTC; with the obligation the idempotency key.
    power_w : float
        As sent, W, + upward.
    clipped_w : float
        Within plus or minus the award, W; this is what is owed.
    received_at : datetime
        When we took it, aware UTC.
    source : str
        Who sent it and in which message; empty: a person or program at the API.
    """

    obligation_id: ObligationId
    issued_at: datetime
    power_w: float
    clipped_w: float
    received_at: datetime
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRecord:
    """One broadcast signal and how it was found: the control history of a zone.

    Attributes
    ----------
    obligation_id, zone, service
        What it serves.
    signal_id, epoch : SignalId, int
        Of the signal that was sent.
    sent_at : datetime
        Aware UTC.
    multiplier : float
        JPY/kWh.
    command_w, correction_w, held_w, shortfall_w : float
        W: what was owed, the integral action, the booked shares of sites that do not follow,
        and what the following sites could not reach (signed).
    following, held : int
        Number of sites in each group.
    """

    obligation_id: ObligationId
    zone: ZoneId
    service: Service
    signal_id: SignalId
    epoch: int
    sent_at: datetime
    multiplier: float
    command_w: float
    correction_w: float
    held_w: float
    shortfall_w: float
    following: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """An event of a site or of the coordinator itself (``site_id`` None).

    Attributes
    ----------
    event_key : str
        Unique: ``"<site>/<journal>/<sequence>"`` or one the coordinator made; storing the
        same key again changes nothing.
    recorded_at, received_at : datetime
        Source and receipt time, aware UTC.
    kind : str
        ``noun.verbed``.
    payload : mapping
        Plain data.
    """

    event_key: str
    site_id: SiteId | None
    recorded_at: datetime
    received_at: datetime
    kind: str
    payload: Mapping[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events, recorded from ``since`` to before ``until``; newest first, then a limit."""

    site_id: SiteId | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSeconds:
    """Stored telemetry rows of some sites as columns, one row per site and second.

    Sorted by second, then site; a second that is not stored is not there. Powers in W,
    generator frame; NaN where there was no number.

    Attributes
    ----------
    sites : tuple of SiteId
        What ``site_index`` points into.
    site_index, second, signal_id : IntArray
        Shape (n,); ``second`` is Unix time.
    meter_w, baseline_w, share_w : FloatArray
        Shape (n,).
    mode, quality : ndarray of int8
        Shape (n,), the enumerations' numbers.
    """

    sites: tuple[SiteId, ...]
    site_index: IntArray
    second: IntArray
    signal_id: IntArray
    meter_w: FloatArray
    baseline_w: FloatArray
    share_w: FloatArray
    mode: npt.NDArray[np.int8]
    quality: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAccount:
    """What the store holds of one site's telemetry journal.

    Attributes
    ----------
    rows, distinct : int
        Stored rows and distinct sequences; duplicates = rows - distinct.
    first_sequence, last_sequence : int
        0 when there is none.
    received, durable : int
        The contiguous acknowledgements given.
    """

    site_id: SiteId
    journal_id: JournalId
    rows: int
    distinct: int
    first_sequence: int
    last_sequence: int
    received: int
    durable: int

    @property
    def missing(self) -> int:
        """Sequences between first and last that are not stored."""
        if self.last_sequence == 0:
            return 0
        return self.last_sequence - self.first_sequence + 1 - self.distinct

    @property
    def duplicated(self) -> int:
        """Rows stored more than once."""
        return self.rows - self.distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildState:
    """A site's answer to its commitment."""

    obligation_id: ObligationId
    site_id: SiteId
    state: ObligationState
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRequest:
    """What to ask a site to offer for."""

    site_id: SiteId
    service: Service
    interval: Interval
