"""What events ask of a zone: in our sign and in W, by priority, and nothing after their end."""

import pytest

from cloud_coordinator.gateway.openadr_ven.judging import AwardJudge
from cloud_coordinator.gateway.openadr_ven.plan import SOURCE_MAX, Profile, step_at, timeline
from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.elements import Item, OptType
from protocols.openadr.messages.event import EiEvent
from protocols.vocabulary.obligation import ObligationState
from tests.unit.cloud_coordinator.gateway.openadr_ven.world import (
    KILOWATT,
    LOAD,
    ZONE,
    award,
    call,
    held,
    signal,
    steps,
)
from tests.unit.protocols.openadr.samples import at, event


def told(*clock_and_power: tuple[str, float]) -> list[tuple[object, float]]:
    """Make pairs of moment and power."""
    return [(at(clock), power_w) for clock, power_w in clock_and_power]


def test_less_consumption_is_more_toward_the_grid_and_it_ends() -> None:
    """If it fails, the fleet charges where the TSO wants it to discharge, or never stops."""
    found = steps(held(call("e", (20, -3000.0), (10, 1000.0))))
    assert [(one.since, one.power_w) for one in found] == told(
        ("06:00", 3000.0), ("06:20", -1000.0), ("06:30", 0.0)
    )
    assert [one.rules for one in found] == [True, True, False]
    assert step_at(found, at("05:59:59")) is None
    last = step_at(found, at("09:00"))
    assert last is not None
    assert last.power_w == 0.0


def test_a_peer_that_counts_generation_is_not_turned_and_kilowatt_are_watt() -> None:
    """If it fails, a command is a thousand times too small, or the other way round."""
    profile = Profile(signals=LOAD.signals, factor=1.0)
    one = event("e", signals=(signal((20, 3.0), unit=KILOWATT),))
    assert timeline([held(one)], profile, "v")[0].power_w == 3000.0


def test_the_higher_priority_rules_while_both_run() -> None:
    """If it fails, two events at once are both half obeyed."""
    urgent = held(call("urgent", (10, -5000.0), start="06:10"))
    usual = held(call("usual", (60, -1000.0)))
    found = steps(urgent, usual)
    assert [(one.since, one.power_w) for one in found] == told(
        ("06:00", 1000.0), ("06:10", 5000.0), ("06:20", 1000.0), ("07:00", 0.0)
    )


def test_a_cancelled_event_owes_nothing_from_then_on() -> None:
    """If it fails, a fleet goes on after the TSO has taken its command back."""
    found = steps(held(call("e", (60, -3000.0)), stops_at=at("06:05")))
    assert [(one.since, one.power_w) for one in found] == told(("06:00", 3000.0), ("06:05", 0.0))
    assert steps(held(call("e", (60, -3000.0)), stops_at=at("05:00"))) == ()


def test_every_step_says_where_it_came_from_and_long_names_stay_apart() -> None:
    """If it fails, nobody can show whose command moved the fleet, or one is taken for another."""
    (first, _) = steps(held(call("e", (60, -1.0), modification=3)))
    assert first.source == "openadr/VTN-1/3/e/s0/0"
    long = [held(call(f"{'x' * 400}{k}", (60, -1.0))) for k in range(2)]
    sources = {steps(one)[0].source for one in long}
    assert len(sources) == 2
    assert all(len(one) <= SOURCE_MAX for one in sources)


def judge(**more: object) -> AwardJudge:
    """Make the judge of a zone with one award."""
    return AwardJudge(zone=ZONE, profile=LOAD, awards=lambda: [award(**more)])  # type: ignore[arg-type]


WRONG_UNIT = Item(kind="energyReal", item_description="RealEnergy", item_units="Wh")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (event("e"), ResponseCode.SIGNAL_NOT_SUPPORTED),
        (event("e", signals=(signal((20, 3.0), unit=WRONG_UNIT),)), ResponseCode.INVALID_DATA),
        (call("e", (60, -1.0), start="07:00"), ResponseCode.OK),
        (call("e", (60, -1.0), start="04:59"), ResponseCode.OK),
    ],
)
def test_what_cannot_be_done_is_said(asked: EiEvent, code: ResponseCode) -> None:
    """If it fails, a TSO counts on power that nobody was awarded, or reads a wrong reason."""
    verdict = judge().verdict(asked, at("06:00") - at("06:00"))
    assert (verdict.opt_type, verdict.code) == (OptType.OPT_OUT, code)


def test_an_event_is_for_the_award_it_touches() -> None:
    """If it fails, a command of an award is refused, or one of another zone's is taken."""
    nothing = at("06:00") - at("06:00")
    touching = call("e", (30, -1.0), start="06:45")
    assert judge().verdict(touching, nothing).opt_type is OptType.OPT_IN
    assert judge().verdict(call("e", (0, -1.0)), nothing).opt_type is OptType.OPT_IN
    for other in ({"zone": "osaka"}, {"state": ObligationState.CANCELLED}):
        assert judge(**other).verdict(touching, nothing).opt_type is OptType.OPT_OUT
