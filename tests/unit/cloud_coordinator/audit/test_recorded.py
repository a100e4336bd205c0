"""What reaches the audit trail by itself: acts of the service, submissions, signs of intruders."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.access.scope import EVERYWHERE
from cloud_coordinator.alerts.event_rules import EventWatch, Seen, is_watched
from cloud_coordinator.audit.chain import read_body
from cloud_coordinator.services.accounts import Accounts
from cloud_coordinator.services.auditing import Deed, Refused, Trail
from cloud_coordinator.services.errors import ConflictError
from cloud_coordinator.services.identity import Identity, LockedError
from cloud_coordinator.services.recorded_events import RecordedEvents
from cloud_coordinator.services.recorded_submissions import RecordedSubmissions
from cloud_coordinator.services.records import EventQuery, EventRecord
from cloud_coordinator.services.trading import SubmissionRecord, SubmissionState
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.submissions import SubmissionTable
from protocols.vocabulary.errors import AccessDeniedError
from protocols.vocabulary.identifiers import SiteId

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic_ns(self) -> int:
        return round(self.at.timestamp() * 1e9)


class Events:
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.kept: list[EventRecord] = []

    def save_event(self, event: EventRecord) -> None:
        self.kept.append(event)

    def save_events(self, events: Sequence[EventRecord]) -> None:
        self.kept.extend(events)

    def events(self, query: EventQuery) -> Sequence[EventRecord]:
        return self.kept[: query.limit]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.open(tmp_path / "registry.sqlite3")
    yield made
    made.close()


@pytest.fixture
def trail(registry: Registry, clock: Clock) -> Trail:
    return Trail(registry.audit, clock)


def told(registry: Registry) -> list[tuple[Any, ...]]:
    bodies = [read_body(one) or {} for one in registry.audit.entries()]
    return [(one["who"], one["what"], one["why"], one["result"]) for one in bodies]


def event(kind: str, payload: Mapping[str, Any], site: str | None = None) -> EventRecord:
    return EventRecord(
        event_key=f"coordinator/1/{kind}",
        site_id=None if site is None else SiteId(site),
        recorded_at=START,
        received_at=START,
        kind=kind,
        payload=payload,
    )


def test_what_the_service_does_by_itself_is_on_record(registry: Registry, trail: Trail) -> None:
    """If it fails, nobody can tell that a machine stopped a site, or shared out an award."""
    events = RecordedEvents(Events(), trail)
    stop = {"site": "site-1", "by": "alerts", "reason": "message-forged"}
    events.save_event(event("site.stopped", stop))
    events.save_event(event("site.stopped", {**stop, "by": "user:hana"}))
    observed = [event("link.lost", {}, "site-1"), event("award.allocated", {}, "award.allocated")]
    events.save_events([event("award.allocated", {"obligation_id": "award-1"}), *observed])
    assert told(registry) == [
        ("service", "site.stopped: site='site-1'", "message-forged", "done"),
        ("service", "award.allocated: obligation_id='award-1'", "", "done"),
    ]


def test_bids_are_on_record_before_they_are_kept(registry: Registry, trail: Trail) -> None:
    """If it fails, somebody's bids cost money, and nobody knows whose they were."""
    store = RecordedSubmissions(SubmissionTable(registry.database), trail, who="shell:hana")
    record = SubmissionRecord(
        request_id="r-1",
        venue="spot",
        day=date(2026, 7, 23),
        rule_set_id="rules",
        state=SubmissionState.OPEN,
        sent_at=START,
        sent=b"{}",
    )
    store.save(record)
    assert store.find("r-1") == record
    assert [*store.submissions()] == [record]
    result = f"done: {SubmissionState.OPEN.value}"
    assert told(registry) == [("shell:hana", "submit: spot 2026-07-23 r-1", "", result)]


