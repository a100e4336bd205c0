"""Worked lives of DER controls."""

import pytest

from protocols.ieee2030_5.client.events import EVENTS_MAX
from protocols.ieee2030_5.resources.der import DERControl
from tests.unit.protocols.ieee2030_5.client.controls import (
    BOTH,
    EXPORT,
    IMPORT,
    PROGRAM,
    STRONGER,
    Bench,
    control,
    told,
)


def test_full_run_is_1_2_3() -> None:
    """If it fails, a utility does not learn that its control was carried out."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    assert bench.post() == [1]
    bench.advance(999.9)
    assert bench.post() == []
    assert bench.running(999.9) == {}
    bench.advance(1000.0)
    assert bench.post() == [2]
    assert bench.running(1000.0) == {"opModExpLimW": "a"}
    bench.see(1010.0, told(one, 1))
    bench.advance(1029.9)
    assert bench.post() == []
    bench.advance(1030.0)
    assert bench.post() == [3]
    assert bench.running(1030.0) == {}


def test_randomisation_worked() -> None:
    """If it fails, every device of a feeder switches in the same second."""
    # rs of [0, 10] and rd of [-5, 0] with a draw of 0.45: rs 4, rd -2
    bench = Bench(chance=0.45)
    bench.see(950.0, control("a", randomize=(10, -5)))
    assert bench.spans(950.0) == {("a", "opModExpLimW", 1004.0, 1032.0)}
    # with rs 4 and rd -3 it is [1004, 1031)
    bench = Bench(chance=0.45)
    drawn = iter([4 / 11, 3 / 6, 0.0])
    bench.engine._chance = lambda: next(drawn)
    bench.see(950.0, control("a", randomize=(10, -5)))
    assert bench.spans(950.0) == {("a", "opModExpLimW", 1004.0, 1031.0)}


def test_the_draw_is_made_once_per_mrid() -> None:
    """If it fails, an event moves with every poll and every restart."""
    bench, one = Bench(chance=0.45), control("a", randomize=(10, -5))
    bench.see(950.0, one)
    first = bench.spans(950.0)
    bench.chance = 0.9
    bench.see(960.0, one)
    bench.restart()
    bench.see(970.0, one)
    assert bench.spans(970.0) == first


def test_randomisation_to_the_earlier_side() -> None:
    """If it fails, a negative draw makes an event later."""
    bench = Bench(chance=0.99)
    bench.see(900.0, control("a", randomize=(-10, 20)))
    assert bench.spans(900.0) == {("a", "opModExpLimW", 990.0, 1040.0)}


def test_cancelled_while_active_is_1_2_6() -> None:
    """If it fails, a cancelled control goes on, or is reported as completed."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.advance(1000.0)
    bench.see(1010.0, told(one, 2))
    bench.advance(1011.0, 1030.0, 1040.0)
    bench.see(1041.0, told(one, 2))
    assert bench.chain(one) == [1, 2, 6]
    assert bench.running(1010.0) == {}


