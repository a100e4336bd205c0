"""Our IEEE 2030.5 server under EndDevices that poll for their controls.

Each EndDevice has a certificate, a connection and a control of its own; what it asks again and
again is the list of its controls, found by links from /dcap as a client in the field does.
"""

import asyncio
import re
import ssl
from hashlib import sha256
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from firmware_sim.bench_der.connection import Connection, LostError, Place
from firmware_sim.bench_der.load import Client
from firmware_sim.bench_der.measure import READY_S, Cost, Plan, Tell, put_loads
from firmware_sim.bench_der.pki import Identity
from firmware_sim.bench_der.servers import AT_ONCE, HOST, HTTP_OK, Ground
from firmware_sim.demo.processes import Family, Program, ProgramError
from firmware_sim.demo.programs import command_path

NAME: Final = "our-2030.5-server"
PAGE: Final = "?s=0&l=10"
_ORDERS: Final = (
    ("ensure-end-device", {"registered": True}),
    ("create-der-control", {"status": "active", "opModExpLimW": 2000}),
)
_CIPHERS: Final = "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=0"
_PATH: Final = ("EndDeviceListLink", "FunctionSetAssignmentsListLink", "DERProgramListLink")
_LAST: Final = "DERControlListLink"


def server_2030_5(ground: Ground, port: int) -> Program:
    """``vpp ieee2030-5 serve`` on a database of its own."""
    command = [
        command_path("vpp"), "ieee2030-5", "serve", "--host", HOST, "--port", str(port),
        "--cert", str(ground.server.certificate), "--key", str(ground.server.key),
        "--ca", str(ground.authority.certificate), "--admin-port", "0",
        "--database", str(ground.folder / "2030.5.db"), "--no-csip-aus",
    ]  # fmt: skip
    return Program(
        name=NAME,
        command=tuple(command),
        log=ground.folder / "2030.5.log",
        ready_event="ieee2030_5.ready",
    )


async def measure_2030_5(
    family: Family, ground: Ground, port: int, *, plan: Plan, tell: Tell
) -> list[Cost]:
    """Start the server, give each EndDevice a control, put both loads on it, end it.

    Raises
    ------
    VppError
        If it does not start, or a device does not find its controls.
    """
    child = await family.start(server_2030_5(ground, port))
    ready = await child.ready(READY_S)
    await _controls(ground, str(ready["admin"]), tell)
    clients = await _clients(ground, port, tell)
    try:
        return await put_loads(child, clients, transport="TLS", plan=plan, tell=tell)
    finally:
        for client in clients:
            client.connection.close()
        await child.stop()


async def _controls(ground: Ground, admin: str, tell: Tell) -> None:
    """Let the operator give each device a control."""
    timeout = aiohttp.ClientTimeout(total=READY_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for number, identity in enumerate(ground.vens):
            for kind, parameters in _ORDERS:
                order = _order(identity, number, kind) | {"parameters": parameters}
                async with session.post(admin, json=order) as reply:
                    said: dict[str, Any] = await reply.json(content_type=None)
                if said.get("result") != "done":
                    raise ProgramError(f"{NAME}: {kind}: {said.get('reason')}")
            if (number + 1) % 100 == 0:
                tell(f"{NAME}: {number + 1} of {len(ground.vens)} devices have a control")


def _order(identity: Identity, number: int, kind: str) -> dict[str, object]:
    """Instruction about one device, without its parameters."""
    lfdi = lfdi_of(identity)
    return {
        "event": "before",
        "procedure": f"bench-{number}",
        "type": kind,
        "client": {"lfdi": lfdi, "cert_lfdi": lfdi, "pin": 11111},
    }


async def _clients(ground: Ground, port: int, tell: Tell) -> list[Client]:
    """Connect each device and let it find its controls."""
    room = asyncio.Semaphore(AT_ONCE)
    done: list[None] = []

    async def one(identity: Identity) -> Client:
        async with room:
            place = Place(host=HOST, port=port, context=_context(ground, identity))
            made = await _client(Connection(place))
            done.append(None)
            if len(done) % 100 == 0:
                tell(f"{NAME}: {len(done)} of {len(ground.vens)} devices found their controls")
            return made

    try:
        return list(await asyncio.gather(*(one(identity) for identity in ground.vens)))
    except LostError as error:
        raise ProgramError(f"{NAME}: a device cannot connect: {error}") from None


async def _client(connection: Connection) -> Client:
    href = "/dcap"
    for link in (*_PATH, _LAST):
        body = await _get(connection, href)
        found = re.search(rf'{link}[^>]*?href="([^"]+)"'.encode(), body)
        if found is None:
            raise ProgramError(f"{NAME}: {href} has no {link}: {body[:300]!r}")
        href = found[1].decode() + PAGE
    request = _request(href)
    return Client(connection=connection, request=lambda: request, good=_has_control)


def lfdi_of(identity: Identity) -> str:
    """LFDI of a certificate: first 20 bytes of the SHA-256 of its DER, in hexadecimal."""
    certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()[:40].upper()


def _has_control(status: int, body: bytes) -> bool:
    return status == HTTP_OK and b"DERControlBase" in body


async def _get(connection: Connection, href: str) -> bytes:
    status, body = await connection.ask(_request(href))
    if status != HTTP_OK:
        raise ProgramError(f"{NAME}: GET {href}: HTTP {status}")
    return body


def _request(href: str) -> bytes:
    return f"GET {href} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/sep+xml\r\n\r\n".encode()


def _context(ground: Ground, identity: Identity) -> ssl.SSLContext:
    """Context of a device: TLS 1.2 with CCM8, as those in the field."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_verify_locations(ground.authority.certificate)
    context.load_cert_chain(identity.certificate, identity.key)
    return context
