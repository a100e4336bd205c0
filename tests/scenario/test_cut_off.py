"""A revoked gateway and the one in its place, at the real broker with the real authority."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import aiomqtt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cloud_coordinator.gateway.authority.authority import Authority, make_authority
from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings
from cloud_coordinator.gateway.secured import open_security
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.enrolment import Enrolling
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.enrolments import EnrolmentRegistry
from edge_agent.identity.files import IdentityFiles, own_signing_key, own_tls_key
from edge_agent.link.secure import link_context
from protocols.identity.requests import make_request, read_request
from protocols.link.topics import TopicKind, Topics
from protocols.vocabulary.identifiers import SiteId, ZoneId
from tests.ports import free_port

SITE, ZONE = SiteId("site-1"), ZoneId("tokyo")
WAIT_S = 10.0


def enrolled(
    enrolling: Enrolling, authority: Authority, folder: Path, *, ticket: int, secret: bytes
) -> IdentityFiles:
    """Make a gateway's folder with a certificate."""
    files = IdentityFiles(folder=folder)
    request = make_request(
        own_tls_key(files.key), own_signing_key(files.signing_key), name="gateway"
    )
    made = enrolling.enrol(ticket, secret, read_request(request))
    chain = (made, authority.chain[0])
    files.certificate.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    files.trust.write_bytes(authority.root.public_bytes(Encoding.PEM))
    return files


def test_replacing_cuts_the_old_gateway_off_and_lets_the_new_one_in(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """If it fails, a stolen gateway acts on, or a broken one's site needs a new name."""
    clock, port = SystemClock(), free_port()
    authority = make_authority(
        tmp_path / "identity", b"correct horse", name="t", names=[], at=datetime.now(UTC)
    )
    database = open_database(tmp_path / "registry.sqlite3")
    enrolling = Enrolling(
        EnrolmentRegistry(database),
        authority,
        revoked=authority.revoked,
        clock=clock,
        draw=secrets.token_bytes,
    )
    code = enrolling.add(SITE, ZONE)
    old = enrolled(enrolling, authority, tmp_path / "old", ticket=code.ticket, secret=code.secret)
    security = open_security(tmp_path / "identity")
    settings = BrokerSettings(data_dir=tmp_path / "data", mqtt_port=port, tls=security.broker_tls)
    broker, admission = EmbeddedBroker(settings, clock), security.admission(clock)

    def client(files: IdentityFiles) -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1",
            port,
            identifier=SITE,
            protocol=aiomqtt.ProtocolVersion.V311,
            tls_context=link_context(files),
            timeout=WAIT_S,
        )

    async def run() -> float:
        await broker.ensure()
        await admission.open(*broker.native)
        task = asyncio.create_task(admission.run())
        try:
            async with client(old) as link:
                await link.subscribe(Topics(SITE).downlink_filter)
                begun = monotonic()
                code = await asyncio.to_thread(enrolling.replace, SITE)
                with pytest.raises(aiomqtt.MqttError):
                    async with asyncio.timeout(WAIT_S):
                        await anext(aiter(link.messages))
                took_s = monotonic() - begun
            new = await asyncio.to_thread(
                enrolled,
                enrolling,
                authority,
                tmp_path / "new",
                ticket=code.ticket,
                secret=code.secret,
            )
            async with client(new) as link:
                await link.subscribe(Topics(SITE).downlink_filter)
                with pytest.raises(aiomqtt.MqttError):
                    async with client(old):
                        pass
                await link.publish(Topics(SITE).topic(TopicKind.HELLO), b"")
            return took_s
        finally:
            task.cancel()
            await admission.close()
            await broker.stop()

    try:
        record_property("cut_off_s", asyncio.run(run()))
    finally:
        database.close()
