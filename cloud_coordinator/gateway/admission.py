"""Who may use the broker: the certificate says the site, the site fixes client id and topics.

The broker asks for each new connection (auth callout) and does what the signed answer says, so
it enforces the topics itself and any number of gateways costs no configuration. Nobody is let
in while we are away; who is in stays in. A revoked serial is refused, and its connection is
ended at the next look, a second later at most. Made by main beside the embedded broker.

Of two connections of one name the newest wins: a gateway whose line died must get back in. An
honest one takes its own session over once in a while; two that take it from each other again and
again have the same key, and that is told.
"""

import asyncio
import contextlib
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Set
from datetime import datetime
from typing import Final

import nats
import nats.errors
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.aio.client import Client
from nats.aio.msg import Msg

from cloud_coordinator.gateway.broker_config import ACCOUNT, COORDINATOR_USER, SYSTEM_USER
from cloud_coordinator.gateway.bus import CONNECT_TIMEOUT_S
from cloud_coordinator.gateway.nkeys import read_claims, signed_claims
from protocols.identity.names import serial_text, site_of
from protocols.link.topics import ROOT, ZONES
from protocols.vocabulary.errors import LinkError, RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId, partition_of
from protocols.vocabulary.intervals import Clock

ASKED_ON: Final = "$SYS.REQ.USER.AUTH"
LOOK_S: Final = 1.0
CONNECTIONS_MAX: Final = 1_000_000
RECONNECT_WAIT_S: Final = 0.1
LEFT_ON: Final = f"$SYS.ACCOUNT.{ACCOUNT}.DISCONNECT"
TAKEN_OVER: Final = "Duplicate Client ID"
"""The broker's reason when a newer connection has the same client id."""
CONTESTED_TIMES: Final = 3
CONTESTED_S: Final = 300.0
CONTESTED_MAX: Final = 4_096

_log = structlog.get_logger(__name__)

Revoked = Callable[[], Set[str]]
"""Gives the serials (lower-case hexadecimal) that may not connect any more."""
Told = Callable[[SiteId | None, str, str], None]
"""Is told of a site if it is known, the kind of event, and the reason."""


def nobody_is_told(_site_id: SiteId | None, _kind: str, _reason: str) -> None:
    """Tell nobody."""


