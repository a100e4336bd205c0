"""Ed25519 seals on messages: who says this, to whom, for how long, and after what.

A sealed message is the message's own msgpack array with one element more, a byte string of
fixed length at its end: the seal. So it is verified on the bytes of the wire before anything
of it is read, and a receiver that knows no seals ignores it as a field it does not know. What
is signed is :func:`signing_bytes`. Kind and scope are what the receiver knows of itself (the
last levels of the topic, its own site or zone), never what the sender says; the seal's tag only
tells a message for somebody else from a forged one. Called by both ends of the link.
"""

import enum
import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from protocols.vocabulary.errors import ConfigError, LocalProtocolError

DOMAIN: Final = b"vpp-seal-1\0"
"""Begins what is signed, so that no signature of ours for another purpose fits here."""
NO_END_MS: Final = (1 << 63) - 1
"""``valid_until_ms`` of what is a record and not an order."""
EARLY_MS: Final = 2_000
"""How far the sender's clock may be ahead."""
_SEAL: Final = struct.Struct(">8s8sQQqq64s")
_NUMBERS: Final = struct.Struct(">QQqq")
_MARK: Final = bytes((0xC4, _SEAL.size))
SEAL_BYTES: Final = len(_MARK) + _SEAL.size
_FIXARRAY: Final = range(0x90, 0x9F)
_KEY_ID_BYTES: Final = 8


class SealRefusal(enum.Enum):
    """Why a message is not believed."""

    UNSEALED = "unsealed"
    OTHER_SCOPE = "other-scope"
    UNKNOWN_KEY = "unknown-key"
    WRONG_SIGNATURE = "wrong-signature"
    LOWER_EPOCH = "lower-epoch"
    REPLAYED = "replayed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is signed beside the payload.

    Attributes
    ----------
    kind : str
        Last levels of the topic, such as ``dn/ob``.
    scope : str
        Site or zone.
    sequence, epoch : int
        The sender's; the sequence rises with every sealed message of a scope.
    not_before_ms, valid_until_ms : int
        Unix time in ms.
    """

    kind: str
    scope: str
    sequence: int
    epoch: int
    not_before_ms: int
    valid_until_ms: int


def key_id_of(public: bytes) -> str:
    """Name of a public key: the first 8 bytes of its SHA-256, hexadecimal."""
    return hashlib.sha256(public).hexdigest()[: 2 * _KEY_ID_BYTES]


def signing_bytes(statement: Statement, payload: bytes) -> bytes:
    """Make the canonical bytes under a signature.

    Parameters
    ----------
    statement : Statement
        Encoded with lengths before texts and fixed big-endian numbers.
    payload : bytes
        As on the wire, without the seal.
    """
    kind, scope = statement.kind.encode(), statement.scope.encode()
    numbers = _NUMBERS.pack(
        statement.sequence, statement.epoch, statement.not_before_ms, statement.valid_until_ms
    )
    return b"".join(
        (DOMAIN, bytes((len(kind),)), kind, bytes((len(scope),)), scope, numbers, payload)
    )


class Signer:
    """Seals messages with one key.

    Parameters
    ----------
    private : bytes
        32 bytes, Ed25519.
    """

    def __init__(self, private: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)

    def seal(self, statement: Statement, data: bytes) -> bytes:
        """Return a message with its seal.

        Raises
        ------
        LocalProtocolError
            If the message is no short msgpack array or a number does not fit.
        """
        if not data or data[0] not in _FIXARRAY:
            raise LocalProtocolError("only a msgpack array of at most 14 elements can be sealed")
        payload = bytes((data[0] + 1,)) + data[1:]
        try:
            signature = self._key.sign(signing_bytes(statement, payload))
            seal = _SEAL.pack(
                bytes.fromhex(self.key_id),
                _tag(statement.kind, statement.scope),
                statement.sequence,
                statement.epoch,
                statement.not_before_ms,
                statement.valid_until_ms,
                signature,
            )
        except (struct.error, ValueError) as error:
            raise LocalProtocolError(f"cannot be sealed: {error}") from error
        return payload + _MARK + seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A seal that holds.

    Attributes
    ----------
    statement : Statement
        What was signed beside the payload.
    key_id : str
        By whom.
    """

    statement: Statement
    key_id: str


