"""Certificates of the VEN: contexts of TLS, the pinned VTN, and who signs. Reads files once.

OpenADR asks for mutual TLS 1.2; TLS 1.3 is spoken where the peer can. A VTN may be pinned by its
fingerprint, which then takes the place of its host name.
"""

import ssl

from edge_agent.config.northbound import TlsFiles
from edge_agent.transports.tls import load
from protocols.openadr.credentials import Trust, read_signatory, read_trust
from protocols.openadr.identity import fingerprint, same_fingerprint
from protocols.openadr.signature import Signatory
from protocols.vocabulary.errors import ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:!aNULL"
"""Suites of TLS 1.2: what the profile names, and better."""


def client_context(files: TlsFiles, vtn_fingerprint: str | None) -> ssl.SSLContext:
    """Context of calls to the VTN.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _load(context, files)
    if vtn_fingerprint is not None:
        context.check_hostname = False
        context.sslobject_class = _pinned(vtn_fingerprint)
    return context


def server_context(files: TlsFiles, vtn_fingerprint: str | None) -> ssl.SSLContext:
    """Context of the service the VTN pushes to; only a known certificate gets through.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, files)
    context.verify_mode = ssl.CERT_REQUIRED
    if vtn_fingerprint is not None:
        context.sslobject_class = _pinned(vtn_fingerprint)
    return context


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        load(context, files.certificate, files.key, authorities=files.authorities, ciphers=CIPHERS)
    except ConfigError as error:
        raise ConfigError(f"openadr_ven: {error}") from error


def _pinned(vtn_fingerprint: str) -> type[ssl.SSLObject]:
    """TLS that ends a handshake with any other certificate."""

    class Pinned(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            der = self.getpeercert(binary_form=True)
            if der is None or not same_fingerprint(fingerprint(der), vtn_fingerprint):
                seen = "none" if der is None else fingerprint(der)
                raise ssl.SSLCertVerificationError(f"the VTN's fingerprint is not {seen}")

    return Pinned


def signatory(files: TlsFiles) -> Signatory:
    """Who signs: the VEN with the certificate it has for TLS.

    Raises
    ------
    ConfigError
        If a file cannot be used, or the key is neither ECDSA nor RSA.
    """
    try:
        return read_signatory(files.certificate.read_bytes(), files.key.read_bytes())
    except (OSError, ConfigError) as error:
        raise ConfigError(f"openadr_ven: {files.certificate}, {files.key}: {error}") from error


def trust(files: TlsFiles, vtn_fingerprint: str | None) -> Trust:
    """Whose signature is believed.

    Raises
    ------
    ConfigError
        If the file of authorities cannot be used.
    """
    try:
        return read_trust(files.authorities.read_bytes(), vtn_fingerprint)
    except (OSError, ConfigError) as error:
        raise ConfigError(f"openadr_ven: {files.authorities}: {error}") from error
