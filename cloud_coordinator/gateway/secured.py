"""The coordinator with an identity: TLS on the broker and the web, admission, signatures.

Everything comes from the folder that ``vpp authority init`` makes. Without one the coordinator
is plain and unsigned and listens on this machine only. Called by main.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloud_coordinator.gateway.admission import Admission
from cloud_coordinator.gateway.authority.files import AuthorityFiles, read_bounded
from cloud_coordinator.gateway.authority.revoked import RevokedSerials
from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerTls
from cloud_coordinator.gateway.nkeys import account_name
from protocols.identity.signing import Signer
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

LOOK_S: Final = 5.0
_ISSUER_PURPOSE: Final = b"vpp nats admission 1"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What an identity folder gives.

    Attributes
    ----------
    files : AuthorityFiles
        The folder.
    signer : Signer
        Of obligations, commands, snapshots and signals.
    issuer : Ed25519PrivateKey
        Of the broker's permissions; follows from the signing key, so a restarted coordinator
        is believed by the broker that outlived it.
    trail_key : Ed25519PrivateKey
        The signing key, for checkpoints of the audit trail.
    """

    files: AuthorityFiles
    signer: Signer
    issuer: Ed25519PrivateKey
    trail_key: Ed25519PrivateKey

    @property
    def broker_tls(self) -> BrokerTls:
        """What the broker needs."""
        files = self.files
        return BrokerTls(
            certificate=files.server,
            key=files.server_key,
            trust=files.root,
            issuer=account_name(self.issuer),
        )

    def admission(self, clock: Clock) -> Admission:
        """Make the service that the broker asks."""
        return Admission(self.issuer, self._revoked(), clock)

    def web_context(self) -> ssl.SSLContext:
        """Make the context of the web listener: TLS 1.3, certificates of clients are optional.

        Raises
        ------
        ConfigError
            If a file cannot be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self.files.root)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self.files.root}: {error}") from None
        context.verify_mode = ssl.CERT_OPTIONAL
        self._show(context)
        return context

    async def keep_certificate(
        self, context: ssl.SSLContext, broker: EmbeddedBroker | None
    ) -> None:
        """Show a renewed certificate on web and broker as soon as it is there; never returns.

        A broker of others reads its own.

        The web's connections stay; the broker ends its own, and gateways are back in a second.
        """
        seen = self._stamp()
        while True:
            await asyncio.sleep(LOOK_S)
            stamp = self._stamp()
            if stamp == seen:
                continue
            try:
                self._show(context)
            except ConfigError as error:
                _log.warning("certificate.unusable", cause=str(error))
                continue
            seen = stamp
            if broker is not None:
                broker.reload()

    def _show(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self.files.server, self.files.server_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self.files.server}: {error}") from None

    def _stamp(self) -> tuple[int, ...]:
        paths = (self.files.server, self.files.server_key)
        try:
            return tuple(path.stat().st_mtime_ns for path in paths)
        except OSError:
            return ()

    def _revoked(self) -> Callable[[], Set[str]]:
        revoked = RevokedSerials(self.files.revoked)
        return lambda: revoked.serials().keys()


def open_security(folder: Path) -> Security:
    """Open the folder of an identity.

    Raises
    ------
    ConfigError
        If something is missing or cannot be used.
    """
    files = AuthorityFiles(folder=folder)
    try:
        key = load_pem_private_key(read_bounded(files.signing_key), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{files.signing_key}: is not a private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{files.signing_key}: is not an Ed25519 key")
    private = key.private_bytes_raw()
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_ISSUER_PURPOSE).derive(private)
    security = Security(
        files=files,
        signer=Signer(private),
        issuer=Ed25519PrivateKey.from_private_bytes(seed),
        trail_key=key,
    )
    RevokedSerials(files.revoked).serials()
    return security


def check_plain(option: str, host: str) -> None:
    """Refuse to listen beyond this machine without an identity.

    Parameters
    ----------
    option, host : str
        What the person named the address by, and the address.

    Raises
    ------
    ConfigError
        If the address is one that others reach.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ConfigError(f"{option} {host}: without --identity only this machine: use 127.0.0.1")
