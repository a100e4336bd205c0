"""A gateway enrols with the coordinator over real TLS, is interrupted, renewed, replaced."""

import asyncio
import base64
import os
import random
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientSession, TCPConnector, encode_basic_auth, web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from cloud_coordinator.gateway.authority.authority import (
    Authority,
    make_authority,
    rotate_intermediate,
)
from cloud_coordinator.gateway.authority.revoked import RevokedSerials
from cloud_coordinator.services.enrolment import ATTEMPTS_MAX, Enrolling
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.enrolments import EnrolmentRegistry
from cloud_coordinator.web.enrolment import (
    EnrolmentOffer,
    RateLimit,
    create_enrolment_app,
    enrolment_tls,
)
from edge_agent.identity.enrol import (
    enrol,
    finish_renewal,
    own_certificate,
    renew,
    renewal_due,
)
from edge_agent.identity.est import EstClient, OwnCertificate, RefusedError
from edge_agent.identity.files import IdentityFiles, certificates_in, read_bounded
from edge_agent.identity.stick import take_answer, write_request
from protocols.identity.codes import EnrolmentCode
from protocols.identity.names import serial_text
from protocols.identity.requests import make_request, read_request
from protocols.vocabulary.errors import ConfigError, LinkError, RemoteProtocolError, VppError
from protocols.vocabulary.identifiers import SiteId, ZoneId

PASSPHRASE = b"correct horse battery"
SITE, ZONE = SiteId("site-1"), ZoneId("tokyo")
STEPS = ("keys", "coordinator", "certificate", "site")


class Watch:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC) + self.ahead

    def monotonic_ns(self) -> int:
        """Nanoseconds of the same time."""
        return int(self.now().timestamp() * 1e9)


@dataclass
class World:
    """An authority with its store."""

    authority: Authority
    enrolling: Enrolling
    clock: Watch
    folder: Path


class _StopError(Exception):
    """The power went."""


@contextmanager
def world_in(folder: Path) -> Iterator[World]:
    """Make one."""
    clock = Watch()
    authority = make_authority(
        folder / "authority", PASSPHRASE, name="test", names=["localhost"], at=clock.now()
    )
    database = open_database(folder / "registry.sqlite3")
    enrolling = Enrolling(
        EnrolmentRegistry(database),
        authority,
        revoked=authority.revoked,
        clock=clock,
        draw=secrets.token_bytes,
    )
    try:
        yield World(authority=authority, enrolling=enrolling, clock=clock, folder=folder)
    finally:
        database.close()


@asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """Serve enrolment on a free port."""
    files = world.authority.files
    offer = EnrolmentOffer(
        chain=world.authority.chain,
        coordinator_keys=world.authority.coordinator_keys,
        brokers=("mqtts://127.0.0.1:8883",),
    )
    runner = web.AppRunner(create_enrolment_app(world.enrolling, offer, clock=world.clock))
    await runner.setup()
    tls = enrolment_tls(files.server, files.server_key, files.root)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def against(world: World, act: Callable[[str], None]) -> None:
    """Run a gateway's blocking work beside the server."""

    async def run() -> None:
        async with served(world) as url:
            await asyncio.to_thread(act, url)

    asyncio.run(run())


def quiet(_: str) -> None:
    """Tell nobody."""


@pytest.mark.parametrize("step", STEPS)
def test_interrupted_enrolment_is_run_again(tmp_path: Path, step: str) -> None:
    """If it fails, a power cut during the installation needs a new code, or a new box."""
    with world_in(tmp_path) as world:
        code = world.enrolling.add(SITE, ZONE)
        files = IdentityFiles(folder=tmp_path / "identity")

        def stop(done: str) -> None:
            if done == step:
                raise _StopError

        def act(url: str) -> None:
            with pytest.raises(_StopError):
                enrol(files, EstClient(url), code, tell=stop)
            told: list[str] = []
            facts = enrol(files, EstClient(url), code, tell=told.append)
            assert (facts.site_id, facts.zone) == (SITE, ZONE)
            assert tuple(told) == STEPS

        against(world, act)
        assert files.complete
        assert files.key.stat().st_mode & 0o777 == 0o600
        assert files.signing_key.stat().st_mode & 0o777 == 0o600
        assert own_certificate(files).subject.rfc4514_string() == "CN=site-1"


