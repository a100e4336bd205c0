"""The one place through which every action reaches the audit trail: intent, then result."""

import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_coordinator.audit.chain import Act, Entry
from cloud_coordinator.audit.checkpoint import Checkpoint, sign
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.intervals import Clock

REFUSAL_REPEAT_S: Final = 10.0
"""The same refusal within this time is counted, not written again."""
ALARM_EVERY: Final = 4
"""Of refusals that are only counted, the watch hears of each so many at once."""
REFUSALS_HELD_MAX: Final = 1_024
CHECKPOINT_EVERY: Final = 256


class AuditStore(Protocol):
    """Where the trail is."""

    def append(self, act: Act) -> Entry:
        """Add an entry; durable on return."""

    def last(self) -> Entry | None:
        """Return the newest."""

    def entries(self, *, after: int = 0, limit: int = 0) -> Sequence[Entry]:
        """Entries after a number, oldest first."""

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep a signed checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """An action as it is about to be done; no secret is in any field."""

    who: str
    what: str
    where: str
    why: str = ""


class Refused(enum.Enum):
    """What kind of refusal it is, as the watch for intruders calls it."""

    LOG_IN = "login.failed"
    LOCKED = "login.locked"
    KEY = "key.refused"
    ACTION = "access.denied"
    ENDED = ""
    """A session that ended: no sign of an intruder."""


Alarm = Callable[[Refused, Deed, int], None]
"""Told of a refusal: its kind, what was wanted, and how many like it came before untold."""


@dataclass(slots=True)
class _Repeated:
    written_s: float
    held: int = 0


class Trail:
    """Writes the trail.

    Parameters
    ----------
    store : AuditStore
        Where it is.
    clock : Clock
        When.
    key : Ed25519PrivateKey or None
        Signs a checkpoint every ``CHECKPOINT_EVERY`` entries; None signs none.
    """

    def __init__(
        self, store: AuditStore, clock: Clock, key: Ed25519PrivateKey | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self._refusals: dict[tuple[str, str, str, Refused], _Repeated] = {}
        self._signed = 0
        self._alarm: Alarm | None = None

    def warn(self, alarm: Alarm) -> None:
        """Tell refusals to the watch for intruders from now on."""
        self._alarm = alarm

    def sign_with(self, key: Ed25519PrivateKey) -> None:
        """Sign checkpoints with a key from now on."""
        self._key = key

    def intend(self, deed: Deed) -> int:
        """Write that an action will be tried; returns the entry's number.

        Raises
        ------
        StoreError
            If it cannot be written: then the action must not be done.
        """
        return self._write(deed, "intended", 0)

    def conclude(self, deed: Deed, intent: int, result: str) -> None:
        """Write what came of an intent.

        Raises
        ------
        StoreError
            If it cannot be written; the intent without a result stays visible.
        """
        self._write(deed, result, intent)

    @contextmanager
    def act(self, deed: Deed) -> Iterator[None]:
        """Write the intent, let the context do it, write the result.

        Raises
        ------
        StoreError
            If the trail cannot be written.
        """
        intent = self.intend(deed)
        try:
            yield
        except VppError as error:
            self.conclude(deed, intent, f"failed: {type(error).__name__}")
            raise
        self.conclude(deed, intent, "done")

    def note(self, deed: Deed, result: str) -> None:
        """Write an action that was done or refused at once, such as a log-in."""
        self._write(deed, result, 0)

    def refuse(self, deed: Deed, cause: str, kind: Refused = Refused.ACTION) -> None:
        """Write a refusal; a flood of one kind becomes one entry that counts it."""
        now_s = self._clock.now().timestamp()
        key = (deed.who, deed.what, deed.where, kind)
        known = self._refusals.get(key)
        if known is not None and now_s - known.written_s < REFUSAL_REPEAT_S:
            known.held += 1
            if known.held % ALARM_EVERY == 0:
                self._warn(kind, deed, ALARM_EVERY - 1)
            return
        if len(self._refusals) >= REFUSALS_HELD_MAX:
            self._refusals.clear()
        self._refusals[key] = _Repeated(now_s)
        more = f" (and {known.held} more before)" if known is not None and known.held else ""
        self._write(deed, f"refused: {cause}{more}", 0)
        self._warn(kind, deed, 0)

    def entries(self, *, after: int, limit: int) -> Sequence[Entry]:
        """Read entries after a number, oldest first."""
        return self._store.entries(after=after, limit=limit)

    def checkpoint(self) -> Checkpoint | None:
        """Sign the trail as it is now; None without a key, or if nothing was added since."""
        last = self._store.last()
        if self._key is None or last is None or last.number == self._signed:
            return None
        made = sign(last, at=self._clock.now(), key=self._key)
        self._store.add_checkpoint(made)
        self._signed = last.number
        return made

    def _warn(self, kind: Refused, deed: Deed, also: int) -> None:
        if self._alarm is not None and kind is not Refused.ENDED:
            self._alarm(kind, deed, also)

    def _write(self, deed: Deed, result: str, refers_to: int) -> int:
        entry = self._store.append(
            Act(
                at=self._clock.now(),
                who=deed.who,
                what=deed.what,
                why=deed.why,
                where=deed.where,
                result=result,
                refers_to=refers_to,
            )
        )
        if entry.number % CHECKPOINT_EVERY == 0:
            self.checkpoint()
        return entry.number
