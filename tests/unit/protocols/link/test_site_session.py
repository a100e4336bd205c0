"""The coordinator's session, one rule at a time."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from protocols.link.messages import Event, Hello, Lane, Layout, Stream, Telemetry
from protocols.link.site_session import MAX_JOURNALS, Accept, Gap, SiteSession, Verdict
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId, SignalId, SiteId, ZoneId

S = 1_000_000_000
SITE = SiteId("site-001")
JOURNAL = JournalId("journal-1")


def hello(
    held: int = 0, *, oldest: int = 1, journal: str = "journal-1", site: str = "site-001"
) -> Hello:
    return Hello(
        site_id=SiteId(site),
        zone=ZoneId("tokyo"),
        journal_id=JournalId(journal),
        agent_version="0",
        held={Stream.TELEMETRY: held},
        durable_known={},
        oldest={Stream.TELEMETRY: oldest},
        epochs={},
        obligations={},
        offer_version=0,
        layout=Layout(version=1, resources=()),
        signal_id=SignalId(0),
    )


def telemetry(first: int, last: int, journal: str = "journal-1") -> Telemetry:
    count = last - first + 1
    return Telemetry(
        journal_id=JournalId(journal),
        first_sequence=first,
        layout_version=1,
        times_s=np.arange(count),
        signal_ids=np.zeros(count, np.int64),
        values=np.zeros((count, 6), np.float32),
    )


def event(sequence: int) -> Event:
    return Event(
        journal_id=JOURNAL,
        sequence=sequence,
        recorded_at=datetime(2026, 7, 22, tzinfo=UTC) + timedelta(seconds=sequence),
        kind="device.lost",
        payload={},
    )


def at_ten() -> SiteSession:
    site = SiteSession(SITE, epoch=1)
    site.restore({(JOURNAL, Stream.TELEMETRY): 10})
    return site


@pytest.mark.parametrize(
    ("first", "last", "accept"),
    [
        (11, 11, Accept(history=slice(0, 1), live=True, duplicates=0, ahead=0)),
        (11, 30, Accept(history=slice(0, 20), live=True, duplicates=0, ahead=0)),
        (9, 12, Accept(history=slice(2, 4), live=True, duplicates=2, ahead=0)),
        (1, 10, Accept(history=None, live=True, duplicates=10, ahead=0)),
        (12, 14, Accept(history=None, live=True, duplicates=0, ahead=3)),
    ],
)
def test_history_takes_only_what_follows(first: int, last: int, accept: Accept) -> None:
    """If it fails, a second is missing from the settled record or counted twice."""
    site = at_ten()
    assert site.telemetry(telemetry(first, last), Lane.LIVE, 0) == accept
    again = site.telemetry(telemetry(first, last), Lane.LIVE, 0)
    assert again.history is None
    assert not again.live, "the live picture does not go back to what it showed"


def test_a_live_row_ahead_shows_at_once_and_counts_once_later() -> None:
    """If it fails, a returning site is blind until its backfill ends, or its rows count twice."""
    site = at_ten()
    assert site.telemetry(telemetry(50, 50), Lane.LIVE, 0).live
    assert site.missing_rows == 40
    accept = site.telemetry(telemetry(11, 50), Lane.BACKFILL, 0)
    assert (accept.history, accept.live) == (slice(0, 40), False)
    assert site.missing_rows == 0


def test_acknowledgements_come_every_second_and_faster_in_backfill() -> None:
    """If it fails, gateways judge a good link late, or backfill crawls."""
    site = at_ten()
    site.backfill_per_s = 20
    site.hello(hello(held=10), 0)
    snapshot = site.snapshot(JOURNAL, None, 0)
    assert snapshot.acknowledgement.received[Stream.TELEMETRY] == 10
    assert snapshot.acknowledgement.backfill_per_s == 0, "nothing is missing"
    assert site.acknowledgements(S - 1) == []
    assert len(site.acknowledgements(S)) == 1
    site.telemetry(telemetry(12, 12), Lane.LIVE, S)
    assert site.next_deadline_ns(S) == S + S // 4
    (acknowledgement,) = site.acknowledgements(S + S // 4)
    assert acknowledgement.backfill_per_s == 20
    assert acknowledgement.received[Stream.TELEMETRY] == 10
    assert len(site.acknowledgements(S + S // 2)) == 1


def test_a_silent_site_gets_no_acknowledgement() -> None:
    """If it fails, a gateway that is not heard believes it is, and does not fall back."""
    site = at_ten()
    assert site.acknowledgements(0) == []
    assert site.next_deadline_ns(0) is None
    site.telemetry(telemetry(11, 11), Lane.LIVE, 0)
    assert len(site.acknowledgements(3 * S)) == 1
    assert site.acknowledgements(4 * S) == []
    assert site.next_deadline_ns(4 * S) is None


def test_only_what_is_durable_is_said_to_be() -> None:
    """If it fails, the gateway trims rows that a crash of the coordinator then loses."""
    site = at_ten()
    site.telemetry(telemetry(11, 20), Lane.LIVE, 0)
    site.made_durable(JOURNAL, Stream.TELEMETRY, 15)
    site.made_durable(JOURNAL, Stream.TELEMETRY, 12)
    (acknowledgement,) = site.acknowledgements(0)
    assert acknowledgement.received[Stream.TELEMETRY] == 20
    assert acknowledgement.durable[Stream.TELEMETRY] == 15
    with pytest.raises(AssertionError, match="beyond"):
        site.made_durable(JOURNAL, Stream.TELEMETRY, 21)


def test_rows_before_a_greeting_are_taken_and_answered_with_the_epoch() -> None:
    """If it fails, a coordinator that restarted unseen waits for a greeting that never comes."""
    site = SiteSession(SITE, epoch=7)
    assert site.telemetry(telemetry(1, 1), Lane.LIVE, 0).history == slice(0, 1)
    assert site.current_journal is None
    (acknowledgement,) = site.acknowledgements(0)
    assert acknowledgement.epoch == 7
    site.hello(hello(held=1), 0)
    assert site.current_journal == JOURNAL


def test_rows_that_no_longer_exist_are_stated_and_not_waited_for() -> None:
    """If it fails, a coordinator with a lost store waits for ever and stores nothing new."""
    site = at_ten()
    gap = Gap(journal_id=JOURNAL, stream=Stream.TELEMETRY, first=11, last=40)
    assert site.hello(hello(held=100, oldest=41), 0) == [gap]
    assert site.hello(hello(held=100, oldest=41), 0) == []
    assert site.missing_rows == 60
    assert site.telemetry(telemetry(41, 41), Lane.BACKFILL, 0).history == slice(0, 1)


def test_a_late_hello_of_before_takes_nothing_back() -> None:
    """If it fails, one delayed message makes the coordinator forget what a site holds."""
    site = at_ten()
    site.hello(hello(held=30), 0)
    assert site.hello(hello(held=5), 0) == []
    assert site.missing_rows == 20


def test_two_journals_of_a_site_are_kept_apart_and_share_the_grant() -> None:
    """If it fails, rows of a new journal are dropped as duplicates of the old one's."""
    site = at_ten()
    site.backfill_per_s = 50
    site.hello(hello(held=20), 0)
    site.hello(hello(held=8, journal="journal-2"), 0)
    assert site.telemetry(telemetry(1, 4, "journal-2"), Lane.BACKFILL, 0).history == slice(0, 4)
    received = {
        a.journal_id: (a.received[Stream.TELEMETRY], a.backfill_per_s)
        for a in site.acknowledgements(0)
    }
    assert received == {"journal-1": (10, 25), "journal-2": (4, 25)}
    assert site.missing_rows == 14


def test_events_are_taken_in_order() -> None:
    """If it fails, a receipt is booked before its obligation's refusal, or twice."""
    site = SiteSession(SITE, epoch=1)
    verdicts = [site.entry(event(sequence), 0) for sequence in (1, 3, 2, 2, 3)]
    assert verdicts == [
        Verdict.TAKEN,
        Verdict.AHEAD,
        Verdict.TAKEN,
        Verdict.DUPLICATE,
        Verdict.TAKEN,
    ]


def test_a_hello_of_another_site_is_refused() -> None:
    """If it fails, a misrouted hello binds a foreign journal to the site."""
    with pytest.raises(RemoteProtocolError, match="hello of site-002"):
        at_ten().hello(hello(site="site-002"), 0)


def test_the_number_of_journals_is_bounded() -> None:
    """If it fails, one gateway that loses its disk at each start fills the coordinator."""
    site = SiteSession(SITE, epoch=1)
    for number in range(MAX_JOURNALS):
        site.hello(hello(journal=f"j{number}"), 0)
    with pytest.raises(RemoteProtocolError, match="enrol it again"):
        site.telemetry(telemetry(1, 1, "one-more"), Lane.LIVE, 0)
