"""What a faulty device does: a pure decision from the faults in force and a frame.

The shell (:mod:`firmware_sim.devices.node`, :mod:`firmware_sim.server`) asks here whether a
request is served, refused or only acknowledged, and when which datagrams leave. Faults are
switched by the scenario's timeline or at run time (:mod:`firmware_sim.control_socket`).
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_sim.devices.contract import Drift
from protocols.echonet_lite.frame import Esv, Frame, Property
from protocols.echonet_lite.property_map import encode_property_map


class FaultKind(enum.Enum):
    """The faults a device can have.

    SILENT sends nothing and does nothing. SLOW serves each request only after ``delay_s``.
    REFUSING answers every Set with an SNA. DRIFTING works at ``gain`` times the order plus
    ``offset_w`` and says so. STUCK keeps reporting the measurements of the moment it began,
    while settings and physics go on. RESTARTED loses settings and leases once and announces
    itself; it is over at once. DUPLICATE sends every datagram twice, ``delay_s`` apart. LATE
    serves at once but lets every ``every``-th datagram arrive ``delay_s`` later. WRONG_MAP
    shows maps that are not true (see :class:`MapFault`). NO_EFFECT acknowledges Sets and does
    nothing.
    """

    SILENT = "silent"
    SLOW = "slow"
    REFUSING = "refusing"
    DRIFTING = "drifting"
    STUCK = "stuck"
    RESTARTED = "restarted"
    DUPLICATE = "duplicate"
    LATE = "late"
    WRONG_MAP = "wrong-map"
    NO_EFFECT = "no-effect"


class MapFault(enum.Enum):
    """How a property map is wrong.

    COUNT: the number of properties disagrees with the list. MISSING: every second property is
    left out. EXTRA: properties are claimed that the device does not have.
    """

    COUNT = "count"
    MISSING = "missing"
    EXTRA = "extra"


class Handling(enum.Enum):
    """What happens to a request."""

    SERVE = "serve"
    IGNORE = "ignore"
    REFUSE = "refuse"
    PRETEND = "pretend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault with what it needs.

    Attributes
    ----------
    kind : FaultKind
        Which.
    delay_s : float
        For SLOW, DUPLICATE and LATE, >= 0.
    gain, offset_w : float
        For DRIFTING; generator frame.
    every : int
        For LATE, >= 1.
    variant : MapFault
        For WRONG_MAP.
    """

    kind: FaultKind
    delay_s: float = 1.0
    gain: float = 1.0
    offset_w: float = 0.0
    every: int = 1
    variant: MapFault = MapFault.COUNT


@dataclass(frozen=True, slots=True)
class FaultState:
    """The faults in force, one of a kind at most."""

    active: Mapping[FaultKind, Fault] = field(default_factory=lambda: MappingProxyType({}))

    def with_fault(self, fault: Fault) -> "FaultState":
        """State in which a fault is on; one of the same kind is replaced."""
        return FaultState(MappingProxyType({**self.active, fault.kind: fault}))

    def without(self, kind: FaultKind) -> "FaultState":
        """State in which a kind of fault is off."""
        rest = {key: fault for key, fault in self.active.items() if key is not kind}
        return FaultState(MappingProxyType(rest))

    def has(self, kind: FaultKind) -> bool:
        """Whether a kind of fault is on."""
        return kind in self.active

    @property
    def drift(self) -> Drift:
        """How far the physics strays."""
        fault = self.active.get(FaultKind.DRIFTING)
        return Drift() if fault is None else Drift(gain=fault.gain, offset_w=fault.offset_w)

    @property
    def service_delay_s(self) -> float:
        """How long a request waits before it is served."""
        fault = self.active.get(FaultKind.SLOW)
        return 0.0 if fault is None else fault.delay_s


_SETS = frozenset({Esv.SET_I, Esv.SET_C, Esv.SET_GET})
_REFUSALS = {
    Esv.SET_I: Esv.SET_I_SNA,
    Esv.SET_C: Esv.SET_C_SNA,
    Esv.SET_GET: Esv.SET_GET_SNA,
}


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
    if frame.esv in _SETS and faults.has(FaultKind.REFUSING):
        return Handling.REFUSE
    if frame.esv in _SETS and faults.has(FaultKind.NO_EFFECT):
        return Handling.PRETEND
    return Handling.SERVE


def refusal(frame: Frame) -> Frame:
    """Answer to a Set of which nothing was taken: SNA, EDT echoed, nothing got.

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


def departures_s(faults: FaultState, number: int) -> tuple[float, ...]:
    """When copies of a datagram leave.

    Parameters
    ----------
    faults : FaultState
        In force now.
    number : int
        How many datagrams the device has sent before, for faults that hit some only.

    Returns
    -------
    tuple of float
        Seconds from now, one for each copy; empty if nothing is sent.
    """
    if faults.has(FaultKind.SILENT):
        return ()
    late = faults.active.get(FaultKind.LATE)
    first_s = late.delay_s if late is not None and (number + 1) % late.every == 0 else 0.0
    twice = faults.active.get(FaultKind.DUPLICATE)
    return (first_s,) if twice is None else (first_s, first_s + twice.delay_s)


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
