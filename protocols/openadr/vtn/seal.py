"""How payloads of one VTN are written and read: as they are, or signed.

Notes
-----
OpenADR 2.0b profile, security: standard (TLS only) and high (TLS and XML signatures).
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrPoll, OadrResponse
from protocols.openadr.quick_signature import QuickSigner, QuickVerifier
from protocols.openadr.signature import NonceBook, Signatory
from protocols.openadr.xml import decode, encode

REMEMBERED_MAX = 20_000
REMEMBERED_BYTES = 2_000
"""Longest poll that is remembered."""
WINDOW = timedelta(seconds=30)
"""How far a signer's clock may be from ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A payload that was read.

    Attributes
    ----------
    message : Payload
        What it says.
    fingerprint : str or None
        Of the certificate that signed it; None if signatures are not asked for.
    """

    message: Payload
    fingerprint: str | None


class Seal(Protocol):
    """Writes and reads payloads."""

    def open(self, body: bytes, now: datetime) -> Opened:
        """Read a payload.

        Raises
        ------
        PayloadError
            If it cannot be taken.
        """

    def close(self, message: Payload, now: datetime, nonce: str) -> bytes:
        """Write a payload."""


class PlainSeal:
    """Payloads as they are; who speaks is told by TLS, or by nobody.

    A poll is the same bytes each time, and so is the answer that there is nothing: what was read
    or written strictly once is remembered.
    """

    def __init__(self) -> None:
        self._polls: OrderedDict[bytes, Opened] = OrderedDict()
        self._written: OrderedDict[OadrResponse, bytes] = OrderedDict()

    def open(self, body: bytes, now: datetime) -> Opened:  # noqa: ARG002 - part of the port
        """Read a payload."""
        known = self._polls.get(body)
        if known is not None:
            return known
        opened = Opened(message=decode(body), fingerprint=None)
        if isinstance(opened.message, OadrPoll) and len(body) <= REMEMBERED_BYTES:
            self._polls[body] = opened
            if len(self._polls) > REMEMBERED_MAX:
                self._polls.popitem(last=False)
        return opened

    def close(self, message: Payload, now: datetime, nonce: str) -> bytes:  # noqa: ARG002 - part of the port
        """Write a payload."""
        if not isinstance(message, OadrResponse):
            return encode(message)
        written = self._written.get(message)
        if written is None:
            written = encode(message)
            if not message.ei_response.request_id:
                self._written[message] = written
            if len(self._written) > REMEMBERED_MAX:
                self._written.popitem(last=False)
        return written


class SignedSeal:
    """Payloads with signatures, each taken once.

    Parameters
    ----------
    signatory : Signatory
        Who signs here.
    window : timedelta
        How far a signer's clock may be from ours.
    """

    def __init__(self, signatory: Signatory, window: timedelta = WINDOW) -> None:
        self._signer = QuickSigner(signatory)
        self._verifier = QuickVerifier()
        self._window = window
        self._nonces = NonceBook(window)

    def open(self, body: bytes, now: datetime) -> Opened:
        """Read a payload whose signature holds, is fresh and is not repeated."""
        signed = self._verifier.verify(body, now=now, window=self._window, seen=self._nonces)
        self._nonces.take(signed, now)
        return Opened(message=signed.message, fingerprint=signed.fingerprint)

    def close(self, message: Payload, now: datetime, nonce: str) -> bytes:
        """Write and sign a payload."""
        return self._signer.sign(message, now=now, nonce=nonce)
