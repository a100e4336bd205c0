"""What a gateway refuses to act on, and why: old epochs, replays, wrong times.

Pure guards with a named reason. Their state is plain and belongs in the journal's state table,
so that a restarted agent refuses what the one before it refused. Signatures are checked
elsewhere, before these.
"""

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from protocols.link.messages import Command, ObligationMessage
from protocols.vocabulary.identifiers import SignalId, SiteId, ZoneId, partition_of
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.offer import DispatchSignal

MARKET_LEASE: Final = "market"
"""The lease of whoever broadcasts dispatch signals."""

EARLY: Final = timedelta(seconds=2)
"""How far the sender's clock may be ahead of the site's."""

MAX_DONE_COMMANDS: Final = 256


class Refusal(enum.Enum):
    """Why a message was not acted on."""

    STALE_EPOCH = "stale-epoch"
    REPLAYED = "replayed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_TARGET = "wrong-target"


def partition_lease(site_id: SiteId) -> str:
    """Name of the lease under which a site's own messages are sent."""
    return str(partition_of(site_id))


def check_validity(
    validity: Interval, moment: datetime, early: timedelta = EARLY
) -> Refusal | None:
    """Judge a validity interval at a moment; None if it may be acted on."""
    if moment >= validity.end:
        return Refusal.EXPIRED
    if moment < validity.start - early:
        return Refusal.NOT_YET_VALID
    return None


class EpochGuard:
    """Highest epoch seen per lease; a lower one is a replaced sender.

    Parameters
    ----------
    epochs : mapping of str to int
        As persisted; empty for a new site.
    """

    def __init__(self, epochs: Mapping[str, int]) -> None:
        self._epochs = dict(epochs)

    @property
    def epochs(self) -> Mapping[str, int]:
        """State to persist, and to tell in a hello."""
        return dict(self._epochs)

    def check(self, lease: str, epoch: int) -> Refusal | None:
        """Judge an epoch without remembering it."""
        return Refusal.STALE_EPOCH if epoch < self._epochs.get(lease, 0) else None

    def admit(self, lease: str, epoch: int) -> Refusal | None:
        """Judge an epoch, and remember it if it is higher."""
        refusal = self.check(lease, epoch)
        if refusal is None:
            self._epochs[lease] = epoch
        return refusal


class SignalGuard:
    """Admits each dispatch signal of a zone once, in rising order.

    Parameters
    ----------
    zone : ZoneId
        The site's zone.
    epochs : EpochGuard
        Shared with the site's other guards.
    last : tuple of int and SignalId
        Epoch and id of the last admitted signal, as persisted; ``(0, 0)`` for a new site.
    """

    def __init__(
        self, zone: ZoneId, epochs: EpochGuard, last: tuple[int, SignalId] = (0, SignalId(0))
    ) -> None:
        self._zone = zone
        self._epochs = epochs
        self._last = last

    @property
    def last(self) -> tuple[int, SignalId]:
        """State to persist: epoch and id of the last admitted signal."""
        return self._last

    def admit(self, signal: DispatchSignal, moment: datetime) -> Refusal | None:
        """Judge a signal at a moment; only an admitted one is remembered."""
        if signal.zone != self._zone:
            return Refusal.WRONG_TARGET
        refusal = self._epochs.check(MARKET_LEASE, signal.epoch)
        if refusal is not None:
            return refusal
        if (signal.epoch, signal.signal_id) <= self._last:
            return Refusal.REPLAYED
        refusal = check_validity(signal.interval, moment)
        if refusal is None:
            self._epochs.admit(MARKET_LEASE, signal.epoch)
            self._last = (signal.epoch, signal.signal_id)
        return refusal


class DownlinkGuard:
    """Judges obligations and commands of one site.

    A command is executed once; the same one again is REPLAYED and only its receipt is repeated.
    An obligation again is no refusal: its id and version make it idempotent.

    Parameters
    ----------
    site_id : SiteId
        Who we are.
    epochs : EpochGuard
        Shared with the site's other guards.
    done : tuple of int
        Sequences of the latest executed commands, as persisted, oldest first.
    """

    def __init__(self, site_id: SiteId, epochs: EpochGuard, done: tuple[int, ...] = ()) -> None:
        self._site_id = site_id
        self._lease = partition_lease(site_id)
        self._epochs = epochs
        self._done = done[-MAX_DONE_COMMANDS:]

    @property
    def done(self) -> tuple[int, ...]:
        """State to persist: the latest executed commands."""
        return self._done

    def admit_obligation(self, message: ObligationMessage, moment: datetime) -> Refusal | None:
        """Judge an obligation message; what it asks for is judged by control."""
        if message.commitment.obligation.target != self._site_id:
            return Refusal.WRONG_TARGET
        return self._timely(message, moment)

    def admit_command(self, command: Command, moment: datetime) -> Refusal | None:
        """Judge a command; an admitted one counts as executed.

        Older than every remembered one counts as replayed too.
        """
        refusal = self._epochs.check(self._lease, command.epoch)
        if refusal is not None:
            return refusal
        full = len(self._done) == MAX_DONE_COMMANDS
        if command.sequence in self._done or (full and command.sequence < min(self._done)):
            return Refusal.REPLAYED
        refusal = self._timely(command, moment)
        if refusal is None:
            self._done = (*self._done, command.sequence)[-MAX_DONE_COMMANDS:]
        return refusal

    def _timely(self, message: ObligationMessage | Command, moment: datetime) -> Refusal | None:
        refusal = self._epochs.check(self._lease, message.epoch)
        refusal = refusal or check_validity(message.validity, moment)
        if refusal is None:
            self._epochs.admit(self._lease, message.epoch)
        return refusal
