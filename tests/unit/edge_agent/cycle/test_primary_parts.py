"""What the cycle says and refuses about primary reserve."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_agent.control.grant import Basis, PrimaryReport
from edge_agent.control.inputs import CycleInputs
from edge_agent.cycle.obligations import take_commitments
from edge_agent.cycle.primary_log import conditions
from edge_agent.link.inbox import Judged
from protocols.vocabulary.commitment import Droop
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.obligation import HoldRule

LAW = Droop(nominal_hz=50.0, droop=0.05, dead_band_hz=0.01, delay_s=2.0)


@pytest.mark.parametrize(
    ("droop", "hold", "kind"),
    [
        (LAW, HoldRule.FOLLOW_DROOP, "obligation.accepted"),
        (replace(LAW, droop=0.0), HoldRule.FOLLOW_DROOP, "obligation.refused"),
        (replace(LAW, nominal_hz=55.0), HoldRule.HOLD_SHARE, "obligation.refused"),
        (None, HoldRule.FOLLOW_DROOP, "obligation.refused"),
        (None, HoldRule.HOLD_SHARE, "obligation.accepted"),
    ],
)
def test_an_award_without_a_law_is_refused(
    nouns: Any, *, droop: Droop | None, hold: HoldRule, kind: str
) -> None:
    """If it fails, a site accepts an award it can never answer, or divides by zero."""
    wanted = replace(nouns.commitment(), droop=droop, hold=hold)
    held, (receipt,) = take_commitments((), [Judged(commitment=wanted)], nouns.now)
    assert receipt.kind == kind
    assert bool(held) is (kind == "obligation.accepted")
    if not held:
        assert receipt.payload["reason"] == "unusable-droop"


def _inputs(basis: Basis | None, *, tested: bool) -> CycleInputs:
    report = None
    if basis is not None:
        report = PrimaryReport(
            grant_cycle=1,
            basis=basis,
            source=None,
            frequency_hz=None,
            frequency_hz_min=None,
            frequency_hz_max=None,
            samples=0,
            quality=Quality.BAD,
            age_s=-1.0,
            asked_w=0.0,
            response_w=0.0,
            moved_w=0.0,
            writes=0,
            failures=0,
            members=(),
        )
    frame = SimpleNamespace(primary_members=() if tested else None)
    return cast("CycleInputs", SimpleNamespace(primary=report, frame=frame))


def test_a_lost_frequency_and_a_missing_test_are_alarms() -> None:
    """If it fails, a site is paid for a reserve that nobody knows it does not give."""
    assert all(not detail for _, detail in conditions(_inputs(None, tested=False)))
    assert all(not detail for _, detail in conditions(_inputs(Basis.HELD, tested=True)))
    lost = dict(conditions(_inputs(Basis.ZERO, tested=False)))
    assert "no good frequency" in lost["primary frequency"]
    assert "no step test" in lost["primary untested"]
