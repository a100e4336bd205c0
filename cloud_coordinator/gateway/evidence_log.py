"""Keeps signed obligations, receipts and digests of telemetry as they were on the wire.

One file a day below the data directory, a line each, appended and synced by a worker thread
twice a second. What is kept is enough to convince somebody who trusts neither the store nor us:
the bytes and the signatures on them.
"""

import asyncio
import json
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from protocols.link.messages import Event, ObligationMessage
from protocols.link.row_digest import DIGEST_KIND, RowDigest, digest_of
from protocols.link.topics import Address, Topics, parse_topic
from protocols.link.wire import decode
from protocols.vocabulary.errors import RemoteProtocolError, StoreError
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.intervals import Clock

WAITING_MAX: Final = 100_000
WRITE_S: Final = 0.5
KEPT_MAX: Final = 200_000
LINE_CHARACTERS_MAX: Final = 4_194_304

_log = structlog.get_logger(__name__)


class EvidenceLog:
    """The log.

    Parameters
    ----------
    folder : Path
        Of the files.
    clock : Clock
        For the time of a line.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._waiting: deque[tuple[str, str, bytes]] = deque()
        self._kept: set[tuple[str, str, int]] = set()

    def tap(self, address: Address, data: bytes) -> None:
        """Take a sealed message; what cannot wait any more is lost and said so."""
        if address.site_id is None:
            return
        if len(self._waiting) >= WAITING_MAX:
            _log.error("evidence.lost", site_id=address.site_id)
            return
        topic = Topics(address.site_id).topic(address.kind)
        self._waiting.append((self._clock.now().isoformat(), topic, data))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(WRITE_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        some = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            await asyncio.to_thread(self._write, some)
        except OSError as error:
            self._waiting.extendleft(reversed(some[: WAITING_MAX - len(self._waiting)]))
            _log.error("evidence.unwritten", cause=error.strerror or str(error))

    def _write(self, some: list[tuple[str, str, bytes]]) -> None:
        lines = [line for at, topic, data in some if (line := self._line(at, topic, data))]
        if not lines:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{some[0][0][:10]}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))
            file.flush()
            os.fsync(file.fileno())

    def _line(self, at: str, topic: str, data: bytes) -> str:
        """Return a line, or none for what is no evidence or is kept already."""
        about = obligation_of(topic, data) or _digested(topic, data)
        if about is None:
            return ""
        key = (topic, *about)
        if key in self._kept:
            return ""
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept.add(key)
        name, version = about
        entry = {"at": at, "obligation": name, "version": version, "topic": topic}
        return json.dumps({**entry, "data": data.hex()}) + "\n"


def obligation_of(topic: str, data: bytes) -> tuple[str, int] | None:
    """Obligation and version that a message gives or receipts; None if it does neither."""
    try:
        message = decode(parse_topic(topic).kind, data)
    except RemoteProtocolError:
        return None
    if isinstance(message, ObligationMessage):
        obligation = message.commitment.obligation
        return obligation.obligation_id, obligation.version
    if isinstance(message, Event) and message.kind.startswith("obligation."):
        name, version = message.payload.get("obligation_id"), message.payload.get("version")
        if isinstance(name, str) and isinstance(version, int):
            return name, version
    return None


def row_digest_of(topic: str, data: bytes) -> RowDigest | None:
    """Digest of telemetry that a message gives; None if it gives none."""
    try:
        message = decode(parse_topic(topic).kind, data)
        return digest_of(message) if isinstance(message, Event) else None
    except RemoteProtocolError:
        return None


def _digested(topic: str, data: bytes) -> tuple[str, int] | None:
    found = row_digest_of(topic, data)
    return None if found is None else (f"{DIGEST_KIND} {found.journal_id}", found.first)


def kept_digests(folder: Path) -> Iterator[tuple[str, str]]:
    """Digests of telemetry: topic and hexadecimal bytes, oldest first.

    Raises
    ------
    StoreError
        If a file cannot be read.
    """
    for entry in _entries(folder):
        if entry["obligation"].startswith(f"{DIGEST_KIND} "):
            yield entry["topic"], entry["data"]


def is_about(name: str, obligation: str) -> bool:
    """Whether a name is an obligation's own or that of a site's share of it."""
    return name == obligation or name.startswith(f"{obligation}/")


def kept_messages(folder: Path, obligation: ObligationId) -> Iterator[tuple[str, str, str]]:
    """Messages about an obligation or its shares: time, topic, hexadecimal bytes, oldest first.

    Raises
    ------
    StoreError
        If a file cannot be read.
    """
    for entry in _entries(folder):
        if is_about(entry["obligation"], obligation):
            yield entry["at"], entry["topic"], entry["data"]


def _entries(folder: Path) -> Iterator[dict[str, str]]:
    names = ("at", "obligation", "topic", "data")
    for path in sorted(folder.glob("*.jsonl")):
        try:
            with path.open(encoding="utf-8") as file:
                while line := file.readline(LINE_CHARACTERS_MAX):
                    entry = json.loads(line)
                    yield {name: str(entry[name]) for name in names}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from error
