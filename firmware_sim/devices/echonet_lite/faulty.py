"""What a faulty device does with a frame of ECHONET Lite: pure decisions.

The node (:mod:`firmware_sim.devices.echonet_lite.node`) asks here whether a request is served,
refused or only acknowledged, and how a true answer is made wrong. What happens to the bytes
afterwards is :mod:`firmware_sim.wire_faults`.
"""

import enum
from collections.abc import Collection
from dataclasses import replace

from firmware_sim.faults import FaultKind, FaultState, MapFault
from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property
from protocols.echonet_lite.properties import PropertySpec, encode_value, lookup
from protocols.echonet_lite.property_map import encode_property_map
from protocols.vocabulary.errors import LocalProtocolError


class Handling(enum.Enum):
    """What happens to a request."""

    SERVE = "serve"
    IGNORE = "ignore"
    REFUSE = "refuse"
    PRETEND = "pretend"


SETS = frozenset({Esv.SET_I, Esv.SET_C, Esv.SET_GET})
"""Services that set something."""

_REFUSALS = {
    Esv.SET_I: Esv.SET_I_SNA,
    Esv.SET_C: Esv.SET_C_SNA,
    Esv.GET: Esv.GET_SNA,
    Esv.INF_REQ: Esv.INF_SNA,
    Esv.SET_GET: Esv.SET_GET_SNA,
}
_TIDS = 1 << 16
_INSTANCES = 0x7F
_PROFILES = 0x0E


def handling(faults: FaultState, frame: Frame) -> Handling:
    """Decide what happens to a request.

    Parameters
    ----------
    faults : FaultState
        In force now.
    frame : Frame
        The request.
    """
    if faults.has(FaultKind.SILENT):
        return Handling.IGNORE
    if faults.has(FaultKind.EXCEPTION) and frame.esv in _REFUSALS:
        return Handling.REFUSE
    if frame.esv in SETS and faults.has(FaultKind.REFUSING):
        return Handling.REFUSE
    if frame.esv in SETS and faults.has(FaultKind.NO_EFFECT):
        return Handling.PRETEND
    return Handling.SERVE


def refusal(frame: Frame) -> Frame:
    """Answer to a request of which nothing was taken: SNA, EDT echoed, nothing got.

    Notes
    -----
    ECHONET Lite Specification 1.13, part II, 4.2.3.
    """
    nothing = tuple(Property(entry.epc) for entry in frame.second)
    return Frame(frame.tid, frame.deoj, frame.seoj, _REFUSALS[frame.esv], frame.properties, nothing)


def pretence(frame: Frame) -> Frame | None:
    """Answer as if a Set had been done; None where a done Set has no answer."""
    taken = tuple(Property(entry.epc) for entry in frame.properties)
    if frame.esv is Esv.SET_C:
        return Frame(frame.tid, frame.deoj, frame.seoj, Esv.SET_RES, taken)
    if frame.esv is Esv.SET_GET:
        nothing = tuple(Property(entry.epc) for entry in frame.second)
        return Frame(frame.tid, frame.deoj, frame.seoj, Esv.SET_GET_SNA, taken, nothing)
    return None


def cut_short(frame: Frame, most: int) -> Frame:
    """Answer to a Get of which only so many properties have a value."""
    if frame.esv is not Esv.GET_RES or len(frame.properties) <= most:
        return frame
    rest = tuple(Property(entry.epc) for entry in frame.properties[most:])
    return replace(frame, esv=Esv.GET_SNA, properties=frame.properties[:most] + rest)


def shown_map(epcs: frozenset[int], variant: MapFault) -> bytes:
    """Encode a property map that is wrong in the given way.

    Parameters
    ----------
    epcs : frozenset of int
        What the device really has.
    variant : MapFault
        How the map lies.
    """
    if variant is MapFault.MISSING:
        return encode_property_map(frozenset(sorted(epcs)[::2]))
    if variant is MapFault.EXTRA:
        return encode_property_map(epcs | {0xEF, 0xF0, 0xFE})
    true = encode_property_map(epcs)
    return bytes((true[0] + 1,)) + true[1:]


def twisted(faults: FaultState, frame: Frame, *, settable: Collection[int]) -> Frame:
    """Make a true answer or announcement wrong, as far as a fault in force asks for it.

    Parameters
    ----------
    faults : FaultState
        In force now.
    frame : Frame
        As the node made it.
    settable : collection of int
        Properties that are settings; these stay as they are, only measurements go wrong.
    """
    wrong = faults.has(FaultKind.OUT_OF_RANGE) or faults.has(FaultKind.NO_DATA)
    if wrong and frame.seoj.group != _PROFILES:
        absent = faults.has(FaultKind.NO_DATA)
        properties = tuple(
            entry
            if entry.epc in settable
            else _wrong_value(frame.seoj.class_code, entry, absent=absent)
            for entry in frame.properties
        )
        frame = replace(frame, properties=properties)
    if faults.has(FaultKind.WRONG_TRANSACTION):
        frame = replace(frame, tid=(frame.tid + 1) % _TIDS)
    if faults.has(FaultKind.WRONG_UNIT):
        seoj = frame.seoj
        frame = replace(frame, seoj=Eoj.of(seoj.class_code, seoj.instance % _INSTANCES + 1))
    return frame


def _wrong_value(class_code: int, entry: Property, *, absent: bool) -> Property:
    """Measurement without a value, or with one that cannot be."""
    spec = lookup(class_code, entry.epc)
    if spec is None or not entry.edt or spec.codes or spec.class_code != class_code:
        return entry
    edt = _absent(spec) if absent else _impossible(spec)
    return entry if edt is None else Property(entry.epc, edt)


def _absent(spec: PropertySpec) -> bytes | None:
    """Code for "no value"; None where the property has none."""
    try:
        return encode_value(spec, None)
    except LocalProtocolError:
        return None


def _impossible(spec: PropertySpec) -> bytes | None:
    """Count beyond the property's range, or its highest where the range is full."""
    if spec.number is None or spec.type != spec.number.name:
        return None
    return spec.number.encode((spec.maximum + spec.number.maximum + 1) // 2)
