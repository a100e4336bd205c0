"""The publishers of area and weather data as one web server, with the faults real ones have.

Addresses: ``/AREA/YYYYMMDD_power_usage.csv``, ``/AREA/juyo-YYYY.csv``,
``/AREA/eria_jukyu_YYYYMM_NN.csv``, ``/jma/STATION_YYYYMMDD_hourly.csv``, and files of a folder
under ``/files/``. What has not begun is not published (404).
"""

import asyncio
import enum
import hashlib
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from firmware_sim.counterparts.published_files import (
    AREAS,
    STYLES,
    day_file,
    hourly_file,
    mix_file,
    weather_file,
)
from protocols.vocabulary.calendar import market_day
from protocols.vocabulary.intervals import Clock

STOP_S: Final = 1.0
"""How long a request that is still answered may hold up the end."""
_PAGE: Final = "<!DOCTYPE html>\n<html><body>ただいまメンテナンス中です。</body></html>\n"
_FAULTS_MAX: Final = 10_000
_ENDLESS: Final = b"0" * 65_536
_STEP_S: Final = 300
_DATED: Final = re.compile(r"(?:(?P<name>[a-z]+)_)?(?P<day>\d{8})_(?:power_usage|hourly)\.csv")
_YEARLY: Final = re.compile(r"juyo-(?P<year>\d{4})\.csv")
_MIX: Final = re.compile(r"eria_jukyu_(?P<month>\d{6})_(?P<number>\d{2})\.csv")

_log = structlog.get_logger(__name__)


class Fault(enum.StrEnum):
    """What can go wrong with one answer."""

    LATE = "late"
    TRUNCATED = "truncated"
    """The connection ends before the length that was told."""
    CUT = "cut"
    """Half the file, as if it were all."""
    NOT_FOUND = "not-found"
    SERVER_ERROR = "server-error"
    BUSY = "busy"
    """Status 503 with Retry-After."""
    PAGE = "page"
    """A page of HTML with status 200."""
    WRONG_ENCODING = "wrong-encoding"
    """EUC-JP."""
    EMPTY = "empty"
    ENDLESS = "endless"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSettings:
    """What the publishers have.

    Attributes
    ----------
    seed : int
        Of the values.
    folder : Path or None
        Files as published, served as they are.
    late_s : float
        How long a late answer takes.
    """

    seed: int = 1
    folder: Path | None = None
    late_s: float = 5.0


