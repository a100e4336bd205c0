"""Bytes of what a cycle knew, remembered and answered, exact, for the journal and the replay.

A tick's record is small because it names its frame and its plan by their ids; those two are
journaled by themselves when they change. ``decide`` on what was unpacked gives what was packed.
"""

import hashlib
from typing import TypeVar, cast

import msgpack
import numpy as np

from edge_agent.control.grant import PrimaryReport
from edge_agent.control.inputs import (
    ControlState,
    CycleInputs,
    Decision,
    Frame,
    HeldSignal,
)
from edge_agent.control.plan import Plan
from edge_agent.control.records import (
    from_plain,
    microseconds,
    moment_of,
    to_plain,
)
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.mode import Mode

VERSION = 1
_PARTS_AT_FIRST = 10
"""Parts of packed inputs before there was a primary loop; its report is the eleventh."""
DIGEST_BYTES = 12
NO_VALUE = 0x80
"""Bit of a quality byte that says that there is no number."""

Record = TypeVar("Record")
PlainImage = list[object]


def digest_of(packed: bytes) -> str:
    """Name of a packed frame: a digest of its bytes, 24 hexadecimal digits."""
    return hashlib.blake2b(packed, digest_size=DIGEST_BYTES).hexdigest()


def pack_frame(frame: Frame) -> bytes:
    """Pack a frame; its name is the digest of these bytes."""
    return _pack(Frame, frame)


def unpack_frame(data: bytes) -> Frame:
    """Unpack a frame. Raises JournalError for bytes of another version."""
    return _unpack(Frame, data)


def pack_plan(plan: Plan) -> bytes:
    """Pack a plan."""
    return _pack(Plan, plan)


def unpack_plan(data: bytes) -> Plan:
    """Unpack a plan. Raises JournalError for bytes of another version."""
    return _unpack(Plan, data)


def pack_state(state: ControlState) -> bytes:
    """Pack what control remembers."""
    return _pack(ControlState, state)


def unpack_state(data: bytes) -> ControlState:
    """Unpack what control remembers. Raises JournalError for bytes of another version."""
    return _unpack(ControlState, data)


def pack_decision(decision: Decision) -> bytes:
    """Pack an answer."""
    return _pack(Decision, decision)


def unpack_decision(data: bytes) -> Decision:
    """Unpack an answer. Raises JournalError for bytes of another version."""
    return _unpack(Decision, data)


def pack_inputs(inputs: CycleInputs) -> bytes:
    """Pack what a cycle knew, naming frame and plan by their ids."""
    signal = None if inputs.signal is None else to_plain(HeldSignal, inputs.signal)
    parts = [
        VERSION,
        inputs.frame_id,
        None if inputs.plan is None else inputs.plan.plan_id,
        inputs.cycle,
        inputs.slot_s,
        microseconds(inputs.now),
        _plain_image(inputs.image, inputs.frame.points),
        signal,
        int(inputs.mode),
        inputs.forecast_uncontrolled_w,
    ]
    if inputs.primary is not None:
        parts.append(to_plain(PrimaryReport, inputs.primary))
    return cast("bytes", msgpack.packb(parts))


def references(data: bytes) -> tuple[str, str | None]:
    """Return the frame id and the plan id that packed inputs need."""
    parts = _opened(data)
    return cast("str", parts[1]), cast("str | None", parts[2])


def unpack_inputs(data: bytes, *, frame: Frame, plan: Plan | None) -> CycleInputs:
    """Unpack what a cycle knew.

    Parameters
    ----------
    data : bytes
        From :func:`pack_inputs`.
    frame, plan : Frame, Plan or None
        Those that :func:`references` names.

    Raises
    ------
    JournalError
        If the bytes are of another version.
    """
    parts = _opened(data)
    signal = None if parts[7] is None else from_plain(HeldSignal, parts[7])
    primary = from_plain(PrimaryReport, parts[10]) if len(parts) > _PARTS_AT_FIRST else None
    return CycleInputs(
        frame=frame,
        frame_id=cast("str", parts[1]),
        plan=plan,
        cycle=cast("int", parts[3]),
        slot_s=cast("int", parts[4]),
        now=moment_of(cast("int", parts[5])),
        image=_image_of(cast("PlainImage", parts[6]), frame.points),
        signal=signal,
        mode=Mode(cast("int", parts[8])),
        forecast_uncontrolled_w=cast("float | None", parts[9]),
        primary=primary,
    )


def _pack(kind: type[Record], record: Record) -> bytes:
    """Version and record as msgpack."""
    return cast("bytes", msgpack.packb([VERSION, to_plain(kind, record)]))


def _unpack(kind: type[Record], data: bytes) -> Record:
    """Record of a version and its plain form."""
    return from_plain(kind, _opened(data)[1])


def _opened(data: bytes) -> list[object]:
    """Parts of packed bytes, once their version is known."""
    parts = cast("list[object]", msgpack.unpackb(data, strict_map_key=False))
    if parts[0] != VERSION:
        raise JournalError(f"control record has version {parts[0]!r}, this program reads {VERSION}")
    return parts


def _plain_image(image: ProcessImage, points: tuple[PointId, ...]) -> PlainImage:
    """Image as columns: values, qualities and the ages of both times in microseconds."""
    names = tuple(image.points)
    measurements = list(image.points.values())
    taken_us = microseconds(image.taken_at)
    values = [0.0 if m.value is None else m.value for m in measurements]
    qualities = [m.quality | NO_VALUE if m.value is None else m.quality for m in measurements]
    times_us = [microseconds(m.measured_at) - taken_us for m in measurements]
    times_us += [microseconds(m.received_at) - taken_us for m in measurements]
    return [
        image.cycle,
        taken_us,
        image.monotonic_ns,
        None if names == points else list(names),
        np.array(values, dtype="<f8").tobytes(),
        bytes(qualities),
        times_us,
        {i: m.reason for i, m in enumerate(measurements) if m.reason},
    ]


def _image_of(plain: PlainImage, points: tuple[PointId, ...]) -> ProcessImage:
    """Rebuild the image from its columns."""
    cycle, taken_us, monotonic_ns, names, values, qualities, times_us, reasons = plain
    assert isinstance(taken_us, int), "image time is an integer"
    times = cast("list[int]", times_us)
    words = cast("dict[int, str]", reasons)
    known = points if names is None else tuple(cast("list[PointId]", names))
    numbers: list[float] = np.frombuffer(cast("bytes", values), dtype="<f8").tolist()
    count = len(known)
    measurements = {
        point: Measurement(
            value=None if quality & NO_VALUE else numbers[i],
            quality=Quality(quality & ~NO_VALUE),
            measured_at=moment_of(taken_us + times[i]),
            received_at=moment_of(taken_us + times[count + i]),
            reason=words.get(i, ""),
        )
        for i, (point, quality) in enumerate(zip(known, cast("bytes", qualities), strict=True))
    }
    return ProcessImage(
        cycle=cast("int", cycle),
        taken_at=moment_of(taken_us),
        monotonic_ns=cast("int", monotonic_ns),
        points=measurements,
    )
