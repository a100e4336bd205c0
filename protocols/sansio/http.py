"""A request and its reply as values, so that roles over HTTP stay pure; knows no server.

The shells turn these into an HTTP library's own; the identity in a request is what the
certificate of the TLS peer says and never what a body says.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIdentity:
    """Who is at the other end of a TLS connection.

    Attributes
    ----------
    lfdi : str
        IEEE 2030.5 long-form device identifier: 40 hexadecimal digits, upper case.
    fingerprint : str
        OpenADR fingerprint: last ten bytes of the same digest, colon-separated, upper case.
    certificate_sha256 : bytes
        SHA-256 of the certificate in DER, 32 bytes.
    """

    lfdi: str
    fingerprint: str
    certificate_sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request.

    Attributes
    ----------
    method : str
        Upper case.
    path : str
        Path without query, percent-decoded, beginning with "/". A client may write a whole URI.
    query : tuple of pairs
        Names and values in their order.
    content_type, accept : str
        Header fields, "" where absent.
    body : bytes
        Whole body.
    peer : PeerIdentity or None
        From the certificate; None without mutual TLS.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    accept: str = ""
    body: bytes = b""
    peer: PeerIdentity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """One reply.

    Attributes
    ----------
    status : int
        HTTP status.
    body : bytes
        Whole body.
    content_type : str
        "" without a body.
    headers : tuple of pairs
        Further header fields, e.g. ("Location", "/edev/3").
    """

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