class Publisher:
    """A running publisher.

    Parameters
    ----------
    settings : PublisherSettings
        What it has.
    clock : Clock
        Says what has happened already.
    faults : iterable of Fault
        One for each of the next answers; then all is well again.
    """

    def __init__(
        self, settings: PublisherSettings, clock: Clock, faults: Iterable[Fault] = ()
    ) -> None:
        self._settings, self._clock = settings, clock
        self._faults = deque(faults, maxlen=_FAULTS_MAX)
        self._runner: web.AppRunner | None = None
        self.answers = 0
        """Number of requests that were answered."""

    async def start(self, host: str, port: int) -> None:
        """Listen; OSError if the address cannot be had."""
        app = web.Application()
        app.router.add_get("/{owner}/{name}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.answers += 1
        fault = self._faults.popleft() if self._faults else None
        owner, name = request.match_info["owner"], request.match_info["name"]
        _log.info("publication.asked", path=request.path, fault=fault)
        data = await asyncio.to_thread(self._file, owner, name)
        if fault is not None:
            spoilt = await self._spoilt(fault, request, data or b"")
            if spoilt is not None:
                return spoilt
        if data is None:
            raise web.HTTPNotFound
        etag = hashlib.sha256(data).hexdigest()[:32]
        if f'"{etag}"' in request.headers.get("If-None-Match", ""):
            raise web.HTTPNotModified(headers={"ETag": f'"{etag}"'})
        response = web.Response(body=data, content_type="text/csv")
        response.etag = etag
        response.last_modified = self._now()
        response.enable_compression()
        return response

    async def _spoilt(
        self, fault: Fault, request: web.Request, data: bytes
    ) -> web.StreamResponse | None:
        """Answer with a fault; None if the right answer follows, late."""
        if fault is Fault.LATE:
            await asyncio.sleep(self._settings.late_s)
            return None
        if fault in {Fault.TRUNCATED, Fault.ENDLESS}:
            return await _broken(fault, request, data)
        text = data.decode("cp932", errors="replace")
        made = {
            Fault.CUT: lambda: web.Response(body=data[: len(data) // 2]),
            Fault.NOT_FOUND: lambda: web.Response(status=404),
            Fault.SERVER_ERROR: lambda: web.Response(status=500),
            Fault.BUSY: lambda: web.Response(status=503, headers={"Retry-After": "1"}),
            Fault.PAGE: lambda: web.Response(text=_PAGE, content_type="text/html"),
            Fault.EMPTY: lambda: web.Response(body=b""),
            Fault.WRONG_ENCODING: lambda: web.Response(body=text.encode("euc_jp", "replace")),
        }
        return made[fault]()

    def _now(self) -> datetime:
        """Moment of the last edition: publishers write every five minutes."""
        seconds = int(self._clock.now().timestamp())
        return datetime.fromtimestamp(seconds - seconds % _STEP_S, tz=UTC)

    def _file(self, owner: str, name: str) -> bytes | None:
        """Content of an address; None if nothing is published there."""
        try:
            if owner == "files":
                return self._stored(name)
            if owner == "jma":
                return self._weather(name)
            return self._of_area(owner, name) if owner in AREAS else None
        except (ValueError, OSError):
            return None

    def _stored(self, name: str) -> bytes | None:
        folder = self._settings.folder
        if folder is None or Path(name).name != name or name.startswith("."):
            return None
        return (folder / name).read_bytes()

    def _weather(self, name: str) -> bytes | None:
        match = _DATED.fullmatch(name)
        if match is None or match["name"] is None:
            return None
        day = datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=UTC).date()
        if day >= market_day(self._clock.now()):
            return None
        return weather_file(match["name"], day, seed=self._settings.seed)

    def _of_area(self, area: str, name: str) -> bytes | None:
        now, seed = self._now(), self._settings.seed
        today = market_day(now)
        if match := _DATED.fullmatch(name):
            day = datetime.strptime(match["day"], "%Y%m%d").replace(tzinfo=UTC).date()
            if area not in STYLES or day > today:
                return None
            return day_file(area, day, now=min(now, _closed(day)), seed=seed)
        if match := _YEARLY.fullmatch(name):
            first = date(int(match["year"]), 1, 1)
            days = min((today - first).days, (date(first.year + 1, 1, 1) - first).days)
            return hourly_file(area, first, days=days, now=now, seed=seed) if days > 0 else None
        match = _MIX.fullmatch(name)
        if match is None or AREAS[int(match["number"]) - 1] != area:
            return None
        first = datetime.strptime(match["month"], "%Y%m").replace(tzinfo=UTC).date()
        end = (first + timedelta(days=32)).replace(day=1)
        days = (min(end, today) - first).days
        return mix_file(area, first, days=days, seed=seed) if days > 0 else None


def _closed(day: date) -> datetime:
    """Moment of the last edition of a day file: the day after, ten minutes past midnight JST."""
    return datetime(day.year, day.month, day.day, 15, 10, tzinfo=UTC)


async def _broken(fault: Fault, request: web.Request, data: bytes) -> web.StreamResponse:
    """Answer whose body is not what its head says, or never ends."""
    response = web.StreamResponse()
    if fault is Fault.TRUNCATED:
        response.content_length = len(data) + 1
    await response.prepare(request)
    try:
        if fault is Fault.TRUNCATED:
            await response.write(data[: len(data) // 2])
        while fault is Fault.ENDLESS:
            await response.write(_ENDLESS)
    except OSError:
        return response
    if request.transport is not None:
        request.transport.close()
    return response
