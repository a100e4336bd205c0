"""What a fault does to the bytes of any wire: pure, from the faults in force and a frame.

A listener passes each frame that a device wants to send through :func:`shape` and sends what
comes out at its time. Faults that need the protocol's own words (wrong transaction, no data,
exceptions) have been put into the frame before by the device.
"""

from dataclasses import dataclass

from firmware_sim.faults import Fault, FaultKind, FaultState

EXTRA_BYTES = b"\xa5" * 7
"""What an over-long frame ends with."""

_HALF = 2
_FLOOD_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Bytes that leave ``delay_s`` from now."""

    delay_s: float
    data: bytes


def shape(faults: FaultState, frame: bytes, number: int) -> tuple[Departure, ...]:
    """Decide what leaves, and when, where a device wants to send a frame.

    Parameters
    ----------
    faults : FaultState
        In force now.
    frame : bytes
        As the device made it.
    number : int
        How many frames the device has sent before, for faults that hit some only.

    Returns
    -------
    tuple of Departure
        In order of time, unless a late frame is among duplicates; empty if nothing is sent.
    """
    if faults.has(FaultKind.SILENT) or faults.has(FaultKind.HALF_OPEN):
        return ()
    parts = [Departure(delay_s=_late_s(faults, number), data=_sized(faults, frame))]
    split = faults.active.get(FaultKind.SPLIT)
    if split is not None:
        parts = _halves(parts[0], split)
    twice = faults.active.get(FaultKind.DUPLICATE)
    if twice is not None:
        parts += [_later(part, twice.delay_s) for part in parts]
    flood = faults.active.get(FaultKind.FLOOD)
    if flood is not None:
        parts *= min(max(1, flood.every), _FLOOD_MAX)
    return tuple(parts)


def _late_s(faults: FaultState, number: int) -> float:
    """How late a frame is."""
    late = faults.active.get(FaultKind.LATE)
    return late.delay_s if late is not None and (number + 1) % late.every == 0 else 0.0


def _sized(faults: FaultState, frame: bytes) -> bytes:
    """Frame without its end, or with too much at its end."""
    if faults.has(FaultKind.TRUNCATED):
        return frame[: max(1, len(frame) - max(1, len(frame) // 4))]
    if faults.has(FaultKind.OVER_LONG):
        return frame + EXTRA_BYTES
    return frame


def _halves(part: Departure, split: Fault) -> list[Departure]:
    """Two parts of a frame, the second later."""
    middle = len(part.data) // _HALF
    first = Departure(delay_s=part.delay_s, data=part.data[:middle])
    rest = Departure(delay_s=part.delay_s + split.delay_s, data=part.data[middle:])
    return [first, rest]


def _later(part: Departure, delay_s: float) -> Departure:
    return Departure(delay_s=part.delay_s + delay_s, data=part.data)
