"""What arrived from the coordinator and waits for the next cycle; what is refused, and why.

Frames that arrive only update this; nothing is decided here. The cycle drains it once a
second, and journals the guards' memory with the cycle, so that a restarted agent refuses what
the one before it refused.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from protocols.link.fencing import DownlinkGuard, EpochGuard, Refusal, SignalGuard, partition_lease
from protocols.link.messages import Command, ObligationMessage, SignalMessage, Snapshot
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SignalId, SiteId, ZoneId
from protocols.vocabulary.offer import DispatchSignal

QUEUE_MAX: Final = 256
SEALS_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardMemory:
    """What the guards must remember over a restart.

    Attributes
    ----------
    epochs : dict of str to int
        Highest epoch per lease.
    last_signal : tuple of int and SignalId
        Epoch and id of the last admitted signal.
    done_commands : tuple of int
        Sequences of the commands executed last.
    """

    epochs: dict[str, int]
    last_signal: tuple[int, SignalId] = (0, SignalId(0))
    done_commands: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSignal:
    """A dispatch signal and when it came."""

    signal: DispatchSignal
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A commitment or command as it came, and why it is refused, if it is."""

    commitment: Commitment | None = None
    command: Command | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Everything that came since the last cycle, in order.

    Attributes
    ----------
    signal : ReceivedSignal or None
        The newest admitted signal.
    judged : tuple of Judged
        Commitments and commands.
    refused_signals : tuple of Refusal
        Signals that were not admitted, but for harmless repeats.
    overflow : int
        Messages dropped because a cycle took too long; they will be sent again.
    seals : tuple of (str, int)
        Seals that did not hold: why, and how many in all by then; a few a minute at most.
    """

    signal: ReceivedSignal | None
    judged: tuple[Judged, ...]
    refused_signals: tuple[Refusal, ...]
    overflow: int
    seals: tuple[tuple[str, int], ...] = ()


class Inbox:
    """Bounded queue in front of the cycle, with the guards.

    Parameters
    ----------
    site_id, zone : SiteId, ZoneId
        Who we are.
    memory : GuardMemory
        As persisted.
    """

    def __init__(self, site_id: SiteId, zone: ZoneId, memory: GuardMemory) -> None:
        self._lease = partition_lease(site_id)
        self._epochs = EpochGuard(memory.epochs)
        self._signals = SignalGuard(zone, self._epochs, memory.last_signal)
        self._downlink = DownlinkGuard(site_id, self._epochs, memory.done_commands)
        self._waiting: deque[tuple[ObligationMessage | Command | Snapshot, datetime]] = deque()
        self._dispatch: deque[tuple[DispatchSignal, datetime]] = deque(maxlen=QUEUE_MAX)
        self._overflow = 0
        self._seals: deque[tuple[str, int]] = deque(maxlen=SEALS_MAX)
        self.signal_came = asyncio.Event()

    @property
    def memory(self) -> GuardMemory:
        """What to persist."""
        return GuardMemory(
            epochs=dict(self._epochs.epochs),
            last_signal=self._signals.last,
            done_commands=self._downlink.done,
        )

    def put_signal(self, message: SignalMessage, received_at: datetime) -> None:
        """Keep a broadcast signal for the next cycle."""
        self._dispatch.append((message.signal, received_at))
        self.signal_came.set()

    def put(self, message: ObligationMessage | Command | Snapshot, received_at: datetime) -> None:
        """Keep a message of this site's own for the next cycle; a full queue drops it."""
        if len(self._waiting) >= QUEUE_MAX:
            self._overflow += 1
            return
        self._waiting.append((message, received_at))

    def put_refused(self, seal: str, total: int) -> None:
        """Keep for the record that a message's seal did not hold.

        Parameters
        ----------
        seal : str
            Why.
        total : int
            How many since the start.
        """
        self._seals.append((seal, total))

    def drain(self, moment: datetime) -> Arrived:
        """Judge and hand over everything that waits.

        Parameters
        ----------
        moment : datetime
            Now, aware UTC.
        """
        judged: list[Judged] = []
        while self._waiting:
            message, received_at = self._waiting.popleft()
            judged.extend(self._judge(message, received_at, moment))
        held, refused = self.drain_signals(moment)
        overflow, self._overflow = self._overflow, 0
        seals = tuple(self._seals)
        self._seals.clear()
        return Arrived(
            signal=held,
            judged=tuple(judged),
            refused_signals=refused,
            overflow=overflow,
            seals=seals,
        )

    def drain_signals(self, moment: datetime) -> tuple[ReceivedSignal | None, tuple[Refusal, ...]]:
        """Judge the waiting signals alone; the newest admitted one, and why others are not."""
        self.signal_came.clear()
        held: ReceivedSignal | None = None
        refused: list[Refusal] = []
        while self._dispatch:
            signal, received_at = self._dispatch.popleft()
            refusal = self._signals.admit(signal, moment)
            if refusal is None:
                held = ReceivedSignal(signal=signal, received_at=received_at)
            elif refusal is not Refusal.REPLAYED:
                refused.append(refusal)
        return held, tuple(refused)

    def _judge(
        self,
        message: ObligationMessage | Command | Snapshot,
        received_at: datetime,
        moment: datetime,
    ) -> list[Judged]:
        if isinstance(message, ObligationMessage):
            refusal = self._downlink.admit_obligation(message, moment)
            return [Judged(commitment=message.commitment, refusal=refusal)]
        if isinstance(message, Command):
            return [Judged(command=message, refusal=self._downlink.admit_command(message, moment))]
        if message.signal is not None:
            self._dispatch.append((message.signal, received_at))
        refusal = self._epochs.admit(self._lease, message.epoch)
        return [Judged(commitment=item, refusal=refusal) for item in message.commitments]
