"""Our client and our server over real sockets and TLS, with restarts and clocks that are off.

Loopback 127.24.1.1.
"""

import asyncio
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from cloud_coordinator.gateway.ieee2030_5.service import Ieee2030_5Service
from edge_agent.config.northbound import Listener
from edge_agent.northbound.port import OPEN_END
from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.resources.elements import ActivePower
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from tests.conformance.ieee2030_5.bed import HOST, Book, Gateway, until, utility
from tests.pki import Holder, Pki
from tests.ports import free_port

LIMIT = DERControlBase(op_mod_exp_lim_w=ActivePower(multiplier=2, value=15))


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


async def registered(service: Ieee2030_5Service, lfdi: str) -> None:
    """Wait until a device is there and has read all it can."""
    await until(lambda: service.values(lfdi))


async def issued(
    service: Ieee2030_5Service, lfdi: str, *, wait_s: int = 2, duration_s: int = 2
) -> str:
    order = ControlOrder(base=LIMIT, start=int(time.time()) + wait_s, duration_s=duration_s)
    return await service.issue(lfdi, order)


def chain(service: Ieee2030_5Service, mrid: str) -> list[int]:
    return [answer.status for answer in service.responses(mrid)]


@pytest.mark.parametrize("ahead_s", [0.0, -5000.0, 4000.3])
def test_a_control_over_tls(pki: Pki, ahead_s: float) -> None:
    """If it fails, no site follows its utility, or only those whose clocks are right."""

    async def run() -> None:
        gateway = Gateway(pki, pki.device("a"), ahead_s=ahead_s)
        lfdi = gateway.holder.lfdi
        async with utility(pki, Book()) as (service, port), gateway.running(port) as client:
            await registered(service, lfdi)
            mrid = await issued(service, lfdi)
            await until(lambda: chain(service, mrid) == [1, 2])
            now = client._parts.clock.now()
            (order,) = [o for o in client.orders(now) if o.event_id == mrid]
            assert (order.mode, order.value) == ("opModExpLimW", 1500.0)
            assert abs((order.interval.end - order.interval.start).total_seconds() - 2.0) < 0.01
            assert order.interval.start <= now < OPEN_END
            await until(lambda: chain(service, mrid) == [1, 2, 3])
            assert client.orders(client._parts.clock.now()) == []
            assert {value.value for value in service.values(lfdi)} == {500}

    asyncio.run(run())


@pytest.mark.parametrize("stage", [1, 2])
def test_both_sides_lose_power(pki: Pki, stage: int) -> None:
    """If it fails, an order is lost, repeated or answered twice after a loss of power."""

    async def run() -> None:
        gateway, stored = Gateway(pki, pki.device("a")), Book()
        lfdi = gateway.holder.lfdi
        async with utility(pki, stored) as (service, port):
            async with gateway.running(port):
                await registered(service, lfdi)
                mrid = await issued(service, lfdi, wait_s=3, duration_s=4)
                await until(lambda: len(chain(service, mrid)) == stage)
            asleep = gateway.make(port)
            held = [o.event_id for o in asleep.orders(asleep._parts.clock.now())]
            assert held == [mrid], "known before a word is spoken"
        async with utility(pki, stored, port=port) as (service, _), gateway.running(port):
            await until(lambda: chain(service, mrid) == [1, 2, 3])
            await asyncio.sleep(1.5)
            assert chain(service, mrid) == [1, 2, 3]

    asyncio.run(run())


def test_the_server_is_gone_while_an_order_holds(pki: Pki) -> None:
    """If it fails, an outage of the server lifts a limit, or the end of it is never told."""

    async def run() -> None:
        gateway, stored = Gateway(pki, pki.device("a")), Book()
        lfdi = gateway.holder.lfdi
        async with utility(pki, stored) as (service, port):
            opened = gateway.running(port)
            client = await opened.__aenter__()
            await registered(service, lfdi)
            mrid = await issued(service, lfdi, wait_s=1, duration_s=4)
            await until(lambda: chain(service, mrid) == [1, 2])
        await asyncio.sleep(1.5)
        assert [o.event_id for o in client.orders(client._parts.clock.now())] == [mrid]
        async with utility(pki, stored, port=port) as (service, _):
            await until(lambda: chain(service, mrid) == [1, 2, 3], most_s=25.0)
        await opened.__aexit__(None, None, None)

    asyncio.run(run())


def caller(pki: Pki, holder: Holder) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_cert_chain(holder.certificate, holder.key)
    context.load_verify_locations(pki.authorities)
    return context


def test_a_notification_is_followed_at_once_and_only_the_servers(pki: Pki) -> None:
    """If it fails, a subscription is worth nothing, or a neighbour can make us ask and ask."""

    async def run() -> None:
        port = free_port()
        url = f"https://{HOST}:{port}/notify"
        listener = Listener(address=HOST, port=port, url=url)
        gateway = Gateway(pki, pki.server(HOST, name="gateway"), listener=listener)
        lfdi = gateway.holder.lfdi
        book = Book()
        served = utility(pki, book, poll_rate_s=300)
        async with served as (service, where), gateway.running(where):
            await registered(service, lfdi)
            await until(lambda: any(key.startswith("subscriber") for key in book.records))
            mrid = await service.issue(
                lfdi, ControlOrder(base=LIMIT, start=int(time.time()) + 60, duration_s=5)
            )
            await until(lambda: chain(service, mrid) == [1])
            async with aiohttp.ClientSession() as session:
                neighbour = caller(pki, pki.device("neighbour"))
                with pytest.raises((aiohttp.ClientError, OSError)):
                    await session.post(url, data=b"<a/>", ssl=neighbour)

    asyncio.run(run())
