"""Hostile peers at our IEEE 2030.5 server: wrong certificates, old TLS, broken HTTP and XML.

Real sockets at 127.30.22.1. Each is refused with one line of the log, and a good client is
served before and after.
"""

import asyncio
import contextlib
import json
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from cloud_coordinator.gateway.ieee2030_5.service import (
    Chance,
    Ieee2030_5Service,
    ServiceOptions,
    Where,
)
from cloud_coordinator.gateway.tls import CIPHERS, TlsFiles
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.record_table import RecordTable
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.xml import MEDIA_TYPE
from protocols.vocabulary.errors import ConfigError
from tests.pki import Holder, Pki

HOST = "127.30.22.1"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
PATIENCE_S = 10.0


@contextlib.asynccontextmanager
async def _serving(folder: Path, pki: Pki, *, token: str = "") -> AsyncIterator[Where]:
    holder = pki.server(HOST)
    options = ServiceOptions(
        host=HOST,
        port=0,
        tls=TlsFiles(certificate=holder.certificate, key=holder.key, authorities=pki.authorities),
        server=ServerSettings(),
        admin_host=HOST,
        admin_port=0,
        admin_token=token,
    )
    database = open_database(folder / "server.sqlite3")
    service = Ieee2030_5Service(
        options,
        RecordTable(database, book="test"),
        clock=lambda: datetime.now(UTC).timestamp(),
        chance=Chance(seed=b"0123456789abcdef", draw=lambda: 0.5),
    )
    running = None
    try:
        where = await service.open()
        running = asyncio.create_task(service.run())
        yield where
    finally:
        if running is not None:
            running.cancel()
            await asyncio.wait([running])
        await service.close()
        database.close()


def _client(pki: Pki, holder: Holder | None, *, leaf_only: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(f"{CIPHERS}:ALL")
    context.load_verify_locations(pki.serca)
    if holder is not None:
        context.load_cert_chain(holder.leaf if leaf_only else holder.certificate, holder.key)
    return context


async def _status(context: ssl.SSLContext, where: Where, path: str = "/dcap") -> int:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(f"https://{HOST}:{where.port}{path}") as reply,
    ):
        await reply.read()
        return reply.status


