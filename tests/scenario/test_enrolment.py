"""A gateway enrols with the coordinator over real TLS, is interrupted, renewed, replaced."""

import asyncio
import base64
import http.client
import json
import os
import random
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from cloud_coordinator.commands.server_tls import ServerTls
from cloud_coordinator.gateway.authority.authority import (
    Authority,
    make_authority,
    rotate_intermediate,
)
from cloud_coordinator.gateway.authority.revoked import RevokedSerials
from cloud_coordinator.services.enrolment import ATTEMPTS_MAX, SITE_LIFE, Enrolling
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.store.commissioning import CommissioningFolder
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
from edge_agent.identity.files import (
    IdentityFiles,
    certificates_in,
    own_signing_key,
    own_tls_key,
    read_bounded,
)
from edge_agent.identity.renewal import PAUSE_S_MIN, RenewalPorts, Renewing, pause_s
from edge_agent.identity.stick import write_request
from protocols.identity.codes import EnrolmentCode
from protocols.identity.names import COORDINATOR_NAME, serial_text
from protocols.identity.records import signed_record
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
def world_in(folder: Path, life: timedelta = SITE_LIFE) -> Iterator[World]:
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
        life=life,
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
        records=CommissioningFolder(world.folder / "data"),
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


def test_interrupted_enrolment_is_run_again(tmp_path: Path) -> None:
    """If it fails, a power cut during the installation needs a new code, or a new box."""
    with world_in(tmp_path) as world:
        code = world.enrolling.add(SITE, ZONE)
        files = IdentityFiles(folder=tmp_path / "identity")
        written = (
            files.key,
            files.signing_key,
            files.trust,
            files.certificate,
            files.coordinator_keys,
            files.source,
        )

        def act(url: str) -> None:
            enrol(files, EstClient(url), code, tell=quiet)
            keys = [path.read_bytes() for path in written[:2]]
            for left in range(len(written) - 1, 1, -1):
                for path in written[left:]:
                    path.unlink()
                torn = files.folder / f".{written[left].name}.new"
                torn.write_bytes(b"half")
                told: list[str] = []
                facts = enrol(files, EstClient(url), code, tell=told.append)
                assert (facts.site_id, facts.zone) == (SITE, ZONE)
                assert tuple(told) == STEPS
                assert [path.read_bytes() for path in written[:2]] == keys
                world.clock.ahead += timedelta(minutes=1)
            files.certificate.write_bytes(b"torn")
            assert enrol(files, EstClient(url), code, tell=quiet).site_id == SITE

        against(world, act)
        assert files.key.stat().st_mode & 0o777 == 0o600
        assert files.signing_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("step", STEPS)
def test_killed_enrolment_is_run_again(tmp_path: Path, step: str) -> None:
    """If it fails, a step that was told as done is not on the disk."""
    with world_in(tmp_path) as world:
        code = world.enrolling.add(SITE, ZONE)
        files = IdentityFiles(folder=tmp_path / "identity")

        def stop(done: str) -> None:
            if done == step:
                raise _StopError

        def act(url: str) -> None:
            with pytest.raises(_StopError):
                enrol(files, EstClient(url), code, tell=stop)
            enrol(files, EstClient(url), code, tell=quiet)

        against(world, act)
        assert files.complete
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
            assert not files.next_key.exists()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(files.certificate, files.key)

        against(world, act)


def test_old_tls_is_refused(tmp_path: Path) -> None:
    """If it fails, anybody may speak an old TLS with enrolment."""

    def act(url: str) -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain)

    with world_in(tmp_path) as world:
        against(world, act)


def test_fuzzed_requests_are_refused_in_one_line(tmp_path: Path) -> None:
    """If it fails, anybody can crash enrolment, or learn what is inside from its answers."""
    draw = random.Random(7)
    seen: set[int] = set()

    def act(url: str) -> None:
        code = world.enrolling.add(SITE, ZONE)
        files = IdentityFiles(folder=tmp_path / "identity")
        enrol(files, EstClient(url), code, tell=quiet)
        own = ssl.create_default_context(cafile=str(files.trust))
        own.load_cert_chain(files.certificate, files.key)
        good = make_request(
            own_tls_key(files.key), own_signing_key(files.signing_key), name="gateway"
        )
        record = signed_record(
            {"site_id": SITE, "started_at": "2026-01-01T00:00:00+00:00"},
            own_signing_key(files.signing_key),
        )
        assert asked(own, url, ("POST", "vpp/commissioning"), body=record)[0] == 200
        secret = base64.b64encode(f"{code.ticket}:{code.secret.hex()}".encode()).decode()
        for _ in range(100):
            world.clock.ahead += timedelta(seconds=3)
            path = draw.choice(PATHS)
            body = mutated(draw, record if path.endswith("ing") else base64.b64encode(good))
            headers = {"Authorization": draw.choice(HEADERS) or f"Basic {secret}"}
            status, answer = asked(
                own, url, (draw.choice(METHODS), path), body=body, headers=headers
            )
            seen.add(status)
            assert status < 500, (status, path, body)
            if status != 200:
                assert "\n" not in json.loads(answer)["detail"]

    with world_in(tmp_path) as world:
        against(world, act)
    assert {200, 400, 403, 404, 405} <= seen


PATHS = (
    "est/cacerts",
    "est/simpleenroll",
    "est/simplereenroll",
    "est/simpleenroll/../x",
    "vpp/site",
    "vpp/commissioning",
    "vpp/%00",
)
METHODS = ("GET", "POST", "POST", "POST", "PUT")
HEADERS = (
    "",
    "",
    "Basic",
    "Basic !!!",
    "Basic /w==",
    "Bearer x",
    "Basic MTo=",
    "Basic OTk5OTk6MA==",
)


