"""The contract every codec keeps: bytes and time in, events and bytes out.

A codec owns no socket and no clock. Its shell asks ``next_deadline_ns`` how long it may
sleep and calls ``on_deadline`` when that moment has come.
"""

from typing import Protocol, TypeVar

EventT = TypeVar("EventT")
MessageT_contra = TypeVar("MessageT_contra", contravariant=True)


class Codec(Protocol[EventT, MessageT_contra]):
    """A protocol without I/O."""

    def receive(self, data: bytes, now_ns: int) -> list[EventT]:
        """Take bytes as they came.

        Raises
        ------
        RemoteProtocolError
            If the peer broke the protocol. The codec's state is as before the call.
        """

    def send(self, message: MessageT_contra) -> bytes:
        """Encode a message.

        Raises
        ------
        LocalProtocolError
            If the message cannot be put on the wire.
        """

    def next_deadline_ns(self) -> int | None:
        """Monotonic time of the next deadline, None if there is none."""

    def on_deadline(self, now_ns: int) -> list[EventT]:
        """Do what is due at ``now_ns``."""
