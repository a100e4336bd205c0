"""Makes a gateway its site: keys, the coordinator's root, certificate, keys of signatures.

Each step looks at the folder first and is skipped if its file is there and fits, so that an
enrolment that was interrupted anywhere is simply run again. Renewal makes a new key beside
the old one, and the pair in force changes with one rename each, certificate last.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.identity.est import EstClient, OwnCertificate, RefusedError
from edge_agent.identity.files import (
    IdentityFiles,
    certificates_in,
    coordinator_keys_in,
    own_signing_key,
    own_tls_key,
    read_bounded,
    write_whole,
)
from protocols.identity.codes import EnrolmentCode
from protocols.identity.names import site_of
from protocols.identity.requests import make_request
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId, ZoneId, checked_name

NAMELESS: Final = "gateway"
"""What a request names before the gateway knows its site; the code decides."""
RENEW_SHARE: Final = 1 / 3
"""Renewal begins when this part of a certificate's life is left."""
BROKERS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What the coordinator told a gateway of its site.

    Attributes
    ----------
    site_id, zone : SiteId, ZoneId
        Who the gateway is.
    brokers : tuple of str
        Where the link is.
    coordinator : str
        Where certificates are renewed, ``https://host:port``; empty if nobody said.
    """

    site_id: SiteId
    zone: ZoneId
    brokers: tuple[str, ...]
    coordinator: str = ""


def enrol(
    files: IdentityFiles,
    client: EstClient,
    code: EnrolmentCode,
    *,
    tell: Callable[[str], None],
) -> SiteFacts:
    """Do every step that is not done yet.

    Parameters
    ----------
    files : IdentityFiles
        The folder.
    client : EstClient
        The coordinator.
    code : EnrolmentCode
        As typed.
    tell : callable
        Told each step's name when it is done.

    Raises
    ------
    ConfigError, LinkError, RemoteProtocolError
        What is wrong; run it again when it is not.
    """
    own = OwnCertificate(certificate=files.certificate, key=files.key)
    own_tls_key(files.key)
    own_signing_key(files.signing_key)
    tell("keys")
    root = client.root(code.pin)
    write_whole(files.trust, root.public_bytes(Encoding.PEM))
    tell("coordinator")
    facts: Mapping[str, object] | None = None
    if _fits(files):
        try:
            facts = client.site(root, own)
        except RefusedError:
            _start_afresh(files)
    if facts is None:
        key, signing = own_tls_key(files.key), own_signing_key(files.signing_key)
        chain = client.enrol(root, code, make_request(key, signing, name=NAMELESS))
        keep_chain(files, chain, key)
        facts = client.site(root, own)
    tell("certificate")
    kept = keep_facts(files, {**facts, "coordinator": client.url})
    tell("site")
    return kept


def renew(files: IdentityFiles, client: EstClient, *, at: datetime) -> x509.Certificate:
    """Get the next certificate, for a new key.

    Raises
    ------
    ConfigError, LinkError, RemoteProtocolError
        What is wrong; the certificate in force stays.
    """
    finish_renewal(files)
    root = certificates_in(read_bounded(files.trust), str(files.trust))[0]
    site_id = site_of(own_certificate(files), at=at)
    key = own_tls_key(files.next_key)
    request = make_request(key, own_signing_key(files.signing_key), name=site_id)
    own = OwnCertificate(certificate=files.certificate, key=files.key)
    chain = client.renew(root, own, request)
    keep_chain(files, chain, key)
    finish_renewal(files)
    return chain[0]


def finish_renewal(files: IdentityFiles) -> None:
    """Put the next key in force if the certificate is for it already: a stop came between."""
    if not files.next_key.is_file() or not files.certificate.is_file():
        return
    if own_certificate(files).public_key() == own_tls_key(files.next_key).public_key():
        try:
            files.next_key.replace(files.key)
        except OSError as error:
            raise ConfigError(f"{files.key}: {error.strerror or error}") from None


def renewal_due(certificate: x509.Certificate, *, at: datetime) -> bool:
    """Whether little enough of a certificate's life is left."""
    life: timedelta = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - at <= RENEW_SHARE * life


def own_certificate(files: IdentityFiles) -> x509.Certificate:
    """Certificate in the folder.

    Raises
    ------
    ConfigError
        If there is none.
    """
    return certificates_in(read_bounded(files.certificate), str(files.certificate))[0]


def keep_chain(
    files: IdentityFiles, chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey
) -> None:
    """Keep a certificate that is for our key.

    Raises
    ------
    RemoteProtocolError
        If it is for another.
    """
    if not chain or chain[0].public_key() != key.public_key():
        raise RemoteProtocolError("coordinator: answered a certificate for another key")
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    write_whole(files.certificate, pem)


def keep_facts(files: IdentityFiles, facts: Mapping[str, object]) -> SiteFacts:
    """Check what the coordinator told, and keep it.

    Raises
    ------
    RemoteProtocolError
        If something is missing or wrong.
    """
    brokers, keys = facts.get("brokers"), facts.get("coordinator_keys")
    if not isinstance(brokers, list) or not 0 < len(brokers) <= BROKERS_MAX:
        raise RemoteProtocolError("coordinator: named no broker")
    try:
        site_id = SiteId(checked_name(str(facts.get("site_id")), "site id"))
        zone = ZoneId(checked_name(str(facts.get("zone")), "zone id"))
        data = json.dumps(keys, indent=1).encode()
        coordinator_keys_in(data, "coordinator")
    except ConfigError as error:
        raise RemoteProtocolError(f"coordinator: {error}") from None
    write_whole(files.coordinator_keys, data)
    kept = SiteFacts(
        site_id=site_id,
        zone=zone,
        brokers=tuple(str(one) for one in brokers),
        coordinator=str(facts.get("coordinator", "")),
    )
    source = {
        "site_id": site_id,
        "zone": zone,
        "brokers": list(kept.brokers),
        "coordinator": kept.coordinator,
    }
    write_whole(files.source, json.dumps(source, indent=1).encode())
    return kept


def coordinator_of(files: IdentityFiles) -> str:
    """Where this gateway enrolled, and renews; empty if nobody said."""
    try:
        read = json.loads(read_bounded(files.source))
    except (ConfigError, ValueError, RecursionError):
        return ""
    return str(read.get("coordinator", "")) if isinstance(read, dict) else ""


def _fits(files: IdentityFiles) -> bool:
    """Whether the certificate in the folder is for the key in it."""
    if not files.certificate.is_file():
        return False
    try:
        finish_renewal(files)
        return own_certificate(files).public_key() == own_tls_key(files.key).public_key()
    except ConfigError:
        return False  # a damaged certificate is asked for again, for the same key


def _start_afresh(files: IdentityFiles) -> None:
    """Give up a certificate that is refused, and its keys."""
    for path in (files.certificate, files.key, files.signing_key):
        path.unlink(missing_ok=True)
