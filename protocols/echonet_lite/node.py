"""A node and its objects: property stores that answer the services of the specification.

Pure and for both roles: a simulated device wears it, and so does the gateway, which must
answer as a node of its own. Frames in, answers out; sockets and physics are elsewhere. What a
Set does is decided by a :class:`SetHandler`; what a device measures is put in by
:meth:`LocalObject.update`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from protocols.echonet_lite.frame import (
    EDT_BYTES_MAX,
    NODE_PROFILE,
    TID_MAX,
    Eoj,
    Esv,
    Frame,
    Property,
)
from protocols.echonet_lite.local_properties import (
    LocalProperty,
    NodeIdentity,
    device_properties,
    local_property,
    profile_properties,
)
from protocols.echonet_lite.properties import check_edt, lookup
from protocols.echonet_lite.property_map import encode_property_map
from protocols.vocabulary.errors import LocalProtocolError

__all__ = [
    "Answer",
    "LocalNode",
    "LocalObject",
    "LocalProperty",
    "NodeIdentity",
    "SetHandler",
    "device_properties",
    "local_property",
]

INSTANCES_MAX: Final = 84
"""Objects a node can list in D5 and D6."""

ANSWER_EDT_BYTES_MAX: Final = 1200
"""Values a node puts into one answer; the rest come back with PDC 0 in an SNA.

Keeps an answer within one Ethernet frame, whatever a peer asks for.
"""

_INF_MAP: Final = 0x9D
_SET_MAP: Final = 0x9E
_GET_MAP: Final = 0x9F
_INSTANCE_LIST_NOTIFICATION: Final = 0xD5


class SetHandler(Protocol):
    """What a device does when a controller sets a property."""

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a value that fits the table, or refuse it.

        Parameters
        ----------
        epc : int
            A property of the Set map.
        edt : bytes
            The value, already checked for size, range and code.

        Returns
        -------
        bool
            True takes it, and the object then holds this EDT. False refuses; the controller
            is told by an SNA and the stored value stays.
        """


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame to send: to the group if ``multicast``, else to whom the request came from."""

    frame: Frame
    multicast: bool


class LocalObject:
    """One object of a node: its properties, its three maps and what changed.

    Parameters
    ----------
    eoj : Eoj
        Its own code, instance 1..127.
    properties : iterable of LocalProperty
        What it has; 9D, 9E and 9F are made from the others.
    handler : SetHandler or None
        Decides on Sets. None takes every value that fits the table.
    """

    def __init__(
        self,
        eoj: Eoj,
        properties: Iterable[LocalProperty],
        handler: SetHandler | None = None,
    ) -> None:
        self.eoj = eoj
        self._handler = handler
        listed = {entry.epc: entry for entry in properties}
        for epc in (_INF_MAP, _SET_MAP, _GET_MAP):
            listed[epc] = LocalProperty(epc=epc, edt=b"")
        self._values = {epc: entry.edt for epc, entry in listed.items()}
        self._get = frozenset(epc for epc, entry in listed.items() if entry.gettable)
        self._set = frozenset(epc for epc, entry in listed.items() if entry.settable)
        self._inf = frozenset(epc for epc, entry in listed.items() if entry.announced)
        for epc, epcs in ((_INF_MAP, self._inf), (_SET_MAP, self._set), (_GET_MAP, self._get)):
            self._values[epc] = encode_property_map(epcs)
        self._changed: set[int] = set()

    def value(self, epc: int) -> bytes:
        """EDT held for a property, whether it is gettable or not."""
        return self._values[epc]

    def update(self, epc: int, edt: bytes) -> None:
        """Put a new value in from the device's side; a change is announced if it is to be."""
        assert epc in self._values, f"{self.eoj} has no property {epc:02X}"
        assert len(edt) <= EDT_BYTES_MAX, f"{len(edt)} bytes do not fit in a property"
        if self._values[epc] != edt:
            self._values[epc] = edt
            if epc in self._inf:
                self._changed.add(epc)

    def override_map(self, epc: int, edt: bytes) -> None:
        """Send this for a property map (9D, 9E, 9F) instead of the truth: a faulty device."""
        assert epc in {_INF_MAP, _SET_MAP, _GET_MAP}, f"{epc:02X} is not a property map"
        self._values[epc] = edt

    def take_changes(self) -> tuple[Property, ...]:
        """Announced properties that changed since the last call, by EPC."""
        changed = tuple(Property(epc, self._values[epc]) for epc in sorted(self._changed))
        self._changed.clear()
        return changed

    def get(self, epc: int) -> bytes | None:
        """EDT for a controller; None if the property cannot be got."""
        return self._values[epc] if epc in self._get else None

    def notification(self, epc: int) -> bytes | None:
        """EDT for an INF_REQ; None if the property cannot be announced."""
        return self._values[epc] if epc in self._inf or epc in self._get else None

    def set(self, epc: int, edt: bytes) -> bool:
        """Set for a controller; False if it is refused.

        Refused: not in the Set map, wrong size, out of range or unknown code by the property
        table, or the handler's own no.
        """
        if epc not in self._set or not edt:
            return False
        spec = lookup(self.eoj.class_code, epc)
        size = len(self._values[epc])
        fits = len(edt) == size if spec is None else not check_edt(spec, edt)
        if not fits:
            return False
        if self._handler is not None and not self._handler.set_property(epc, edt):
            return False
        self.update(epc, edt)
        return True


