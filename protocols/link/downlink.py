"""Obligations and commands of one site that are not yet receipted. Part of the site session.

Sent at once, then again with a doubling wait until the site's journaled event receipts them, a
hello shows that the site holds them, or their validity ends. The queue itself is rebuilt from
the coordinator's log after a restart.
"""

from dataclasses import dataclass
from datetime import datetime

from protocols.link.messages import Command, Event, Hello, ObligationMessage
from protocols.link.outbox import NS_PER_S
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import RemoteProtocolError

DownlinkMessage = ObligationMessage | Command

OBLIGATION_RECEIPTS = frozenset({"obligation.accepted", "obligation.refused"})
COMMAND_RECEIPTS = frozenset({"command.done", "command.refused"})
MAX_PENDING = 256

_Key = tuple[str, int]
_COMMAND = ""


@dataclass(slots=True)
class _Pending:
    message: DownlinkMessage
    due_ns: int
    wait_ns: int


class Downlink:
    """Messages to one site that await their receipt.

    Parameters
    ----------
    first_s, most_s : float
        First and greatest wait before a message is sent again.
    """

    def __init__(self, *, first_s: float = 1.0, most_s: float = 30.0) -> None:
        self._first_ns = round(first_s * NS_PER_S)
        self._most_ns = round(most_s * NS_PER_S)
        self._pending: dict[_Key, _Pending] = {}

    @property
    def pending(self) -> tuple[DownlinkMessage, ...]:
        """What is not receipted, in the order in which it was queued."""
        return tuple(entry.message for entry in self._pending.values())

    @property
    def commitments(self) -> tuple[Commitment, ...]:
        """The commitments among them, for a snapshot."""
        return tuple(
            message.commitment for message in self.pending if isinstance(message, ObligationMessage)
        )

    def queue(self, message: DownlinkMessage, now_ns: int) -> None:
        """Send this until it is receipted; the same id and version again changes nothing.

        A newer version of an obligation replaces an older one that is still waiting. The message
        must bear the session's epoch: a gateway that has seen it refuses an older one, so what
        comes from the log after a restart is stamped (and signed) anew.
        """
        key = _key(message)
        if key in self._pending:
            return
        assert len(self._pending) < MAX_PENDING, "too many unreceipted messages for one site"
        if isinstance(message, ObligationMessage):
            obligation = message.commitment.obligation
            for old in [key for key in self._pending if key[0] == obligation.obligation_id]:
                if old[1] > obligation.version:
                    return
                del self._pending[old]
        self._pending[key] = _Pending(message, due_ns=now_ns, wait_ns=self._first_ns)

    def due(self, now_ns: int) -> list[DownlinkMessage]:
        """Messages to send now; each is due again after its wait, which doubles."""
        messages = []
        for entry in self._pending.values():
            if entry.due_ns <= now_ns:
                messages.append(entry.message)
                entry.due_ns = now_ns + entry.wait_ns
                entry.wait_ns = min(2 * entry.wait_ns, self._most_ns)
        return messages

    def next_deadline_ns(self) -> int | None:
        """When something is due; None if all is receipted."""
        return min((entry.due_ns for entry in self._pending.values()), default=None)

    def expired(self, moment: datetime) -> list[DownlinkMessage]:
        """Remove and return what nobody may act on any more: its validity is over."""
        gone = [key for key, entry in self._pending.items() if entry.message.validity.end <= moment]
        return [self._pending.pop(key).message for key in gone]

    def receipted(self, event: Event) -> DownlinkMessage | None:
        """Take an event; return the message it receipts, if it is one that was waiting.

        Raises
        ------
        RemoteProtocolError
            If a receipt does not say what it is for.
        """
        if event.kind in OBLIGATION_RECEIPTS:
            name, number = event.payload.get("obligation_id"), event.payload.get("version")
        elif event.kind in COMMAND_RECEIPTS:
            name, number = _COMMAND, event.payload.get("sequence")
        else:
            return None
        if not isinstance(name, str) or not isinstance(number, int):
            message = f"event {event.sequence}: {event.kind} does not say what it receipts"
            raise RemoteProtocolError(message)
        entry = self._pending.pop((name, number), None)
        return None if entry is None else entry.message

    def greeted(self, hello: Hello, now_ns: int) -> None:
        """Drop what the site already holds; all else is due at once, with the first wait."""
        for name, version in hello.obligations.items():
            for key in [key for key in self._pending if key[0] == name and key[1] <= version]:
                del self._pending[key]
        for entry in self._pending.values():
            entry.due_ns, entry.wait_ns = now_ns, self._first_ns


def _key(message: DownlinkMessage) -> _Key:
    if isinstance(message, Command):
        return _COMMAND, message.sequence
    obligation = message.commitment.obligation
    return obligation.obligation_id, obligation.version
