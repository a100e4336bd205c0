"""Counterparts on real sockets and what is handed in to them, for the tests of connectors."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from aiohttp import web

from cloud_coordinator.gateway.exchanges.jepx import Membership
from cloud_coordinator.gateway.exchanges.line import Patience
from cloud_coordinator.market.bids import Bid, Pattern, Source, Venue
from cloud_coordinator.services.trading import Submission
from cloud_coordinator.store.database import Database, open_database
from cloud_coordinator.store.submissions import SubmissionTable
from protocols.vocabulary.calendar import Slot
from protocols.vocabulary.obligation import Service
from tests.ports import free_port

DAY = date(2026, 4, 1)
LATE_S = 0.6
MEMBERSHIP = Membership(member="M001", patience=Patience(tries=3, pause_s=0.01, timeout_s=0.3))
BEFORE_GATE = datetime.fromisoformat("2026-03-31T09:30:00+09:00")
AFTER_GATE = datetime.fromisoformat("2026-03-31T12:00:00+09:00")
RESERVE_OPEN = datetime.fromisoformat("2026-03-31T13:00:00+09:00")
RESERVE_CLEARED = datetime.fromisoformat("2026-03-31T15:00:00+09:00")


@dataclass
class Hand:
    """A clock that a test sets."""

    at: datetime

    def now(self) -> datetime:
        """Say the time that was set."""
        return self.at

    def monotonic_ns(self) -> int:
        """Not used."""
        return 0


@dataclass
class Kept:
    """A store in a file, so that a restart can be played."""

    path: Path
    opened: list[Database] = field(default_factory=list)

    def open(self) -> SubmissionTable:
        """Open it, again or for the first time."""
        self.opened.append(open_database(self.path))
        return SubmissionTable(self.opened[-1])


@contextlib.asynccontextmanager
async def served(app: web.Application, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on a free port."""
    port = free_port()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield port
    finally:
        await asyncio.wait_for(runner.cleanup(), 5.0)


def order(slot: int, kw: str, price: str, *, venue: Venue = Venue.SPOT, day: date = DAY) -> Bid:
    """Energy order; negative power buys."""
    return Bid(
        venue=venue,
        service=Service.ENERGY,
        source=Source.STORAGE,
        slot=Slot(day=day, number=slot),
        power_kw=Decimal(kw),
        least_kw=Decimal(0),
        price_jpy=Decimal(price),
    )


def reserve(
    slot: int,
    kw: str,
    price: str,
    *,
    least: str = "1000",
    service: Service = Service.SECONDARY_1,
    day: date = DAY,
    slots: int = 1,
    pattern: int = 1,
) -> Bid:
    """Bid to the balancing market."""
    return Bid(
        venue=Venue.RESERVE,
        service=service,
        source=Source.STORAGE,
        slot=Slot(day=day, number=slot),
        slots=slots,
        power_kw=Decimal(kw),
        least_kw=Decimal(least),
        price_jpy=Decimal(price),
        pattern=Pattern(system_code="LIST01", number=pattern),
    )


def submission(request_id: str, bids: Sequence[Bid], *, day: date = DAY) -> Submission:
    """Hand these in for Tokyo."""
    return Submission(
        request_id=request_id, venue=bids[0].venue, area="tokyo", day=day, bids=tuple(bids)
    )
