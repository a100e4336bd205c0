"""The fault matrix: what is required of the gateway for each fault of each protocol's devices.

Data, printed by ``vpp sim matrix``. Each cell that is not "n/a" is tested against a simulated
device on real sockets and the real driver: ``tests/conformance/hostility/test_<protocol>.py``.
Whatever the cell says, these hold in all of them: no wrong number is ever GOOD, nothing of
another device is ever taken, no loop stands still, and the device is back after the fault.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_sim.faults import FaultKind


class Outcome(enum.Enum):
    """What is required while a fault is on.

    VALUE: right values go on arriving as GOOD. QUALITY: no value is fresh and GOOD; a quality
    says why. REFUSAL: values go on, and a write ends as not done, with the reason. NONE: the
    fault cannot happen on this wire.
    """

    VALUE = "value"
    QUALITY = "quality"
    REFUSAL = "refusal"
    NONE = "n/a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One field of the matrix.

    Attributes
    ----------
    protocol : str
        As templates name it.
    fault : FaultKind
        Which.
    outcome : Outcome
        What is required.
    reason : str
        Why there is nothing to require; else empty.
    """

    protocol: str
    fault: FaultKind
    outcome: Outcome
    reason: str

    @property
    def test(self) -> str:
        """Id of the test that proves the cell; empty if there is nothing to prove."""
        if self.outcome is Outcome.NONE:
            return ""
        module = self.protocol.replace("-", "_")
        return f"tests/conformance/hostility/test_{module}.py::test_fault[{self.fault.value}]"

    def __str__(self) -> str:
        """Text for the table."""
        return f"n/a: {self.reason}" if self.outcome is Outcome.NONE else self.outcome.value


_DATAGRAM: Final = "no connection on UDP"
_NO_MAP: Final = "nothing lists what the device has"
_NO_CLOCK: Final = "no time on the wire"
_SAME: Final = "cannot be told from a device at rest"
_CALLS: Final = "the charger calls us"

PROTOCOLS: Final = ("echonet-lite", "sunspec", "modbus", "bacnet", "ocpp")
NOT_SIMULATED: Final = frozenset({"ieee2030.5", "openadr"})
"""Protocols whose devices are clients of other makers in the tests, not simulated ones."""

_V, _Q, _R = "value", "quality", "refusal"
_TABLE: Final[Mapping[FaultKind, tuple[str, str, str, str, str]]] = {
    FaultKind.SILENT: (_Q, _Q, _Q, _Q, _Q),
    FaultKind.SLOW: (_Q, _Q, _Q, _Q, _V),
    FaultKind.LATE: (_V, _V, _V, _V, _V),
    FaultKind.WRONG_TRANSACTION: (_Q, _Q, _Q, _Q, _V),
    FaultKind.WRONG_UNIT: (_Q, _Q, _Q, _Q, _Q),
    FaultKind.SPLIT: (_Q, _V, _V, _Q, _V),
    FaultKind.DUPLICATE: (_V, _V, _V, _V, _V),
    FaultKind.TRUNCATED: (_Q, _Q, _Q, _Q, _Q),
    FaultKind.OVER_LONG: (_Q, _Q, _Q, _Q, _Q),
    FaultKind.EXCEPTION: (_Q, _Q, _Q, _Q, _R),
    FaultKind.REFUSING: (_R, _R, _R, _R, _R),
    FaultKind.NO_EFFECT: (_R, _R, _R, _R, _R),
    FaultKind.OUT_OF_RANGE: (_Q, _Q, _Q, _Q, _Q),
    FaultKind.NO_DATA: (_Q, _Q, _Q, _Q, _Q),
    FaultKind.WRONG_MAP: (_V, _V, _NO_MAP, _V, _NO_MAP),
    FaultKind.RESTARTED: (_V, _V, _V, _V, _V),
    FaultKind.ADDRESS_CHANGE: (_V, _Q, _Q, _V, _CALLS),
    FaultKind.CLOCK_JUMP: (_V, _NO_CLOCK, _NO_CLOCK, _NO_CLOCK, _V),
    FaultKind.HALF_OPEN: (_DATAGRAM, _Q, _Q, _DATAGRAM, _Q),
    FaultKind.FLOOD: (_V, _V, _V, _V, _V),
    FaultKind.DRIFTING: (_V, _V, _V, _V, _V),
    FaultKind.STUCK: (_SAME, _SAME, _SAME, _SAME, _SAME),
}
_OUTCOMES: Final = {_V: Outcome.VALUE, _Q: Outcome.QUALITY, _R: Outcome.REFUSAL}


def cell(protocol: str, fault: FaultKind) -> Cell:
    """One cell."""
    text = _TABLE[fault][PROTOCOLS.index(protocol)]
    outcome = _OUTCOMES.get(text, Outcome.NONE)
    reason = text if outcome is Outcome.NONE else ""
    return Cell(protocol=protocol, fault=fault, outcome=outcome, reason=reason)


def matrix() -> tuple[Cell, ...]:
    """Every cell, by fault, then by protocol."""
    return tuple(cell(protocol, fault) for fault in FaultKind for protocol in PROTOCOLS)
