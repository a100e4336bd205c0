"""The real broker with TLS 1.3, certificates and admission: who gets in, and where to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_coordinator.gateway.admission import Admission
from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings, BrokerTls
from cloud_coordinator.gateway.nkeys import account_name
from cloud_coordinator.process import SystemClock
from edge_agent.identity.files import IdentityFiles
from edge_agent.link.secure import link_context
from protocols.identity.names import COORDINATOR_NAME
from protocols.link.topics import TopicKind, Topics
from protocols.vocabulary.identifiers import SiteId
from tests.link_identity import LinkAuthority
from tests.ports import free_port

WAIT_S = 3.0
NOTHING_S = 0.3
REFUSED = 128
"""Return code of a SUBACK."""


class World:
    """A broker, its authority and whom it cut off."""

    def __init__(self, folder: Path) -> None:
        self.authority = LinkAuthority(folder / "authority")
        self.port = free_port()
        self.revoked: set[str] = set()
        issuer = Ed25519PrivateKey.generate()
        clock = SystemClock()
        tls = BrokerTls(
            certificate=self.authority.certificate,
            key=self.authority.key,
            trust=self.authority.trust,
            issuer=account_name(issuer),
        )
        settings = BrokerSettings(data_dir=folder / "data", mqtt_port=self.port, tls=tls)
        self.broker = EmbeddedBroker(settings, clock)
        self.admission = Admission(issuer, lambda: self.revoked, clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run broker and admission."""
        await self.broker.ensure()
        await self.admission.open(*self.broker.native)
        task = asyncio.create_task(self.admission.run())
        try:
            yield
        finally:
            task.cancel()
            await self.admission.close()
            await self.broker.stop()

    def client(self, name: str, files: IdentityFiles) -> aiomqtt.Client:
        """Make a gateway's connection under a client id."""
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V311,
            tls_context=link_context(files),
            timeout=WAIT_S,
        )


def test_the_certificate_fixes_the_topics(tmp_path: Path) -> None:
    """If it fails, one gateway's certificate is enough to read or act for another site."""

    async def run() -> None:
        world = World(tmp_path)
        one, _ = world.authority.site("one")
        two, _ = world.authority.site("two")
        mine, others = Topics(SiteId("one")), Topics(SiteId("two"))
        async with world.running(), world.client("one", one) as first:
            await first.subscribe(mine.downlink_filter)
            await first.subscribe("v1/z/tokyo/sig")
            async with world.client("two", two) as second:
                await second.subscribe(others.downlink_filter)
                for topic in ("v1/z/tokyo/sig", mine.topic(TopicKind.OBLIGATION)):
                    await second.publish(topic, b"forged")
                answers = await second.subscribe(mine.downlink_filter)
                assert [answer == REFUSED for answer in answers] == [True]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(NOTHING_S):
                    await anext(aiter(first.messages))

    asyncio.run(run())


def test_a_copied_certificate_gets_no_other_name(tmp_path: Path) -> None:
    """If it fails, a cloned certificate can push another gateway off the broker."""

    async def run() -> None:
        world = World(tmp_path)
        one, _ = world.authority.site("one")
        stranger, _ = LinkAuthority(tmp_path / "other").site("one")
        stranger.trust.write_bytes(one.trust.read_bytes())
        async with world.running():
            for name, files in (("two", one), ("one", stranger)):
                with pytest.raises(aiomqtt.MqttError):
                    async with world.client(name, files):
                        pass
            async with world.client("one", one):
                pass
        assert world.admission.refused == 1

    asyncio.run(run())


def test_tls_1_2_and_no_certificate_are_refused(tmp_path: Path) -> None:
    """If it fails, an old or anonymous client reaches the broker."""

    async def run() -> None:
        world = World(tmp_path)
        one, _ = world.authority.site("one")
        old = ssl.create_default_context(cafile=one.trust)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.load_cert_chain(one.certificate, one.key)
        bare = ssl.create_default_context(cafile=one.trust)
        async with world.running():
            for context in (old, bare):
                with pytest.raises((ssl.SSLError, ConnectionError, EOFError, TimeoutError)):
                    await _spoken(world.port, context)

    asyncio.run(run())


def test_a_new_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    """If it fails, the renewed certificate is never shown and the old one expires."""

    async def run() -> None:
        world = World(tmp_path)
        one, _ = world.authority.site("one")
        async with world.running():
            serial = world.authority.serve()
            world.broker.reload()
            shown = 0
            async with asyncio.timeout(WAIT_S):
                while shown != serial:
                    shown = await asyncio.to_thread(_serial_shown, world.port, one)
            assert shown == serial
            async with world.client("one", one) as client:
                await client.publish(Topics(SiteId("one")).topic(TopicKind.STATE), b"")

    asyncio.run(run())


async def _spoken(port: int, context: ssl.SSLContext) -> None:
    """Say the first bytes of MQTT and hear the answer; raises if there is none."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=COORDINATOR_NAME
    )
    try:
        writer.write(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x0a\x00\x03one")
        await writer.drain()
        async with asyncio.timeout(WAIT_S):
            await reader.readexactly(4)
    finally:
        writer.close()


def _serial_shown(port: int, files: IdentityFiles) -> int:
    context = link_context(files)
    with (
        socket.create_connection(("127.0.0.1", port), WAIT_S) as plain,
        context.wrap_socket(plain) as shown,
    ):
        der = shown.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number
