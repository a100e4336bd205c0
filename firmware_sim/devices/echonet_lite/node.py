"""One simulated node: an appliance behind its object, with its node profile and its faults.

Bytes in, bytes with a time to leave out. No socket and no clock here: the server asks.
"""

import hashlib
from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.appliance import Appliance
from firmware_sim.devices.echonet_lite.faulty import (
    SETS,
    Handling,
    cut_short,
    handling,
    pretence,
    refusal,
    shown_map,
    twisted,
)
from firmware_sim.faults import Fault, FaultKind, FaultState
from firmware_sim.wire_faults import shape
from protocols.echonet_lite.frame import NODE_PROFILE, Eoj, Frame, decode_frame, encode_frame
from protocols.echonet_lite.node import (
    Answer,
    LocalNode,
    LocalObject,
    LocalProperty,
    NodeIdentity,
)
from protocols.echonet_lite.properties import SUPER_CLASS, Access, lookup, required_epcs
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

_SET_MAP = 0x9E
_GET_MAP = 0x9F
_MAPS = frozenset({0x9D, _SET_MAP, _GET_MAP})
_INSTALLATION = 0x81
_CLOCK = frozenset({0x97, 0x98})
_EVERY_DEVICE = required_epcs(SUPER_CLASS)
_ALWAYS_SETTABLE = frozenset({_INSTALLATION})
_PRODUCT_BYTES = 12
_UNIQUE_BYTES = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A datagram to send ``delay_s`` from now, to the group or to the asker's node."""

    data: bytes
    multicast: bool
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a product has of its class.

    Attributes
    ----------
    readable, settable : frozenset of int
        Its Get and Set maps beside what every device must have.
    set_batch : int
        Most properties of a Set; of a longer one nothing is taken.
    get_batch : int or None
        Most properties of a Get that are answered; the rest come back without value.
    """

    readable: frozenset[int]
    settable: frozenset[int]
    set_batch: int
    get_batch: int | None


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
    shown : Shown or None
        None: all that the appliance has.
    """

    def __init__(
        self,
        name: str,
        eoj: Eoj,
        appliance: Appliance,
        *,
        wall_s: float,
        shown: Shown | None = None,
    ) -> None:
        self.name = name
        self._shown = shown
        self.appliance = appliance
        self.faults = FaultState()
        self.reading = Reading()
        self._eoj = eoj
        self._addresses = {eoj, Eoj.of(eoj.class_code, 0)}
        unique = hashlib.sha256(name.encode()).digest()[:_UNIQUE_BYTES]
        self._identity = NodeIdentity.of(unique)
        self._epcs_had: frozenset[int] = frozenset()
        self._gettable: frozenset[int] = frozenset()
        self._settable: frozenset[int] = frozenset()
        self._object = self._new_object(wall_s)
        self._node = LocalNode([self._object], self._identity)
        self._unsent: list[Outgoing] = []
        self._maps = {epc: self._object.value(epc) for epc in (_SET_MAP, _GET_MAP)}
        self._sent = 0

    @property
    def node_id(self) -> bytes:
        """EPC 83 of the node and the device."""
        return self._identity.node_id

    @property
    def lacking(self) -> frozenset[int]:
        """What the product should have and its physics cannot show or take."""
        if self._shown is None:
            return frozenset()
        unread = self._shown.readable - self._gettable
        return unread | (self._shown.settable - self._settable)

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
        if decided is not Handling.SERVE and frame.deoj in self._refusing():
            own = frame if frame.deoj == NODE_PROFILE else replace(frame, deoj=self._eoj)
            faulty = refusal(own) if decided is Handling.REFUSE else pretence(own)
            return self._outgoing(faulty, multicast=False)
        if self._too_many(frame):
            return self._outgoing(refusal(frame), multicast=False)
        self._refresh(wall_s)
        answers = self._node.respond(frame)
        few = None if self._shown is None else self._shown.get_batch
        if few is not None:
            answers = [replace(each, frame=cut_short(each.frame, few)) for each in answers]
        return [out for answer in answers for out in self._outgoing_answer(answer)]

    def start(self) -> list[Outgoing]:
        """Announce the instance list, as a node does when it starts."""
        return self._outgoing_answer(self._node.announcement())

    def announcements(self, wall_s: float) -> list[Outgoing]:
        """INFs for what changed since the last call; a flooding device never stops."""
        self._refresh(wall_s)
        answers = self._node.take_announcements()
        out = [out for answer in answers for out in self._outgoing_answer(answer)]
        return out + self.start() if self.faults.has(FaultKind.FLOOD) else out

    def take_unsent(self) -> list[Outgoing]:
        """Take what the device wants to send by itself since it was switched or restarted."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def switch_on(self, fault: Fault, wall_s: float) -> None:
        """Begin a fault at a Unix time in s."""
        if fault.kind is FaultKind.RESTARTED:
            self.restart(wall_s)
            return
        if fault.kind is FaultKind.STUCK:
            self._refresh(wall_s)
        self.faults = self.faults.with_fault(fault)
        self._show_maps()

    def switch_off(self, kind: FaultKind) -> None:
        """End a fault; one that is not on is no error."""
        self.faults = self.faults.without(kind)
        self._show_maps()

    def restart(self, wall_s: float) -> None:
        """Come up again with default settings and say so."""
        self.appliance.restart()
        self._object = self._new_object(wall_s)
        self._node = LocalNode([self._object], self._identity)
        self._show_maps()
        self._unsent = self.start()

    def _too_many(self, frame: Frame) -> bool:
        """Whether a Set holds more properties than the product takes."""
        shown = self._shown
        sets = frame.esv in SETS and frame.deoj in self._addresses
        return sets and shown is not None and len(frame.properties) > shown.set_batch

    def _refusing(self) -> set[Eoj]:
        """Which addresses refuse: the device, and with EXCEPTION its node as well."""
        node = {NODE_PROFILE} if self.faults.has(FaultKind.EXCEPTION) else set()
        return self._addresses | node

    def _new_object(self, wall_s: float) -> LocalObject:
        """Object with the maps that the appliance's own sets make."""
        live = {**_nameplate(self._identity, self.name), **self.appliance.values(wall_s)}
        code = self._eoj.class_code
        self._epcs_had = self._had(frozenset(live))
        self._settable = self.appliance.settable & self._epcs_had
        if self._shown is not None:
            self._settable &= self._shown.settable | _ALWAYS_SETTABLE
        self._gettable = self._epcs_had - self._hidden() | _MAPS
        properties = (
            LocalProperty(
                epc=epc,
                edt=edt,
                gettable=epc in self._gettable,
                settable=epc in self._settable,
                announced=_announced(code, epc),
            )
            for epc, edt in live.items()
            if epc in self._epcs_had
        )
        return LocalObject(self._eoj, properties, self.appliance)

    def _had(self, live: frozenset[int]) -> frozenset[int]:
        """Properties the product has, of those that its class can show."""
        if self._shown is None:
            return live
        return live & (self._shown.readable | self._shown.settable | _EVERY_DEVICE)

    def _hidden(self) -> frozenset[int]:
        """Properties that can be set but not got."""
        if self._shown is None:
            return self.appliance.hidden
        return self._shown.settable - self._shown.readable - _EVERY_DEVICE

    def _show_maps(self) -> None:
        """Put in the true maps, or the wrong ones while that fault is on."""
        fault = self.faults.active.get(FaultKind.WRONG_MAP)
        for epc, true in self._maps.items():
            shown = true if fault is None else shown_map(self._epcs(epc), fault.variant)
            self._object.override_map(epc, shown)

    def _epcs(self, map_epc: int) -> frozenset[int]:
        """List what a map would truly hold."""
        if map_epc == _SET_MAP:
            return self._settable
        return self._gettable

    def _refresh(self, wall_s: float) -> None:
        """Put what the appliance shows into the object; a stuck one shows old measurements."""
        stuck = self.faults.has(FaultKind.STUCK)
        live = self._settable | _CLOCK
        own_s = wall_s + self.faults.clock_offset_s
        for epc, edt in self.appliance.values(own_s).items():
            if epc in self._epcs_had and (not stuck or epc in live):
                self._object.update(epc, edt)

    def _outgoing_answer(self, answer: Answer) -> list[Outgoing]:
        return self._outgoing(answer.frame, multicast=answer.multicast)

    def _outgoing(self, frame: Frame | None, *, multicast: bool) -> list[Outgoing]:
        """Encode a frame into the datagrams that the faults let out."""
        if frame is None:
            return []
        told = twisted(self.faults, frame, settable=self._settable)
        try:
            data = encode_frame(told)
        except LocalProtocolError:
            return []
        parts = shape(self.faults, data, self._sent)
        self._sent += 1
        return [
            Outgoing(data=part.data, multicast=multicast, delay_s=part.delay_s) for part in parts
        ]


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