class Verifier:
    """Judges seals against known keys; remembers nothing.

    Parameters
    ----------
    public_keys : iterable of bytes
        32 bytes each.

    Raises
    ------
    ConfigError
        If one is no Ed25519 public key.
    """

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        try:
            self._keys = {
                bytes.fromhex(key_id_of(key)): Ed25519PublicKey.from_public_bytes(key)
                for key in public_keys
            }
        except ValueError as error:
            raise ConfigError(f"not an Ed25519 public key: {error}") from None

    def open(self, kind: str, scope: str, data: bytes) -> Opened | SealRefusal:
        """Judge a message's seal: form, addressee, key, signature, in this order.

        Parameters
        ----------
        kind, scope : str
            What the receiver expects here, never what the sender says.
        data : bytes
            As on the wire.
        """
        if len(data) <= SEAL_BYTES or data[-SEAL_BYTES : -_SEAL.size] != _MARK:
            return SealRefusal.UNSEALED
        key_id, tag, sequence, epoch, begin, end, signature = _SEAL.unpack(data[-_SEAL.size :])
        key = self._keys.get(key_id)
        if key is None:
            return SealRefusal.UNKNOWN_KEY
        if tag != _tag(kind, scope):
            return SealRefusal.OTHER_SCOPE
        statement = Statement(
            kind=kind,
            scope=scope,
            sequence=sequence,
            epoch=epoch,
            not_before_ms=begin,
            valid_until_ms=end,
        )
        try:
            key.verify(signature, signing_bytes(statement, data[:-SEAL_BYTES]))
        except InvalidSignature:
            return SealRefusal.WRONG_SIGNATURE
        return Opened(statement=statement, key_id=key_id.hex())


class SealGuard:
    """Admits each sealed message once, in order, in time, from the newest sender only.

    Parameters
    ----------
    verifier : Verifier
        With the keys of those who may give orders.
    epochs : mapping of str to int
        Highest epoch seen per scope, as persisted.
    """

    def __init__(self, verifier: Verifier, epochs: Mapping[str, int]) -> None:
        self._verifier = verifier
        self._epochs = dict(epochs)
        self._last: dict[str, int] = {}

    def admit(self, kind: str, scope: str, data: bytes, *, now_ms: int) -> SealRefusal | None:
        """Judge a message; only an admitted one is remembered.

        Parameters
        ----------
        kind, scope : str
            What the receiver expects here.
        data : bytes
            As on the wire.
        now_ms : int
            Unix time in ms.
        """
        opened = self._verifier.open(kind, scope, data)
        if isinstance(opened, SealRefusal):
            return opened
        statement = opened.statement
        refusal = self._order(statement) or _timely(statement, now_ms)
        if refusal is None:
            self._epochs[scope] = statement.epoch
            self._last[scope] = statement.sequence
        return refusal

    def _order(self, statement: Statement) -> SealRefusal | None:
        held = self._epochs.get(statement.scope, 0)
        if statement.epoch < held:
            return SealRefusal.LOWER_EPOCH
        if statement.epoch == held and statement.sequence <= self._last.get(statement.scope, -1):
            return SealRefusal.REPLAYED
        return None


def _timely(statement: Statement, now_ms: int) -> SealRefusal | None:
    if now_ms >= statement.valid_until_ms:
        return SealRefusal.EXPIRED
    if now_ms < statement.not_before_ms - EARLY_MS:
        return SealRefusal.NOT_YET_VALID
    return None


def _tag(kind: str, scope: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{scope}".encode()).digest()[:8]
