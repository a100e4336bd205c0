"""Event rules of IEEE 2030.5: what a control is at a moment, also after a restart."""

from protocols.ieee2030_5.resources.der import DERControlList
from protocols.ieee2030_5.server.settings import CANCELLED_S, FORGET_S, LINGER_S
from tests.unit.protocols.ieee2030_5.server.town import BERT, NOW, Town

SCHEDULED, ACTIVE, CANCELLED, SUPERSEDED = 0, 1, 2, 4


def _statuses(town: Town, start: int, *, end: int = 100) -> list[int]:
    program = town.program()
    return [*town.shown(program, start).values()][:end]


def test_a_control_is_scheduled_then_active_then_gone() -> None:
    """If it fails, a client sees an event that has begun as yet to come, or one that is over."""
    town = Town()
    town.register()
    town.issue(town.program(), 10, 30)
    seen = {at: _statuses(town, at) for at in (0, 9, 10, 39, 40 + LINGER_S - 1, 40 + LINGER_S)}
    assert seen == {
        0: [SCHEDULED],
        9: [SCHEDULED],
        10: [ACTIVE],
        39: [ACTIVE],
        40 + LINGER_S - 1: [ACTIVE],
        40 + LINGER_S: [],
    }


def test_a_cancelled_control_stays_to_be_seen() -> None:
    """If it fails, a client that polls slowly never hears that an event was cancelled."""
    town = Town()
    town.register()
    control = town.issue(town.program(), 0, 30)
    town.server.programs.cancel(control, now=NOW + 5)
    assert _statuses(town, 5) == [CANCELLED]
    assert _statuses(town, 5 + CANCELLED_S - 1) == [CANCELLED]
    assert _statuses(town, 5 + CANCELLED_S) == []


def test_the_later_of_two_in_a_program_supersedes() -> None:
    """If it fails, two contradicting commands are both shown as active."""
    town = Town()
    town.register()
    program = town.program()
    first = town.issue(program, 0, 100)
    second = town.issue(program, 50, 100, export_w=500, at=NOW + 1)
    before, after = town.shown(program, 10), town.shown(program, 50)
    assert before == {first.resource.mrid: ACTIVE, second.resource.mrid: SCHEDULED}
    assert after == {first.resource.mrid: SUPERSEDED, second.resource.mrid: ACTIVE}
    shown = town.get("/derp/1/derc", DERControlList, now=NOW + 10).der_control
    assert [c.event_status.potentially_superseded for c in shown] == [True, False]


def test_what_cannot_begin_any_more_is_superseded_at_once() -> None:
    """If it fails, a client prepares for an event that will never be."""
    town = Town()
    town.register()
    program = town.program()
    later = town.issue(program, 600, 30)
    town.issue(program, 0, 700, at=NOW + 1)
    assert town.shown(program, 1)[later.resource.mrid] == SUPERSEDED


def test_back_to_back_is_no_overlap() -> None:
    """If it fails, a schedule of successive limits cancels itself."""
    town = Town()
    town.register()
    program = town.program()
    for number in range(24):
        town.issue(program, 60 * number, 60, at=NOW + number)
    assert set(town.shown(program, -1).values()) == {SCHEDULED}


def test_other_modes_go_on() -> None:
    """If it fails, a limit on export ends a command to disconnect."""
    town = Town()
    town.register()
    program = town.program()
    both = town.issue(program, 0, 100, connect=False)
    limit = town.issue(program, 0, 100, export_w=5, at=NOW + 1)
    assert town.shown(program, 2) == {both.resource.mrid: ACTIVE, limit.resource.mrid: ACTIVE}
    switch = town.issue(program, 0, 100, export_w=None, connect=True, at=NOW + 2)
    seen = town.shown(program, 3)
    assert seen[both.resource.mrid] == SUPERSEDED
    assert seen[switch.resource.mrid] == ACTIVE


def test_the_lower_primacy_wins_whenever_it_was_created() -> None:
    """If it fails, a weaker authority's later command overrules a stronger one's."""
    town = Town()
    town.register()
    strong, weak = town.program(primacy=0), town.program(primacy=9)
    ruling = town.issue(strong, 0, 100)
    ruled = town.issue(weak, 0, 100, at=NOW + 1)
    assert town.shown(strong, 2) == {ruling.resource.mrid: ACTIVE}
    assert town.shown(weak, 2) == {ruled.resource.mrid: SUPERSEDED}


def test_a_program_of_fewer_devices_supersedes_nobody_else_s() -> None:
    """If it fails, a command to one device ends a command to all the others."""
    town = Town()
    town.register()
    town.register(BERT)
    desk = town.server.programs
    common = desk.add_program("all", primacy=5)
    group = desk.include(desk.add_assignment("all"), common)
    for lfdi in (BERT, "A" + "0" * 39):
        found = town.server.devices.find(lfdi)
        assert found is not None
        desk.assign(found, group)
    for_all = town.issue(common, 0, 100)
    town.issue(town.program(primacy=1), 0, 100, at=NOW + 1)
    assert town.shown(common, 2, who=BERT) == {for_all.resource.mrid: ACTIVE}


def test_a_superseded_control_is_not_resumed() -> None:
    """If it fails, cancelling a command brings an old one back to life, also by a restart."""
    town = Town()
    town.register()
    program = town.program()
    old = town.issue(program, 0, 1000)
    new = town.issue(program, 10, 100, at=NOW + 1)
    town.server.look(NOW + 20)
    town.server.programs.cancel(new, now=NOW + 30)
    expected = {old.resource.mrid: SUPERSEDED, new.resource.mrid: CANCELLED}
    assert town.shown(program, 40) == expected
    town.restart()
    assert town.shown(program, 41) == expected


def test_a_future_rival_that_is_cancelled_leaves_no_trace() -> None:
    """If it fails, an event is lost to another that never ran."""
    town = Town()
    town.register()
    program = town.program()
    old = town.issue(program, 0, 1000)
    new = town.issue(program, 100, 100, at=NOW + 1)
    town.server.look(NOW + 20)
    town.server.programs.cancel(new, now=NOW + 30)
    assert town.shown(program, 500)[old.resource.mrid] == ACTIVE


def test_what_is_long_over_is_forgotten() -> None:
    """If it fails, the database grows for ever."""
    town = Town()
    town.register()
    town.issue(town.program(), 0, 30)
    town.server.look(NOW + 31)
    assert len(town.server.state.controls.all()) == 1
    town.server.look(NOW + 30 + LINGER_S + FORGET_S)
    assert town.server.state.controls.all() == ()
