"""Guards: what a gateway refuses to act on, with the reason by name."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from protocols.link.fencing import (
    MARKET_LEASE,
    MAX_DONE_COMMANDS,
    DownlinkGuard,
    EpochGuard,
    Refusal,
    SignalGuard,
    check_validity,
    partition_lease,
)
from protocols.link.messages import Command
from protocols.vocabulary.identifiers import SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import DispatchSignal

NOW = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
TEN_SECONDS = Interval(start=NOW, end=NOW + timedelta(seconds=10))
SITE = SiteId("site-001")


def signal(signal_id: int, epoch: int = 1) -> DispatchSignal:
    return DispatchSignal(
        zone=ZoneId("tokyo"),
        signal_id=SignalId(signal_id),
        epoch=epoch,
        interval=TEN_SECONDS,
        multipliers={Service.SECONDARY_1: 1.0},
    )


def command(sequence: int, epoch: int = 1) -> Command:
    return Command(sequence=sequence, epoch=epoch, validity=TEN_SECONDS, kind="stop", payload={})


def test_a_replaced_coordinator_cannot_dispatch() -> None:
    """If it fails, a coordinator that woke up after fail-over moves devices again."""
    guard = SignalGuard(ZoneId("tokyo"), EpochGuard({MARKET_LEASE: 5}))
    assert guard.admit(signal(9, epoch=4), NOW) is Refusal.STALE_EPOCH
    assert guard.admit(signal(9, epoch=5), NOW) is None
    assert guard.admit(signal(1, epoch=6), NOW) is None
    assert guard.admit(signal(10, epoch=5), NOW) is Refusal.STALE_EPOCH


def test_a_signal_is_applied_once_and_never_an_older_one() -> None:
    """If it fails, a recorded signal played back moves the zone."""
    guard = SignalGuard(ZoneId("tokyo"), EpochGuard({}), last=(1, SignalId(7)))
    assert guard.admit(signal(7), NOW) is Refusal.REPLAYED
    assert guard.admit(signal(6), NOW) is Refusal.REPLAYED
    assert guard.admit(signal(8), NOW) is None
    assert guard.admit(signal(8), NOW) is Refusal.REPLAYED
    assert guard.last == (1, 8)


@pytest.mark.parametrize(
    ("seconds", "refusal"),
    [
        (-2.001, Refusal.NOT_YET_VALID),
        (-2, None),
        (0, None),
        (9.999, None),
        (10, Refusal.EXPIRED),
        (3600, Refusal.EXPIRED),
    ],
)
def test_a_message_acts_only_in_its_time(seconds: float, refusal: Refusal | None) -> None:
    """If it fails, a delayed signal calls power when nobody asks for it any more."""
    assert check_validity(TEN_SECONDS, NOW + timedelta(seconds=seconds)) is refusal


def test_a_refused_signal_leaves_no_trace() -> None:
    """If it fails, one signal with a wrong clock or a forged epoch locks out all later ones."""
    epochs = EpochGuard({})
    guard = SignalGuard(ZoneId("tokyo"), epochs)
    late = NOW + timedelta(hours=1)
    assert guard.admit(signal(99, epoch=99), late) is Refusal.EXPIRED
    other = dataclasses.replace(signal(99, epoch=99), zone=ZoneId("kansai"))
    assert guard.admit(other, NOW) is Refusal.WRONG_TARGET
    assert guard.admit(signal(1), NOW) is None
    assert epochs.epochs == {MARKET_LEASE: 1}


def test_a_command_is_executed_once_even_after_a_restart() -> None:
    """If it fails, a stop that was lifted is executed again when it is re-sent."""
    epochs = EpochGuard({})
    guard = DownlinkGuard(SITE, epochs)
    assert guard.admit_command(command(3), NOW) is None
    assert guard.admit_command(command(3), NOW) is Refusal.REPLAYED
    restarted = DownlinkGuard(SITE, EpochGuard(epochs.epochs), guard.done)
    assert restarted.admit_command(command(3, epoch=2), NOW) is Refusal.REPLAYED
    assert restarted.admit_command(command(2), NOW) is None, "commands may come out of order"
    assert restarted.admit_command(command(4, epoch=0), NOW) is Refusal.STALE_EPOCH
    late = NOW + timedelta(hours=1)
    assert restarted.admit_command(command(5), late) is Refusal.EXPIRED


def test_what_a_command_guard_forgot_counts_as_executed() -> None:
    """If it fails, an old command can be played back once enough newer ones have come."""
    guard = DownlinkGuard(SITE, EpochGuard({}), tuple(range(2, MAX_DONE_COMMANDS + 2)))
    assert guard.admit_command(command(1), NOW) is Refusal.REPLAYED
    assert len(guard.done) == MAX_DONE_COMMANDS


def test_an_epoch_belongs_to_its_lease() -> None:
    """If it fails, a change of the market's owner locks out the partition's, or the reverse."""
    epochs = EpochGuard({MARKET_LEASE: 9})
    assert epochs.admit(partition_lease(SITE), 1) is None
    assert epochs.admit(partition_lease(SITE), 0) is Refusal.STALE_EPOCH
    assert epochs.epochs == {MARKET_LEASE: 9, "60": 1}
