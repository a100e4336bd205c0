"""Serial numbers that are refused: one file, written by commands, read by every border.

A border asks :meth:`RevokedSerials.is_revoked` on each handshake; the file is read again when
it has changed, so a revocation by another process counts within the next question.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from cloud_coordinator.gateway.authority.files import KEY_MODE, read_bounded, write_whole
from protocols.vocabulary.errors import ConfigError

_Seen = tuple[int, int, int]
_NEVER: Final[_Seen] = (-1, -1, -1)


class RevokedSerials:
    """The list.

    Parameters
    ----------
    path : Path
        The file; must be there, for a list that is lost must not let anybody in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: _Seen = _NEVER
        self._serials: Mapping[str, str] = {}

    def is_revoked(self, serial: str) -> bool:
        """Whether a certificate of this serial number is refused.

        Raises
        ------
        ConfigError
            If the list is not there or damaged; the caller must then refuse.
        """
        return serial in self._current()

    def serials(self) -> Mapping[str, str]:
        """Return the serial numbers, with when and why."""
        return dict(self._current())

    def revoke(self, serials: Iterable[str], *, at: datetime, reason: str) -> None:
        """Add serial numbers; durable on return. A second time changes nothing.

        Raises
        ------
        ConfigError
            If the list is damaged or cannot be written.
        """
        try:
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, KEY_MODE)
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._seen = _NEVER
            before = self._current()
            fresh = {one: f"{at.isoformat(timespec='seconds')} {reason}" for one in serials}
            text = json.dumps({**fresh, **before}, indent=1, sort_keys=True)
            write_whole(self._path, text.encode())
            self._seen = _NEVER
        finally:
            os.close(lock)

    def _current(self) -> Mapping[str, str]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from None
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            self._serials = _parsed(read_bounded(self._path), self._path)
            self._seen = seen
        return self._serials


def _parsed(data: bytes, path: Path) -> dict[str, str]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or not all(isinstance(one, str) for one in read.values()):
        raise ConfigError(f"{path}: is not a list of revoked serial numbers")
    return read
