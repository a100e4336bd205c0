"""TLS and signatures of the gateway's own VTN, from its files: ECDSA or RSA, TLS 1.2 or better.

Notes
-----
OpenADR 2.0b profile, security.
"""

import ssl
from typing import Final

from edge_agent.config.local_servers import ServerFiles
from edge_agent.transports.tls import load
from protocols.openadr.credentials import read_signatory
from protocols.openadr.signature import Signatory
from protocols.vocabulary.errors import ConfigError

CIPHERS: Final = "ECDHE+AESGCM:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:!aNULL"
"""Suites of TLS 1.2: what the profile names, and better."""


def vtn_context(files: ServerFiles) -> ssl.SSLContext:
    """Context of a VTN that asks every VEN for its certificate.

    Raises
    ------
    ConfigError
        If a file does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        load(context, files.certificate, files.key, authorities=files.authorities, ciphers=CIPHERS)
    except ConfigError as error:
        raise ConfigError(f"openadr_vtn: {error}") from error
    return context


def signatory_of(files: ServerFiles) -> Signatory:
    """Who signs messages: the holder of the server's own certificate.

    Raises
    ------
    ConfigError
        If a file does not hold what it should.
    """
    try:
        return read_signatory(files.certificate.read_bytes(), files.key.read_bytes())
    except (OSError, ConfigError) as error:
        raise ConfigError(f"openadr_vtn: {files.certificate}, {files.key}: {error}") from error
