"""The live table: freshness, liveness, growth, copies."""

from collections.abc import Sequence

import numpy as np

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.fleet.snapshot import LinkCondition
from protocols.link.messages import Layout, Telemetry
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.measurement import Quality
from protocols.vocabulary.resource import Resource, ResourceKind

SITE, ZONE = SiteId("site-1"), ZoneId("tokyo")
T0 = 1_784_680_000


def moment(wall_s: float, monotonic_s: float | None = None) -> Moment:
    at = wall_s if monotonic_s is None else monotonic_s
    return Moment(wall_s=wall_s, monotonic_ns=round(at * 1e9))


def rows(
    seconds: Sequence[int],
    *,
    first: int,
    meter_w: float = -100.0,
    resources: int = 0,
    journal: str = "j1",
    layout: int = 1,
) -> Telemetry:
    values = np.zeros((len(seconds), 6 + 4 * resources), dtype=np.float32)
    values[:, 0] = meter_w
    for r in range(resources):
        values[:, 6 + 4 * r : 10 + 4 * r] = [10.0 * (r + 1), 11.0, 0.5, 0.0]
    return Telemetry(
        journal_id=JournalId(journal),
        first_sequence=first,
        layout_version=layout,
        times_s=np.array(seconds, dtype=np.int64),
        signal_ids=np.full(len(seconds), 7, dtype=np.int64),
        values=values,
    )


def layout_of(site: str, count: int, version: int = 1) -> Layout:
    return Layout(
        version=version,
        resources=tuple(
            Resource(
                resource_id=ResourceId(f"{site}/battery-{i}"),
                site_id=SiteId(site),
                kind=ResourceKind.BATTERY,
                power_w_min=-3000.0,
                power_w_max=3000.0,
                ramp_w_per_s=500.0,
            )
            for i in range(count)
        ),
    )


def one_site() -> Fleet:
    fleet = Fleet(capacity=1)
    fleet.upsert_site(SITE, ZONE)
    return fleet


def test_age_is_of_the_second_spoken_of() -> None:
    """A row that was long on its way would look fresh."""
    fleet = one_site()
    fleet.update(SITE, rows([T0], first=1), moment(T0 + 30.0))
    snapshot = fleet.snapshot(moment(T0 + 30.5))
    assert snapshot.age_s[0] == 30.5
    assert snapshot.condition[0] == LinkCondition.LOST
    assert snapshot.quality[0] == Quality.STALE


def test_gateway_clock_ahead_does_not_make_fresh() -> None:
    """A site whose clock is an hour ahead would be live for an hour after its last word."""
    fleet = one_site()
    fleet.update(SITE, rows([T0 + 3600], first=1), moment(T0))
    snapshot = fleet.snapshot(moment(T0 + 5.0))
    assert snapshot.age_s[0] == 5.0
    assert snapshot.condition[0] == LinkCondition.LATE


def test_wall_clock_going_back_does_not_make_fresh() -> None:
    """After a time correction of the coordinator a silent site would look alive."""
    fleet = one_site()
    fleet.update(SITE, rows([T0], first=1), moment(T0, 1000.0))
    snapshot = fleet.snapshot(moment(T0 - 500.0, 1020.0))
    assert snapshot.age_s[0] == 20.0
    assert snapshot.condition[0] == LinkCondition.LOST


def test_old_rows_change_nothing() -> None:
    """A late duplicate would replace the present with the past."""
    fleet = one_site()
    assert fleet.update(SITE, rows([T0 + 1], first=2, meter_w=-200.0), moment(T0 + 1.5))
    assert not fleet.update(SITE, rows([T0], first=1, meter_w=-100.0), moment(T0 + 1.6))
    assert not fleet.update(SITE, rows([T0 + 1], first=2, meter_w=-100.0), moment(T0 + 2.6))
    assert not fleet.update(SITE, rows([T0], first=9, journal="old"), moment(T0 + 2.7))
    snapshot = fleet.snapshot(moment(T0 + 3.0))
    assert snapshot.meter_w[0] == -200.0
    assert snapshot.age_s[0] == 2.0


def test_new_journal_takes_over() -> None:
    """A site that lost its journal would stay frozen at its last row of the old one."""
    fleet = one_site()
    fleet.update(SITE, rows([T0], first=500), moment(T0))
    assert fleet.update(SITE, rows([T0 + 1], first=1, journal="j2"), moment(T0 + 1))
    assert fleet.update(SITE, rows([T0 + 2], first=2, journal="j2"), moment(T0 + 2))


