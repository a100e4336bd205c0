"""TLS and trust of the coordinator's VEN: whom it calls, who may call it, whose signature counts.

A VTN may be pinned by its fingerprint, which then takes the place of its host name.
"""

import ssl
from collections.abc import Callable

from cloud_coordinator.gateway.openadr.tls import CIPHERS, check_strength, push_context
from cloud_coordinator.gateway.tls import TlsFiles
from protocols.openadr.credentials import Trust, read_trust
from protocols.openadr.identity import fingerprint, same_fingerprint
from protocols.vocabulary.errors import AccessDeniedError, ConfigError


def call_context(files: TlsFiles, vtn_fingerprint: str | None) -> ssl.SSLContext:
    """Context of calls to the VTN; any other certificate ends the handshake.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context = push_context(files)
    context.set_ciphers(CIPHERS)
    if vtn_fingerprint is None:
        context.check_hostname = True
    else:
        context.sslobject_class = _pinned(vtn_fingerprint)
    return context


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


def admission(vtn_fingerprint: str | None) -> Callable[[bytes], None]:
    """Make the check of who may call our listener."""

    def check(certificate: bytes) -> None:
        check_strength(certificate)
        seen = fingerprint(certificate)
        if vtn_fingerprint is not None and not same_fingerprint(seen, vtn_fingerprint):
            raise AccessDeniedError(f"fingerprint {seen} is not the VTN's")

    return check


def trust(files: TlsFiles, vtn_fingerprint: str | None) -> Trust:
    """Read whose signature is believed.

    Raises
    ------
    ConfigError
        If the file of authorities cannot be used.
    """
    try:
        return read_trust(files.authorities.read_bytes(), vtn_fingerprint)
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{files.authorities}: {error}") from error
