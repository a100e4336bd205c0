"""The gateway's session, one rule at a time; time is a number."""

import itertools

import pytest

from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import TRANSITIONS, EdgeParameters, EdgeState, EdgeTrigger, Holdings
from protocols.link.messages import Acknowledgement, Lane, LinkState, Snapshot, Stream
from protocols.link.orders import (
    ApplySnapshot,
    Durable,
    HelloReason,
    Liveness,
    LivenessChanged,
    Order,
    SendEvents,
    SendHello,
    SendTelemetry,
    StaleCoordinator,
)
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import JournalId

S = 1_000_000_000
JOURNAL = JournalId("journal-1")


def session(
    rows: int = 0, *, events: int = 0, trimmed: int = 0, durable: int = 0, most: int = 200
) -> EdgeSession:
    return EdgeSession(
        JOURNAL,
        Holdings(
            last={Stream.TELEMETRY: rows, Stream.EVENT: events},
            durable={Stream.TELEMETRY: durable},
            trimmed={Stream.TELEMETRY: trimmed},
            epoch=3,
        ),
        EdgeParameters(backfill_rows=most),
    )


def ack(
    rows: int = 0,
    *,
    durable: int = 0,
    events: int = 0,
    rate: int = 0,
    epoch: int = 3,
) -> Acknowledgement:
    return Acknowledgement(
        epoch=epoch,
        journal_id=JOURNAL,
        received={Stream.TELEMETRY: rows, Stream.EVENT: events},
        durable={Stream.TELEMETRY: durable},
        backfill_per_s=rate,
    )


def snapshot(acknowledgement: Acknowledgement) -> Snapshot:
    return Snapshot(
        epoch=acknowledgement.epoch, acknowledgement=acknowledgement, commitments=(), signal=None
    )


def live(edge: EdgeSession, acknowledgement: Acknowledgement, now_ns: int = 0) -> list[Order]:
    edge.connected(now_ns)
    return edge.receive(snapshot(acknowledgement), now_ns)


def rows(orders: list[Order]) -> list[tuple[int, int, Lane]]:
    return [(o.first, o.last, o.lane) for o in orders if isinstance(o, SendTelemetry)]


def hellos(orders: list[Order]) -> list[HelloReason]:
    return [order.reason for order in orders if isinstance(order, SendHello)]


def test_the_table_has_an_answer_for_everything() -> None:
    """If it fails, an unforeseen moment stops the gateway's link for good."""
    assert set(TRANSITIONS) == set(itertools.product(EdgeState, EdgeTrigger))


def test_a_hello_is_repeated_with_back_off_until_a_snapshot_comes() -> None:
    """If it fails, a site never comes back, or a returning fleet floods the coordinator."""
    edge = session()
    assert hellos(edge.connected(0)) == [HelloReason.CONNECTED]
    times = []
    for _ in range(7):
        deadline = edge.next_deadline_ns()
        assert deadline is not None
        times.append(deadline / S)
        assert hellos(edge.on_deadline(deadline)) == [HelloReason.REPEATED]
        assert edge.on_deadline(deadline) == [], "an early call does no harm"
    assert times == [0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5]
    edge.receive(snapshot(ack()), 32 * S)
    assert edge.state is EdgeState.LIVE


def test_a_live_row_goes_at_once_beside_the_backfill() -> None:
    """If it fails, the operator sees the past while the present waits behind it."""
    edge = session(1000)
    live(edge, ack(rate=100))
    assert rows(edge.on_deadline(1 * S)) == [(1, 100, Lane.BACKFILL)]
    orders = edge.journaled(Stream.TELEMETRY, 1001, 1 * S)
    assert rows(orders) == [(1001, 1001, Lane.LIVE)]
    orders = edge.receive(ack(100, rate=100), 2 * S)
    assert rows(orders) == [(101, 200, Lane.BACKFILL)]


def test_one_batch_is_in_flight_and_comes_again_when_it_is_lost() -> None:
    """If it fails, a lost batch is never repaired, or a slow link is flooded."""
    edge = session(1000, most=10)
    live(edge, ack(rate=1000))
    assert rows(edge.on_deadline(1 * S)) == [(1, 10, Lane.BACKFILL)]
    assert rows(edge.receive(ack(0, rate=1000), 2 * S)) == []
    assert rows(edge.receive(ack(0, rate=1000), 3 * S)) == []
    assert rows(edge.on_deadline(4 * S)) == [(1, 10, Lane.BACKFILL)]


