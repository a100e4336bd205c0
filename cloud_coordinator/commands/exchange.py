"""``vpp exchange``: bids handed in to the exchange or the balancing market, and what came of them.

Exit codes: 0, 1 for a bid or submission that was refused or has no answer, 2 for bad input.
"""

import asyncio
import csv
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.commands.plan_filing import add_plan
from cloud_coordinator.commands.recorded import trail_of, who_acts
from cloud_coordinator.gateway.exchanges.eprx import EprxConnector
from cloud_coordinator.gateway.exchanges.jepx import JepxConnector, Membership
from cloud_coordinator.gateway.exchanges.line import open_line
from cloud_coordinator.market.bids import Bid, Pattern, Source, Venue
from cloud_coordinator.market.gates import load_exchange_rule
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.process import SystemClock, configure_logging
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.recorded_submissions import RecordedSubmissions
from cloud_coordinator.services.trading import (
    Exchange,
    OutcomeUnknownError,
    Submission,
    SubmissionState,
)
from cloud_coordinator.store.database import Database, open_database
from cloud_coordinator.store.submissions import SubmissionTable
from protocols.vocabulary.calendar import SLOTS_A_DAY, Slot
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError, StoreError
from protocols.vocabulary.obligation import Service

EXIT_REFUSED: Final = 1
EXIT_BAD_INPUT: Final = 2
_COLUMNS: Final = ("slot", "slots", "service", "kw", "least_kw", "price", "unit", "pattern")
_EPILOG: Final = (
    "Example 例: vpp exchange submit --venue reserve --url http://127.0.0.1:8102 "
    "--request-id r1 --day 2026-04-01 --area tokyo --bids bids.csv --database vpp.db"
)
VenueOption = Annotated[str, typer.Option(help="spot, intraday or reserve. 市場。")]
UrlOption = Annotated[str, typer.Option(help="Of the venue's server. 接続先。")]
DayOption = Annotated[str, typer.Option(help="Of delivery, YYYY-MM-DD. 受渡日。")]
AreaOption = Annotated[str, typer.Option(help="Area. エリア。")]
BidsOption = Annotated[Path, typer.Option(help=f"CSV: {','.join(_COLUMNS)}. 入札。")]
IdOption = Annotated[str, typer.Option(help="Of the submission; again: the same. 受付番号。")]
DatabaseOption = Annotated[str, typer.Option(help="What was sent and answered. データベース。")]
MemberOption = Annotated[str, typer.Option(help="Our code there. 会員コード。")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs. JSON出力。")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
add_plan(app)


@app.callback()
def root() -> None:
    """Hand in bids and see what came of them.

    入札の提出と結果。
    """
    configure_logging(verbose=False)


@app.command(epilog=_EPILOG)
def submit(  # noqa: PLR0913  one parameter per command line option
    *,
    venue: VenueOption,
    url: UrlOption,
    day: DayOption,
    area: AreaOption,
    bids: BidsOption,
    request_id: IdOption,
    database: DatabaseOption,
    member: MemberOption = "VPP",
    as_json: JsonOption = False,
) -> None:
    """Hand in bids; a submission whose answer was lost is asked for, never sent as new.

    入札を提出します。
    """
    sent = _submission(venue, day, area=area, bids=bids, request_id=request_id)

    async def deed(exchange: Exchange) -> Sequence[Mapping[str, object]]:
        receipt = await exchange.submit(sent)
        return [
            {
                "bid": number,
                "accepted": answer.accepted,
                "code": answer.code,
                "reason": answer.reason,
            }
            for number, answer in enumerate(receipt.answers)
        ]

    rows = _run(deed, sent.venue, url=url, database=database, member=member)
    _say(rows, as_json=as_json)
    if not all(row["accepted"] for row in rows):
        raise typer.Exit(EXIT_REFUSED)


@app.command(epilog=_EPILOG.replace("submit", "fills"))
def fills(  # noqa: PLR0913  one parameter per command line option
    *,
    venue: VenueOption,
    url: UrlOption,
    day: DayOption,
    area: AreaOption,
    bids: BidsOption,
    request_id: IdOption,
    database: DatabaseOption,
    member: MemberOption = "VPP",
    as_json: JsonOption = False,
) -> None:
    """Tell what was cleared or awarded of each accepted bid.

    約定結果を取得します。
    """
    sent = _submission(venue, day, area=area, bids=bids, request_id=request_id)

    async def deed(exchange: Exchange) -> Sequence[Mapping[str, object]]:
        return [
            {"bid": fill.number, "kw": f"{fill.power_kw:f}", "price": f"{fill.price_jpy:f}"}
            for fill in await exchange.fills(sent)
        ]

    rows = _run(deed, sent.venue, url=url, database=database, member=member)
    _say(rows, as_json=as_json)


@app.command(epilog="Example 例: vpp exchange open --database vpp.db")
def open(*, database: DatabaseOption, as_json: JsonOption = False) -> None:  # noqa: A001  the verb
    """List submissions whose answer nobody knows yet; hand them in again to ask for them.

    回答未確認の提出を表示します。
    """
    try:
        kept = SubmissionTable(_opened(database)).submissions(state=SubmissionState.OPEN)
    except (ConfigError, StoreError) as error:
        raise _bad(str(error)) from error
    rows = [
        {
            "request_id": one.request_id,
            "venue": one.venue,
            "day": one.day.isoformat(),
            "sent_at": one.sent_at.isoformat(),
            "rule_set": one.rule_set_id,
        }
        for one in kept
    ]
    _say(rows, as_json=as_json)


def _run(
    deed: Callable[[Exchange], Awaitable[Sequence[Mapping[str, object]]]],
    venue: Venue,
    *,
    url: str,
    database: str,
    member: str,
) -> Sequence[Mapping[str, object]]:
    """Do something at a venue; one line says why not."""

    async def run() -> Sequence[Mapping[str, object]]:
        opened, clock = _opened(database), SystemClock()
        store = RecordedSubmissions(SubmissionTable(opened), trail_of(opened), who=who_acts())
        membership = Membership(member=member)
        async with open_line(url) as line:
            made: Exchange = (
                EprxConnector(line, store, clock, rules=load_rule_book(), membership=membership)
                if venue is Venue.RESERVE
                else JepxConnector(
                    line, store, clock, rule=load_exchange_rule(), membership=membership
                )
            )
            return await deed(made)

    try:
        return asyncio.run(run())
    except (ConfigError, StoreError) as error:
        raise _bad(str(error)) from error
    except (RejectedError, ConflictError, OutcomeUnknownError, RemoteProtocolError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _submission(venue: str, day: str, *, area: str, bids: Path, request_id: str) -> Submission:
    venues = {one.value: one for one in (Venue.SPOT, Venue.INTRADAY, Venue.RESERVE)}
    if venue not in venues:
        raise _bad(f"--venue: {venue!r} is not one of {', '.join(venues)}")
    try:
        chosen = date.fromisoformat(day)
    except ValueError as error:
        raise _bad(f"--day: {day!r} is not YYYY-MM-DD") from error
    try:
        with bids.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise _bad(f"{bids}:1: the header is not {','.join(_COLUMNS)}")
            rows = [_bid(row, venues[venue], chosen, f"{bids}:{reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _bad(f"{bids}: {error}") from error
    return Submission(
        request_id=request_id, venue=venues[venue], area=area, day=chosen, bids=tuple(rows)
    )


def _bid(row: Mapping[str, str], venue: Venue, day: date, where: str) -> Bid:  # noqa: PLR0917  a row and where it stands
    try:
        number, pattern = int(row["slot"]), int(row["pattern"] or "1")
        if not 1 <= number <= SLOTS_A_DAY:
            raise _bad(f"{where}: slot {number} is not in 1..{SLOTS_A_DAY}")
        return Bid(
            venue=venue,
            service=Service(row["service"]),
            source=Source.STORAGE,
            slot=Slot(day=day, number=number),
            slots=int(row["slots"] or "1"),
            power_kw=Decimal(row["kw"]),
            least_kw=Decimal(row["least_kw"] or "0"),
            price_jpy=Decimal(row["price"]),
            pattern=Pattern(system_code=row["unit"], number=pattern) if row["unit"] else None,
        )
    except (ValueError, TypeError, InvalidOperation) as error:
        raise _bad(f"{where}: is no bid: {error}") from error


def _opened(database: str) -> Database:
    """Open a SQLite file, or any address of SQLAlchemy."""
    return open_database(database if "://" in database else Path(database))


def _say(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(list(rows), ensure_ascii=False) + "\n")
        return
    for row in rows:
        typer.echo("  ".join(f"{key}={value}" for key, value in row.items()))


def _bad(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(EXIT_BAD_INPUT)


def main() -> None:
    """Run the verb."""
    app(prog_name="vpp exchange")
