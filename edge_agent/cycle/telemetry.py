"""One second of a site as a telemetry row. Pure."""

import math

import numpy as np

from edge_agent.control.inputs import Binding, ControlState, CycleInputs, Decision
from edge_agent.control.nouns import ShareSource
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Float32Block
from protocols.vocabulary.identifiers import PointId
from protocols.vocabulary.measurement import Measurement, ProcessImage, Quality
from protocols.vocabulary.offer import NO_CURVE


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _seen(image: ProcessImage, point: PointId | None) -> tuple[float, int]:
    """Value (NaN unless control may use it) and quality of a point."""
    measurement: Measurement | None = None if point is None else image.points.get(point)
    if measurement is None:
        return math.nan, int(Quality.BAD)
    return _number(measurement.value if measurement.usable else None), int(measurement.quality)


def _resource_columns(binding: Binding, inputs: CycleInputs, state: ControlState) -> list[float]:
    power_w, quality = _seen(inputs.image, binding.power_point)
    soc, _ = _seen(inputs.image, binding.soc_point)
    setpoint = state.setpoint_of(binding.resource.resource_id)
    return [power_w, math.nan if setpoint is None else setpoint.power_w, soc, quality]


def curve_in_use(inputs: CycleInputs, decision: Decision) -> int:
    """Version of the committed curve that the share comes from; NO_CURVE without one.

    Of several obligations it is that of the first by id, as the signal's.
    """
    versions = {
        commitment.obligation.obligation_id: commitment.curve.version
        for commitment in inputs.frame.commitments
    }
    for held in decision.shares:
        if held.source in {ShareSource.SIGNAL, ShareSource.HELD}:
            return versions.get(held.obligation_id, NO_CURVE)
    return NO_CURVE


def telemetry_row(inputs: CycleInputs, decision: Decision, state: ControlState) -> Float32Block:
    """Row of the telemetry stream for one cycle.

    Parameters
    ----------
    inputs, decision, state : CycleInputs, Decision, ControlState
        What the cycle knew and answered, and its state afterwards.

    Returns
    -------
    Float32Block
        Shape (6 + 4 r,): ``SITE_COLUMNS``, then ``RESOURCE_COLUMNS`` for each binding. W,
        generator frame; NaN where there is no number, so that nothing stale looks fresh.
    """
    meter_w, meter_quality = _seen(inputs.image, inputs.frame.meter_point)
    flexible = [
        _seen(inputs.image, binding.power_point)[0]
        for binding in inputs.frame.bindings
        if state.setpoint_of(binding.resource.resource_id) is not None
    ]
    values = [
        meter_w,
        _number(decision.baseline_w),
        _number(decision.share_w),
        math.fsum(flexible) if flexible else 0.0,
        float(decision.mode),
        float(meter_quality),
    ]
    for binding in inputs.frame.bindings:
        values += _resource_columns(binding, inputs, state)
    assert len(values) == len(SITE_COLUMNS) + len(RESOURCE_COLUMNS) * len(inputs.frame.bindings)
    return np.array(values, dtype=np.float32)
