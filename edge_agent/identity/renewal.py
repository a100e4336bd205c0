"""Keeps the gateway's certificate in force: renews it by itself, long before it ends.

Begins when two thirds of its life are over, a little later at some gateways than at others so
that not all come at once, and tries again with growing pauses; towards the end the pauses become
short again. Also hands over commissioning records that could not be sent when they were made.
Made by main; runs beside the cycle.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from edge_agent.identity.enrol import RENEW_SHARE, coordinator_of, own_certificate, renew
from edge_agent.identity.est import EstClient
from edge_agent.identity.files import IdentityFiles
from edge_agent.identity.unsent import send_records
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.intervals import Clock

JITTER_SHARE: Final = 0.05
"""Part of a certificate's life over which gateways spread."""
PAUSE_S: Final = 60.0
PAUSE_S_MAX: Final = 6 * 3600.0
LEFT_SHARE: Final = 0.1
"""Part of what is left of the life that a pause takes at most."""
PAUSE_S_MIN: Final = 30.0
LOOK_S: Final = 600.0
"""Longest sleep, so that a clock that is set right and a renewal by hand are seen."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPorts:
    """What renewal stands on.

    Attributes
    ----------
    clock : Clock
        Time.
    draw : callable
        Uniform draw from 0..1.
    sleep : callable
        Waits so many seconds.
    renewed : callable
        Told that another certificate is in force, for the link to take it.
    """

    clock: Clock
    draw: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    renewed: Callable[[], None]


def renewal_at(certificate: x509.Certificate, drawn: float) -> datetime:
    """When renewal begins.

    Parameters
    ----------
    certificate : x509.Certificate
        In force.
    drawn : float
        0..1.
    """
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (1.0 - RENEW_SHARE + JITTER_SHARE * drawn) * (end - begin)


def pause_s(failures: int, left: timedelta, drawn: float) -> float:
    """How long to wait after some attempts in a row failed.

    Parameters
    ----------
    failures : int
        At least 1.
    left : timedelta
        Of the certificate's life.
    drawn : float
        0..1.

    Returns
    -------
    float
        Seconds: between half and all of a span that doubles up to six hours, but no more than
        a tenth of what is left, and at least half a minute.
    """
    span = min(PAUSE_S * 2.0 ** min(failures - 1, 16), PAUSE_S_MAX)
    span = min(span, LEFT_SHARE * max(left.total_seconds(), 0.0))
    return max(span * (0.5 + 0.5 * drawn), PAUSE_S_MIN)


class Renewing:
    """The task.

    Parameters
    ----------
    files : IdentityFiles
        The folder.
    data_dir : Path
        Where records wait.
    ports : RenewalPorts
        Time, chance, and who is told.
    """

    def __init__(self, files: IdentityFiles, data_dir: Path, ports: RenewalPorts) -> None:
        self._files = files
        self._data_dir = data_dir
        self._ports = ports
        self._drawn = ports.draw()
        self._failures = 0
        self._waits = ""

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._ports.sleep(await self.look())

    async def look(self) -> float:
        """Do what is due; return how long to wait then, s."""
        try:
            return await self._look()
        except VppError as error:
            self._failures += 1
            left = await asyncio.to_thread(self._left)
            wait_s = pause_s(self._failures, left, self._ports.draw())
            log.warning(
                "certificate.not_renewed",
                cause=str(error),
                failures=self._failures,
                left_h=round(left.total_seconds() / 3600.0, 1),
                wait_s=round(wait_s),
            )
            return wait_s

    async def _look(self) -> float:
        await self._send_records()
        certificate = await asyncio.to_thread(own_certificate, self._files)
        now = self._ports.clock.now()
        wait_s = (renewal_at(certificate, self._drawn) - now).total_seconds()
        url = await asyncio.to_thread(coordinator_of, self._files)
        if wait_s > 0.0 or not url:
            return min(max(wait_s, PAUSE_S_MIN), LOOK_S) if wait_s > 0.0 else LOOK_S
        made = await asyncio.to_thread(renew, self._files, EstClient(url), at=now)
        log.info("certificate.renewed", until=made.not_valid_after_utc.isoformat())
        self._drawn, self._failures = self._ports.draw(), 0
        self._ports.renewed()
        return PAUSE_S

    async def _send_records(self) -> None:
        """Hand over what waits; that it waits is told once."""
        waits = await asyncio.to_thread(send_records, self._data_dir, self._files)
        if waits and waits != self._waits:
            log.warning("record.unsent", cause=waits)
        self._waits = waits

    def _left(self) -> timedelta:
        try:
            end = own_certificate(self._files).not_valid_after_utc
        except VppError:
            return timedelta(0)
        return end - self._ports.clock.now()
