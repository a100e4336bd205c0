"""Publishers whose files the running coordinator fetches by itself, by the clock.

Each has an address with the day in it. A file that is not there yet, is broken or malformed is
said once a day (structlog and a durable event) and asked for again; nothing waits for it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import structlog

from cloud_coordinator.gateway.exchanges.fetch import NotPublishedError
from cloud_coordinator.gateway.exchanges.importing import FetchedImports, ImportContext
from cloud_coordinator.services.market_day.alerting import Alerts
from protocols.templates.table import Table
from protocols.vocabulary.calendar import jst_moment, market_day
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.intervals import Clock

LOOK_S: Final = 20.0
_WORDS: Final = ("day", "month", "year", "fiscal_year")
_APRIL: Final = 4

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherPlan:
    """What is fetched of one publisher.

    Attributes
    ----------
    name : str
        For people.
    address : str
        With ``{day}`` (YYYYMMDD), ``{month}`` (YYYYMM), ``{year}`` or ``{fiscal_year}`` of a
        market day.
    area : str or None
        Area or station where the file does not say it.
    at : time
        JST, from when the newest of the days is expected.
    every_minutes : int
        Between two looks.
    days_back, days_ahead : int
        Market days around today whose files are asked for.
    """

    name: str
    address: str
    area: str | None
    at: time
    every_minutes: int
    days_back: int
    days_ahead: int

    def addresses(self, now: datetime) -> Mapping[str, date]:
        """Return the addresses that are asked for now, with their newest day."""
        today = market_day(now)
        ahead = self.days_ahead if now >= jst_moment(today, self.at) else self.days_ahead - 1
        days = [today + timedelta(days=k) for k in range(-self.days_back, ahead + 1)]
        return {_filled(self.address, day): day for day in days}


def read_publishers(table: Table) -> tuple[PublisherPlan, ...]:
    """Read ``[[publisher]]`` of a market file.

    Raises
    ------
    ConfigError
        Naming file, key and cause.
    """
    found = []
    for row in table.tables("publisher"):
        at = row.text("at", "00:00")
        address = row.text("address")
        try:
            moment = time.fromisoformat(at)
            _filled(address, date(2026, 4, 1))
        except ValueError as error:
            raise row.refuse("at", f"{at!r} is not HH:MM") from error
        except (KeyError, IndexError) as error:
            words = ", ".join(_WORDS)
            raise row.refuse("address", f"{error} in it is not one of {words}") from error
        if not address.startswith(("http://", "https://")):
            raise row.refuse("address", f"{address!r} begins with neither http:// nor https://")
        found.append(
            PublisherPlan(
                name=row.text("name"),
                address=address,
                area=row.text("area", "") or None,
                at=moment,
                every_minutes=row.integer("every_minutes", 30, low=1, high=1440),
                days_back=row.integer("days_back", 1, low=0, high=400),
                days_ahead=row.integer("days_ahead", 0, low=0, high=2),
            )
        )
        row.end()
    if len({one.name for one in found}) < len(found):
        raise ConfigError("publisher: a name is there twice")
    return tuple(found)


class Publishers:
    """The use case.

    Parameters
    ----------
    plans : sequence of PublisherPlan
        Whom to ask.
    imports : FetchedImports
        Into the store.
    alerts : Alerts
        Who hears of what is not there.
    clock : Clock
        When.
    """

    def __init__(
        self,
        plans: Sequence[PublisherPlan],
        imports: FetchedImports,
        *,
        alerts: Alerts,
        clock: Clock,
    ) -> None:
        self._plans = plans
        self._imports = imports
        self._alerts = alerts
        self._clock = clock
        self._asked: dict[str, datetime] = {}

    async def turn(self) -> int:
        """Ask everybody who is due; return how many files were new."""
        now, new = self._clock.now(), 0
        for plan in self._plans:
            last = self._asked.get(plan.name)
            if last is not None and now < last + timedelta(minutes=plan.every_minutes):
                continue
            self._asked[plan.name] = now
            for address, day in plan.addresses(now).items():
                if day < market_day(now) - timedelta(days=1) and self._imports.knows(address):
                    continue
                new += await self._fetch(plan, address, now)
        return new

    async def _fetch(self, plan: PublisherPlan, address: str, now: datetime) -> bool:
        context = ImportContext(at=now, by=f"coordinator:{plan.name}", area=plan.area)
        step = f"{market_day(now)}/import/{plan.name}"
        try:
            done = await self._imports.import_from(address, context)
        except NotPublishedError as error:
            self._alerts.say(step, "market.assumed", f"{plan.name}: {error}")
            return False
        except VppError as error:
            self._alerts.say(step, "market.failed", f"{plan.name}: {error}")
            return False
        if done is None or not done.is_new:
            return False
        record = done.record
        _log.info("publication.imported", source=address, number=record.number, rows=record.rows)
        line = f"{plan.name}: import {record.number}, {record.rows} values, {address}"
        self._alerts.say(step, "market.imported", line)
        return True


async def fetch_by_the_clock(publishers: Publishers) -> None:
    """Ask publishers for ever; what cannot be kept is said and tried again."""
    while True:
        try:
            await publishers.turn()
        except VppError as error:
            _log.error("publishers.failed", cause=str(error))
        await asyncio.sleep(LOOK_S)


def _filled(address: str, day: date) -> str:
    return address.format(
        day=f"{day:%Y%m%d}",
        month=f"{day:%Y%m}",
        year=f"{day:%Y}",
        fiscal_year=day.year if day.month >= _APRIL else day.year - 1,
    )
