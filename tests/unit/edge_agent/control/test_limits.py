"""Named limits and their composition by authority."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.control.bounds import compose
from edge_agent.control.limits import (
    Limit,
    Range,
    contract_import,
    curtailment,
    emergency_stop,
    export_limit,
    group_scope,
    in_order,
    measured_range,
    narrow,
    owner_range,
    resource_scope,
    technician_override,
)
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.obligation import Authority

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
A, B, C = ResourceId("s/a"), ResourceId("s/b"), ResourceId("s/c")


def plate(power_w: float = 5000.0) -> Range:
    return Range(low_w=-power_w, high_w=power_w, low_by="nameplate", high_by="nameplate")


def test_a_weaker_limit_never_breaks_a_stronger_one() -> None:
    """A technician could drive a device beyond what its safety allows."""
    limits = in_order(
        [
            technician_override(A, 4000.0, valid_until=NOW + timedelta(hours=1), source="mori"),
            measured_range(A, -1000.0, 1500.0),
        ],
        NOW,
    )
    bounds = compose({A: plate()}, limits, residual_w=0.0, margin_w=0.0)
    assert bounds.ranges[A].low_w == bounds.ranges[A].high_w == 1500.0
    (relaxed,) = bounds.relaxed
    assert relaxed.name == "technician-override"
    assert relaxed.amount_w == 2500.0
    assert relaxed.by == "device-range"


def test_narrowing_keeps_a_range_and_names_who_binds() -> None:
    """A contradiction would leave an empty range, or nobody would know who binds."""
    inside, relaxed = narrow(plate(), owner_range(A, -100.0, 200.0))
    assert (inside.low_w, inside.high_w, inside.high_by) == (-100.0, 200.0, "owner-range")
    assert relaxed is None
    above, gave_way = narrow(inside, owner_range(A, 300.0, 400.0))
    assert (above.low_w, above.high_w) == (200.0, 200.0)
    assert gave_way is not None
    assert gave_way.amount_w == 100.0


def test_the_order_in_which_limits_arrive_does_not_matter() -> None:
    """The same site would decide differently after a restart."""
    limits = [
        export_limit(0.0),
        contract_import(6000.0),
        owner_range(A, -2000.0, 2000.0),
        measured_range(B, -500.0, 500.0),
    ]
    one = compose({A: plate(), B: plate()}, in_order(limits, NOW), residual_w=-3.0, margin_w=1.0)
    two = compose(
        {A: plate(), B: plate()}, in_order(limits[::-1], NOW), residual_w=-3.0, margin_w=1.0
    )
    assert one == two


def test_an_expired_limit_is_gone() -> None:
    """A technician's override or a curtailment order would hold for ever."""
    order = curtailment(100.0, valid_until=NOW, source="utility")
    assert in_order([order], NOW) == []
    assert in_order([order], NOW - timedelta(microseconds=1)) == [order]


def test_the_owner_s_floor_gives_way_to_the_contract_by_just_as_much_as_needed() -> None:
    """The main breaker would trip although the battery could have helped."""
    limits = in_order([contract_import(10_000.0), owner_range(A, -5000.0, 0.0)], NOW)
    bounds = compose({A: plate()}, limits, residual_w=-12_000.0, margin_w=0.0)
    assert math.isclose(bounds.ranges[A].high_w, 2000.0, rel_tol=1e-9)
    (relaxed,) = bounds.relaxed
    assert relaxed.name == "owner-range"
    assert relaxed.by == "contract-import"
    assert math.isclose(relaxed.amount_w, 2000.0, rel_tol=1e-9)


def test_what_the_devices_cannot_reach_relaxes_the_meter_limit_and_says_so() -> None:
    """An overload nobody can prevent would be hidden, or control would stop answering."""
    bounds = compose(
        {A: plate(1000.0)},
        in_order([contract_import(10_000.0)], NOW),
        residual_w=-12_000.0,
        margin_w=50.0,
    )
    (relaxed,) = bounds.relaxed
    assert relaxed.name == "contract-import"
    assert relaxed.amount_w == 1000.0
    assert bounds.flexible.low_w == 1000.0


def test_a_margin_that_does_not_fit_is_not_reported_as_a_broken_limit() -> None:
    """The technician would be told of a breach that never was."""
    bounds = compose(
        {A: plate(1000.0)},
        in_order([contract_import(10_000.0)], NOW),
        residual_w=-10_990.0,
        margin_w=50.0,
    )
    assert bounds.relaxed == ()
    assert bounds.flexible.low_w == 1000.0


def test_an_emergency_stop_is_stronger_than_grid_code() -> None:
    """A stopped device would be started again by a contract limit."""
    (stop,) = (limit for limit in emergency_stop_for(A))
    limits = in_order([stop, contract_import(1000.0)], NOW)
    bounds = compose({A: plate()}, limits, residual_w=-3000.0, margin_w=0.0)
    assert (bounds.ranges[A].low_w, bounds.ranges[A].high_w) == (0.0, 0.0)
    assert [r.name for r in bounds.relaxed] == ["contract-import"]


def emergency_stop_for(resource_id: ResourceId) -> list[Limit]:
    """Stop of one resource, as the builder would make it."""
    return [
        Limit(
            name="emergency-stop",
            authority=Authority.EMERGENCY_STOP,
            scope=resource_scope(resource_id),
            power_w_min=0.0,
            power_w_max=0.0,
        )
    ]


def test_the_stop_covers_every_resource(paper: Any) -> None:
    """One device would go on after the stop."""
    resources = [paper.battery("a").resource, paper.photovoltaic("b").resource]
    limits = emergency_stop(resources, source="button")
    assert {limit.scope.members[0] for limit in limits} == {r.resource_id for r in resources}
    assert all(limit.power_w_min == limit.power_w_max == 0.0 for limit in limits)


def test_a_group_bounds_the_sum_of_its_members() -> None:
    """Two batteries behind one power conditioner would overload it."""
    group = Limit(
        name="conditioner",
        authority=Authority.DEVICE_SAFETY,
        scope=group_scope((A, B)),
        power_w_min=-4000.0,
        power_w_max=4000.0,
    )
    bounds = compose(
        {A: plate(), B: plate(), C: plate()},
        in_order([group, contract_import(10_000.0)], NOW),
        residual_w=-30_000.0,
        margin_w=0.0,
    )
    assert bounds.ranges[A].high_w + bounds.ranges[B].high_w == 4000.0
    assert bounds.ranges[A].low_w + bounds.ranges[B].low_w == -4000.0
    assert bounds.flexible.low_w == 9000.0