def mutated(draw: random.Random, data: bytes) -> bytes:
    """Change a body a little, or very much."""
    body = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 8))):
        body[draw.randrange(len(body))] = draw.randrange(256)
    if draw.random() < 0.2:
        body = body[: draw.randrange(len(body))]
    if draw.random() < 0.1:
        body = bytearray(draw.randbytes(draw.choice((0, 1, 300))) + b"[" * draw.choice((0, 9000)))
    return bytes(body)


def asked(
    context: ssl.SSLContext,
    url: str,
    question: tuple[str, str],
    *,
    body: bytes,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Ask the desk something."""
    port = int(url.rpartition(":")[2])
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10.0)
    try:
        method, path = question
        connection.request(method, f"/.well-known/{path}", body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_strange_certificates_are_refused(tmp_path: Path) -> None:
    """If it fails, a certificate of anybody's making is taken for a gateway's."""
    (tmp_path / "other").mkdir()
    with world_in(tmp_path) as world, world_in(tmp_path / "other") as other:
        mine = IdentityFiles(folder=tmp_path / "mine")
        cloned = IdentityFiles(folder=tmp_path / "cloned")

        def act(url: str) -> None:
            enrol(mine, EstClient(url), world.enrolling.add(SITE, ZONE), tell=quiet)
            root = certificates_in(read_bounded(mine.trust), "trust")[0]
            write_request(cloned, tmp_path / "stick")
            request = read_request(
                base64.b64decode((tmp_path / "stick" / "request.csr").read_bytes())
            )
            other.enrolling.add(SITE, ZONE)
            made = other.enrolling.certify(SITE, request)
            chain = [made, other.authority.chain[0]]
            cloned.certificate.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in chain))
            own = OwnCertificate(certificate=cloned.certificate, key=cloned.key)
            with pytest.raises(LinkError):
                EstClient(url).site(root, own)
            server = OwnCertificate(
                certificate=world.authority.files.server, key=world.authority.files.server_key
            )
            with pytest.raises(LinkError):
                EstClient(url).site(root, server)
            own = OwnCertificate(certificate=mine.certificate, key=mine.key)
            assert EstClient(url).site(root, own)["site_id"] == SITE

        against(world, act)


class Ports:
    """What renewal stands on, written down."""

    def __init__(self, clock: Watch) -> None:
        self.clock = clock
        self.renewals = 0
        self.slept_s: list[float] = []

    def renewed(self) -> None:
        """Count."""
        self.renewals += 1

    async def sleep(self, wait_s: float) -> None:
        """Do not wait; end after the third."""
        self.slept_s.append(wait_s)
        if len(self.slept_s) >= 3:
            raise _StopError

    def made(self) -> RenewalPorts:
        """As the task takes them."""
        return RenewalPorts(
            clock=self.clock, draw=lambda: 0.0, sleep=self.sleep, renewed=self.renewed
        )


def test_renews_by_itself_in_time(tmp_path: Path) -> None:
    """If it fails, a site goes dark when its certificate ends, though all was well."""
    with world_in(tmp_path, life=timedelta(minutes=10)) as world:
        files, ports = IdentityFiles(folder=tmp_path / "identity"), Ports(world.clock)
        renewing = Renewing(files, tmp_path, ports.made())

        def act(url: str) -> None:
            world.clock.ahead = timedelta(minutes=-4)
            enrol(files, EstClient(url), world.enrolling.add(SITE, ZONE), tell=quiet)
            first = own_certificate(files)
            assert 0.0 < asyncio.run(renewing.look()) <= 300.0
            assert own_certificate(files) == first
            world.clock.ahead = timedelta(minutes=1)
            asyncio.run(renewing.look())
            assert own_certificate(files).serial_number != first.serial_number
            assert ports.renewals == 1
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(files.certificate, files.key)

        against(world, act)
        world.clock.ahead = timedelta(minutes=7)
        before = own_certificate(files)
        with pytest.raises(_StopError):
            asyncio.run(renewing.run())
        assert own_certificate(files) == before
        assert ports.slept_s == [PAUSE_S_MIN] * 3


def test_pauses_grow_and_shrink_again() -> None:
    """If it fails, a fleet storms the desk, or a gateway sleeps over its certificate's end."""
    month = timedelta(days=30)
    assert [pause_s(n, month, 1.0) for n in (1, 2, 3)] == [60.0, 120.0, 240.0]
    assert pause_s(50, month, 1.0) == 6 * 3600.0
    assert pause_s(50, timedelta(hours=1), 1.0) == 360.0
    assert pause_s(1, timedelta(seconds=-5), 0.0) == PAUSE_S_MIN


def test_the_coordinator_shows_its_new_certificate(tmp_path: Path) -> None:
    """If it fails, nobody enrols or renews after a year, until somebody restarts something."""
    with world_in(tmp_path) as world:
        tls = ServerTls(world.authority)
        before = world.authority.files.server.read_bytes()
        tls.look(world.clock)
        assert world.authority.files.server.read_bytes() == before
        world.clock.ahead = timedelta(days=300)
        tls.look(world.clock)
        after = certificates_in(read_bounded(world.authority.files.server), "server")[0]
        assert world.authority.files.server.read_bytes() != before
        names = after.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [COORDINATOR_NAME, "localhost"]


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