def test_cancelled_before_it_starts_is_1_6() -> None:
    """If it fails, a control that was taken back is carried out."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.see(960.0, told(one, 2))
    bench.advance(1000.0, 1030.0)
    assert bench.chain(one) == [1, 6]


def test_cancelled_with_randomisation_winds_down() -> None:
    """If it fails, a whole feeder lets go in the same second."""
    bench, one = Bench(chance=0.5), control("a", duration=600, randomize=(40, -20))
    bench.see(950.0, one)
    bench.advance(1030.0)
    bench.see(1100.0, told(one, 3))
    assert bench.running(1100.0) == {"opModExpLimW": "a"}
    bench.see(1110.0, told(one, 3))
    bench.advance(1119.9)
    assert bench.running(1119.9) == {"opModExpLimW": "a"}
    bench.advance(1120.0)
    assert bench.running(1120.0) == {}
    assert bench.chain(one) == [1, 2, 6]


def test_superseded_while_active_is_1_2_7_at_the_start_of_the_stronger() -> None:
    """If it fails, two authorities steer the same device at once."""
    bench, weak = Bench(), control("weak", duration=100)
    strong = control("strong", start=1050, duration=10)
    bench.see(950.0, weak)
    bench.see(950.0, strong, program=STRONGER)
    bench.advance(1000.0, 1049.9)
    assert bench.chain(weak) == [1, 2]
    bench.advance(1050.0)
    assert bench.chain(weak) == [1, 2, 7]
    assert bench.running(1050.0) == {"opModExpLimW": "strong"}


def test_a_superseded_control_is_never_resumed() -> None:
    """If it fails, a device falls back to an order that was replaced."""
    bench, weak = Bench(), control("weak", duration=100)
    bench.see(950.0, weak)
    bench.see(950.0, control("strong", start=1050, duration=10), program=STRONGER)
    assert bench.spans(950.0) == {
        ("weak", "opModExpLimW", 1000.0, 1050.0),
        ("strong", "opModExpLimW", 1050.0, 1060.0),
    }
    bench.advance(1000.0, 1050.0, 1060.0)
    bench.see(1065.0, told(weak, 1))
    bench.restart()
    bench.advance(1070.0)
    assert bench.running(1070.0) == {}
    assert bench.chain(weak) == [1, 2, 7]


def test_known_superseded_before_its_start_never_starts() -> None:
    """If it fails, a device starts what it must stop in the next second."""
    bench, weak = Bench(), control("weak", start=1050, duration=100)
    bench.see(950.0, weak)
    bench.see(950.0, control("strong", start=1000, duration=60), program=STRONGER)
    bench.advance(1000.0)
    assert bench.chain(weak) == [1, 7]
    bench.advance(1050.0, 1060.0, 1070.0)
    assert bench.running(1070.0) == {}
    assert bench.chain(weak) == [1, 7]


def test_a_stronger_one_that_is_taken_back_in_time_supersedes_nothing() -> None:
    """If it fails, a withdrawn order still stops another one."""
    bench, weak = Bench(), control("weak", duration=100)
    strong = control("strong", start=1050, duration=10)
    bench.see(950.0, weak)
    bench.see(950.0, strong, program=STRONGER)
    bench.see(1040.0, told(strong, 2), program=STRONGER)
    bench.advance(1050.0, 1100.0)
    assert bench.chain(weak) == [1, 2, 3]
    assert bench.chain(strong) == [1, 6]


def test_at_the_same_primacy_the_later_creation_wins() -> None:
    """If it fails, a correction of an order loses against the order."""
    bench = Bench()
    old, new = control("old", duration=60), control("new", start=1010, created=940)
    bench.see(950.0, new, old)
    bench.advance(1000.0, 1010.0)
    assert bench.running(1010.0) == {"opModExpLimW": "new"}
    assert bench.chain(old) == [1, 2, 7]


def test_modes_are_compared_one_by_one() -> None:
    """If it fails, a limit of export ends because somebody limits import."""
    bench = Bench()
    both, stronger = control("both", base=BOTH, duration=100), control("imp", 1050, base=IMPORT)
    bench.see(950.0, both)
    bench.see(950.0, stronger, program=STRONGER)
    bench.advance(1000.0)
    assert bench.running(1000.0) == {"opModExpLimW": "both", "opModImpLimW": "both"}
    bench.advance(1050.0)
    assert bench.running(1050.0) == {"opModExpLimW": "both", "opModImpLimW": "imp"}
    bench.advance(1080.0)
    assert bench.running(1080.0) == {"opModExpLimW": "both"}
    bench.advance(1100.0)
    assert bench.chain(both) == [1, 2, 3]


def test_back_to_back_controls_do_not_overlap() -> None:
    """If it fails, the first of two successive orders is reported as superseded."""
    bench, first, second = Bench(), control("a"), control("b", start=1030, created=950)
    bench.see(950.0, first, second)
    bench.advance(1000.0, 1030.0, 1060.0)
    assert bench.chain(first) == [1, 2, 3]
    assert bench.chain(second) == [1, 2, 3]


def test_randomisation_leaves_no_gap_between_back_to_back_controls() -> None:
    """If it fails, a limit is lifted for some seconds between two orders."""
    bench = Bench(chance=0.5)
    bench.see(
        950.0,
        control("b", start=1030, randomize=(20, 0)),
        control("a", randomize=(10, -9)),
    )
    assert bench.spans(950.0) == {
        ("a", "opModExpLimW", 1005.0, 1030.0),
        ("b", "opModExpLimW", 1030.0, 1060.0),
    }
    bench = Bench(chance=0.99)
    bench.see(950.0, control("a", randomize=(10, 0)), control("b", 1030, randomize=(20, 0)))
    assert bench.spans(950.0) == {
        ("a", "opModExpLimW", 1010.0, 1040.0),
        ("b", "opModExpLimW", 1040.0, 1070.0),
    }


@pytest.mark.parametrize(
    ("one", "chain"),
    [
        (control("a", start=900), [254]),
        (control("a", duration=0, start=1010), [253]),
        (control("a", start=1010, randomize=(3601, 0)), [253]),
        (control("a", status=2), [6]),
        (control("a", status=4), [7]),
        (control("a", wanted=0), []),
        (control("a", wanted=1), [1]),
        (control("a", wanted=2), [2, 3]),
    ],
)
def test_what_is_answered_at_first_sight(one: DERControl, chain: list[int]) -> None:
    """If it fails, a utility believes that an order is followed that is not, or hears unasked."""
    bench = Bench()
    for now in (960.0, 970.0):
        bench.see(now, one)
    bench.advance(1000.0, 1030.0, 1040.0)
    bench.see(1050.0, one)
    assert bench.chain(one) == chain


def test_not_supported_is_252_and_nothing_else() -> None:
    """If it fails, an order that no device here can follow counts as followed."""
    one = control("a")
    bench = Bench(refused={one.mrid: 252})
    bench.see(950.0, one)
    bench.advance(1000.0, 1030.0)
    assert bench.chain(one) == [252]
    assert bench.running(1000.0) == {}


def test_seen_late_it_starts_at_once() -> None:
    """If it fails, an order of which we learn late is not followed."""
    bench, one = Bench(), control("a", status=1)
    bench.see(1010.0, one)
    assert bench.running(1010.0) == {"opModExpLimW": "a"}
    assert bench.chain(one) == [1, 2]


def test_what_the_server_calls_superseded_stops_at_once() -> None:
    """If it fails, an order goes on that the server has replaced."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.advance(1000.0)
    bench.see(1010.0, told(one, 4))
    assert bench.running(1010.0) == {}
    assert bench.chain(one) == [1, 2, 7]


