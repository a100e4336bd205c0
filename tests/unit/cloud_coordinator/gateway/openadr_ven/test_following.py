"""Each step becomes one command of the award, with its moment and its source, whatever happens."""

from datetime import timedelta

import pytest

from cloud_coordinator.gateway.openadr_ven.following import Follower
from cloud_coordinator.gateway.openadr_ven.plan import Step
from cloud_coordinator.services.records import AwardRecord
from protocols.vocabulary.errors import StoreError
from tests.unit.cloud_coordinator.gateway.openadr_ven.world import (
    ZONE,
    Desk,
    Stores,
    award,
    call,
    held,
    moment,
    steps,
)
from tests.unit.protocols.openadr.samples import at

SECOND = timedelta(seconds=1)


class Bed:
    """A follower and the disk that outlives it."""

    def __init__(self, *awards: AwardRecord) -> None:
        self.awards = awards or (award(),)
        self.stores = Stores(self.awards)
        self.restart()

    def restart(self) -> None:
        """Lose everything but the disk."""
        self.desk = Desk(self.stores)
        self._follower = Follower(ZONE, self.desk)

    def look(self, clock: str, known: tuple[Step, ...]) -> None:
        """Do what is done each second."""
        self._follower.follow(known, self.awards, moment(clock))

    def commands(self) -> list[tuple[str, float, str]]:
        """Return award's last sign, power and end of the source of every command, as it stands."""
        return [
            (f"{one.issued_at:%H:%M:%S}", one.power_w, one.source.partition("VTN-1/")[2])
            for one in self.stores.kept
        ]


STEPS = steps(held(call("e", (20, -3000.0), (10, -1000.0))))


def test_each_step_is_commanded_once_at_its_own_moment() -> None:
    """If it fails, the settlement counts from the second of our loop, or a command comes twice."""
    bed = Bed()
    for clock in ("05:59:59", "06:00:01", "06:00:02", "06:20:01", "06:20:02", "06:30:00"):
        bed.look(clock, STEPS)
    assert bed.commands() == [
        ("06:00:00", 3000.0, "0/e/s0/0"),
        ("06:20:00", 1000.0, "0/e/s0/1"),
        ("06:30:00", 0.0, "0/e/s0/1/end"),
    ]


def test_a_restart_in_any_second_repeats_nothing_and_makes_up_for_what_was_missed() -> None:
    """If it fails, a crash commands the fleet twice, or forgets a step that came meanwhile."""
    bed = Bed()
    for clock in ("06:00:01", "06:00:02", "06:25:00", "06:25:01", "06:40:00"):
        bed.look(clock, STEPS)
        bed.restart()
    assert bed.commands() == [
        ("06:00:00", 3000.0, "0/e/s0/0"),
        ("06:20:00", 1000.0, "0/e/s0/1"),
        ("06:30:00", 0.0, "0/e/s0/1/end"),
    ]


def test_what_comes_late_counts_from_when_it_came() -> None:
    """If it fails, a TSO's late command is settled as if we had disobeyed it for minutes."""
    bed = Bed()
    bed.look("06:04:59", ())
    bed.look("06:05:00", STEPS)
    bed.restart()
    bed.look("06:06:00", STEPS)
    assert bed.commands() == [("06:05:00", 3000.0, "0/e/s0/0")]


def test_a_modification_and_its_taking_back_count_from_now_even_after_a_crash() -> None:
    """If it fails, the second word of a TSO about the same event is lost as too old."""
    bed = Bed()
    bed.look("06:00:01", STEPS)
    changed = steps(held(call("e", (20, -5000.0), (10, -1000.0), modification=1)))
    bed.restart()
    bed.look("06:01:00", changed)
    gone = steps(held(call("e", (20, -5000.0), modification=1), stops_at=at("06:02")))
    bed.look("06:02:00", gone)
    bed.look("06:03:00", changed)
    assert bed.commands() == [
        ("06:00:00", 3000.0, "0/e/s0/0"),
        ("06:01:00", 5000.0, "1/e/s0/0"),
        ("06:02:00", 0.0, "1/e/s0/0/end"),
        ("06:03:00", 5000.0, "1/e/s0/0"),
    ]


def test_a_command_that_a_person_gave_since_is_left() -> None:
    """If it fails, an operator who takes over is overruled every second."""
    bed = Bed()
    bed.look("06:00:01", STEPS)
    bed.desk.accept_command(
        bed.awards[0].obligation.obligation_id,
        issued_at=at("06:05"),
        power_w=0.0,
        now=moment("06:05:00"),
    )
    bed.look("06:05:01", STEPS)
    bed.restart()
    bed.look("06:05:02", STEPS)
    assert [power_w for _, power_w, _ in bed.commands()] == [3000.0, 0.0]
    bed.look("06:20:00", STEPS)
    assert bed.commands()[-1] == ("06:20:00", 1000.0, "0/e/s0/1"), "the next step counts again"


def test_an_event_over_two_awards_is_commanded_in_each() -> None:
    """If it fails, the second block of a run delivers nothing."""
    bed = Bed(award("a", end="06:10"), award("b", start="06:10"))
    for clock in ("06:00:01", "06:10:00", "06:10:01"):
        bed.look(clock, STEPS)
    assert bed.commands() == [
        ("06:00:00", 3000.0, "0/e/s0/0"),
        ("06:10:00", 3000.0, "0/e/s0/0"),
    ]


def test_the_end_of_an_event_touches_no_award_that_it_did_not_command() -> None:
    """If it fails, yesterday's event sets today's award of another operator to zero."""
    bed = Bed(award("a", start="06:40"))
    bed.desk.accept_command(
        bed.awards[0].obligation.obligation_id,
        issued_at=at("06:40"),
        power_w=500.0,
        now=moment("06:40:00"),
    )
    bed.look("06:40:01", STEPS)
    assert [power_w for _, power_w, _ in bed.commands()] == [500.0]


def test_what_the_disk_refuses_is_commanded_when_it_takes_it_again() -> None:
    """If it fails, a full disk at the wrong second costs a TSO's command."""
    bed = Bed()
    bed.stores.is_full = True
    with pytest.raises(StoreError):
        bed.look("06:00:01", STEPS)
    bed.stores.is_full = False
    bed.look("06:00:02", STEPS)
    assert bed.commands() == [("06:00:00", 3000.0, "0/e/s0/0")]
