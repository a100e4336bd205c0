"""The registry: what must survive a restart does, exactly, and foreign files stay untouched."""

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from cloud_coordinator.services.records import (
    AllocationRecord,
    AwardRecord,
    AwardTerms,
    ChildState,
    DispatchRecord,
    EventQuery,
    EventRecord,
    SiteRecord,
    TsoCommand,
)
from cloud_coordinator.store.database import DataDirectory
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.tables import metadata
from protocols.link.messages import Layout, Offer, Stream
from protocols.link.plain import commitment_to_plain
from protocols.link.wire import encode
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment, Droop
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.errors import ConfigError, StoreError
from protocols.vocabulary.identifiers import (
    JournalId,
    ModelId,
    ObligationId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import (
    HoldRule,
    Obligation,
    ObligationState,
    RelativeTo,
    Service,
)
from protocols.vocabulary.offer import OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
RUN = Interval(start=START, end=START + timedelta(minutes=30))
AWARD = ObligationId("award-1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


def resource(name: str, kind: ResourceKind = ResourceKind.BATTERY) -> Resource:
    return Resource(
        resource_id=ResourceId(f"site-001/{name}"),
        site_id=SiteId("site-001"),
        kind=kind,
        power_w_min=-3000.0,
        power_w_max=2555.5,
        ramp_w_per_s=float("inf"),
        energy_wh_capacity=9800.0,
        capabilities=frozenset({Capability.HAS_SOC}),
    )


def site(*resources: Resource, version: int = 1, journal: str = "j-1") -> SiteRecord:
    return SiteRecord(
        site_id=SiteId("site-001"),
        zone=ZoneId("tokyo"),
        journal_id=JournalId(journal),
        agent_version="0.1.0",
        layout=Layout(version=version, resources=resources),
        seen_at=START,
    )


def curve(name: str, span: Interval = RUN) -> OfferCurve:
    return OfferCurve(
        site_id=SiteId(name),
        service=Service.SECONDARY_1,
        version=1,
        multipliers=column([0.1, 10.0 / 3.0]),
        power_w=column([-100.0 / 7.0, 100.0]),
        interval=span,
    )


def terms(name: str) -> tuple[Envelope, Baseline]:
    envelope = Envelope(
        target=name,
        interval=RUN,
        step_s=1800.0,
        power_w_min=column([-1.0 / 3.0]),
        power_w_max=column([1.0]),
        energy_wh_min=column([0.0, -1.0]),
        energy_wh_max=column([0.0, 1.0]),
        ramp_w_per_s=10.0,
        limited_by="soc",
    )
    baseline = Baseline(
        target=name,
        interval=RUN,
        step_s=1800.0,
        power_w=column([-812.25]),
        method="persistence-300s",
        computed_at=START,
        data_until=START,
        model_id=ModelId("m"),
    )
    return envelope, baseline


def obligation(name: str, parent: ObligationId | None, target: str) -> Obligation:
    return Obligation(
        obligation_id=ObligationId(name),
        parent_id=parent,
        target=target,
        service=Service.SECONDARY_1,
        interval=RUN,
        step_s=1800.0,
        power_w=column([1000.0 / 3.0]),
        relative_to=RelativeTo.BASELINE,
        tolerance_w=16.0,
    )


def child(name: str) -> Commitment:
    envelope, baseline = terms(name)
    return Commitment(
        obligation=obligation(f"{AWARD}/{name}", AWARD, name),
        curve=curve(name),
        envelope=envelope,
        baseline=baseline,
        hold=HoldRule.HOLD_SHARE,
        band_lower_w=column([-16.0]),
        band_upper_w=column([16.0]),
        droop=Droop(nominal_hz=50.0, droop=0.05, dead_band_hz=0.01, delay_s=2.0),
    )


def award(*names: str) -> AwardRecord:
    return AwardRecord(
        obligation=obligation(AWARD, None, "tokyo"),
        terms=AwardTerms(price_jpy_per_kw_30min=Decimal("7.209999999999"), rule_set_id="seed"),
        received_at=START,
        allocation=AllocationRecord(
            multiplier_up=1.0 / 3.0,
            multiplier_down=None,
            shortfall_up_w=0.0,
            shortfall_down_w=5.0,
            duality_gap_jpy_per_h=1e-9,
            limits={SiteId("site-001"): "soc"},
        ),
        commitments=tuple(child(name) for name in names),
    )


def event(key: str, *, at_s: int = 0, site_id: str | None = "site-001") -> EventRecord:
    return EventRecord(
        event_key=key,
        site_id=None if site_id is None else SiteId(site_id),
        recorded_at=START + timedelta(seconds=at_s),
        received_at=START + timedelta(seconds=at_s, microseconds=7),
        kind="mode.changed",
        payload={"raw": b"\x00\xff", "deep": [1, {"a": None}], "x": 0.1},
    )


def test_an_award_with_its_children_survives_to_the_bit(path: Path) -> None:
    """After a restart the coordinator would call other shares than the sites have promised."""
    registry = Registry.open(path)
    saved = award("b", "a")
    registry.obligations.save_award(saved)
    registry.close()
    (found,) = Registry.open(path).obligations.awards()
    assert [c.obligation.target for c in found.commitments] == ["b", "a"]
    for got, wanted in zip(found.commitments, saved.commitments, strict=True):
        assert commitment_to_plain(got) == commitment_to_plain(wanted)
    assert found.terms == saved.terms
    assert found.allocation == saved.allocation
    assert found.received_at == START
    assert found.obligation.power_w.tolist() == [1000.0 / 3.0]
    assert found.obligation.interval == RUN


def test_a_site_s_answer_is_kept_beside_the_award(path: Path) -> None:
    """An accepted share would be sent again, or a refused one counted on."""
    registry = Registry.open(path)
    registry.obligations.save_award(award("a", "b"))
    registry.obligations.save_child_state(
        ChildState(
            obligation_id=ObligationId(f"{AWARD}/b"),
            site_id=SiteId("b"),
            state=ObligationState.ACCEPTED,
            at=START,
        )
    )
    (found,) = Registry.open(path).obligations.awards()
    states = [commitment.obligation.state for commitment in found.commitments]
    assert states == [ObligationState.PROPOSED, ObligationState.ACCEPTED]
    with pytest.raises(StoreError, match="award-1/a"):
        registry.obligations.save_child_state(
            ChildState(
                obligation_id=ObligationId(f"{AWARD}/a"),
                site_id=SiteId("b"),
                state=ObligationState.ACCEPTED,
                at=START,
            )
        )


def test_an_award_is_replaced_whole(path: Path) -> None:
    """A site that was dropped from an award would still be called for it."""
    registry = Registry.open(path)
    registry.obligations.save_award(award("a", "b"))
    active = award("b", "c")
    registry.obligations.save_award(
        replace(active, obligation=replace(active.obligation, state=ObligationState.ACTIVE))
    )
    (found,) = registry.obligations.awards()
    assert found.obligation.state is ObligationState.ACTIVE
    assert [c.obligation.target for c in found.commitments] == ["b", "c"]


def test_a_command_counts_once_and_comes_in_order(path: Path) -> None:
    """A command that was posted twice would be settled twice, or with the later power."""
    registry = Registry.open(path)
    for seconds, power_w in ((60, 5.0), (0, 1.0), (60, 9.0)):
        registry.commands.save_command(
            TsoCommand(
                obligation_id=AWARD,
                issued_at=(START + timedelta(seconds=seconds)).astimezone(
                    timezone(timedelta(hours=9))
                ),
                power_w=power_w,
                clipped_w=power_w,
                received_at=START,
                source="openadr/vtn/1/event",
            )
        )
    found = registry.commands.commands(AWARD)
    assert {c.source for c in found} == {"openadr/vtn/1/event"}
    assert [(c.issued_at, c.power_w) for c in found] == [
        (START, 1.0),
        (START + timedelta(seconds=60), 5.0),
    ]
    assert found[0].issued_at.utcoffset() == timedelta(0)
    assert registry.commands.commands(ObligationId("other")) == []


def test_the_latest_covering_offer_of_each_site_is_found(path: Path) -> None:
    """An award would be shared by promises that were withdrawn or end too early."""
    registry = Registry.open(path)

    def offer(name: str, sequence: int, *, minutes: int, journal: str = "j") -> Offer:
        envelope, baseline = terms(name)
        span = Interval(start=START, end=START + timedelta(minutes=minutes))
        return Offer(
            journal_id=JournalId(journal),
            sequence=sequence,
            curve=curve(name, span),
            envelope=envelope,
            baseline=baseline,
        )

    sent = [
        offer("a", 1, minutes=60),
        offer("a", 2, minutes=60),
        offer("a", 3, minutes=5),
        offer("b", 1, minutes=60),
        offer("a", 1, minutes=60),
        offer("b", 1, minutes=60, journal="j-2"),
    ]
    for one in sent:
        registry.offers.save_offer(one)
    sites = [SiteId("c"), SiteId("b"), SiteId("a")]
    found = registry.offers.offers(sites, service=Service.SECONDARY_1, interval=RUN)
    assert [encode(one) for one in found] == [encode(sent[5]), encode(sent[1])]
    assert registry.offers.offers(sites, service=Service.PRIMARY, interval=RUN) == []


def test_events_are_kept_once_and_shown_newest_first(path: Path) -> None:
    """A resent alarm would be counted twice; the newest one would be below the fold."""
    registry = Registry.open(path)
    registry.events.save_events([event("a", at_s=5), event("b", at_s=9), event("a", at_s=7)])
    registry.events.save_event(event("c", at_s=1, site_id=None))
    everything = registry.events.events(EventQuery())
    assert [one.event_key for one in everything] == ["b", "a", "c"]
    assert everything[1] == event("a", at_s=5)
    since = EventQuery(since=START + timedelta(seconds=5), limit=1)
    assert [one.event_key for one in registry.events.events(since)] == ["b"]
    until = EventQuery(until=START + timedelta(seconds=5))
    assert [one.event_key for one in registry.events.events(until)] == ["c"]
    assert registry.events.events(EventQuery(kind="other")) == []
    mine = registry.events.events(EventQuery(site_id=SiteId("site-001")))
    assert [one.event_key for one in mine] == ["b", "a"]


def test_an_epoch_is_never_given_twice(path: Path) -> None:
    """A replaced coordinator could not be told from its successor."""
    first = Registry.open(path)
    assert [first.epochs.next_epoch("market") for _ in range(3)] == [1, 2, 3]
    assert first.epochs.next_epoch("partitions") == 1
    second = Registry.open(path)
    taken: list[int] = []

    def take(registry: Registry) -> None:
        taken.extend(registry.epochs.next_epoch("market") for _ in range(20))

    threads = [threading.Thread(target=take, args=(first,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(4, 64))
    assert second.epochs.next_epoch("market") == 64


def test_watermarks_only_rise(path: Path) -> None:
    """A gateway would be asked for entries it has trimmed."""
    registry = Registry.open(path)
    key = SiteId("a"), JournalId("j")
    registry.progress.save_durable(*key, {Stream.EVENT: 5, Stream.OFFER: 1})
    registry.progress.save_durable(*key, {Stream.EVENT: 3, Stream.TELEMETRY: 9})
    again = Registry.open(path).progress
    assert again.durable(*key) == {Stream.TELEMETRY: 9, Stream.EVENT: 5, Stream.OFFER: 1}
    assert again.durable(SiteId("b"), JournalId("j")) == dict.fromkeys(Stream, 0)
    assert again.all_durable(Stream.TELEMETRY) == {key: 9}


def test_the_control_history_comes_back_oldest_first(path: Path) -> None:
    """After a restart the page would draw the delivery backwards or not at all."""
    registry = Registry.open(path)
    records = [
        DispatchRecord(
            obligation_id=AWARD,
            zone=ZoneId("tokyo" if number % 3 else "kansai"),
            service=Service.SECONDARY_1,
            signal_id=SignalId(number),
            epoch=1,
            sent_at=START + timedelta(seconds=number),
            multiplier=number / 3.0,
            command_w=1.0,
            correction_w=2.0,
            held_w=3.0,
            shortfall_w=-4.0,
            following=5,
            held=6,
        )
        for number in range(9)
    ]
    for record in records:
        registry.dispatches.save_dispatch(record)
    registry.close()
    found = Registry.open(path).dispatches.recent_dispatches(ZoneId("tokyo"), limit=3)
    assert list(found) == [records[5], records[7], records[8]]


def test_a_site_is_known_again_with_all_its_layouts(path: Path) -> None:
    """After a restart telemetry of known sites could not be read, old rows never again."""
    registry = Registry.open(path)
    battery, pv = resource("battery-1"), resource("pv-1", ResourceKind.PV)
    meter = resource("meter", ResourceKind.METER)
    registry.sites.save_site(site(battery, meter))
    registry.sites.save_site(site(pv, battery, version=2))
    latest = site(battery, journal="j-2")
    registry.sites.save_site(latest)
    again = Registry.open(path).sites
    assert again.sites() == [latest]
    assert again.positions(battery.resource_id) == {
        (JournalId("j-1"), 1): 0,
        (JournalId("j-1"), 2): 1,
        (JournalId("j-2"), 1): 0,
    }
    assert again.positions(pv.resource_id) == {(JournalId("j-1"), 2): 0}


def test_the_requirement_s_tables_have_its_columns_and_the_resources(path: Path) -> None:
    """The customer's own reports would not run on our database."""
    registry = Registry.open(path)
    registry.sites.save_site(
        site(
            resource("battery-1"),
            resource("pv-1", ResourceKind.PV),
            resource("meter", ResourceKind.METER),
        )
    )
    registry.sites.save_site(site(resource("battery-1"), version=2))
    with sqlite3.connect(path) as database:
        rows = database.execute(
            "SELECT resource_id, resource_type, capacity_kw, capacity_kwh, status "
            "FROM resources ORDER BY 1"
        ).fetchall()
        columns = [row[1] for row in database.execute("PRAGMA table_info(control_history)")]
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("UPDATE resources SET status = 'BROKEN'")
    assert rows == [
        ("site-001/battery-1", "BATTERY", 3, 9.8, "ACTIVE"),
        ("site-001/pv-1", "SOLAR", 3, 9.8, "INACTIVE"),
    ]
    assert columns == [
        *("control_id", "resource_id", "control_timestamp", "command_type", "target_value"),
        *("actual_value", "response_time_ms", "market_signal", "success_flag"),
        *("error_message", "created_at"),
    ]
    wanted = {"resources", "control_history", "market_transactions", "prediction_data"}
    assert wanted | {"vpp_performance"} <= tables


def test_the_migrations_make_exactly_the_tables_of_the_code(path: Path) -> None:
    """A deployed database would lack a column that the program writes."""
    Registry.open(path).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        names = set(inspect(connection).get_table_names())
    assert names == {*metadata.tables, "alembic_version"}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"this is a letter, not a database at all", "is not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 4096, r"malformed|not a database|damaged|disk image"),
    ],
)
def test_a_file_that_is_no_database_is_left_as_it_is(
    path: Path, content: bytes, cause: str
) -> None:
    """A wrong path would cost an operator his file, or end in a traceback."""
    path.write_bytes(content)
    with pytest.raises(StoreError, match=cause) as caught:
        Registry.open(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_another_program_s_database_is_left_as_it_is(path: Path) -> None:
    """Our tables would appear in somebody else's database."""
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE photos (name TEXT)")
    with pytest.raises(StoreError, match="belongs to another program"):
        Registry.open(path)
    with sqlite3.connect(path) as other:
        names = {row[0] for row in other.execute("SELECT name FROM sqlite_master")}
    assert names == {"photos"}


def test_a_damaged_page_is_found_at_the_start(path: Path) -> None:
    """The coordinator would run for days on a registry whose awards it cannot read."""
    registry = Registry.open(path)
    registry.events.save_events([event(f"key-{number}") for number in range(2000)])
    registry.close()
    content = bytearray(path.read_bytes())
    for offset in range(20 * 4096, len(content) - 4096, 4096):
        content[offset : offset + 200] = b"\xaa" * 200
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        Registry.open(path)
    assert path.read_bytes() == content


def test_a_newer_program_s_registry_is_refused(path: Path) -> None:
    """An old program would write rows that the new one cannot understand."""
    Registry.open(path).close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer program"):
        Registry.open(path)


@pytest.mark.parametrize("address", ["nonsense", "nonsense://x", "sqlite:////no/such/dir/x.db"])
def test_a_wrong_address_is_one_clear_line(address: str) -> None:
    """The operator would see a traceback of the database library."""
    with pytest.raises((ConfigError, StoreError)) as caught:
        Registry.open(address)
    assert "\n" not in str(caught.value)


def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    """Two coordinators would write the same history and both dispatch the fleet."""
    first = DataDirectory(tmp_path)
    with pytest.raises(StoreError, match="another coordinator"):
        DataDirectory(tmp_path)
    first.release()
    DataDirectory(tmp_path).release()


def test_a_write_that_fails_leaves_nothing_of_itself(path: Path) -> None:
    """Half an award would be called: the sum of the children would not be the parent."""
    registry = Registry.open(path)
    registry.obligations.save_award(award("a"))
    foreign = replace(
        child("b"), obligation=obligation(f"{AWARD}/b", ObligationId("no-such-award"), "b")
    )
    with pytest.raises(AssertionError):
        registry.obligations.save_award(replace(award("c"), commitments=(child("c"), foreign)))
    (found,) = registry.obligations.awards()
    assert [c.obligation.target for c in found.commitments] == ["a"]