def test_what_is_superseded_waits_for_the_random_start_of_its_successor() -> None:
    """If it fails, a limit is lifted until the successor's random start."""
    bench, old = Bench(chance=0.99), control("old", duration=100)
    new = control("new", start=1050, duration=100, created=940, randomize=(10, 0))
    bench.see(950.0, old, new)
    bench.advance(1000.0)
    bench.see(1052.0, told(old, 4), told(new, 1))
    assert bench.running(1052.0) == {"opModExpLimW": "old"}
    bench.advance(1060.0)
    assert bench.running(1060.0) == {"opModExpLimW": "new"}
    assert bench.chain(old) == [1, 2, 7]


def test_gone_from_two_complete_lists_is_cancelled() -> None:
    """If it fails, an order that was deleted is followed to its end."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.advance(1000.0)
    bench.see(1005.0)
    assert bench.running(1005.0) == {"opModExpLimW": "a"}
    bench.see(1010.0)
    assert bench.running(1010.0) == {}
    assert bench.chain(one) == [1, 2, 6]


def test_gone_once_and_back_is_not_cancelled() -> None:
    """If it fails, a page that shifted under the reader cancels an order."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.see(955.0)
    bench.see(960.0, one)
    bench.see(965.0)
    bench.advance(1000.0, 1030.0)
    assert bench.chain(one) == [1, 2, 3]


