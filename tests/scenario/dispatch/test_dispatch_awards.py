"""Taking awards and commands: once, durable first, and wrong ones refused with a reason."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cloud_coordinator.services.awarding import AwardRequest
from cloud_coordinator.services.commands import Taken
from cloud_coordinator.services.errors import ConflictError, RejectedError, UnknownError
from cloud_coordinator.services.records import EventQuery
from protocols.vocabulary.identifiers import ObligationId, ZoneId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import ObligationState, Service

MakeWorld = Callable[..., Any]
AWARD = ObligationId("award-1")


@pytest.fixture
def world(make_world: MakeWorld) -> Any:
    """Return a zone of five sites, all heard, seven seconds before the usual start."""
    world = make_world(sites=5)
    world.run_until(world.clock.time_s + 3)
    return world


def request(world: Any, **changes: Any) -> AwardRequest:
    start = utc_from_seconds(round(world.clock.time_s) + 7)
    fields: dict[str, Any] = {
        "obligation_id": AWARD,
        "service": Service.SECONDARY_1,
        "zone": ZoneId("tokyo"),
        "interval": Interval(start=start, end=start + timedelta(seconds=300)),
        "power_w": 8000.0,
        "tolerance_w": 400.0,
        "price_jpy_per_kw_30min": Decimal("10.50"),
    }
    return AwardRequest(**{**fields, **changes})


def place(world: Any, **changes: Any) -> Any:
    return world.coordinator.awarding.place(request(world, **changes), world.coordinator.now())


def test_children_sum_to_the_award(world: Any) -> None:
    """Part of an award would belong to nobody."""
    place(world)
    world.run_until(world.clock.time_s + 5)
    award = world.coordinator.queries.award(AWARD)
    assert award.obligation.state is ObligationState.ACCEPTED
    assert len(award.commitments) == 5
    total = sum(float(c.obligation.power_w[0]) for c in award.commitments)
    margin_w = award.allocation.assured.margin_up_w
    assert margin_w > 0.0
    assert total == pytest.approx(8000.0 + margin_w, abs=1e-6)
    assert sum(c.obligation.tolerance_w for c in award.commitments) == pytest.approx(400.0)
    assert {c.obligation.state for c in award.commitments} == {ObligationState.ACCEPTED}
    assert [site.commitment is not None for site in world.sites.values()] == [True] * 5
    (event,) = world.coordinator.queries.events(EventQuery(kind="award.allocated"))
    assert event.payload["shortfall_up_w"] == 0.0


def test_posting_twice_commits_once(world: Any) -> None:
    """A retried request would commit the capacity twice."""
    wanted = request(world)
    now = world.coordinator.now()
    first = world.coordinator.awarding.place(wanted, now)
    assert world.coordinator.awarding.place(wanted, now) == first
    world.run_until(world.clock.time_s + 3)
    sent = len(world.sent_commitments)
    again = world.coordinator.awarding.place(wanted, world.coordinator.now())
    assert again.obligation.state is ObligationState.ACCEPTED
    world.run_until(world.clock.time_s + 2)
    assert len(world.sent_commitments) == sent == 5


def test_same_id_with_other_content_is_a_conflict(world: Any) -> None:
    """A changed award would silently be ignored, or replace one that runs."""
    place(world)
    with pytest.raises(ConflictError, match="award-1"):
        place(world, power_w=9000.0)
    with pytest.raises(ConflictError, match="award-1"):
        place(world, obligation_id=ObligationId("award-2"))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"power_w": 0.0}, "power_w"),
        ({"power_w": float("nan")}, "power_w"),
        ({"tolerance_w": -1.0}, "tolerance_w"),
        ({"price_jpy_per_kw_30min": Decimal("NaN")}, "price_jpy_per_kw_30min"),
        ({"zone": ZoneId("osaka")}, "osaka"),
        ({"service": Service.COMPOUND}, "compound is not carried out"),
        ({"service": Service.ENERGY}, "energy is traded"),
        ({"service": Service.PRIMARY}, "primary needs a site"),
        ({"obligation_id": ObligationId("a/b")}, "obligation_id"),
    ],
)
def test_wrong_fields_are_named(world: Any, changes: dict[str, Any], cause: str) -> None:
    """A wrong award would be half taken."""
    with pytest.raises(RejectedError, match=cause):
        place(world, **changes)
    assert world.stores.award_records == {}


def test_past_and_fractional_times_are_refused(world: Any) -> None:
    """An award that is over would be committed to sites."""
    now = world.clock.time_s
    for first, last, cause in (
        (now - 60, now + 60, "past"),
        (now + 1.5, now + 60, "whole"),
        (now + 10, now + 90_000, "lasts"),
    ):
        span = Interval(start=utc_from_seconds(first), end=utc_from_seconds(last))
        with pytest.raises(RejectedError, match=cause):
            place(world, interval=span)


def test_a_site_that_does_not_offer_holds_nobody_up(world: Any) -> None:
    """One mute gateway would keep the whole award from being allocated."""
    mute = next(iter(world.sites.values()))
    mute.offers_anything = False
    placed = place(world)
    start_s = placed.obligation.interval.start.timestamp()
    world.run_until(min(start_s - 8, world.clock.time_s + 25))
    state = world.coordinator.queries.award(AWARD).obligation.state
    assert state is ObligationState.PROPOSED, "it is given time, but not the award's own"
    world.run_until(min(start_s - 4, world.clock.time_s + 10))
    award = world.coordinator.queries.award(AWARD)
    assert award.obligation.state is ObligationState.ACCEPTED
    assert len(award.commitments) == 4


def test_killed_between_award_and_allocation(world: Any) -> None:
    """An award that was confirmed to its sender would be forgotten."""
    place(world)
    world.kill()
    world.run_until(world.clock.time_s + 1)
    world.restart()
    world.run_until(world.clock.time_s + 4)
    award = world.coordinator.queries.award(AWARD)
    assert award.obligation.state is ObligationState.ACCEPTED
    total = sum(float(c.obligation.power_w[0]) for c in award.commitments)
    assert total == pytest.approx(8000.0 + award.allocation.assured.margin_up_w)


def test_killed_before_commitments_went_out(world: Any) -> None:
    """Sites would never hear of a commitment that is stored."""
    world.commitments_get_lost = True
    place(world)
    world.run_until(world.clock.time_s + 2)
    assert len(world.coordinator.queries.award(AWARD).commitments) == 5
    assert all(site.commitment is None for site in world.sites.values())
    world.kill()
    world.commitments_get_lost = False
    world.restart()
    world.run_until(world.clock.time_s + 1)
    assert all(site.commitment is not None for site in world.sites.values())
    states = {c.obligation.state for c in world.coordinator.queries.award(AWARD).commitments}
    assert states == {ObligationState.ACCEPTED}


def test_commands(world: Any) -> None:
    """A command would count twice, be undone by an older one, or exceed the award."""
    place(world)
    world.run_until(world.clock.time_s + 12)
    t = round(world.clock.time_s)

    def send(second: int, power_w: float) -> tuple[float, Taken]:
        command, taken = world.coordinator.dispatching.accept_command(
            AWARD,
            issued_at=utc_from_seconds(second),
            power_w=power_w,
            now=world.coordinator.now(),
        )
        return command.clipped_w, taken

    assert send(t, 5000.0) == (5000.0, Taken.ACCEPTED)
    assert send(t, 5000.0) == (5000.0, Taken.KNOWN)
    assert send(t - 2, -3000.0) == (-3000.0, Taken.SUPERSEDED)
    assert world.coordinator.dispatching.last_record(AWARD).command_w == 5000.0
    with pytest.raises(ConflictError):
        send(t, 6000.0)
    assert send(t + 1, 9999.0) == (8000.0, Taken.ACCEPTED)
    assert len(world.stores.command_records) == 2
    for second, power_w, cause in ((t + 60, 1.0, "future"), (t - 600, 1.0, "outside")):
        with pytest.raises(RejectedError, match=cause):
            send(second, power_w)
    with pytest.raises(RejectedError, match="power_w"):
        send(t + 2, float("inf"))
    with pytest.raises(UnknownError, match="nothing"):
        world.coordinator.dispatching.accept_command(
            ObligationId("nothing"),
            issued_at=utc_from_seconds(t),
            power_w=1.0,
            now=world.coordinator.now(),
        )
