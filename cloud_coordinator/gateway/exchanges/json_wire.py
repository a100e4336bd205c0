"""The JSON form in which our exchange connectors hand in bids: assumed (``docs/spec-issues.md``).

A submission is posted with its id, answered with the digest of what was received and one result
per bid, asked for by its id, and asked for its fills.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import quote

from cloud_coordinator.gateway.exchanges.line import (
    Reply,
    VenueLine,
    VenueRefusedError,
    VenueSilentError,
)
from cloud_coordinator.services.trading import BidAnswer, Receipt, SubmissionRecord
from protocols.sansio.json_document import read_json_object
from protocols.templates.table import Table, choice
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError

OK: Final = 200
NOT_FOUND: Final = 404
_UNKNOWN: Final = "UNKNOWN_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonWire:
    """One kind of submission of one server.

    Attributes
    ----------
    line : VenueLine
        To the server.
    path : str
        Where submissions are posted; below it they are asked for.
    """

    line: VenueLine
    path: str

    async def post(self, record: SubmissionRecord) -> bytes:
        """Send; return the body of the answer."""
        return _body(await self.line.call("POST", self.path, body=record.sent))

    async def ask(self, record: SubmissionRecord) -> bytes | None:
        """Return the answer to what was sent before; None if it was never seen."""
        reply = await self.line.call("GET", f"{self.path}/{quote(record.request_id, safe='')}")
        if reply.status == NOT_FOUND and refused_code(reply) == _UNKNOWN:
            return None
        return _body(reply)

    def check(self, record: SubmissionRecord, answer: bytes) -> None:
        """Check that an answer is about just these bytes."""
        receipt_of(record, answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonQuestion:
    """A question to a server that changes nothing.

    Attributes
    ----------
    line : VenueLine
        To the server.
    path : str
        What is asked for.
    """

    line: VenueLine
    path: str

    async def ask_once(self) -> bytes:
        """Return the body of the answer."""
        return _body(await self.line.call("GET", self.path))


def receipt_of(record: SubmissionRecord, answer: bytes) -> Receipt:
    """Read the answer to a submission.

    Raises
    ------
    RemoteProtocolError
        If it is none, is about something else, or has not one result for each bid.
    """
    try:
        table = Table(read_json_object(answer), "answer")
        if table.text("request_id") != record.request_id:
            raise table.refuse("request_id", f"is not {record.request_id!r}")
        if table.text("digest") != hashlib.sha256(record.sent).hexdigest():
            raise table.refuse("digest", "is not of what was sent")
        received_at = _moment(table)
        answers = []
        for number, row in enumerate(table.tables("results")):
            if row.integer("number") != number:
                raise row.refuse("number", f"is not {number}")
            accepted = choice(row, "result", ("accepted", "rejected")) == "accepted"
            code, reason = row.text("code", ""), row.text("reason", "")
            answers.append(BidAnswer(accepted=accepted, code=code, reason=reason))
    except ConfigError as error:
        raise RemoteProtocolError(str(error)) from error
    if len(answers) != bid_count(record):
        raise RemoteProtocolError(f"answer: {len(answers)} results, {bid_count(record)} bids")
    return Receipt(request_id=record.request_id, answers=tuple(answers), received_at=received_at)


def bid_count(record: SubmissionRecord) -> int:
    """How many bids a record holds."""
    rows = read_json_object(record.sent).get("bids", read_json_object(record.sent).get("orders"))
    return len(rows) if isinstance(rows, list) else 0


def fill_rows(
    body: bytes, request_id: str, *, quantity: str
) -> Sequence[tuple[int, Decimal, Decimal]]:
    """Read number, quantity and price of each fill.

    Raises
    ------
    RemoteProtocolError
        If they are not the fills of that submission, each once.
    """
    found: dict[int, tuple[Decimal, Decimal]] = {}
    try:
        table = Table(read_json_object(body), "fills")
        if table.text("request_id") != request_id:
            raise table.refuse("request_id", f"is not {request_id!r}")
        for row in table.tables("fills"):
            number = row.integer("number", high=100_000)
            if number in found:
                raise row.refuse("number", f"{number} is there twice")
            found[number] = _decimal(row, quantity), _decimal(row, "price")
    except ConfigError as error:
        raise RemoteProtocolError(str(error)) from error
    return [(number, *found[number]) for number in sorted(found)]


def refused_code(reply: Reply) -> str:
    """Code in the answer of a venue that did nothing; VenueSilentError if it is no answer."""
    return str(_refusal(reply).get("code", ""))


def _refusal(reply: Reply) -> Mapping[str, object]:
    try:
        return read_json_object(reply.body)
    except RemoteProtocolError as error:
        raise VenueSilentError(f"HTTP {reply.status}: {error}") from error


def _body(reply: Reply) -> bytes:
    if reply.status == OK:
        return reply.body
    said = _refusal(reply)
    raise VenueRefusedError(f"{said.get('code', reply.status)}: {said.get('reason', '')}")


def _moment(table: Table) -> datetime:
    text = table.text("received_at")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise table.refuse("received_at", f"{text!r} is no time") from None
    if found.utcoffset() is None:
        raise table.refuse("received_at", f"{text!r} has no offset")
    return found.astimezone(UTC)


def _decimal(table: Table, key: str) -> Decimal:
    text = table.text(key)
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise table.refuse(key, f"{text!r} is no number") from None
    if not found.is_finite() or found < 0:
        raise table.refuse(key, f"{text!r} is no number, not negative")
    return found