class Admission:
    """Answers the broker's questions and ends connections of revoked certificates.

    Parameters
    ----------
    issuer : Ed25519PrivateKey
        The key whose name is in the broker's configuration.
    revoked : callable
        Serials that are cut off; asked each second.
    clock : Clock
        For validity.
    """

    def __init__(self, issuer: Ed25519PrivateKey, revoked: Revoked, clock: Clock) -> None:
        self.refused = 0
        self._issuer = issuer
        self._revoked = revoked
        self._clock = clock
        self._client = Client()
        self._system = Client()
        self._server_id = ""
        self._inside: dict[str, set[int]] = {}
        self._contests = Contests()
        self.told: Told = nobody_is_told

    async def open(self, port: int, password: str) -> None:
        """Connect to the embedded broker and begin to answer.

        Raises
        ------
        LinkError
            If it is not reached.
        """
        try:
            for client, user in ((self._client, COORDINATOR_USER), (self._system, SYSTEM_USER)):
                await client.connect(
                    servers=f"nats://127.0.0.1:{port}",
                    user=user,
                    password=password,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                    error_cb=self._on_error,
                )
            await self._client.subscribe(ASKED_ON, cb=self._asked)
            await self._client.flush(CONNECT_TIMEOUT_S)
            await self._system.subscribe(LEFT_ON, cb=self._left)
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await self.close()
            raise LinkError(f"admission: the broker did not answer: {error}") from error

    async def run(self) -> None:
        """End what is revoked, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            revoked = self._revoked()
            for serial in [serial for serial in self._inside if serial in revoked]:
                for connection in self._inside.pop(serial):
                    await self._end(connection)
                _log.warning("admission.cut_off", serial=serial)

    async def close(self) -> None:
        """Disconnect."""
        for client in (self._client, self._system):
            with contextlib.suppress(TimeoutError, OSError, nats.errors.Error):
                await client.close()

    async def _asked(self, message: Msg) -> None:
        claims = read_claims(message.data)
        asked = _section(claims, "nats")
        server, user = _section(asked, "server_id"), str(asked.get("user_nkey", ""))
        self._server_id = str(server.get("id", ""))
        answer: dict[str, object] = {"type": "authorization_response", "version": 2}
        try:
            answer["jwt"] = self._admitted(asked, user)
        except RemoteProtocolError as error:
            self.refused += 1
            answer["error"] = str(error)
            _log.warning("admission.refused", cause=str(error))
            self.told(None, "link.admission_refused", str(error))
        now_s = int(self._clock.now().timestamp())
        token = signed_claims(
            {"aud": self._server_id, "sub": user, "iat": now_s, "nats": answer}, self._issuer
        )
        await message.respond(token.encode())

    def _admitted(self, asked: dict[str, object], user: str) -> str:
        """Signed permissions of a gateway, or why there are none."""
        now = self._clock.now()
        certificate = _certificate(asked)
        site_id = site_of(certificate, at=now)
        serial = serial_text(certificate.serial_number)
        if serial in self._revoked():
            raise RemoteProtocolError(f"certificate {serial} of {site_id} is revoked")
        client = _section(asked, "client_info")
        name = client.get("mqtt_id")
        if name != site_id:
            raise RemoteProtocolError(
                f"client id {str(name)[:64]!r}, but the certificate is of {site_id}"
            )
        connection = client.get("id")
        if isinstance(connection, int) and len(self._inside) < CONNECTIONS_MAX:
            held = self._inside.setdefault(serial, set())
            held.clear()  # one client id, one connection
            held.add(connection)
        return signed_claims(
            gateway_claims(site_id, user, at=now, until=certificate.not_valid_after_utc),
            self._issuer,
        )

    async def _left(self, message: Msg) -> None:
        """Look whether a connection ended because another one has its name."""
        said = _object(message.data)
        if said.get("reason") != TAKEN_OVER:
            return
        client = _section(said, "client")
        name, host = str(client.get("client_id", "")), str(client.get("host", ""))
        now_s = self._clock.monotonic_ns() / 1e9
        hosts = self._contests.taken(name, host, now_s=now_s)
        if hosts:
            where = ", ".join(hosts)
            _log.warning("session.contested", site_id=name, hosts=where)
            reason = f"two gateways take the session from each other; the older were at {where}"
            self.told(SiteId(name), "link.session_contested", reason)

    async def _end(self, connection: int) -> None:
        subject = f"$SYS.REQ.SERVER.{self._server_id}.KICK"
        question = json.dumps({"cid": connection}).encode()
        with contextlib.suppress(TimeoutError, OSError, nats.errors.Error):
            await self._system.request(subject, question, timeout=CONNECT_TIMEOUT_S)

    async def _on_error(self, error: Exception) -> None:
        _log.warning("admission.failed", cause=str(error) or type(error).__name__)


class Contests:
    """Counts per name how often its session was taken over lately; bounded."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, deque[tuple[float, str]]] = OrderedDict()

    def taken(self, name: str, host: str, *, now_s: float) -> tuple[str, ...]:
        """Count one; return the addresses of those pushed off, if there were too many.

        Parameters
        ----------
        name, host : str
            Client id, and address of the connection that ended.
        now_s : float
            Monotonic time, s.
        """
        if name not in self._taken and len(self._taken) >= CONTESTED_MAX:
            self._taken.popitem(last=False)
        times = self._taken.setdefault(name, deque(maxlen=CONTESTED_TIMES))
        times.append((now_s, host))
        if len(times) < CONTESTED_TIMES or now_s - times[0][0] > CONTESTED_S:
            return ()
        return tuple(sorted({one for _, one in times}))


def gateway_claims(
    site_id: SiteId, user: str, *, at: datetime, until: datetime
) -> dict[str, object]:
    """Say what a gateway may do: write upward and read downward of its own site, read signals.

    Parameters
    ----------
    site_id : SiteId
        The certificate's name.
    user : str
        The broker's key for this connection.
    at, until : datetime
        Now, and when the certificate and so the connection ends.
    """
    own = f"{ROOT}.{partition_of(site_id)}.{site_id}"
    down = [f"{own}.dn", f"{own}.dn.>", f"{ROOT}.{ZONES}.*.sig"]
    return {
        "aud": ACCOUNT,
        "sub": user,
        "name": site_id,
        "iat": int(at.timestamp()),
        "exp": int(until.timestamp()),
        "nats": {
            "pub": {"allow": [f"{own}.up.>"]},
            "sub": {"allow": down},
            "subs": -1,
            "data": -1,
            "payload": -1,
            "allowed_connection_types": ["MQTT"],
            "type": "user",
            "version": 2,
        },
    }


def _certificate(asked: dict[str, object]) -> x509.Certificate:
    """Leaf that the broker verified."""
    tls = _section(asked, "client_tls")
    chains = tls.get("verified_chains")
    if not isinstance(chains, list) or not chains or not isinstance(chains[0], list):
        raise RemoteProtocolError("no certificate that leads to our authority")
    try:
        return x509.load_pem_x509_certificate(str(chains[0][0]).encode())
    except (ValueError, IndexError) as error:
        raise RemoteProtocolError(f"certificate cannot be read: {error}") from None


def _object(data: bytes) -> dict[str, object]:
    """Object in an event of our own broker."""
    try:
        said = json.loads(data)
    except ValueError as error:
        raise RemoteProtocolError(f"event of the broker: {error}") from None
    if not isinstance(said, dict):
        raise RemoteProtocolError("event of the broker: not an object")
    return said


def _section(claims: dict[str, object], name: str) -> dict[str, object]:
    value = claims.get(name)
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"question without {name}")
    return value