async def _refused(context: ssl.SSLContext, where: Where) -> list[str]:
    """Causes in the log of one connection that must get no answer."""
    with capture_logs() as told:
        answer = b""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, where.port, ssl=context)
            writer.write(b"GET /dcap HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
            writer.close()
        assert answer == b""
        for _ in range(100):
            causes = [line["cause"] for line in told if line["event"] == "tls.refused"]
            if causes:
                break
            await asyncio.sleep(0.02)
    return causes


def _run(folder: Path, body: Callable[[Pki, Where], Awaitable[None]], *, token: str = "") -> None:
    async def run() -> None:
        pki = Pki(folder / "pki")
        good = pki.device("good")
        async with asyncio.timeout(60.0), _serving(folder, pki, token=token) as where:
            assert await _status(_client(pki, good), where) == 200
            await body(pki, where)
            assert await _status(_client(pki, good), where) == 200

    asyncio.run(run())


def _rsa(pki: Pki) -> Holder:
    return pki.device("rsa", key=rsa.generate_private_key(public_exponent=65_537, key_size=2048))


WRONG: dict[str, Callable[[Pki, Pki], Holder | None]] = {
    "no certificate": lambda ours, theirs: None,
    "another authority": lambda ours, theirs: theirs.device("stranger"),
    "expired": lambda ours, theirs: ours.device("expired", until=YESTERDAY),
    "RSA": lambda ours, theirs: _rsa(ours),
    "another curve": lambda ours, theirs: ours.device(
        "p384", key=ec.generate_private_key(ec.SECP384R1())
    ),
    "another hash": lambda ours, theirs: ours.device("sha512", digest=hashes.SHA512()),
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_wrong_certificate_gets_no_answer(
    tmp_path: Path, wrong: str, version: ssl.TLSVersion
) -> None:
    """If it fails, somebody without a certificate of this infrastructure is a client."""

    async def body(pki: Pki, where: Where) -> None:
        holder = WRONG[wrong](pki, Pki(tmp_path / "other"))
        context = _client(pki, holder)
        context.maximum_version = version
        assert len(await _refused(context, where)) == 1

    _run(tmp_path, body)


def test_an_old_version_or_cipher_is_refused(tmp_path: Path) -> None:
    """If it fails, a connection is talked down to something that can be broken."""

    async def body(pki: Pki, where: Where) -> None:
        holder = pki.device("old")
        old = _client(pki, holder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        assert len(await _refused(old, where)) == 1
        weak = _client(pki, holder)
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        weak.set_ciphers("ECDHE-ECDSA-AES128-SHA:AES128-SHA:@SECLEVEL=0")
        assert len(await _refused(weak, where)) == 1

    _run(tmp_path, body)


def test_the_standard_s_cipher_and_a_newer_version_are_both_spoken(tmp_path: Path) -> None:
    """If it fails, clients in the field, or clients to come, cannot connect."""

    async def body(pki: Pki, where: Where) -> None:
        seen = set()
        holder = pki.device("device")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for leaf_only in (False, True):
                context = _client(pki, holder, leaf_only=leaf_only)
                context.maximum_version = version
                with capture_logs() as told:
                    assert await _status(context, where) == 200
                seen |= {(x["version"], x["cipher"]) for x in told if x["event"] == "tls.admitted"}
                assert {x["lfdi"] for x in told if "lfdi" in x} == {holder.lfdi}
        assert ("TLSv1.2", "ECDHE-ECDSA-AES128-CCM8") in seen
        assert "TLSv1.3" in {version for version, _ in seen}

    _run(tmp_path, body)


NOISE = (
    b"GET /dcap HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600,
    b"\x00" * 5_000,
    b"",
)


def test_noise_instead_of_a_handshake_is_one_line_of_the_log(tmp_path: Path) -> None:
    """If it fails, a port scan fills the log with traces or stops the server."""

    async def body(pki: Pki, where: Where) -> None:
        for noise in NOISE:
            with capture_logs() as told:
                reader, writer = await asyncio.open_connection(HOST, where.port)
                writer.write(noise)
                if not noise:
                    writer.close()
                with contextlib.suppress(OSError):
                    await asyncio.wait_for(reader.read(), PATIENCE_S + 5.0)
                writer.close()
                await asyncio.sleep(0.05)
            assert [x["event"] for x in told if x["log_level"] == "error"] == []
            assert len(told) <= 1

    _run(tmp_path, body)


BODIES = (
    b"<",
    b"\x00\x01\x02",
    b'<!DOCTYPE a [<!ENTITY a "b">]><EndDevice xmlns="urn:ieee:std:2030.5:ns">&a;</EndDevice>',
    b"<a>" * 100_000,
    b"<a " + b" ".join(b'b%d="c"' % number for number in range(20_000)) + b"/>",
)
REQUESTS = (
    b"\x00\xff\xfe\r\n\r\n",
    b"GET /%00%ff?l=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //// HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /edev HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /edev HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    b"GET /dcap HTTP/1.1\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
)


def test_broken_bodies_and_requests_are_never_our_fault(tmp_path: Path) -> None:
    """If it fails, a client's broken message is answered with a 5xx, or not survived."""

    async def body(pki: Pki, where: Where) -> None:
        context = _client(pki, pki.device("broken"))
        url = f"https://{HOST}:{where.port}/edev"
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            for sent in BODIES:
                with capture_logs() as told:
                    head = {"Content-Type": MEDIA_TYPE}
                    async with session.post(url, data=sent, headers=head) as reply:
                        assert 400 <= reply.status < 500
                lines = [x for x in told if x["event"] == "der_request.refused"]
                assert len(lines) == 1, "one line for each"
        for raw in REQUESTS:
            reader, writer = await asyncio.open_connection(HOST, where.port, ssl=context)
            writer.write(raw)
            answer = await asyncio.wait_for(reader.read(12), PATIENCE_S)
            writer.close()
            assert answer.startswith(b"HTTP/1."), raw[:40]
            assert answer[9:10] == b"4", answer

    _run(tmp_path, body)


def test_the_operator_s_door_wants_its_token_and_survives_nonsense(tmp_path: Path) -> None:
    """If it fails, anybody on the machine commands the fleet, or stops its server."""
    good = {"type": "ensure-end-device", "client": {"lfdi": "A" * 40}}

    async def body(pki: Pki, where: Where) -> None:
        url = f"http://{HOST}:{where.admin_port}/"
        asked: tuple[tuple[str, object, int, str], ...] = (
            ("", good, 401, "failed"),
            ("Bearer wrong", good, 401, "failed"),
            ("Bearer word", good, 200, "done"),
            ("Bearer word", {"type": "no-such"}, 200, "skip"),
            ("Bearer word", {"event": "setup", "procedure": "P"}, 200, "done"),
            ("Bearer word", [], 200, "failed"),
            ("Bearer word", {"type": "ensure-fsa"}, 200, "failed"),
            ("Bearer word", {**good, "client": {"lfdi": "XY"}}, 200, "failed"),
            ("Bearer word", {**good, "parameters": {"registered": "yes"}}, 200, "failed"),
            ("Bearer word", {**good, "parameters": 5}, 200, "failed"),
        )
        async with aiohttp.ClientSession() as session:
            for token, said, status, result in asked:
                async with session.post(url, json=said, headers={"Authorization": token}) as got:
                    assert (got.status, (await got.json())["result"]) == (status, result), said
            head = {"Authorization": "Bearer word", "Content-Type": "application/json"}
            for raw in (b"{", b"[" * 50_000, b"\xff", b"x" * 100_000):
                async with session.post(url, data=raw, headers=head) as got:
                    assert json.loads(await got.read())["result"] == "failed"

    _run(tmp_path, body, token="word")


def test_an_open_door_without_a_token_is_refused(tmp_path: Path) -> None:
    """If it fails, a mistake in the address gives the fleet to the network."""
    pki = Pki(tmp_path / "pki")
    holder = pki.server(HOST)
    options = ServiceOptions(
        host=HOST,
        port=0,
        tls=TlsFiles(certificate=holder.certificate, key=holder.key, authorities=pki.authorities),
        server=ServerSettings(),
        admin_host="0.0.0.0",
        admin_port=0,
    )
    database = open_database(tmp_path / "server.sqlite3")
    service = Ieee2030_5Service(
        options,
        RecordTable(database, book="test"),
        clock=lambda: 0.0,
        chance=Chance(seed=b"0123456789abcdef", draw=lambda: 0.5),
    )

    async def run() -> None:
        with pytest.raises(ConfigError, match="token"):
            await service.open()
        await service.close()

    asyncio.run(run())
    database.close()