class LocalNode:
    """The objects behind one address, with the node profile that lists them.

    Parameters
    ----------
    objects : sequence of LocalObject
        1..84 device or controller objects, in the order they are listed.
    identity : NodeIdentity
        Who the node says it is.
    """

    def __init__(self, objects: Sequence[LocalObject], identity: NodeIdentity) -> None:
        if not 1 <= len({entry.eoj for entry in objects}) == len(objects) <= INSTANCES_MAX:
            raise LocalProtocolError(f"a node has 1..{INSTANCES_MAX} different objects")
        self.profile = LocalObject(
            NODE_PROFILE, profile_properties([entry.eoj for entry in objects], identity)
        )
        self._objects = {entry.eoj: entry for entry in (self.profile, *objects)}
        self._next_tid = 1

    def object(self, eoj: Eoj) -> LocalObject:
        """Find the object of this code; KeyError if there is none."""
        return self._objects[eoj]

    def respond(self, frame: Frame) -> list[Answer]:
        """Answer a frame that came in.

        Parameters
        ----------
        frame : Frame
            Any frame; one that is no request or is for nobody here gets no answer.

        Returns
        -------
        list of Answer
            One per object addressed (instance 00 addresses every instance of the class), each
            with that object's own SEOJ and the request's TID. A SetI that was done has none.

        Notes
        -----
        ECHONET Lite Specification 1.13, part II, 3.2.5 and 4.2. An INF that answers INF_REQ
        goes to the asker alone; the specification also allows the group.
        """
        if not frame.esv.is_request:
            return []
        answers = (_respond(entry, frame) for entry in self._addressed(frame.deoj))
        return [answer for answer in answers if answer is not None]

    def announcement(self) -> Answer:
        """Make the instance list notification (INF D5) that a node sends when it starts."""
        edt = self.profile.value(_INSTANCE_LIST_NOTIFICATION)
        return self._inf(NODE_PROFILE, (Property(_INSTANCE_LIST_NOTIFICATION, edt),))

    def take_announcements(self) -> list[Answer]:
        """INFs for announced properties that changed since the last call, one per object."""
        changes = ((eoj, entry.take_changes()) for eoj, entry in self._objects.items())
        return [self._inf(eoj, changed) for eoj, changed in changes if changed]

    def _inf(self, seoj: Eoj, properties: tuple[Property, ...]) -> Answer:
        tid = self._next_tid
        self._next_tid = tid % TID_MAX + 1
        return Answer(Frame(tid, seoj, NODE_PROFILE, Esv.INF, properties), multicast=True)

    def _addressed(self, deoj: Eoj) -> list[LocalObject]:
        if deoj.instance != 0:
            return [self._objects[deoj]] if deoj in self._objects else []
        return [entry for eoj, entry in self._objects.items() if eoj.class_code == deoj.class_code]


def _respond(target: LocalObject, frame: Frame) -> Answer | None:
    """Answer of one object to a request; None where the service has none."""
    second: tuple[Property, ...] = ()
    if frame.esv is Esv.INFC:
        properties, done = tuple(Property(entry.epc) for entry in frame.properties), True
    elif frame.esv is Esv.GET:
        properties, done = _read(frame.properties, target.get)
    elif frame.esv is Esv.INF_REQ:
        properties, done = _read(frame.properties, target.notification)
    else:
        properties, done = _write(frame.properties, target)
        if frame.esv is Esv.SET_GET:
            second, got = _read(frame.second, target.get)
            done = done and got
    esv = (_DONE if done else _NOT_DONE).get(frame.esv)
    if esv is None:
        return None
    answer = Frame(frame.tid, target.eoj, frame.seoj, esv, properties, second)
    return Answer(answer, multicast=False)


_DONE: Final = {
    Esv.SET_C: Esv.SET_RES,
    Esv.GET: Esv.GET_RES,
    Esv.INF_REQ: Esv.INF,
    Esv.INFC: Esv.INFC_RES,
    Esv.SET_GET: Esv.SET_GET_RES,
}
_NOT_DONE: Final = {
    Esv.SET_I: Esv.SET_I_SNA,
    Esv.SET_C: Esv.SET_C_SNA,
    Esv.GET: Esv.GET_SNA,
    Esv.INF_REQ: Esv.INF_SNA,
    Esv.SET_GET: Esv.SET_GET_SNA,
}


def _read(
    properties: Sequence[Property], source: Callable[[int], bytes | None]
) -> tuple[tuple[Property, ...], bool]:
    """Properties with their values, PDC 0 for those without or without room; whether complete."""
    answered: list[Property] = []
    room = ANSWER_EDT_BYTES_MAX
    complete = True
    for entry in properties:
        edt = source(entry.epc)
        if edt is None or len(edt) > room:
            edt, complete = b"", False
        room -= len(edt)
        answered.append(Property(entry.epc, edt))
    return tuple(answered), complete


def _write(
    properties: Sequence[Property], target: LocalObject
) -> tuple[tuple[Property, ...], bool]:
    """Set one by one: PDC 0 for the accepted, EDT echoed for the refused."""
    taken = [(entry, target.set(entry.epc, entry.edt)) for entry in properties]
    answered = tuple(Property(entry.epc) if ok else entry for entry, ok in taken)
    return answered, all(ok for _, ok in taken)
