"""A VTN that the site's VEN calls, and that is not the VTN: by chain, time, name, key or suite."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from edge_agent.config.northbound import OpenAdrVenConfig, TlsFiles
from edge_agent.northbound.openadr.ven import OpenAdrVen, VenParts
from tests.hostile_tls import HostileServers
from tests.ports import free_port
from tests.unit.edge_agent.northbound.openadr.scripted_vtn import ScriptedVtn
from tests.unit.edge_agent.northbound.openadr.test_ven_shell import (
    Book,
    Clock,
    Willing,
    fingerprint_of,
    today,
)

HOST = "127.71.7.1"
WRONG = ("wrong chain", "expired", "other name", "other fingerprint", "downgraded")


class Bed:
    """A VEN, and a VTN whose place others can take."""

    def __init__(self, servers: HostileServers, *, pinned: bool) -> None:
        self.vtn = ScriptedVtn()
        self._port = free_port()
        own = servers.pki.device("ven")
        config = OpenAdrVenConfig(
            url=f"https://{HOST}:{self._port}/OpenADR2/Simple/2.0b",
            ven_name="ven",
            vtn_id=None,
            tls=TlsFiles(
                certificate=own.certificate, key=own.key, authorities=servers.pki.authorities
            ),
            signs=False,
            vtn_fingerprint=fingerprint_of(servers.holder) if pinned else None,
            listener=None,
            poll_s=1.0,
            market_contexts=(),
            signals=None,
        )
        self.ven = OpenAdrVen(config, VenParts(judge=Willing(), book=Book(), clock=Clock()))
        self._runner: web.AppRunner | None = None

    async def serve(self, context: ssl.SSLContext) -> None:
        """Serve with a certificate, in the place of who did before."""
        await self.silence()
        self._runner = web.AppRunner(self.vtn.app(), access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port, ssl_context=context).start()

    async def silence(self) -> None:
        """Serve nobody."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def events(self) -> set[str]:
        """Events that ask for something."""
        return {order.event_id for order in self.ven.orders(datetime.now(UTC))}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something."""
    async with asyncio.timeout(15.0):
        while not holds():  # noqa: ASYNC110 - what is waited for is a sum of many things
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_hostile_vtn_is_one_line_and_known_events_go_on(tmp_path: Path, wrong: str) -> None:
    """If it fails, who sits between a site and its VTN commands it, or ends its event."""
    servers = HostileServers(tmp_path, HOST)
    pinned = wrong == "other fingerprint"
    hostile = servers.wrong[wrong]

    async def lived() -> None:
        bed = Bed(servers, pinned=pinned)
        await bed.serve(servers.good)
        task = asyncio.create_task(bed.ven.run())
        try:
            bed.vtn.news.append(today())
            await until(lambda: bed.events() == {"pushed"})
            with capture_logs() as logs:
                hellos: list[object] = []
                hostile.sni_callback = lambda *said: hellos.append(said)
                await bed.silence()
                seen = len(bed.vtn.documents)
                await bed.serve(hostile)
                await until(lambda: len(hellos) >= (2 if wrong == "wrong chain" else 1))
                assert len(bed.vtn.documents) == seen, "nothing was told to a stranger"
                assert bed.events() == {"pushed"}
                await bed.serve(servers.good)
                await until(lambda: any(one["event"] == "vtn.back" for one in logs))
            told = Counter(one["event"] for one in logs)
            assert told["vtn.distrusted"] == (wrong != "downgraded")
            assert told["vtn.lost"] <= 1, "before, or the handshake has no end to tell of"
            assert sum(told.values()) <= 3, logs
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await bed.silence()

    asyncio.run(lived())
