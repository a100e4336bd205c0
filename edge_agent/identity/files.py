"""The folder of a gateway's identity: which file is what, and writing one whole or not at all.

Read by the link (TLS and signatures), written by provisioning and renewal. A key is made
here, mode 600, and never leaves the gateway.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from protocols.vocabulary.errors import ConfigError

KEY_MODE: Final = 0o600
OPEN_MODE: Final = 0o644
FOLDER_MODE: Final = 0o700
FILE_BYTES_MAX: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFiles:
    """Where everything of an identity is.

    Attributes
    ----------
    folder : Path
        Mode 700.
    """

    folder: Path

    @property
    def key(self) -> Path:
        """EC P-256 key of the certificate, mode 600."""
        return self.folder / "site.key"

    @property
    def certificate(self) -> Path:
        """PEM: the gateway's certificate, then the intermediate."""
        return self.folder / "site.pem"

    @property
    def trust(self) -> Path:
        """PEM: the root that the coordinator's certificate must lead to."""
        return self.folder / "trust.pem"

    @property
    def coordinator_keys(self) -> Path:
        """JSON: Ed25519 public keys of the coordinator, hexadecimal, by key id."""
        return self.folder / "coordinator-keys.json"

    @property
    def signing_key(self) -> Path:
        """Ed25519 key of receipts, mode 600."""
        return self.folder / "signing.key"

    @property
    def next_key(self) -> Path:
        """Key of a renewal that is under way."""
        return self.folder / "next.key"

    @property
    def source(self) -> Path:
        """JSON: where this identity came from (coordinator's address, site, zone, broker)."""
        return self.folder / "source.json"

    @property
    def complete(self) -> bool:
        """Whether everything the link needs is there."""
        needed = (
            self.key, self.certificate, self.trust, self.coordinator_keys, self.signing_key,
        )  # fmt: skip
        return all(path.is_file() for path in needed)


def write_whole(path: Path, data: bytes, *, mode: int = OPEN_MODE) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        aside.unlink(missing_ok=True)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def read_bounded(path: Path) -> bytes:
    """Read a file of an identity.

    Raises
    ------
    ConfigError
        If it is not there, not readable or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: is larger than {FILE_BYTES_MAX} bytes")
    return data


def own_tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file, made there first if there is none.

    Raises
    ------
    ConfigError
        If the file holds something else.
    """
    if not path.is_file():
        _write_key(path, ec.generate_private_key(ec.SECP256R1()))
    key = _read_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: is not an EC key")
    return key


def own_signing_key(path: Path) -> ed25519.Ed25519PrivateKey:
    """Return the Ed25519 key in a file, made there first if there is none.

    Raises
    ------
    ConfigError
        If the file holds something else.
    """
    if not path.is_file():
        _write_key(path, ed25519.Ed25519PrivateKey.generate())
    key = _read_key(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError(f"{path}: is not an Ed25519 key")
    return key


def certificates_in(data: bytes, where: str) -> list[x509.Certificate]:
    """Certificates of a PEM text, at least one.

    Raises
    ------
    ConfigError
        If there is none or one cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificates(data)
    except (ValueError, UnsupportedAlgorithm):
        found = []
    if not found:
        raise ConfigError(f"{where}: holds no readable certificate")
    return found


def coordinator_keys_in(data: bytes, where: str) -> dict[str, bytes]:
    """Public keys of the coordinator by key id.

    Returns
    -------
    dict of str to bytes
        32 bytes each.

    Raises
    ------
    ConfigError
        If the text is something else.
    """
    try:
        read = json.loads(data)
        keys = {str(name): bytes.fromhex(text) for name, text in read.items()}
        for public in keys.values():
            ed25519.Ed25519PublicKey.from_public_bytes(public)
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ConfigError(f"{where}: is not a list of keys") from None
    return keys


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(path, data, mode=KEY_MODE)


def _read_key(path: Path) -> object:
    try:
        return load_pem_private_key(read_bounded(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: is not a private key without a passphrase") from None
