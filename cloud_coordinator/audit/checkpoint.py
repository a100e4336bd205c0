"""Signed checkpoints: how long the trail was, and the digest of its last entry; pure.

A trail that was made anew, or cut at its end, contradicts a checkpoint that was signed before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from cloud_coordinator.audit.chain import Entry

_DOMAIN: Final = b"vpp audit checkpoint 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A signed statement about the trail.

    Attributes
    ----------
    entries : int
        How many there were.
    digest : str
        Of the last one.
    at : str
        When it was signed, ISO 8601.
    signature : str
        Ed25519, hexadecimal.
    """

    entries: int
    digest: str
    at: str
    signature: str

    def encode(self) -> bytes:
        """Write it as canonical JSON."""
        return json.dumps(
            {
                "entries": self.entries,
                "digest": self.digest,
                "at": self.at,
                "signature": self.signature,
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode()


def sign(last: Entry, *, at: datetime, key: Ed25519PrivateKey) -> Checkpoint:
    """Sign the trail up to its last entry."""
    moment = at.isoformat()
    signature = key.sign(_statement(last.number, last.digest, moment))
    return Checkpoint(entries=last.number, digest=last.digest, at=moment, signature=signature.hex())


def read_checkpoint(body: bytes) -> Checkpoint | None:
    """Read what :meth:`Checkpoint.encode` wrote; None if it is something else."""
    try:
        found = json.loads(body)
        return Checkpoint(
            entries=int(found["entries"]),
            digest=str(found["digest"]),
            at=str(found["at"]),
            signature=str(found["signature"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def check(
    checkpoints: Sequence[Checkpoint | None],
    digests: Sequence[str],
    keys: Sequence[Ed25519PublicKey] = (),
) -> str:
    """Hold checkpoints against the digests of a chain that was verified.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint or None
        Oldest first; None stands for one that cannot be read.
    digests : sequence of str
        Of entries 1, 2, ...
    keys : sequence of Ed25519PublicKey
        One of them must have signed each; none checks the digests only, not the signatures.

    Returns
    -------
    str
        The first thing that is wrong; empty if nothing is.
    """
    for number, one in enumerate(checkpoints, start=1):
        if one is None:
            return f"checkpoint {number}: cannot be read"
        if keys and not any(_signed(one, key) for key in keys):
            return f"checkpoint {number}: its signature is of none of these keys"
        if not 1 <= one.entries <= len(digests):
            return (
                f"checkpoint {number}: there were {one.entries} entries, "
                f"{len(digests)} are left; the end is missing"
            )
        if digests[one.entries - 1] != one.digest:
            return f"checkpoint {number}: entry {one.entries} is another than was signed"
    return ""


def _signed(one: Checkpoint, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(bytes.fromhex(one.signature), _statement(one.entries, one.digest, one.at))
    except (InvalidSignature, ValueError):
        return False
    return True


def _statement(entries: int, digest: str, at: str) -> bytes:
    return _DOMAIN + f"{entries}\n{digest}\n{at}\n".encode()
