"""Documents of a VEN on the wire, plain or signed, both ways, and whose signature is believed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.credentials import Trust
from protocols.openadr.messages.payload import Payload
from protocols.openadr.signature import NonceBook, Signatory, sign, verify
from protocols.openadr.xml import decode, encode

WINDOW: Final = timedelta(minutes=5)
"""How far a signer's clock may be from ours."""
NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Who signs here, and whose signature is believed."""

    signatory: Signatory
    trust: Trust


class Envelope:
    """Opens and closes documents.

    Parameters
    ----------
    signing : Signing or None
        None: nothing is signed, and signatures are not looked at.
    now : callable
        Gives the time, UTC.
    draw : callable
        Draws so many random bytes.
    """

    def __init__(
        self, signing: Signing | None, now: Callable[[], datetime], draw: Callable[[int], bytes]
    ) -> None:
        self._signing = signing
        self._now = now
        self._draw = draw
        self._nonces = NonceBook(WINDOW)

    def close(self, message: Payload) -> bytes:
        """Write a payload.

        Raises
        ------
        LocalProtocolError
            If it cannot be written.
        """
        if self._signing is None:
            return encode(message)
        nonce = self._draw(NONCE_BYTES).hex()
        return sign(message, self._signing.signatory, now=self._now(), nonce=nonce)

    def open(self, document: bytes) -> Payload:
        """Read a payload.

        Raises
        ------
        PayloadError
            If it cannot be read, or is not signed by the VTN where it must be.
        """
        if self._signing is None:
            return decode(document)
        now = self._now()
        signed = verify(document, now=now, window=WINDOW, seen=self._nonces)
        if not self._signing.trust.believes(signed.certificate_der):
            raise PayloadError(
                f"signature: by {signed.fingerprint}, which is not our VTN",
                code=ResponseCode.NOT_ALLOWED,
            )
        self._nonces.take(signed, now)
        return signed.message
