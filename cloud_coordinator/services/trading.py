"""Trading: bids handed in to a venue and what it answers, as nouns and ports.

A submission is handed in once under an id of its own maker. What is sent is durable before it
leaves, what is answered before anybody is told; a submission whose answer was lost stays OPEN and
is asked for by its id, never handed in again as something new. The venue may be an exchange over
a connector of ``gateway`` or a simulated clearing in the same process.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.services.awarding import AwardRequest
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.identifiers import ObligationId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service

_PERCENT = Decimal(100)
_W_PER_KW = 1_000


class OutcomeUnknownError(VppError):
    """The venue did not say whether it has the submission; it stays OPEN and is asked for again."""


class SubmissionState(enum.Enum):
    """What is known of a submission.

    OPEN: sent, or about to be, and nobody knows. ANSWERED: each bid has its answer. REFUSED: the
    venue took nothing of it.
    """

    OPEN = "open"
    ANSWERED = "answered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Bids for one venue, area and day, handed in together.

    Attributes
    ----------
    request_id : str
        Made by whoever hands it in; the idempotency key, at most 120 signs.
    venue : Venue
        RESERVE, SPOT or INTRADAY.
    area : str
        Where it is delivered.
    day : date
        Of delivery, JST.
    bids : tuple of Bid
        At least one; known afterwards by their number, from 0.
    """

    request_id: str
    venue: Venue
    area: str
    day: date
    bids: tuple[Bid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BidAnswer:
    """What a venue says of one bid.

    Attributes
    ----------
    accepted : bool
        Whether it takes part.
    code, reason : str
        The venue's own; empty code if accepted.
    """

    accepted: bool
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The venue's answer to a submission.

    Attributes
    ----------
    request_id : str
        Of the submission.
    answers : tuple of BidAnswer
        One per bid, in its order.
    received_at : datetime
        When the venue had it, aware UTC, by its clock.
    """

    request_id: str
    answers: tuple[BidAnswer, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What became of one bid when the venue cleared.

    Attributes
    ----------
    request_id : str
        Of the submission.
    number : int
        Of the bid in it, from 0.
    bid : Bid
        The bid.
    power_kw : Decimal
        Cleared; of the sign of the bid, 0 if nothing was.
    price_jpy : Decimal
        In the unit of the bid's price: its own (reserve, intraday) or the area's (spot).
    """

    request_id: str
    number: int
    bid: Bid
    power_kw: Decimal
    price_jpy: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRecord:
    """What is kept of a submission or a plan.

    Attributes
    ----------
    request_id, venue : str
        Key, and where it went.
    day : date
        Of delivery, JST.
    rule_set_id : str
        By which it was checked.
    state : SubmissionState
        What is known.
    sent_at : datetime
        When it was first made ready to be sent, aware UTC.
    sent : bytes
        Body, as it left.
    answered_at : datetime or None
        When the answer came.
    answered : bytes or None
        Body of the answer, as it came.
    """

    request_id: str
    venue: str
    day: date
    rule_set_id: str
    state: SubmissionState
    sent_at: datetime
    sent: bytes
    answered_at: datetime | None = None
    answered: bytes | None = None


class SubmissionStore(Protocol):
    """Port: keeps what was sent and answered."""

    def save(self, record: SubmissionRecord) -> None:
        """Insert or replace by ``request_id``; durable on return."""

    def find(self, request_id: str) -> SubmissionRecord | None:
        """Return the record, if there is one."""

    def submissions(
        self, *, day: date | None = None, state: SubmissionState | None = None
    ) -> Sequence[SubmissionRecord]:
        """Return the records of a day and a state, all where None; by time."""


class Exchange(Protocol):
    """Port: a venue that takes bids and clears them."""

    async def submit(self, submission: Submission) -> Receipt:
        """Hand in bids; the same submission again gives the same answer.

        Raises
        ------
        RejectedError
            If a bid breaks a rule of ours (nothing was sent), or the venue took nothing.
        ConflictError
            If the id was used for something else.
        OutcomeUnknownError
            If nobody can say; the submission stays OPEN.
        """

    async def fills(self, submission: Submission) -> Sequence[Fill]:
        """Tell what became of each accepted bid.

        Raises
        ------
        RejectedError
            If the venue has not cleared yet, or does not know the submission.
        OutcomeUnknownError
            If it does not answer.
        """


def award_of(fill: Fill, *, zone: ZoneId, rule: ProductRule) -> AwardRequest | None:
    """Turn what was cleared of a reserve bid into an award; None if nothing was.

    Parameters
    ----------
    fill : Fill
        Of a reserve bid.
    zone : ZoneId
        Whose sites deliver.
    rule : ProductRule
        By which the product is settled; its tolerance is the award's.

    Notes
    -----
    The id is made of the bid's, so importing the same result again changes nothing.
    """
    bid = fill.bid
    if fill.power_kw <= 0 or bid.service is Service.ENERGY:
        return None
    slots = tuple(bid.slot_range)
    last = type(bid.slot)(day=bid.slot.day, number=slots[-1] + 1)
    return AwardRequest(
        obligation_id=ObligationId(f"{fill.request_id}-{fill.number}"),
        service=bid.service,
        zone=zone,
        interval=Interval(start=bid.slot.interval.start, end=last.interval.end),
        power_w=float(fill.power_kw * _W_PER_KW),
        tolerance_w=float(fill.power_kw * _W_PER_KW * rule.tolerance.pct / _PERCENT),
        price_jpy_per_kw_30min=fill.price_jpy,
    )