def test_gone_at_its_nominal_end_it_still_ends_at_its_random_one() -> None:
    """If it fails, servers that drop what is over cut off every random end."""
    bench, one = Bench(chance=0.99), control("a", randomize=(0, 20))
    bench.see(950.0, one)
    bench.advance(1000.0)
    bench.see(1035.0)
    bench.see(1040.0)
    assert bench.running(1049.0) == {"opModExpLimW": "a"}
    bench.advance(1050.0)
    assert bench.chain(one) == [1, 2, 3]


def test_an_incomplete_list_cancels_nothing() -> None:
    """If it fails, a server with a bad count takes back orders it still wants."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    for now in (960.0, 970.0, 980.0):
        bench.engine.see(PROGRAM, (), now, complete=False)
    assert bench.chain(one) == [1]


def test_a_restart_while_it_runs() -> None:
    """If it fails, a loss of power repeats a response or forgets an order."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.advance(1000.0)
    bench.post()
    bench.restart()
    bench.advance(1010.0)
    assert bench.running(1010.0) == {"opModExpLimW": "a"}
    bench.advance(1030.0)
    assert bench.chain(one) == [1, 2, 3]


def test_what_passed_while_we_were_down_is_answered_10() -> None:
    """If it fails, a utility is told that an order was carried out while we were off."""
    bench, one, weak = Bench(), control("a", base=IMPORT), control("weak", duration=500)
    bench.see(950.0, one)
    bench.see(950.0, weak)
    bench.see(951.0, control("strong", start=1010, duration=10), program=STRONGER)
    bench.advance(1000.0)
    bench.post()
    bench.restart()
    bench.advance(1100.0)
    assert bench.chain(one) == [1, 2, 3]
    assert bench.chain(weak) == [1, 2, 7]
    assert bench.chain(control("strong")) == [1, 10]
    assert bench.running(1100.0) == {}


def test_a_control_is_forgotten_when_it_is_over_gone_and_answered() -> None:
    """If it fails, the records of a gateway grow for ever."""
    bench, one = Bench(), control("a")
    bench.see(950.0, one)
    bench.advance(1000.0, 1030.0)
    bench.see(1031.0, one)
    bench.see(1032.0)
    bench.see(1033.0)
    assert bench.records
    bench.post()
    bench.see(1034.0)
    assert not bench.records


def test_a_flood_of_controls_is_bounded() -> None:
    """If it fails, a hostile server fills a gateway's memory."""
    bench = Bench()
    bench.engine.see(
        PROGRAM, [control(f"{n}", start=10_000 + 40 * n) for n in range(EVENTS_MAX + 5)], 950.0
    )
    assert len(bench.engine.owed()) == EVENTS_MAX


def test_a_change_of_the_interval_keeps_the_draw() -> None:
    """If it fails, a server that moves an order is not followed."""
    bench, one = Bench(chance=0.5), control("a", randomize=(10, 0))
    bench.see(950.0, one)
    moved = control("a", start=1100, duration=60, randomize=(10, 0))
    bench.see(960.0, moved)
    assert bench.spans(960.0) == {("a", "opModExpLimW", 1105.0, 1165.0)}


def test_a_damaged_record_is_left_out() -> None:
    """If it fails, one bad byte on a disk stops a gateway for good."""
    bench = Bench()
    bench.see(950.0, control("a", base=EXPORT), control("b", start=2000))
    key = next(iter(bench.records))
    bench.records[key] = b"{" + bench.records[key][5:]
    bench.restart()
    assert len(bench.spans(950.0)) == 1