def test_lost_answer_is_asked_again_and_a_copy_is_refused(tmp_path: Path) -> None:
    """If it fails, a used code enrols a second gateway, or a lost packet wastes a visit."""
    with world_in(tmp_path) as world:
        code = world.enrolling.add(SITE, ZONE)
        ours, theirs = (
            read_request(
                make_request(
                    ec.generate_private_key(ec.SECP256R1()),
                    ed25519.Ed25519PrivateKey.generate(),
                    name="gateway",
                )
            )
            for _ in range(2)
        )
        world.enrolling.enrol(code.ticket, code.secret, ours)
        world.enrolling.enrol(code.ticket, code.secret, ours)
        with pytest.raises(RejectedError):
            world.enrolling.enrol(code.ticket, code.secret, theirs)
        with pytest.raises(ConflictError, match="replace"):
            world.enrolling.add(SITE, ZONE)


def test_wrong_attempts_and_time_end_a_code(tmp_path: Path) -> None:
    """If it fails, a code can be guessed, or found on a desk next week and used."""
    with world_in(tmp_path) as world:
        key = ec.generate_private_key(ec.SECP256R1())
        request = read_request(
            make_request(key, ed25519.Ed25519PrivateKey.generate(), name="gateway")
        )
        code = world.enrolling.add(SITE, ZONE)
        for _ in range(ATTEMPTS_MAX):
            with pytest.raises(RejectedError):
                world.enrolling.enrol(code.ticket, b"\0" * 6, request)
        with pytest.raises(RejectedError):
            world.enrolling.enrol(code.ticket, code.secret, request)
        late = world.enrolling.add(SiteId("site-2"), ZONE, life=timedelta(hours=1))
        world.clock.ahead = timedelta(hours=2)
        with pytest.raises(RejectedError):
            world.enrolling.enrol(late.ticket, late.secret, request)


def test_false_coordinator_hears_no_secret(tmp_path: Path) -> None:
    """If it fails, who sits between gateway and coordinator gets the code."""
    (tmp_path / "false").mkdir()
    with world_in(tmp_path) as true, world_in(tmp_path / "false") as false:
        code = true.enrolling.add(SITE, ZONE)

        def act(url: str) -> None:
            files = IdentityFiles(folder=tmp_path / "identity")
            with pytest.raises(RemoteProtocolError, match="nothing was sent"):
                enrol(files, EstClient(url), code, tell=quiet)
            assert not files.certificate.exists()
            with pytest.raises(RemoteProtocolError, match="not the coordinator"):
                EstClient(url).enrol(true.authority.root, code, b"")

        against(false, act)


def test_renewed_then_replaced(tmp_path: Path) -> None:
    """If it fails, sites go dark after 90 days, or a stolen gateway stays a site."""
    with world_in(tmp_path) as world:
        code = world.enrolling.add(SITE, ZONE)
        old = IdentityFiles(folder=tmp_path / "old")

        def act(url: str) -> None:
            client = EstClient(url)
            enrol(old, client, code, tell=quiet)
            first = own_certificate(old)
            assert not renewal_due(first, at=world.clock.now())
            assert renewal_due(first, at=world.clock.now() + timedelta(days=61))
            renewed = renew(old, client, at=world.clock.now())
            assert renewed.serial_number != first.serial_number
            assert not old.next_key.exists()
            second = world.enrolling.replace(SITE)
            root = certificates_in(read_bounded(old.trust), "trust")[0]
            own = OwnCertificate(certificate=old.certificate, key=old.key)
            for ask in (
                lambda: client.site(root, own),
                lambda: renew(old, client, at=world.clock.now()),
            ):
                with pytest.raises(RefusedError, match="revoked"):
                    ask()
            new = IdentityFiles(folder=tmp_path / "new")
            facts = enrol(new, client, second, tell=quiet)
            assert facts.site_id == SITE
            again = RevokedSerials(world.authority.files.revoked)
            assert again.is_revoked(serial_text(renewed.serial_number))
            assert again.is_revoked(serial_text(first.serial_number))
            assert not again.is_revoked(serial_text(own_certificate(new).serial_number))

        against(world, act)


def test_stop_within_a_renewal(tmp_path: Path) -> None:
    """If it fails, a power cut between certificate and key leaves a gateway without either."""
    with world_in(tmp_path) as world:
        code = world.enrolling.add(SITE, ZONE)
        files = IdentityFiles(folder=tmp_path / "identity")

        def act(url: str) -> None:
            client = EstClient(url)
            enrol(files, client, code, tell=quiet)
            before = files.key.read_bytes()
            renew(files, client, at=world.clock.now())
            files.next_key.write_bytes(files.key.read_bytes())
            files.key.write_bytes(before)
            finish_renewal(files)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(files.certificate, files.key)

        against(world, act)


