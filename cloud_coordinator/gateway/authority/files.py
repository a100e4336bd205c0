"""The folder of an authority: which file is what.

``root.key`` may be moved to a safe once the intermediate is made: nothing but
``vpp authority rotate`` needs it. Both authority keys are encrypted; the keys of the running
coordinator (``server.key``, ``signing.key``) are mode 600, for a broker must read them.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocols.vocabulary.errors import ConfigError

KEY_MODE: Final = 0o600
OPEN_MODE: Final = 0o644
FOLDER_MODE: Final = 0o700
FILE_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityFiles:
    """Where everything of an authority is.

    Attributes
    ----------
    folder : Path
        Mode 700.
    """

    folder: Path

    @property
    def root(self) -> Path:
        """PEM: the root, which gateways trust and whose pin is in every code."""
        return self.folder / "root.pem"

    @property
    def root_key(self) -> Path:
        """Its key, encrypted."""
        return self.folder / "root.key"

    @property
    def intermediate(self) -> Path:
        """PEM: what issues day by day."""
        return self.folder / "intermediate.pem"

    @property
    def intermediate_key(self) -> Path:
        """Its key, encrypted."""
        return self.folder / "intermediate.key"

    @property
    def server(self) -> Path:
        """PEM: the coordinator's certificate, then the intermediate."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """Its key, mode 600."""
        return self.folder / "server.key"

    @property
    def signing_key(self) -> Path:
        """Ed25519 key of obligations, signals and commands, mode 600."""
        return self.folder / "signing.key"

    @property
    def coordinator_keys(self) -> Path:
        """JSON: public keys that gateways accept, hexadecimal, by key id."""
        return self.folder / "coordinator-keys.json"

    @property
    def revoked(self) -> Path:
        """JSON: serial numbers that are refused."""
        return self.folder / "revoked.json"


def write_whole(path: Path, data: bytes, *, mode: int = OPEN_MODE) -> None:
    """Write a file so that it is there whole or not at all.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
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
    """Read a file of an authority.

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
