"""Connector of the balancing market: bids, what was awarded, published results."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from cloud_coordinator.gateway.exchanges.files import decode_published
from cloud_coordinator.gateway.exchanges.handing_in import Counter, fetched
from cloud_coordinator.gateway.exchanges.jepx import Membership, plain
from cloud_coordinator.gateway.exchanges.json_wire import (
    JsonQuestion,
    JsonWire,
    fill_rows,
    receipt_of,
)
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from cloud_coordinator.gateway.exchanges.line import VenueLine
from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.market.gates import ReserveBid, check_reserve_bid
from cloud_coordinator.market.product import ProductRule
from cloud_coordinator.market.rules import STEERING_RULE_SET, RuleBook
from cloud_coordinator.services.errors import RejectedError
from cloud_coordinator.services.publications import Origin, Publication
from cloud_coordinator.services.trading import (
    Fill,
    Receipt,
    Submission,
    SubmissionRecord,
    SubmissionState,
    SubmissionStore,
)
from protocols.sansio.json_document import write_json_object
from protocols.vocabulary.calendar import SLOT_MINUTES
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.obligation import Service

CODES: Final = {
    Service.PRIMARY: "1-0",
    Service.PRIMARY_OFFLINE: "1-1",
    Service.SECONDARY_1: "2-1",
    Service.SECONDARY_2: "2-2",
    Service.TERTIARY_1: "3-1",
    Service.TERTIARY_2: "3-2",
    Service.COMPOUND: "4-0",
}
"""Product in the name of a results file; those of offline and compound are assumed."""
_PATH: Final = "/eprx/v1/bids"


class EprxConnector:
    """Hands in bids; implements :class:`cloud_coordinator.services.trading.Exchange`.

    Parameters
    ----------
    line : VenueLine
        To the market.
    store : SubmissionStore
        What was sent and answered.
    clock : Clock
        When.
    rules : RuleBook
        What a bid must keep before it is sent: the set that steers and the one that settles.
    membership : Membership
        Who we are.
    """

    def __init__(
        self,
        line: VenueLine,
        store: SubmissionStore,
        clock: Clock,
        *,
        rules: RuleBook,
        membership: Membership,
    ) -> None:
        self._line = line
        self._clock = clock
        self._rules = rules
        self._membership = membership
        self._counter = Counter(store, clock, membership.patience)

    async def submit(self, submission: Submission) -> Receipt:
        """Hand in bids; the same submission again gives the same answer.

        Raises
        ------
        RejectedError
            If a bid breaks a rule (nothing was sent), or the market took nothing.
        ConflictError
            If the id was used for something else.
        OutcomeUnknownError
            If nobody can say; the submission stays OPEN.
        """
        record = self.record(submission)
        wire = JsonWire(line=self._line, path=_PATH)
        return receipt_of(record, await self._counter.hand_in(record, wire))

    def record(self, submission: Submission) -> SubmissionRecord:
        """Check the bids and write what is sent.

        Raises
        ------
        RejectedError
            Naming bid, rule and rule set.
        """
        if submission.venue is not Venue.RESERVE:
            raise RejectedError(f"venue: the market has no {submission.venue.value}")
        if not submission.bids:
            raise RejectedError("bids: there is none")
        known = self._counter.knows(submission.request_id)
        rows, versions = [], set()
        for number, bid in enumerate(submission.bids):
            settling = self._check(submission, bid, known=known)
            versions.add(settling.version)
            assert bid.pattern is not None, "checked"
            rows.append(
                {
                    "number": number,
                    "product": bid.service.value,
                    "block": (bid.slot.number - 1) // bid.slots + 1,
                    "unit": bid.pattern.system_code,
                    "pattern": bid.pattern.number,
                    "power_kw": plain(bid.power_kw),
                    "least_kw": plain(bid.least_kw),
                    "price": plain(bid.price_jpy),
                }
            )
        body = {
            "request_id": submission.request_id,
            "member": self._membership.member,
            "day": submission.day.isoformat(),
            "area": submission.area,
            "bids": rows,
        }
        return SubmissionRecord(
            request_id=submission.request_id,
            venue=submission.venue.value,
            day=submission.day,
            rule_set_id=" ".join(sorted(versions)),
            state=SubmissionState.OPEN,
            sent_at=self._clock.now(),
            sent=write_json_object(body),
        )

    async def fills(self, submission: Submission) -> Sequence[Fill]:
        """Tell what was awarded of each accepted bid.

        Raises
        ------
        RejectedError
            If results are not out, or the submission is not known.
        OutcomeUnknownError
            If the market does not answer.
        RemoteProtocolError
            If an award contradicts its bid.
        """
        path = f"{_PATH}/{submission.request_id}/fills"
        body = await fetched(JsonQuestion(line=self._line, path=path), self._membership.patience)
        rows = fill_rows(body, submission.request_id, quantity="power_kw")
        return [_fill(submission, row) for row in rows]

    async def results(self, day: date, product: Service) -> tuple[Publication, Origin]:
        """Fetch the published preliminary results of a product and day.

        Raises
        ------
        RejectedError
            If there are none yet.
        OutcomeUnknownError
            If the market does not answer.
        ImportRefusedError
            If the file is not as its layout promises.
        """
        path = f"/eprx/v1/results/{day:%Y%m%d}_{CODES[product]}_prompt.csv"
        body = await fetched(JsonQuestion(line=self._line, path=path), self._membership.patience)
        file = decode_published(body, source=self._line.url + path)
        return read_publication(file), file.origin

    def _check(self, submission: Submission, bid: Bid, *, known: bool) -> ProductRule:
        """Return the rule by which a bid is settled, if no rule is broken.

        The gate is the market's own. What was sent before is only asked for, so its gate may have
        closed since.
        """
        if (bid.venue, bid.slot.day) != (Venue.RESERVE, submission.day) or bid.pattern is None:
            raise RejectedError(f"{bid.name}: needs a pattern, the market and day {submission.day}")
        try:
            settling = self._rules.settling(bid.service, submission.day)
            steering = self._rules.rule(STEERING_RULE_SET, bid.service, submission.day)
        except ConfigError as error:
            raise RejectedError(f"{bid.name}: {error}") from error
        slots = settling.block_minutes // SLOT_MINUTES
        if bid.slots != slots or (bid.slot.number - 1) % slots:
            raise RejectedError(
                f"{bid.name}: {settling.rule_set_id}: block: is not one of {slots} half hours"
            )
        asked = ReserveBid(
            slot=bid.slot, power_kw=bid.power_kw, least_kw=bid.least_kw, price_jpy=bid.price_jpy
        )
        for refusal in check_reserve_bid(asked, self._clock.now(), (settling, steering)):
            other = known or refusal.rule_set_id != settling.rule_set_id
            if not (other and refusal.rule == "gate"):
                raise RejectedError(
                    f"{bid.name}: {refusal.rule_set_id}: {refusal.rule}: {refusal.detail}"
                )
        return settling


def _fill(submission: Submission, row: tuple[int, Decimal, Decimal]) -> Fill:
    """Hold an award to its bid: paid as bid, nothing or at least the least."""
    number, power_kw, price = row
    if number >= len(submission.bids):
        raise RemoteProtocolError(f"fills: there is no bid {number}")
    bid = submission.bids[number]
    if power_kw and not (bid.least_kw <= power_kw <= bid.power_kw and price == bid.price_jpy):
        raise RemoteProtocolError(f"fills: {power_kw} kW at {price} JPY is not within bid {number}")
    return Fill(
        request_id=submission.request_id,
        number=number,
        bid=bid,
        power_kw=power_kw,
        price_jpy=price,
    )