def test_liveness_counts_missed_ticks() -> None:
    """A cut site would be dispatched as if it listened, or a live one be given up."""
    fleet = one_site()
    assert fleet.tick(moment(T0)) == []
    fleet.update(SITE, rows([T0], first=1), moment(T0 + 0.5))
    seen = [
        (tenths / 10.0, change.after)
        for tenths in range(5, 140)
        for change in fleet.tick(moment(T0 + tenths / 10.0))
    ]
    assert seen == [
        (0.5, LinkCondition.LIVE),
        (3.5, LinkCondition.LATE),
        (10.5, LinkCondition.LOST),
    ]
    fleet.update(SITE, rows([T0 + 14], first=15), moment(T0 + 14.2))
    (change,) = fleet.tick(moment(T0 + 14.3))
    assert (change.before, change.after) == (LinkCondition.LOST, LinkCondition.LIVE)


def test_snapshot_is_a_copy() -> None:
    """A reader would see values change under its hands."""
    fleet = one_site()
    fleet.update(SITE, rows([T0], first=1, meter_w=-1.0), moment(T0))
    before = fleet.snapshot(moment(T0))
    fleet.update(SITE, rows([T0 + 1], first=2, meter_w=-2.0), moment(T0 + 1))
    assert before.meter_w[0] == -1.0
    assert not before.meter_w.flags.writeable


def test_many_sites_keep_their_own_values() -> None:
    """Growing the arrays would mix up sites or lose values."""
    fleet = Fleet(capacity=2)
    for i in range(300):
        site = SiteId(f"site-{i}")
        fleet.upsert_site(site, ZONE)
        fleet.upsert_layout(site, layout_of(site, i % 4))
        fleet.update(site, rows([T0], first=1, meter_w=float(-i), resources=i % 4), moment(T0))
    snapshot = fleet.snapshot(moment(T0))
    assert snapshot.meter_w.tolist() == [float(-i) for i in range(300)]
    last = fleet.resources_of(SiteId("site-299"))
    assert [values["power_w"] for values in last.values()] == [10.0, 20.0, 30.0]


def test_layout_change_forgets_old_values() -> None:
    """The power of a removed battery would be shown as that of a new heat pump."""
    fleet = one_site()
    fleet.upsert_layout(SITE, layout_of("site-1", 2))
    fleet.update(SITE, rows([T0], first=1, resources=2), moment(T0))
    for version in range(2, 200):
        fleet.upsert_layout(SITE, layout_of("site-1", 2 + version % 3, version=version))
    values = fleet.resources_of(SITE)
    assert len(values) == 2 + 199 % 3
    assert all(np.isnan(v["power_w"]) for v in values.values())
    assert fleet.update(SITE, rows([T0 + 1], first=2, resources=2), moment(T0 + 1))
    assert all(np.isnan(v["power_w"]) for v in fleet.resources_of(SITE).values()), (
        "a row of the old layout must not be decoded by the new one"
    )


def test_seconds_can_be_added_up_across_sites() -> None:
    """Delivered power would mix the seconds of different sites."""
    fleet = Fleet()
    for i, delay in enumerate((0, 2)):
        site = SiteId(f"site-{i}")
        fleet.upsert_site(site, ZONE)
        for k in range(5 - delay):
            row = rows([T0 + k], first=k + 1, meter_w=float(-k))
            fleet.update(site, row, moment(T0 + k + 0.5))
    assert fleet.rows_of(T0 + 2).present.tolist() == [True, True]
    assert fleet.rows_of(T0 + 2).meter_w.tolist() == [-2.0, -2.0]
    assert fleet.rows_of(T0 + 4).present.tolist() == [True, False]


def test_only_the_first_hello_of_a_series_is_a_coming_back() -> None:
    """A site that says hello again and again, for it does not hear us, would count as following."""
    fleet = one_site()
    assert fleet.snapshot(moment(T0)).greeted_age_s[0] > 1e6
    fleet.greet(SITE, moment(T0))
    for later_s in (8, 16, 24):
        fleet.greet(SITE, moment(T0 + later_s))
    assert fleet.snapshot(moment(T0 + 25)).greeted_age_s[0] == 25.0
    fleet.greet(SITE, moment(T0 + 60))
    assert fleet.snapshot(moment(T0 + 61)).greeted_age_s[0] == 1.0