def test_a_hole_in_the_live_rows_is_filled_ascending() -> None:
    """If it fails, one lost message leaves a hole in the settled record for ever."""
    edge = session()
    live(edge, ack())
    for row in range(1, 5):
        assert rows(edge.journaled(Stream.TELEMETRY, row, row * S)) == [(row, row, Lane.LIVE)]
        assert rows(edge.receive(ack(1, rate=20), row * S + S // 2)) == []
    orders = edge.journaled(Stream.TELEMETRY, 5, 5 * S)
    assert rows(orders) == [(5, 5, Lane.LIVE), (2, 5, Lane.BACKFILL)]
    assert rows(edge.journaled(Stream.TELEMETRY, 6, 6 * S)) == [(6, 6, Lane.LIVE)]
    assert rows(edge.receive(ack(6, rate=20), 8 * S)) == []


def test_rows_that_only_wait_for_their_acknowledgement_are_not_sent_twice() -> None:
    """If it fails, every live row travels twice and the budget of the fleet is gone."""
    edge = session()
    live(edge, ack())
    for row in range(1, 60):
        assert rows(edge.journaled(Stream.TELEMETRY, row, row * S)) == [(row, row, Lane.LIVE)]
        assert rows(edge.receive(ack(row - 1, rate=20), row * S + S // 2)) == []


def test_the_grant_is_kept() -> None:
    """If it fails, a returning fleet sends faster than the coordinator allows."""
    edge = session(1000)
    live(edge, ack(rate=20))
    assert edge.next_deadline_ns() == 1 * S
    assert rows(edge.on_deadline(S - 1)) == []
    assert rows(edge.on_deadline(1 * S)) == [(1, 20, Lane.BACKFILL)]
    assert rows(edge.receive(ack(20, rate=20), S + S // 2)) == []
    assert rows(edge.receive(ack(20, rate=0), 2 * S)) == [], "the grant was withdrawn"
    assert rows(edge.receive(ack(20, rate=20), 5 * S // 2)) == [], "tokens of before are gone"


def test_events_go_in_order_within_a_window_and_again_until_acknowledged() -> None:
    """If it fails, a receipt is lost and the coordinator thinks an obligation was not taken."""
    edge = session(events=120)
    orders = live(edge, ack())
    assert [o for o in orders if isinstance(o, SendEvents)] == [
        SendEvents(stream=Stream.EVENT, first=1, last=50)
    ]
    assert edge.journaled(Stream.EVENT, 121, 1 * S) == []
    assert SendEvents(stream=Stream.EVENT, first=51, last=60) in edge.receive(ack(events=10), 2 * S)
    assert SendEvents(stream=Stream.EVENT, first=11, last=60) in edge.on_deadline(5 * S)


def test_trimming_follows_the_durable_acknowledgement_only() -> None:
    """If it fails, a coordinator that crashes before its fsync has lost the record for both."""
    edge = session(100, durable=40)
    orders = live(edge, ack(100, durable=40))
    assert not any(isinstance(order, Durable) for order in orders)
    assert edge.receive(ack(100, durable=70), S) == [Durable(stream=Stream.TELEMETRY, sequence=70)]
    assert edge.receive(ack(100, durable=70), S) == []


def test_an_acknowledgement_of_rows_that_never_were_is_refused() -> None:
    """If it fails, a journal restored from an old copy silently loses its new rows."""
    edge = session(100)
    with pytest.raises(RemoteProtocolError, match="received 101, but 100 journaled"):
        live(edge, ack(101))
    assert edge.state is EdgeState.HELLO
    live(edge, ack(100))
    with pytest.raises(RemoteProtocolError, match="durable 100, received 99"):
        edge.receive(ack(99, durable=100), S)
    assert edge.state is EdgeState.LIVE


def test_another_journals_acknowledgement_changes_nothing() -> None:
    """If it fails, rows of a new journal are trimmed by the acknowledgements of the old one."""
    other = Acknowledgement(
        epoch=3,
        journal_id=JournalId("journal-2"),
        received={Stream.TELEMETRY: 5},
        durable={Stream.TELEMETRY: 5},
        backfill_per_s=1,
    )
    edge = session(10)
    edge.connected(0)
    assert edge.receive(snapshot(other), 0) == []
    assert edge.state is EdgeState.HELLO
    live(edge, ack(10))
    assert edge.receive(other, 1) == []


@pytest.mark.parametrize(
    ("acknowledgement", "reason"),
    [
        (ack(90), HelloReason.ACK_REGRESSED),
        (ack(100, epoch=4), HelloReason.COORDINATOR_REPLACED),
        (ack(90, epoch=4), HelloReason.COORDINATOR_REPLACED),
    ],
)
def test_a_coordinator_that_restarted_behind_a_standing_connection_is_greeted_again(
    acknowledgement: Acknowledgement, reason: HelloReason
) -> None:
    """If it fails, a restarted coordinator never learns of the site, or misses rows for ever."""
    edge = session(100)
    live(edge, ack(100))
    assert edge.receive(acknowledgement, S) == [SendHello(reason=reason)]
    assert edge.state is EdgeState.HELLO
    back = ack(90, rate=20, epoch=acknowledgement.epoch)
    orders = edge.receive(snapshot(back), S)
    assert isinstance(orders[0], ApplySnapshot)
    assert rows(edge.on_deadline(2 * S)) == [(91, 100, Lane.BACKFILL)]


def test_a_replaced_coordinator_is_not_believed() -> None:
    """If it fails, a woken coordinator without a lease makes the gateway trim or fall back."""
    edge = session(100)
    live(edge, ack(100, epoch=5))
    refused = [StaleCoordinator(epoch=4, epoch_known=5)]
    assert edge.receive(ack(0, epoch=4), S) == refused
    assert edge.receive(snapshot(ack(0, epoch=4)), S) == refused
    assert edge.epoch == 5
    assert edge.state is EdgeState.LIVE


def test_silence_of_acknowledgements_makes_the_link_late_then_lost() -> None:
    """If it fails, a cut-off site thinks it is led and never goes on by itself."""
    edge = session()
    assert edge.liveness is Liveness.LOST
    assert LivenessChanged(liveness=Liveness.GOOD) in live(edge, ack())
    assert edge.next_deadline_ns() == 3 * S
    late = edge.on_deadline(3 * S)
    assert late[0] == LivenessChanged(liveness=Liveness.LATE)
    assert hellos(late) == [HelloReason.ACKS_SILENT], "greeted again, though connected"
    assert rows(edge.journaled(Stream.TELEMETRY, 1, 4 * S)) == [(1, 1, Lane.LIVE)]
    while edge.liveness is Liveness.LATE:
        deadline = edge.next_deadline_ns()
        assert deadline is not None
        orders = edge.on_deadline(deadline)
    assert deadline == 10 * S
    assert orders[0] == LivenessChanged(liveness=Liveness.LOST)
    assert edge.state is EdgeState.HELLO
    assert LivenessChanged(liveness=Liveness.GOOD) in edge.receive(snapshot(ack()), 11 * S)


def test_each_silence_begins_its_greetings_anew() -> None:
    """If it fails, a link that was late once is greeted too seldom ever after."""
    edge = session()
    live(edge, ack())
    for start in (0, 100):
        edge.receive(ack(), start * S)
        sent = [now for now in range(30, 100) if edge.on_deadline(start * S + now * S // 10)]
        assert sent == [30, 35, 45, 65, 100][: len(sent)]
        assert len(sent) == 4


def test_no_tokens_are_carried_over_a_cut() -> None:
    """If it fails, a fleet that returns sends all its saved-up rows in the same moment."""
    edge = session(1000)
    live(edge, ack(rate=200))
    edge.disconnected(10 * S)
    live(edge, ack(rate=200), 60 * S)
    assert rows(edge.on_deadline(60 * S)) == []
    assert rows(edge.on_deadline(61 * S)) == [(1, 200, Lane.BACKFILL)]


def test_a_blink_of_the_connection_is_no_loss_and_a_long_cut_is() -> None:
    """If it fails, each reconnect changes the mode, or a cut connection never does."""
    edge = session()
    live(edge, ack())
    assert edge.disconnected(S) == []
    edge.connected(2 * S)
    edge.receive(snapshot(ack()), 2 * S)
    assert edge.liveness is Liveness.GOOD
    edge.disconnected(3 * S)
    assert edge.journaled(Stream.TELEMETRY, 1, 4 * S) == []
    assert edge.on_deadline(5 * S) == [LivenessChanged(liveness=Liveness.LATE)]
    assert edge.on_deadline(12 * S) == [LivenessChanged(liveness=Liveness.LOST)]
    assert edge.next_deadline_ns() is None
    assert edge.receive(snapshot(ack()), 13 * S) == [], "a message of before the cut"


def test_rows_that_were_trimmed_are_never_ordered() -> None:
    """If it fails, a coordinator with an empty store stops the gateway's link with an error."""
    edge = session(100, trimmed=60)
    live(edge, ack(0, rate=1000))
    assert rows(edge.on_deadline(S)) == [(61, 100, Lane.BACKFILL)]
    edge = session(100)
    live(edge, ack(50, rate=1000))
    edge.trimmed(Stream.TELEMETRY, 70)
    assert rows(edge.on_deadline(S)) == [(71, 100, Lane.BACKFILL)]


def test_a_coordinator_that_does_not_know_what_it_misses_is_told() -> None:
    """If it fails, the last seconds before a pause stay out of the record until a restart."""
    edge = session(100)
    live(edge, ack(99, rate=0))
    for second in range(1, 30):
        assert edge.receive(ack(99, rate=0), second * S) == []
        assert edge.on_deadline(second * S) == []
    edge.receive(ack(99, rate=0), 30 * S)
    assert edge.on_deadline(30 * S) == [SendHello(reason=HelloReason.STALLED)]
    edge.receive(snapshot(ack(99, rate=20)), 30 * S)
    assert rows(edge.on_deadline(31 * S)) == [(100, 100, Lane.BACKFILL)]


def test_a_long_quiet_time_is_no_stall() -> None:
    """If it fails, the first row after a pause of the agent triggers a needless greeting."""
    edge = session()
    live(edge, ack())
    for second in range(1, 100):
        edge.receive(ack(), second * S)
    edge.journaled(Stream.TELEMETRY, 1, 100 * S)
    assert hellos(edge.on_deadline(100 * S)) == []


def test_other_messages_are_none_of_the_sessions_business() -> None:
    """If it fails, an obligation or a will disturbs the sequence of the record."""
    edge = session()
    live(edge, ack())
    assert edge.receive(LinkState(online=False), 1) == []
