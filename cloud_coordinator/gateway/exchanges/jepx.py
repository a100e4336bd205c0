"""Connector of the power exchange: day-ahead and intraday orders, fills, published results."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from cloud_coordinator.gateway.exchanges.files import decode_published
from cloud_coordinator.gateway.exchanges.handing_in import Counter, fetched
from cloud_coordinator.gateway.exchanges.json_wire import (
    JsonQuestion,
    JsonWire,
    fill_rows,
    receipt_of,
)
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from cloud_coordinator.gateway.exchanges.line import Patience, VenueLine
from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.market.gates import ExchangeRule
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
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.intervals import Clock

PATHS: Final = {Venue.SPOT: "/jepx/v1/spot", Venue.INTRADAY: "/jepx/v1/intraday"}
_HOURS: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Who we are at a venue, and how patient.

    Attributes
    ----------
    member : str
        Our code there.
    patience : Patience
        How long a submission is tried.
    """

    member: str
    patience: Patience = field(default_factory=Patience)


class JepxConnector:
    """Hands in orders; implements :class:`cloud_coordinator.services.trading.Exchange`.

    Parameters
    ----------
    line : VenueLine
        To the exchange.
    store : SubmissionStore
        What was sent and answered.
    clock : Clock
        When.
    rule : ExchangeRule
        What an order must keep before it is sent.
    membership : Membership
        Who we are.
    """

    def __init__(
        self,
        line: VenueLine,
        store: SubmissionStore,
        clock: Clock,
        *,
        rule: ExchangeRule,
        membership: Membership,
    ) -> None:
        self._line = line
        self._clock = clock
        self._rule = rule
        self._membership = membership
        self._counter = Counter(store, clock, membership.patience)

    async def submit(self, submission: Submission) -> Receipt:
        """Hand in orders; the same submission again gives the same answer.

        Raises
        ------
        RejectedError
            If an order breaks a rule (nothing was sent), or the exchange took nothing.
        ConflictError
            If the id was used for something else.
        OutcomeUnknownError
            If nobody can say; the submission stays OPEN.
        """
        record = self.record(submission)
        wire = JsonWire(line=self._line, path=PATHS[submission.venue])
        return receipt_of(record, await self._counter.hand_in(record, wire))

    def record(self, submission: Submission) -> SubmissionRecord:
        """Check the orders and write what is sent.

        Raises
        ------
        RejectedError
            Naming order, rule and rule set.
        """
        if submission.venue not in PATHS:
            raise RejectedError(f"venue: the exchange has no {submission.venue.value}")
        now = self._clock.now()
        orders = []
        for number, bid in enumerate(submission.bids):
            self._check(submission, bid)
            energy_kwh = abs(bid.power_kw) * _HOURS
            window = (
                self._rule.spot_window(bid.slot)
                if submission.venue is Venue.SPOT
                else self._rule.intraday_window(bid.slot)
            )
            known = self._counter.knows(submission.request_id)
            for refusal in self._rule.check(energy_kwh, bid.price_jpy, at=now, window=window):
                if known and refusal.rule == "gate":
                    continue
                raise RejectedError(
                    f"{bid.name}: {refusal.rule_set_id}: {refusal.rule}: {refusal.detail}"
                )
            orders.append(
                {
                    "number": number,
                    "slot": bid.slot.number,
                    "side": "sell" if bid.power_kw > 0 else "buy",
                    "energy_kwh": plain(energy_kwh),
                    "price": plain(bid.price_jpy),
                }
            )
        if not orders:
            raise RejectedError("bids: there is none")
        body = {
            "request_id": submission.request_id,
            "member": self._membership.member,
            "day": submission.day.isoformat(),
            "area": submission.area,
            "orders": orders,
        }
        return SubmissionRecord(
            request_id=submission.request_id,
            venue=submission.venue.value,
            day=submission.day,
            rule_set_id=self._rule.rule_set_id,
            state=SubmissionState.OPEN,
            sent_at=now,
            sent=write_json_object(body),
        )

    async def fills(self, submission: Submission) -> Sequence[Fill]:
        """Tell what became of each accepted order.

        Raises
        ------
        RejectedError
            If the market is not cleared, or the submission not known.
        OutcomeUnknownError
            If the exchange does not answer.
        RemoteProtocolError
            If an answer contradicts the order.
        """
        path = f"{PATHS[submission.venue]}/{submission.request_id}/fills"
        question = JsonQuestion(line=self._line, path=path)
        body = await fetched(question, self._membership.patience)
        found = []
        for number, energy_kwh, price in fill_rows(
            body, submission.request_id, quantity="energy_kwh"
        ):
            if number >= len(submission.bids):
                raise RemoteProtocolError(f"fills: there is no order {number}")
            bid = submission.bids[number]
            power_kw = energy_kwh / _HOURS
            sells = bid.power_kw > 0
            worse = price < bid.price_jpy if sells else price > bid.price_jpy
            if power_kw > abs(bid.power_kw) or (power_kw and worse):
                raise RemoteProtocolError(
                    f"fills: {energy_kwh} kWh at {price} JPY/kWh is not within order {number}"
                )
            found.append(
                Fill(
                    request_id=submission.request_id,
                    number=number,
                    bid=bid,
                    power_kw=power_kw if sells else -power_kw,
                    price_jpy=price,
                )
            )
        return found

    async def results(self, day: date) -> tuple[Publication, Origin]:
        """Fetch the published results of a day.

        Raises
        ------
        RejectedError
            If there are none yet.
        OutcomeUnknownError
            If the exchange does not answer.
        ImportRefusedError
            If the file is not as its layout promises.
        """
        path = f"/jepx/v1/results/spot_summary_{day:%Y%m%d}.csv"
        body = await fetched(JsonQuestion(line=self._line, path=path), self._membership.patience)
        file = decode_published(body, source=self._line.url + path)
        return read_publication(file), file.origin

    def _check(self, submission: Submission, bid: Bid) -> None:
        if (bid.venue, bid.slot.day) != (submission.venue, submission.day):
            raise RejectedError(f"{bid.name}: is not of {submission.venue.value}, {submission.day}")
        if bid.slots != 1:
            raise RejectedError(f"{bid.name}: block orders are not handed in")


def plain(value: Decimal) -> str:
    """Decimal without exponent and without zeros that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
