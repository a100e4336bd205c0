"""The client against servers that are broken or hostile: one log line, and it goes on.

Loopback 127.24.1.1.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from protocols.ieee2030_5.xml import MEDIA_TYPE, NAMESPACE
from tests.conformance.ieee2030_5.bed import HOST, Gateway, stub, stub_context, until
from tests.pki import Pki

DCAP = f'<DeviceCapability xmlns="{NAMESPACE}"><TimeLink href="/tm"/></DeviceCapability>'


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def said(body: str, status: int = 200) -> Callable[[web.Request], web.Response]:
    return lambda request: web.Response(
        status=status, body=body.encode(), headers={"Content-Type": MEDIA_TYPE}
    )


def lines(pki: Pki, context: ssl.SSLContext | None, *, body: str = DCAP) -> list[str]:
    """Causes that are logged within some seconds with such a server."""
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return said(body)(request)

    async def run() -> None:
        gateway = Gateway(pki, pki.device("a"))
        async with stub(context, answer) as port, gateway.running(port):
            await until(lambda: logged, most_s=8.0)
            await asyncio.sleep(0.5)

    with capture_logs() as logged:
        asyncio.run(run())
    assert len(logged) == 1, logged
    assert body != DCAP or asked == [], "nothing is asked of a stranger"
    return [f"{logged[0]['event']}: {logged[0]['cause']}"]


def server_with(pki: Pki, **wrong: object) -> ssl.SSLContext:
    return stub_context(pki.device("server", **wrong), pki)


def test_a_server_of_another_infrastructure(pki: Pki, tmp_path: Path) -> None:
    """If it fails, whoever has a certificate can command the site."""
    other = Pki(tmp_path / "other")
    context = stub_context(other.server(HOST), pki)
    (line,) = lines(pki, context)
    assert "utility.lost" in line
    assert "self-signed" in line or "unable to get" in line


def test_a_server_by_another_name(pki: Pki) -> None:
    """If it fails, any server of the infrastructure can stand in for ours."""
    (line,) = lines(pki, stub_context(pki.server("127.24.9.9"), pki))
    assert "IP address mismatch" in line


def test_a_device_that_plays_the_server(pki: Pki) -> None:
    """If it fails, a neighbour's inverter can command the site."""
    (line,) = lines(pki, stub_context(pki.device("neighbour"), pki))
    assert "utility.lost" in line


@pytest.mark.parametrize("kind", ["rsa", "p384", "sha384", "expired"])
def test_a_server_with_a_wrong_certificate(pki: Pki, kind: str) -> None:
    """If it fails, old certificates or other algorithms than the standard's are taken."""
    wrong: dict[str, object] = {
        "rsa": {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
        "p384": {"key": ec.generate_private_key(ec.SECP384R1())},
        "sha384": {"digest": hashes.SHA384()},
        "expired": {"until": datetime.now(UTC) - timedelta(days=1)},
    }[kind]
    gateway = Gateway(pki, pki.device("a"))

    async def run() -> None:
        context = server_with(pki, **wrong)
        async with stub(context, said(DCAP)) as port:
            client = gateway.make(port)
            client._context.check_hostname = False
            task = asyncio.create_task(client.run())
            await until(lambda: logged, most_s=8.0)
            task.cancel()

    with capture_logs() as logged:
        asyncio.run(run())
    (line,) = logged
    assert line["event"] == "utility.lost"
    wanted = {
        "rsa": "not on P-256",
        "sha384": "not signed with SHA-256",
        "p384": "not on P-256",
        "expired": "expired",
    }
    assert wanted[kind] in line["cause"]


@pytest.mark.parametrize("kind", ["plain", "tls 1.1"])
def test_a_downgraded_server(pki: Pki, kind: str) -> None:
    """If it fails, what the site is told can be read and changed on its way."""
    context: ssl.SSLContext | None = None
    if kind == "tls 1.1":
        context = stub_context(pki.server(HOST), pki)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    (line,) = lines(pki, context)
    assert "utility.lost" in line


@pytest.mark.parametrize("kind", ["tls 1.2 ccm8", "tls 1.3"])
def test_what_the_field_speaks(pki: Pki, kind: str) -> None:
    """If it fails, the servers of the standard cannot be reached."""
    context = stub_context(pki.server(HOST), pki)
    if kind == "tls 1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    else:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
    peers: list[tuple[str, str]] = []

    def answer(request: web.Request) -> web.Response:
        cipher = request.transport.get_extra_info("cipher")
        peers.append((cipher[0], cipher[1]))
        return said(DCAP)(request)

    async def run() -> None:
        gateway = Gateway(pki, pki.device("a"))
        async with stub(context, answer) as port, gateway.running(port):
            await until(lambda: peers)

    asyncio.run(run())
    name, version = peers[0]
    if kind == "tls 1.3":
        assert version == "TLSv1.3"
    else:
        assert name == "ECDHE-ECDSA-AES128-CCM8"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "not well-formed"),
        ("<html>", "not well-formed"),
        (f'<!DOCTYPE x [<!ENTITY e "e">]>{DCAP}', "document type"),
        ("<a>" * 100 + "</a>" * 100, "deeper"),
        (f'<Time xmlns="{NAMESPACE}"/>', "where DeviceCapability is due"),
        (DCAP.replace(NAMESPACE, "urn:other"), "where DeviceCapability is due"),
        (DCAP.replace("/tm", "https://10.0.0.1/tm"), "another host"),
        (DCAP.replace("/tm", "http://[::1"), "is none"),
        (DCAP.replace(' href="/tm"', ""), "lacks href"),
        (DCAP + " " * 3_000_000, "too long"),
    ],
)
def test_hostile_documents(pki: Pki, body: str, says: str) -> None:
    """If it fails, one bad document stops the client for good."""
    (line,) = lines(pki, stub_context(pki.server(HOST), pki), body=body)
    assert says in line


def test_a_reply_of_strange_kinds(pki: Pki) -> None:
    """If it fails, unknown elements or a wrong order shut out a server of a later edition."""
    odd = f"""<DeviceCapability xmlns="{NAMESPACE}"><SelfDeviceLink href="/sdev"/><NewLink/>
    <TimeLink href="/tm" new="1"/></DeviceCapability>"""
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return said(odd)(request)

    async def run() -> None:
        gateway = Gateway(pki, pki.device("a"))
        context = stub_context(pki.server(HOST), pki)
        async with stub(context, answer) as port, gateway.running(port):
            await until(lambda: "/tm" in asked)

    asyncio.run(run())
