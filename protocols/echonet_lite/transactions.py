"""What is asked of a device and what comes of it: the requester's requests and events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property

TIMEOUT_NS: Final = 2_000_000_000
"""How long one attempt waits unless the request says otherwise."""


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """A device: the IP address of its node and its object."""

    address: str
    eoj: Eoj


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask of a device.

    Attributes
    ----------
    peer : Peer
        Whom; an instance of 1..127.
    esv : Esv
        60..63, 6E or 74.
    properties : tuple of Property
        EPCs (Get, INF_REQ) or EPCs with EDT (Set); the Set block of SetGet.
    second : tuple of Property
        The Get block of SetGet.
    timeout_ns : int
        How long one attempt waits, > 0.
    not_after_ns : int or None
        Monotonic time after which it is no longer to be sent: waiting behind a silent
        device must not make an old Set arrive late.
    """

    peer: Peer
    esv: Esv
    properties: tuple[Property, ...]
    second: tuple[Property, ...] = ()
    timeout_ns: int = TIMEOUT_NS
    not_after_ns: int | None = None


def get(peer: Peer, epcs: Sequence[int], *, timeout_ns: int = TIMEOUT_NS) -> Request:
    """Make a Get of several EPCs in one frame."""
    properties = tuple(Property(epc) for epc in epcs)
    return Request(peer=peer, esv=Esv.GET, properties=properties, timeout_ns=timeout_ns)


def set_c(peer: Peer, properties: Sequence[Property], *, timeout_ns: int = TIMEOUT_NS) -> Request:
    """Make a Set that asks for an answer. It is never repeated: read back before another."""
    return Request(peer=peer, esv=Esv.SET_C, properties=tuple(properties), timeout_ns=timeout_ns)


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes for the ECHONET Lite port (3610) of an address; None is the multicast group."""

    address: str | None
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A device answered.

    Attributes
    ----------
    request_id : int
        From :meth:`Requester.submit`.
    request : Request
        What was asked.
    esv : Esv
        What it answered with.
    done : bool
        A read: every EPC asked for has a value. A Set: received (71), which is not yet a
        fact; read it back. Never true for an SNA, whatever its PDCs say.
    values : mapping of int to bytes
        EDT by EPC of what was read.
    missing : frozenset of int
        EPCs to be read that came without a value, and any that the answer does not mention:
        ask again in smaller batches.
    refused : frozenset of int
        EPCs of a Set whose EDT was echoed. Empty in an SNA that says nothing about them.
    """

    request_id: int
    request: Request
    esv: Esv
    done: bool
    values: Mapping[int, bytes]
    missing: frozenset[int]
    refused: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut:
    """A device did not answer in time, in any attempt. A Set may have been done all the same.

    For a SetI it says that no refusal was heard. ``attempts`` 0: it was never sent, because
    its ``not_after_ns`` passed in the queue.
    """

    request_id: int
    request: Request
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A node announced values (INF, or INFC which the node side confirms)."""

    peer: Peer
    esv: Esv
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """A node answered a discovery, with the EDT of its instance list (D6)."""

    address: str
    instance_list: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """An answer nobody waits for: late, duplicate, or of a wrong sender, TID or service."""

    address: str
    frame: Frame


Event = Answered | TimedOut | Notified | Discovered | Unmatched
