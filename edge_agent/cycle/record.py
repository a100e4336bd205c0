"""What one cycle writes into the journal: the tick, the row, the events. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import msgpack

from edge_agent.control.inputs import ControlState, CycleInputs, Decision, Frame
from edge_agent.control.plain import (
    pack_decision,
    pack_frame,
    pack_inputs,
    pack_plan,
    pack_state,
)
from edge_agent.control.plan import Plan
from edge_agent.control.records import microseconds
from edge_agent.cycle.obligations import Receipt
from edge_agent.cycle.telemetry import curve_in_use, telemetry_row
from edge_agent.drivers.port import WriteOutcome
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.journal.rows import ROW_KIND, TelemetryRow, telemetry_row_encode
from edge_agent.link.uplink import pack_event
from edge_agent.mode.table import ModeDecision
from protocols.link.messages import Layout, Plain
from protocols.link.plain import layout_to_plain
from protocols.vocabulary.mode import Mode

CYCLE_KIND: Final = "cycle"
FRAME_KIND: Final = "frame"
PLAN_KIND: Final = "plan"
OUTCOME_KIND: Final = "outcome"
OFFER_KIND: Final = "offer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something to be told: an event of the event stream."""

    kind: str
    payload: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a cycle knew, remembered and answered.

    Attributes
    ----------
    inputs : CycleInputs
        What it knew.
    before, after : ControlState
        What was remembered before and is afterwards.
    decision : Decision
        The answer.
    steps_ms : mapping of str to float
        Times of the steps of the cycle before this one, whose number is ``"cycle"``; this
        one's are not all known when it is written down.
    """

    inputs: CycleInputs
    before: ControlState
    after: ControlState
    decision: Decision
    steps_ms: Mapping[str, float]


def frame_draft(frame: Frame, cycle: int) -> Draft:
    """Entry that keeps a new frame for the replay."""
    return _tick(FRAME_KIND, cycle, pack_frame(frame))


def plan_draft(plan: Plan, cycle: int) -> Draft:
    """Entry that keeps a new plan for the replay."""
    return _tick(PLAN_KIND, cycle, pack_plan(plan))


def outcome_drafts(outcomes: Iterable[WriteOutcome], cycle: int) -> list[Draft]:
    """Entries for writes that ended since the last cycle (read back by the device)."""
    return [
        _tick(
            OUTCOME_KIND,
            cycle,
            cast(
                "bytes",
                msgpack.packb(
                    [
                        outcome.resource_id,
                        outcome.sequence,
                        outcome.state.value,
                        outcome.read_back_w,
                        outcome.detail,
                        microseconds(outcome.finished_at),
                    ]
                ),
            ),
        )
        for outcome in outcomes
    ]


def tick_draft(answer: Answer) -> Draft:
    """Entry for the replay: what was known, remembered and answered."""
    parts = [
        pack_inputs(answer.inputs),
        pack_state(answer.before),
        pack_decision(answer.decision),
        dict(answer.steps_ms),
    ]
    return _tick(CYCLE_KIND, answer.inputs.cycle, cast("bytes", msgpack.packb(parts)))


def cycle_drafts(answer: Answer, layout: Layout) -> list[Draft]:
    """Entries for the tick itself and its telemetry row."""
    inputs = answer.inputs
    row = TelemetryRow(
        time_s=inputs.slot_s,
        signal_id=answer.decision.signal_id,
        layout_version=layout.version,
        values=telemetry_row(inputs, answer.decision, answer.after),
        curve_version=curve_in_use(inputs, answer.decision),
    )
    return [
        tick_draft(answer),
        Draft(
            stream=JournalStream.TELEMETRY,
            cycle=inputs.cycle,
            kind=ROW_KIND,
            payload=telemetry_row_encode(row),
        ),
    ]


def event_drafts(
    happened: Sequence[Happened], receipts: Iterable[Receipt], cycle: int
) -> list[Draft]:
    """Entries of the event stream."""
    told = [(one.kind, one.payload) for one in happened]
    told += [(receipt.kind, receipt.payload) for receipt in receipts]
    return [
        Draft(stream=JournalStream.EVENT, cycle=cycle, kind=kind, payload=pack_event(payload))
        for kind, payload in told
    ]


def layout_happened(layout: Layout) -> Happened:
    """Event that tells what telemetry rows of a new layout speak of."""
    return Happened(kind="layout", payload={"layout": layout_to_plain(layout)})


def mode_happened(before: Mode, decision: ModeDecision) -> Happened:
    """Event that tells a change of mode and its reason."""
    return Happened(
        kind="mode.changed",
        payload={"from": before.name, "to": decision.mode.name, "reason": decision.reason},
    )


def _tick(kind: str, cycle: int, payload: bytes) -> Draft:
    return Draft(stream=JournalStream.TICK, cycle=cycle, kind=kind, payload=payload)
