"""Evidence of one obligation: a file that convinces by signatures, and what is wrong with one.

The file holds the obligation and its receipts as they were on the wire, the seconds of telemetry
under digests that the gateways signed (:mod:`.evidence_rows`), the gateways' certificates (which
bind their receipt keys), the root and the coordinator's keys. A digest runs through the messages
and its end is sealed by the coordinator, so that none can be left out.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from cloud_coordinator.commands.evidence_rows import spans_of, telemetry_fault
from cloud_coordinator.gateway.evidence_log import is_about, obligation_of
from protocols.identity.names import RECEIPT_KEY_OID
from protocols.identity.signing import NO_END_MS, SealRefusal, Signer, Statement, Verifier
from protocols.link.messages import ObligationMessage
from protocols.link.topics import TopicKind, parse_topic
from protocols.link.wire import decode
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError

FORMAT: Final = "vpp-evidence-2"
_KIND: Final = "evidence"
_BROKEN: Final = (
    KeyError, TypeError, ValueError, IndexError, AttributeError, UnsupportedAlgorithm,
    RemoteProtocolError, ConfigError, RecursionError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What goes into a file beside the messages.

    Attributes
    ----------
    certificates : mapping of str to str
        PEM by site: every certificate it had, oldest first, then the intermediate.
    root : str
        PEM.
    telemetry : sequence of mapping
        Digests and their rows.
    """

    certificates: Mapping[str, str]
    root: str
    telemetry: Sequence[Mapping[str, object]] = ()


def make_evidence(
    obligation: str,
    messages: Sequence[tuple[str, str, str]],
    *,
    sources: Sources,
    signer: Signer,
) -> dict[str, object]:
    """Make the content of a file of messages: time, topic and bytes in hexadecimal."""
    kept = [{"at": at, "topic": topic, "data": data} for at, topic, data in messages]
    statement, telemetry = _end(obligation), list(sources.telemetry)
    ends = msgpack.packb([_digest(obligation, kept), _telemetry_digest(telemetry)])
    return {
        "format": FORMAT,
        "obligation": obligation,
        "messages": kept,
        "telemetry": telemetry,
        "certificates": dict(sources.certificates),
        "root": sources.root,
        "coordinator_keys": {signer.key_id: signer.public.hex()},
        "end": signer.seal(statement, ends).hex(),
    }


def fault(text: str, *, keys: Mapping[str, bytes] | None, root: bytes | None) -> str:
    """Name the first thing that is wrong with a file; empty if nothing is.

    Parameters
    ----------
    text : str
        The file.
    keys : mapping of str to bytes or None
        The coordinator's keys from a source that is trusted; None believes the file's own.
    root : bytes or None
        The trusted root, PEM; None believes the file's own.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            return f"format: {data['format']!r}, but this program knows {FORMAT}"
        own = [bytes.fromhex(key) for key in data["coordinator_keys"].values()]
        verifier = Verifier(own if keys is None else keys.values())
        anchor = x509.load_pem_x509_certificate(root or data["root"].encode())
        return (
            _end_fault(data, verifier)
            or _messages_fault(data, verifier, anchor)
            or _telemetry_fault(data, anchor)
        )
    except _BROKEN as error:
        return f"file: incomplete or damaged: {type(error).__name__}: {str(error)[:120]}"


def _end_fault(data: dict[str, Any], verifier: Verifier) -> str:
    end = bytes.fromhex(data["end"])
    opened = verifier.open(_KIND, data["obligation"], end)
    if isinstance(opened, SealRefusal):
        return f"end: seal of the coordinator: {opened.value}"
    if msgpack.unpackb(end)[0] != _digest(data["obligation"], data["messages"]):
        return "messages: one was changed, added, left out or moved: the sealed digest differs"
    return ""


def _messages_fault(data: dict[str, Any], verifier: Verifier, root: x509.Certificate) -> str:
    given: set[tuple[str, tuple[str, int]]] = set()
    for number, message in enumerate(data["messages"], 1):
        where = f"message {number} ({message['at']})"
        wire, address = bytes.fromhex(message["data"]), parse_topic(message["topic"])
        about = obligation_of(message["topic"], wire)
        if about is None or not is_about(about[0], data["obligation"]) or address.site_id is None:
            return f"{where}: is not about {data['obligation']}"
        site = str(address.site_id)
        if address.kind is TopicKind.OBLIGATION:
            found = _obligation_fault(wire, site, verifier)
            given.add((site, about))
        else:
            found = _receipt_fault(wire, site, chain=data["certificates"].get(site, ""), root=root)
            if not found and (site, about) not in given:
                found = f"receipt of version {about[1]}, which is not before it"
        if found:
            return f"{where}: {found}"
    return "" if given else "messages: no obligation among them"


def _telemetry_fault(data: dict[str, Any], root: x509.Certificate) -> str:
    def seal(wire: bytes, site: str) -> str:
        return _receipt_fault(wire, site, chain=data["certificates"].get(site, ""), root=root)

    found = telemetry_fault(data["telemetry"], owed(data), seal=seal)
    if found:
        return found
    if msgpack.unpackb(bytes.fromhex(data["end"]))[1] != _telemetry_digest(data["telemetry"]):
        return "telemetry: a digest was added, left out or moved: the sealed digest differs"
    return ""


def owed(data: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """First second and the one after the last that each site of a file owed something."""
    return spans_of((one["topic"], bytes.fromhex(one["data"])) for one in data["messages"])


def _obligation_fault(wire: bytes, site: str, verifier: Verifier) -> str:
    opened = verifier.open(TopicKind.OBLIGATION.value, site, wire)
    if isinstance(opened, SealRefusal):
        return f"seal of the coordinator: {opened.value}"
    message = decode(TopicKind.OBLIGATION, wire)
    if isinstance(message, ObligationMessage) and message.commitment.obligation.target != site:
        return f"is for {message.commitment.obligation.target}, not for {site}"
    return ""


def _receipt_fault(wire: bytes, site: str, *, chain: str, root: x509.Certificate) -> str:
    certificates = x509.load_pem_x509_certificates(chain.encode()) if chain else []
    keys = [
        one.extensions.get_extension_for_oid(RECEIPT_KEY_OID).value.public_bytes()
        for one in certificates
        if one.subject.rfc4514_string() == f"CN={site}" and _leads(one, certificates, root)
    ]
    if not keys:
        return f"no certificate of {site} leads to the root"
    opened = Verifier(keys).open(TopicKind.EVENT.value, site, wire)
    return f"seal of {site}: {opened.value}" if isinstance(opened, SealRefusal) else ""


def _leads(leaf: x509.Certificate, others: list[x509.Certificate], root: x509.Certificate) -> bool:
    """Whether a certificate is issued by the root, or by an authority the root issued."""
    return _issued(leaf, root) or any(
        _authority(one) and _issued(leaf, one) and _issued(one, root) for one in others
    )


def _authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _end(obligation: str) -> Statement:
    return Statement(
        kind=_KIND, scope=obligation, sequence=0, epoch=0, not_before_ms=0, valid_until_ms=NO_END_MS
    )


def _digest(obligation: str, messages: Sequence[Mapping[str, str]]) -> bytes:
    digest = hashlib.sha256(obligation.encode()).digest()
    for message in messages:
        line = json.dumps([message["at"], message["topic"], message["data"]])
        digest = hashlib.sha256(digest + line.encode()).digest()
    return digest


def _telemetry_digest(telemetry: Sequence[Mapping[str, object]]) -> bytes:
    return hashlib.sha256(json.dumps(telemetry, sort_keys=True).encode()).digest()