def test_guessing_reaches_the_watch_for_intruders(
    registry: Registry, trail: Trail, clock: Clock
) -> None:
    """If it fails, somebody guesses passwords all night and no alert is raised."""
    accounts = Accounts(registry.identities, clock, draw=secrets.token_bytes)
    roles = frozenset({Role.OPERATOR})
    accounts.add_user("hana", "a-long-password", roles=roles, scope=EVERYWHERE)
    identity = Identity(registry.identities, clock, draw=secrets.token_bytes)
    heard: list[Seen] = []

    def alarm(kind: Refused, deed: Deed, also: int) -> None:
        assert is_watched(kind.value)
        at_s = clock.at.timestamp()
        heard.append(Seen(kind=kind.value, place=deed.who, at_s=at_s, words="", count=1 + also))

    trail.warn(alarm)
    deed = Deed(who="user:hana", what="log in", where="192.0.2.7")
    for _ in range(6):
        clock.at += timedelta(seconds=1)
        with pytest.raises(AccessDeniedError) as caught:
            identity.log_in("hana", "guessed-password")
        is_locked = isinstance(caught.value, LockedError)
        trail.refuse(deed, str(caught.value), Refused.LOCKED if is_locked else Refused.LOG_IN)
    assert is_locked
    rules = {one.rule for one in EventWatch().sightings(heard)}
    assert rules == {"login-failed", "login-locked"}
    clock.at += timedelta(seconds=60)
    trail.refuse(deed, "wrong", Refused.LOG_IN)
    count = len(heard)
    trail.refuse(Deed(who="nobody", what="view", where=""), "ended", Refused.ENDED)
    assert len(heard) == count
    assert [one[-1] for one in told(registry)][2] == "refused: wrong (and 4 more before)"


def test_a_checkpoint_is_signed_once_for_what_was_added(registry: Registry, trail: Trail) -> None:
    """If it fails, an idle coordinator fills its disk with signatures, or signs nothing."""
    deed = Deed(who="service", what="test", where="")
    assert trail.checkpoint() is None
    trail.sign_with(Ed25519PrivateKey.generate())
    assert trail.checkpoint() is None
    trail.note(deed, "done")
    made = trail.checkpoint()
    assert made is not None
    assert made.entries == 1
    assert trail.checkpoint() is None
    assert registry.audit.checkpoints() == [made]


def test_the_last_administrator_stays(registry: Registry, clock: Clock) -> None:
    """If it fails, whoever sits at the machine next makes himself administrator."""
    accounts = Accounts(registry.identities, clock, draw=secrets.token_bytes)
    administrators, operators = frozenset({Role.ADMINISTRATOR}), frozenset({Role.OPERATOR})
    accounts.add_user("root", "a-long-password", roles=administrators, scope=EVERYWHERE)
    with pytest.raises(ConflictError, match="last administrator"):
        accounts.disable_user("root")
    with pytest.raises(ConflictError, match="last administrator"):
        accounts.set_roles("root", operators, None)
    accounts.add_user("sato", "a-long-password", roles=administrators, scope=EVERYWHERE)
    accounts.disable_user("root")


def test_a_person_s_key_does_no_more_than_the_person(registry: Registry, clock: Clock) -> None:
    """If it fails, a person who lost a role keeps it in a key."""
    accounts = Accounts(registry.identities, clock, draw=secrets.token_bytes)
    identity = Identity(registry.identities, clock, draw=secrets.token_bytes)
    both = frozenset({Role.OPERATOR, Role.TRADER})
    accounts.add_user("hana", "a-long-password", roles=both, scope=EVERYWHERE)
    _, text = accounts.create_key("cli", roles=both, scope=EVERYWHERE, days=1, person="hana")
    assert identity.by_key(text).roles == both
    accounts.set_roles("hana", frozenset({Role.TRADER}), None)
    assert identity.by_key(text).roles == {Role.TRADER}
    accounts.disable_user("hana")
    with pytest.raises(AccessDeniedError, match="may not log in"):
        identity.by_key(text)
