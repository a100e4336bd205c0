"""What can be wrong with a device, of whatever protocol: data, and nothing is decided here.

Faults are switched by the scenario's timeline or at run time
(:mod:`firmware_sim.control_socket`). What a fault does to bytes that every wire has is in
:mod:`firmware_sim.wire_faults`; the rest is in the rooms of :mod:`firmware_sim.devices`.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


class FaultKind(enum.Enum):
    """The faults a device can have.

    SILENT sends nothing and does nothing. SLOW serves each request only after ``delay_s``.
    LATE serves at once but lets every ``every``-th frame arrive ``delay_s`` later. SPLIT sends
    each frame in two parts, ``delay_s`` apart. DUPLICATE sends every frame twice, ``delay_s``
    apart. TRUNCATED leaves the end of each frame out. OVER_LONG appends bytes to it.
    WRONG_TRANSACTION answers with another number than it was asked with. WRONG_UNIT answers
    as another unit or object than was asked. FLOOD sends ``every`` frames where one is due.
    HALF_OPEN takes connections and never answers on them.

    EXCEPTION answers every request with the protocol's error. REFUSING answers every write
    with it. NO_EFFECT acknowledges writes and does nothing. OUT_OF_RANGE measures what cannot
    be. NO_DATA shows the protocol's codes for "no value". WRONG_MAP shows maps that are not
    true (see :class:`MapFault`).

    RESTARTED loses settings and leases once and announces itself; it is over at once.
    ADDRESS_CHANGE is found at ``address`` from now on. CLOCK_JUMP puts the device's own clock
    ``offset_s`` off. DRIFTING works at ``gain`` times the order plus ``offset_w`` and says so.
    STUCK keeps reporting the measurements of the moment it began, while settings and physics
    go on.
    """

    SILENT = "silent"
    SLOW = "slow"
    LATE = "late"
    WRONG_TRANSACTION = "wrong-transaction"
    WRONG_UNIT = "wrong-unit"
    SPLIT = "split"
    DUPLICATE = "duplicate"
    TRUNCATED = "truncated"
    OVER_LONG = "over-long"
    EXCEPTION = "exception"
    REFUSING = "refusing"
    NO_EFFECT = "no-effect"
    OUT_OF_RANGE = "out-of-range"
    NO_DATA = "no-data"
    WRONG_MAP = "wrong-map"
    RESTARTED = "restarted"
    ADDRESS_CHANGE = "address-change"
    CLOCK_JUMP = "clock-jump"
    HALF_OPEN = "half-open"
    FLOOD = "flood"
    DRIFTING = "drifting"
    STUCK = "stuck"


class MapFault(enum.Enum):
    """How a device's list of what it has is wrong.

    COUNT: the number of entries disagrees with the list. MISSING: every second entry is left
    out. EXTRA: entries are claimed that the device does not have.
    """

    COUNT = "count"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A device that does not do quite what it was told.

    What it works at is ``gain`` times what it should, plus ``offset_w`` (generator frame),
    within its own limits; at rest it rests. It reports truthfully what it does.
    """

    gain: float = 1.0
    offset_w: float = 0.0

    def of(self, power_w: float) -> float:
        """Power it aims at, W, when it should aim at ``power_w``."""
        return self.gain * power_w + self.offset_w if power_w else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault with what it needs.

    Attributes
    ----------
    kind : FaultKind
        Which.
    delay_s : float
        For SLOW, LATE, SPLIT and DUPLICATE, >= 0.
    gain, offset_w : float
        For DRIFTING; generator frame.
    every : int
        For LATE and FLOOD, >= 1.
    variant : MapFault
        For WRONG_MAP.
    address : str
        For ADDRESS_CHANGE: the new one.
    offset_s : float
        For CLOCK_JUMP, + into the future.
    """

    kind: FaultKind
    delay_s: float = 1.0
    gain: float = 1.0
    offset_w: float = 0.0
    every: int = 1
    variant: MapFault = MapFault.COUNT
    address: str = ""
    offset_s: float = 0.0


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

    @property
    def clock_offset_s(self) -> float:
        """How far the device's own clock is off, + into the future."""
        fault = self.active.get(FaultKind.CLOCK_JUMP)
        return 0.0 if fault is None else fault.offset_s
