"""The identity provider: its file, and its keys from a server of the test over TLS."""

import asyncio
import base64
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.gateway.openid import KEYS_AGE_MAX, OpenIdProvider, read_provider_file
from protocols.vocabulary.errors import AccessDeniedError, ConfigError


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


FILE = """
issuer = "{issuer}"
audience = "vpp"
algorithms = ["ES256"]
ca = "tls.pem"
person_claim = "preferred_username"
[[grant]]
claim = "groups"
value = "vpp-operators"
roles = ["operator"]
scope = "area:tokyo"
"""


class Clock:
    """The machine's time, moved by a test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic_ns(self) -> int:
        return 0


class Server:
    """A provider: discovery, keys, and tokens with the key of the day."""

    def __init__(self, folder: Path) -> None:
        self.tls = _certificate(folder)
        self.issuer = ""
        self.says: dict[str, Any] = {}
        self.rotate("one")

    def rotate(self, key_id: str) -> None:
        self.key_id, self._key = key_id, ec.generate_private_key(ec.SECP256R1())

    def token(self, at: datetime) -> str:
        head = {"alg": "ES256", "kid": self.key_id}
        claims = {
            "iss": self.issuer,
            "aud": ["vpp"],
            "sub": "4711",
            "exp": at.timestamp() + 60,
            "groups": ["staff", "vpp-operators"],
            "preferred_username": "hana",
        }
        signed = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.issuer = f"https://127.0.0.1:{runner.addresses[0][1]}"
        yield
        await runner.cleanup()

    async def _discovery(self, _: web.Request) -> web.Response:
        said = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.says}
        return web.json_response(said)

    async def _keys(self, _: web.Request) -> web.Response:
        numbers = self._key.public_key().public_numbers()
        x, y = (b64(one.to_bytes(32)) for one in (numbers.x, numbers.y))
        key = {"kty": "EC", "crv": "P-256", "kid": self.key_id, "x": x, "y": y}
        return web.json_response({"keys": [key]})


def _certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return context


def provider_of(folder: Path, server: Server, clock: Clock) -> OpenIdProvider:
    path = folder / "openid.toml"
    path.write_text(FILE.format(issuer=server.issuer))
    file = read_provider_file(path)
    assert file is not None
    return OpenIdProvider(file, clock)


def test_tokens_are_judged_by_the_provider_s_keys_of_today(tmp_path: Path) -> None:
    """If it fails, a new key of the provider locks everybody out, or an old one never ends."""
    server, clock = Server(tmp_path), Clock()

    async def check() -> None:
        async with asyncio.timeout(10.0), server.running():
            provider = provider_of(tmp_path, server, clock)
            with pytest.raises(AccessDeniedError, match="cannot be reached"):
                provider.authority(server.token(clock.now()), clock.now())
            await provider.fetch()
            found = provider.authority(server.token(clock.now()), clock.now())
            assert (found.subject, found.person) == ("oidc:4711", "user:hana")
            assert (found.roles, found.scope.text()) == ({Role.OPERATOR}, "area:tokyo")
            server.rotate("two")
            with pytest.raises(AccessDeniedError, match="not known"):
                provider.authority(server.token(clock.now()), clock.now())
            await provider.fetch()
            assert provider.authority(server.token(clock.now()), clock.now())
            server.says = {"issuer": "https://elsewhere"}
            await provider.fetch()
            assert provider.authority(server.token(clock.now()), clock.now())
            clock.ahead = KEYS_AGE_MAX + timedelta(seconds=1)
            with pytest.raises(AccessDeniedError, match="cannot be reached"):
                provider.authority(server.token(clock.now()), clock.now())

    asyncio.run(check())


@pytest.mark.parametrize(
    "says", [{"issuer": "https://x"}, {"jwks_uri": "http://127.0.0.1/keys"}, {"jwks_uri": 1}]
)
def test_a_provider_that_is_another_is_not_believed(tmp_path: Path, says: dict[str, Any]) -> None:
    """If it fails, somebody on the way to the provider names his own keys."""
    server, clock = Server(tmp_path), Clock()
    server.says = says

    async def check() -> None:
        async with asyncio.timeout(10.0), server.running():
            provider = provider_of(tmp_path, server, clock)
            await provider.fetch()
            with pytest.raises(AccessDeniedError, match="cannot be reached"):
                provider.authority(server.token(clock.now()), clock.now())

    asyncio.run(check())


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (("https://x", "http://x"), "issuer: must be an https"),
        (('["ES256"]', '["HS256"]'), "algorithms: HS256"),
        (('["operator"]', '["king"]'), "grant 1: roles: there are"),
        (('["operator"]', "[]"), "grant 1: roles: name at least one"),
        (('"area:tokyo"', '"tokyo"'), "grant 1: scope 'tokyo'"),
        (("audience", "audiance"), "audiance: is no key here"),
        (("[[grant]]", "[grant]"), "grant: name at least one"),
        (('"vpp"', "["), "openid.toml"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, change: tuple[str, str], cause: str) -> None:
    """If it fails, a slip of the pen lets others in, or nobody finds it."""
    path = tmp_path / "openid.toml"
    path.write_text(FILE.format(issuer="https://x").replace(*change))
    with pytest.raises(ConfigError, match=cause):
        read_provider_file(path)
    assert read_provider_file(tmp_path / "none.toml") is None
