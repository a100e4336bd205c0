"""Asks the coordinator for certificates over HTTPS: TLS 1.3, no name service is trusted.

Until the root is known by its pin nothing secret is said; from then on the coordinator must
show a certificate of that root for its fixed name, whatever its address is.
"""

import base64
import binascii
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from protocols.identity.codes import EnrolmentCode
from protocols.identity.names import COORDINATOR_NAME, pin_of
from protocols.vocabulary.errors import ConfigError, LinkError, RemoteProtocolError

ANSWER_BYTES_MAX: Final = 65_536
TIMEOUT_S: Final = 10.0
_EST: Final = "/.well-known/est/"
_FORBIDDEN: Final = 403
_OK: Final = 200


class RefusedError(LinkError):
    """The coordinator understood and refused; asking again alike does not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """Files of our own certificate, for mutual TLS."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class EstClient:
    """The coordinator's enrolment desk.

    Parameters
    ----------
    url : str
        ``https://host:port``.

    Raises
    ------
    ConfigError
        If it is something else.

    Attributes
    ----------
    url : str
        Without a path.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or 8443
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
            raise ConfigError(f"--coordinator {url!r}: use https://host:port")
        self._address = (parts.hostname, port)
        self.url = f"https://{parts.netloc}"

    def root(self, pin: bytes) -> x509.Certificate:
        """Fetch the root of a pin; whoever shows another one is not the coordinator.

        Raises
        ------
        LinkError
            If nobody answers.
        RemoteProtocolError
            If no certificate has the pin.
        """
        context = _context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        data = self._ask(context, _Question(method="GET", path=f"{_EST}cacerts"))
        for certificate in _certificates(data):
            if pin_of(certificate) == pin:
                return certificate
        raise RemoteProtocolError(
            "coordinator: is not the one the code was made by; nothing was sent to it"
        )

    def enrol(
        self, root: x509.Certificate, code: EnrolmentCode, request: bytes
    ) -> list[x509.Certificate]:
        """Show the code and get the certificate, the leaf first."""
        pair = f"{code.ticket}:{code.secret.hex()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        question = _post("simpleenroll", request, headers)
        return _chain(self._ask(_trusting(root), question))

    def renew(
        self, root: x509.Certificate, own: OwnCertificate, request: bytes
    ) -> list[x509.Certificate]:
        """Show our certificate and get the next one, the leaf first."""
        question = _post("simplereenroll", request, {})
        return _chain(self._ask(_trusting(root, own), question))

    def site(self, root: x509.Certificate, own: OwnCertificate) -> Mapping[str, object]:
        """Ask who we are, and where the link is."""
        question = _Question(method="GET", path="/.well-known/vpp/site")
        data = self._ask(_trusting(root, own), question)
        try:
            read = json.loads(data)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise RemoteProtocolError("coordinator: answered something that is not a record")
        return read

    def keep_record(self, root: x509.Certificate, own: OwnCertificate, record: bytes) -> None:
        """Hand over a signed record; it is durable at the coordinator on return."""
        question = _Question(
            method="POST",
            path="/.well-known/vpp/commissioning",
            body=record,
            headers={"Content-Type": "application/json"},
        )
        self._ask(_trusting(root, own), question)

    def _ask(self, context: ssl.SSLContext, question: _Question) -> bytes:
        host, port = self._address
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            plain = socket.create_connection(self._address, TIMEOUT_S)
            connection.sock = context.wrap_socket(plain, server_hostname=COORDINATOR_NAME)
            connection.request(
                question.method, question.path, body=question.body, headers=dict(question.headers)
            )
            answer = connection.getresponse()
            data = answer.read(ANSWER_BYTES_MAX)
        except ssl.SSLCertVerificationError:
            raise RemoteProtocolError(
                f"{host}:{port}: its certificate is not the coordinator's"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "strerror", None) or type(error).__name__
            raise LinkError(f"{host}:{port}: {cause}") from None
        finally:
            connection.close()
        if answer.status == _OK:
            return data
        detail = _detail(data) or f"answered {answer.status}"
        if answer.status == _FORBIDDEN:
            raise RefusedError(detail)
        raise LinkError(f"{host}:{port}: {detail}")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _trusting(root: x509.Certificate, own: OwnCertificate | None = None) -> ssl.SSLContext:
    context = _context()
    context.load_verify_locations(cadata=root.public_bytes(Encoding.PEM).decode())
    if own is not None:
        try:
            context.load_cert_chain(own.certificate, own.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{own.certificate}: cannot be used: {error}") from None
    return context


def _post(name: str, request: bytes, headers: Mapping[str, str]) -> _Question:
    kind = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
    body = base64.encodebytes(request)
    return _Question(method="POST", path=_EST + name, body=body, headers={**kind, **headers})


def _certificates(data: bytes) -> list[x509.Certificate]:
    try:
        return load_der_pkcs7_certificates(base64.b64decode(b"".join(data.split())))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise RemoteProtocolError("coordinator: answered no certificates") from None


def _chain(data: bytes) -> list[x509.Certificate]:
    """Sort what came (a set in PKCS #7): the leaf first."""
    found = _certificates(data)
    issuers = {one.issuer for one in found}
    return sorted(found, key=lambda one: one.subject in issuers)


def _detail(data: bytes) -> str:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    return str(read.get("detail", "")) if isinstance(read, dict) else ""
