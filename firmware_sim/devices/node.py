"""One simulated node: an appliance behind its object, with its node profile and its faults.

Bytes in, bytes with a time to leave out. No socket and no clock here: the server asks.
"""

import hashlib
from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Appliance, Reading, Span
from firmware_sim.faults import (
    Fault,
    FaultKind,
    FaultState,
    Handling,
    departures_s,
    handling,
    pretence,
    refusal,
    shown_map,
)
from protocols.echonet_lite.frame import Eoj, Frame, decode_frame, encode_frame
from protocols.echonet_lite.node import (
    Answer,
    LocalNode,
    LocalObject,
    LocalProperty,
    NodeIdentity,
)
from protocols.echonet_lite.properties import Access, lookup
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

_SET_MAP = 0x9E
_GET_MAP = 0x9F
_MAPS = frozenset({0x9D, _SET_MAP, _GET_MAP})
_INSTALLATION = 0x81
_CLOCK = frozenset({0x97, 0x98})
_PRODUCT_BYTES = 12
_UNIQUE_BYTES = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A datagram to send ``delay_s`` from now, to the group or to the asker's node."""

    data: bytes
    multicast: bool
    delay_s: float


class SimulatedNode:
    """A device on the wire.

    Parameters
    ----------
    name : str
        ``"site/device"``, the resource id; the node id is made from it.
    eoj : Eoj
        Its object.
    appliance : Appliance
        What is behind it.
    wall_s : float
        Unix time of its start, s.
    """

    def __init__(self, name: str, eoj: Eoj, appliance: Appliance, *, wall_s: float) -> None:
        self.name = name
        self.appliance = appliance
        self.faults = FaultState()
        self.reading = Reading()
        self._eoj = eoj
        self._addresses = {eoj, Eoj.of(eoj.class_code, 0)}
        unique = hashlib.sha256(name.encode()).digest()[:_UNIQUE_BYTES]
        self._identity = NodeIdentity.of(unique)
        self._gettable: frozenset[int] = frozenset()
        self._object = self._new_object(wall_s)
        self._node = LocalNode([self._object], self._identity)
        self._maps = {epc: self._object.value(epc) for epc in (_SET_MAP, _GET_MAP)}
        self._sent = 0

    @property
    def node_id(self) -> bytes:
        """EPC 83 of the node and the device."""
        return self._identity.node_id

    def advance(self, span: Span) -> None:
        """Let the physics go on."""
        self.reading = self.appliance.advance(span)

    def receive(self, data: bytes, wall_s: float) -> list[Outgoing]:
        """Serve one datagram at a Unix time in s; garbage and what is not for us is dropped."""
        try:
            frame = decode_frame(data)
        except RemoteProtocolError:
            return []
        if not frame.esv.is_request:
            return []
        decided = handling(self.faults, frame)
        if decided is Handling.IGNORE:
            return []
        if decided is not Handling.SERVE and frame.deoj in self._addresses:
            own = replace(frame, deoj=self._eoj)
            faulty = refusal(own) if decided is Handling.REFUSE else pretence(own)
            return self._outgoing(faulty, multicast=False)
        self._refresh(wall_s)
        answers = self._node.respond(frame)
        return [out for answer in answers for out in self._outgoing_answer(answer)]

    def start(self) -> list[Outgoing]:
        """Announce the instance list, as a node does when it starts."""
        return self._outgoing_answer(self._node.announcement())

    def announcements(self, wall_s: float) -> list[Outgoing]:
        """INFs for what changed since the last call."""
        self._refresh(wall_s)
        answers = self._node.take_announcements()
        return [out for answer in answers for out in self._outgoing_answer(answer)]

    def switch_on(self, fault: Fault, wall_s: float) -> list[Outgoing]:
        """Begin a fault at a Unix time in s; what it makes the device send is returned."""
        if fault.kind is FaultKind.RESTARTED:
            return self._restart(wall_s)
        if fault.kind is FaultKind.STUCK:
            self._refresh(wall_s)
        self.faults = self.faults.with_fault(fault)
        self._show_maps()
        return []

    def switch_off(self, kind: FaultKind) -> None:
        """End a fault; one that is not on is no error."""
        self.faults = self.faults.without(kind)
        self._show_maps()

    def _restart(self, wall_s: float) -> list[Outgoing]:
        """Come up again with default settings and say so."""
        self.appliance.restart()
        self._object = self._new_object(wall_s)
        self._node = LocalNode([self._object], self._identity)
        self._show_maps()
        return self.start()

    def _new_object(self, wall_s: float) -> LocalObject:
        """Object with the maps that the appliance's own sets make."""
        live = {**_nameplate(self._identity, self.name), **self.appliance.values(wall_s)}
        code = self._eoj.class_code
        self._gettable = frozenset(live) - self.appliance.hidden | _MAPS
        properties = (
            LocalProperty(
                epc=epc,
                edt=edt,
                gettable=epc not in self.appliance.hidden,
                settable=epc in self.appliance.settable,
                announced=_announced(code, epc),
            )
            for epc, edt in live.items()
        )
        return LocalObject(self._eoj, properties, self.appliance)

    def _show_maps(self) -> None:
        """Put in the true maps, or the wrong ones while that fault is on."""
        fault = self.faults.active.get(FaultKind.WRONG_MAP)
        for epc, true in self._maps.items():
            shown = true if fault is None else shown_map(self._epcs(epc), fault.variant)
            self._object.override_map(epc, shown)

    def _epcs(self, map_epc: int) -> frozenset[int]:
        """List what a map would truly hold."""
        if map_epc == _SET_MAP:
            return self.appliance.settable
        return self._gettable

    def _refresh(self, wall_s: float) -> None:
        """Put what the appliance shows into the object; a stuck one shows old measurements."""
        stuck = self.faults.has(FaultKind.STUCK)
        live = self.appliance.settable | _CLOCK
        for epc, edt in self.appliance.values(wall_s).items():
            if not stuck or epc in live:
                self._object.update(epc, edt)

    def _outgoing_answer(self, answer: Answer) -> list[Outgoing]:
        return self._outgoing(answer.frame, multicast=answer.multicast)

    def _outgoing(self, frame: Frame | None, *, multicast: bool) -> list[Outgoing]:
        """Encode a frame into the datagrams that the faults let out."""
        if frame is None:
            return []
        try:
            data = encode_frame(frame)
        except LocalProtocolError:
            return []
        delays = departures_s(self.faults, self._sent)
        self._sent += 1
        return [Outgoing(data=data, multicast=multicast, delay_s=delay) for delay in delays]


def _announced(class_code: int, epc: int) -> bool:
    """Whether the table requires the property to be announced when it changes."""
    spec = lookup(class_code, epc)
    return spec is not None and spec.inf is Access.REQUIRED


def _nameplate(identity: NodeIdentity, name: str) -> dict[int, bytes]:
    """Super class properties that do not change by themselves."""
    return {
        0x80: b"\x30",
        _INSTALLATION: b"\x00",
        0x82: b"\x00\x00R\x00",
        0x83: identity.node_id,
        0x88: b"\x42",
        0x89: b"\x00\x00",
        0x8A: identity.maker,
        0x8C: b"VPP-SIM".ljust(_PRODUCT_BYTES, b"\0"),
        0x8D: name.encode()[-_PRODUCT_BYTES:].ljust(_PRODUCT_BYTES, b"\0"),
    }
