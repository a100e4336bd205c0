"""Learning from stored awards: once, from what the coordinator called, and used afterwards."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from cloud_coordinator.services.assurance import AssurancePolicy
from cloud_coordinator.services.learning import informed
from protocols.vocabulary.identifiers import SiteId
from tests.learned_world import LearnedWorld, Truth

GOOD, SLOW, BAD = SiteId("good"), SiteId("slow"), SiteId("bad")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LearnedWorld]:
    made = LearnedWorld(
        root=tmp_path,
        truths={
            GOOD: Truth(delay_s=1.0, gain=1.0),
            SLOW: Truth(delay_s=5.0, gain=0.9),
            BAD: Truth(delay_s=2.0, gain=1.0, up=0.3),
        },
    )
    yield made
    made.close()


def test_what_sites_showed_is_known_at_the_next_allocation(world: LearnedWorld) -> None:
    """If it fails, the next award rests on a site that failed two minutes out of three."""
    for number in range(4):
        world.run(number)
        world.learn()
    known = world.memory.of([BAD, GOOD, SiteId("never-seen"), SLOW])
    assert known.names == ("bad", "good", "never-seen", "slow")
    bad, good, unknown, slow = known.reliability
    assert bad < 0.75 < unknown < good
    assert known.delay_s[3] > known.delay_s[1] + 2.0
    assert known.events.tolist() == [4, 4, 0, 4]
    assert slow > 0.8


def test_a_wider_spread_reaches_the_next_award(world: LearnedWorld) -> None:
    """If it fails, what whole awards taught of chance would be shown and never used."""
    world.run(0)
    version = world.memory.version
    world.learn()
    assert world.memory.version == version + 1
    world.memory.widen(2.5)
    policy = informed(AssurancePolicy(), world.memory, world.ports)
    assert policy.of([GOOD, BAD], {}).spread == 2.5
    assert AssurancePolicy().of([GOOD, BAD], {}).spread == 1.0


def test_a_restart_in_the_middle_teaches_every_site_once(world: LearnedWorld) -> None:
    """If it fails, an event that was interrupted weighs twice for some sites."""
    world.run(0)
    (award,) = world.learning.due()
    for step in islice(world.learning.steps(award), 3):
        step()  # studied, totals kept, rows kept; the award is not closed
    world.close()
    world.open()
    world.learn()
    assert world.memory.of([GOOD, BAD]).events.tolist() == [1, 1]
    assert list(world.learning.due()) == []
    world.close()
    world.open()
    assert list(world.learning.due()) == [], "a later restart learns it again"
    assert world.memory.of([GOOD]).events.tolist() == [1], "what was learned is read again"


def test_totals_say_what_learning_improved(world: LearnedWorld) -> None:
    """If it fails, nobody can tell whether learning makes promises better or worse."""
    for number in range(5):
        world.run(number)
        world.learn()
    totals = [one for one in world.ports.totals.totals() if one.kind == "site"]
    assert [one.obligation_id for one in totals] == ["a0", "a1", "a2", "a3", "a4"]
    assert totals[0].error_learned_w == pytest.approx(totals[0].error_prior_w)
    assert totals[-1].error_learned_w < 0.7 * totals[-1].error_prior_w
    assert 1.0 <= world.memory.spread <= 4.0


def test_batteries_are_known_by_what_went_in_and_out(world: LearnedWorld) -> None:
    """If it fails, energy is planned that the batteries lose on the way."""
    for number in range(3):
        world.run(number)
        world.learn()
    rows = world.ports.learned.all_rows()
    batteries = [at for at, kind in enumerate(rows.rows.kinds) if kind == "battery"]
    assert len(batteries) == 6
    assert rows.rows.efficiency[batteries] == pytest.approx(0.9, abs=0.02)
    wear = rows.rows.degradation_jpy_per_kwh[batteries]
    assert (wear > 0.0).all()
    assert rows.rows.events[batteries].tolist() == [3] * 6


def test_what_a_site_says_of_its_resources_must_move_its_meter(tmp_path: Path) -> None:
    """If it fails, a site whose resources only claim to deliver gains their reliability."""
    world = LearnedWorld(root=tmp_path, truths={GOOD: Truth(delay_s=1.0, gain=1.0, claims=1.0)})
    for number in range(3):
        world.run(number)
        world.learn()
    rows = world.ports.learned.all_rows().rows
    priors = world.memory.priors.columns(rows.names, rows.kinds)
    batteries = [at for at, kind in enumerate(rows.kinds) if kind == "battery"]
    assert (rows.reliability[batteries] <= priors.reliability[batteries]).all()
    assert (rows.gain[batteries] == priors.gain[batteries]).all()
    assert (rows.discarded_s[batteries] > 2000).all()
    assert rows.reliability[rows.kinds.index("site")] < 0.75
    world.close()


def test_allocation_asks_less_of_a_site_that_gives_less(world: LearnedWorld) -> None:
    """If it fails, learning is kept and never used."""
    policy = informed(AssurancePolicy(), world.memory, world.ports)
    assert [one.tolist() for one in policy.answers.answers([SLOW])] == [[1.0], [0.0]]
    for number in range(3):
        world.run(number)
        world.learn()
    gain, delay_s = policy.answers.answers([SLOW, GOOD])
    assert gain[0] < gain[1] <= 1.0
    assert delay_s[0] > delay_s[1]
    assurance = policy.of([BAD, GOOD], {})
    assert assurance.reliability[0] < 0.8 < assurance.reliability[1]
