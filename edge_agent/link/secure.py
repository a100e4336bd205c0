"""TLS of the link: version 1.3, our own certificate, and a coordinator of our authority only.

The coordinator's certificate is for a fixed name, whatever its address is: who runs a broker
at the right address without that certificate is refused in the handshake.
"""

import ssl

from edge_agent.identity.files import IdentityFiles
from protocols.identity.names import COORDINATOR_NAME
from protocols.vocabulary.errors import ConfigError


class _NamedContext(ssl.SSLContext):
    """A context that asks for the coordinator's name, whatever address was dialled."""

    def wrap_socket(self, sock: object, *positional: object, **named: object) -> ssl.SSLSocket:
        named["server_hostname"] = COORDINATOR_NAME
        return super().wrap_socket(sock, *positional, **named)  # type: ignore[arg-type]


def link_context(files: IdentityFiles) -> ssl.SSLContext:
    """Make the TLS context of one connection from the files as they are now.

    Raises
    ------
    ConfigError
        If a file is missing or cannot be used.
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(files.trust)
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ConfigError(f"{files.folder}: certificate, key or trust: {cause}") from None
    return context
