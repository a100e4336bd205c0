"""What the trading of a day has done, kept step by step so that a killed program goes on.

A book of bids is kept before any of it is handed in, so that the same bids go out again after a
restart; a step is marked done only after its effect is durable. Every effect has a name made of
day, gate and venue, so that one that is repeated changes nothing.
"""

import json
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from cloud_coordinator.market.bids import Venue
from cloud_coordinator.services.bidding.book_file import read_book, to_data
from cloud_coordinator.services.bidding.port import BidBook
from cloud_coordinator.services.market_day.schedule import SETTLED_FOR_DAYS
from cloud_coordinator.services.trading import Fill, Submission
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.errors import StoreError

KEPT_DAYS = SETTLED_FOR_DAYS + 30


class TradingJournal:
    """The steps of one portfolio in one area.

    Parameters
    ----------
    records : RecordBook
        Durable.
    area : str
        Of delivery.
    name : str
        Of the portfolio; part of every name that leaves the house.

    Raises
    ------
    StoreError
        If the records cannot be read.
    """

    def __init__(self, records: RecordBook, *, area: str, name: str) -> None:
        self._records = records
        self._area = area
        self._name = name
        self._known = dict(records.load())

    @property
    def done(self) -> Collection[str]:
        """Keys of all steps that are done."""
        return self._known.keys()

    def mark(self, key: str, said: str) -> None:
        """Mark a step done, with what came of it in words."""
        self._put(key, said.encode())

    def said(self, key: str) -> str | None:
        """Return what came of a step; None if it is not done."""
        body = self._known.get(key)
        return None if body is None else body.decode("utf-8", errors="replace")

    def unanswered(self, day: date, venue: Venue) -> tuple[str, ...]:
        """Return the numbers of the books for a venue whose results are not known, by number."""
        prefix = f"{day}/book/{venue.value}-"
        numbers = [
            key.removeprefix(f"{day}/book/") for key in self._known if key.startswith(prefix)
        ]
        return tuple(
            number
            for number in sorted(numbers)
            if f"{day}/results/{number}.{venue.value}" not in self._known
        )

    def keep_book(self, day: date, number: str, book: BidBook) -> None:
        """Keep the bids of a gate; from now on these are the bids of it."""
        self._put(
            f"{day}/book/{number}", json.dumps(to_data(book, area=self._area, day=day)).encode()
        )

    def book(self, day: date, number: str) -> BidBook | None:
        """Return the bids of a gate; None if none were made.

        Raises
        ------
        StoreError
            If what was kept cannot be understood.
        """
        key = f"{day}/book/{number}"
        body = self._known.get(key)
        if body is None:
            return None
        try:
            return read_book(json.loads(body), key)[0]
        except ValueError as error:
            raise StoreError(f"{key}: {error}") from error

    def submission(self, day: date, number: str, venue: Venue) -> Submission | None:
        """Return what is handed in to a venue at a gate; None if nothing is."""
        book = self.book(day, number)
        bids = tuple(bid for bid in (book.bids if book else ()) if bid.venue is venue)
        if not bids:
            return None
        return Submission(
            request_id=f"{self._name}-{self._area}-{day:%Y%m%d}-{number}-{venue.value}",
            venue=venue,
            area=self._area,
            day=day,
            bids=bids,
        )

    def keep_fills(self, key: str, fills: Sequence[Fill]) -> None:
        """Keep results; the step is done with them."""
        rows = [[one.number, str(one.power_kw), str(one.price_jpy)] for one in fills]
        self._put(key, json.dumps(rows).encode())

    def fills(self, day: date) -> tuple[Fill, ...]:
        """Return all results of a day that are known, by gate and venue.

        Raises
        ------
        StoreError
            If what was kept cannot be understood.
        """
        found: list[Fill] = []
        prefix = f"{day}/results/"
        for key in sorted(one for one in self._known if one.startswith(prefix)):
            number, _, venue = key.removeprefix(prefix).partition(".")
            submission = self.submission(day, number, Venue(venue))
            if submission is not None:
                found.extend(_fills(self._known[key], submission, key))
        return tuple(found)

    def forget_before(self, today: date) -> None:
        """Drop what is older than anything that can still change."""
        limit = (today - timedelta(days=KEPT_DAYS)).isoformat()
        old = [key for key in self._known if key < limit]
        self._records.put(Change(key=key, value=None) for key in old)
        for key in old:
            del self._known[key]

    def _put(self, key: str, value: bytes) -> None:
        self._records.put([Change(key=key, value=value)])
        self._known[key] = value


def _fills(body: bytes, submission: Submission, key: str) -> list[Fill]:
    try:
        rows = json.loads(body)
        return [
            Fill(
                request_id=submission.request_id,
                number=int(number),
                bid=submission.bids[int(number)],
                power_kw=Decimal(power),
                price_jpy=Decimal(price),
            )
            for number, power, price in rows
        ]
    except (ValueError, TypeError, IndexError, InvalidOperation) as error:
        raise StoreError(f"{key}: {error!r}") from error