def test_stick_instead_of_network(tmp_path: Path) -> None:
    """If it fails, a site without network cannot be installed, or takes anybody's stick."""
    with world_in(tmp_path) as world:
        world.enrolling.add(SITE, ZONE)
        files, stick = IdentityFiles(folder=tmp_path / "identity"), tmp_path / "stick"
        write_request(files, stick)
        request = read_request(base64.b64decode((stick / "request.csr").read_bytes()))
        made = world.enrolling.certify(SITE, request)
        pem = b"".join(c.public_bytes(Encoding.PEM) for c in (made, world.authority.chain[0]))
        (stick / "site.pem").write_bytes(pem)
        (stick / "trust.pem").write_bytes(world.authority.files.root.read_bytes())
        keys = world.authority.coordinator_keys().decode()
        (stick / "site.json").write_text(
            f'{{"site_id": "{SITE}", "zone": "{ZONE}", "brokers": ["mqtts://b:1"], '
            f'"coordinator_keys": {keys}}}'
        )
        with pytest.raises(RemoteProtocolError, match="pin"):
            take_answer(files, stick, pin=b"\0" * 10)
        assert take_answer(files, stick, pin=world.authority.pin).site_id == SITE
        assert files.complete


def test_old_tls_and_fuzzed_requests_are_refused(tmp_path: Path) -> None:
    """If it fails, anybody can crash enrolment, or speak an old TLS with it."""
    draw = random.Random(7)

    async def run(world: World) -> None:
        trust = ssl.create_default_context(cafile=str(world.authority.files.root))
        good = make_request(
            ec.generate_private_key(ec.SECP256R1()),
            ed25519.Ed25519PrivateKey.generate(),
            name="gateway",
        )
        code = world.enrolling.add(SITE, ZONE)
        headers = {"Authorization": encode_basic_auth(str(code.ticket), code.secret.hex())}
        async with (
            served(world) as address,
            ClientSession(connector=TCPConnector(ssl=trust)) as session,
        ):
            url = address.replace("127.0.0.1", "localhost")
            for _ in range(20):
                body = bytearray(good)
                body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
                async with session.post(
                    f"{url}/.well-known/est/simpleenroll",
                    data=base64.b64encode(bytes(body)),
                    headers=headers,
                ) as answer:
                    assert answer.status in {200, 400}, await answer.text()
                    if answer.status == 200:  # the flip was where nobody looks
                        continue
                    assert answer.content_type == "application/problem+json"
                    assert "\n" not in (await answer.json())["detail"]
            statuses = set()
            for _ in range(15):
                async with session.post(f"{url}/.well-known/est/simplereenroll") as answer:
                    statuses.add(answer.status)
            assert statuses == {403, 429}
            old = ssl.create_default_context(cafile=str(world.authority.files.root))
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ClientConnectorError):
                await session.get(f"{url}/.well-known/est/cacerts", ssl=old)

    with world_in(tmp_path) as world:
        asyncio.run(run(world))


def test_keys_at_rest(tmp_path: Path) -> None:
    """If it fails, a copied disk of the coordinator can make gateways."""
    with world_in(tmp_path) as world:
        files = world.authority.files
        for path in (files.root_key, files.intermediate_key):
            assert b"ENCRYPTED" in path.read_bytes()
            assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(ConfigError, match="wrong passphrase"):
            Authority.open(files.folder, b"another passphrase")
        rotate_intermediate(files.folder, PASSPHRASE, at=world.clock.now())
        os.remove(files.root_key)  # noqa: PTH107 - moved to a safe
        Authority.open(files.folder, PASSPHRASE)
        with pytest.raises(ConfigError, match="bring the root"):
            rotate_intermediate(files.folder, PASSPHRASE, at=world.clock.now())
        files.revoked.unlink()
        with pytest.raises(ConfigError):
            world.authority.revoked.is_revoked("1")


def test_rate_of_one_address() -> None:
    """If it fails, one address keeps everybody else from enrolling."""
    clock = Watch()
    limit = RateLimit(clock, per_minute=2)
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    assert limit.allows("b")
    clock.ahead = timedelta(minutes=2)
    assert limit.allows("a")


def test_nobody_there() -> None:
    """If it fails, a wrong address shows a stack trace."""
    with pytest.raises(LinkError):
        EstClient("https://127.0.0.1:1").root(b"")
    for url in ("http://x", "https://x/y", "https://x:99999", ""):
        with pytest.raises(VppError, match="--coordinator"):
            EstClient(url)
    assert EnrolmentCode(ticket=1, secret=b"1" * 6, pin=b"2" * 10).text()
