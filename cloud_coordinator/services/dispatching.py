"""Dispatching: commands become one broadcast signal per zone, every second.

It carries a multiplier for each product that is called; awards that follow the frequency need
none. A multiplier is the exact root of the summed curves of the sites that follow, for the
command, less what sites that cannot hear us are known to hold, less the lasting error at the
meters. Everything it needs after a restart is in the store. Called by the tick of ``main``
and by ``web`` for each command.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.commands import CommandBook, Taken
from cloud_coordinator.services.delivery import Beside, Delivery, Outcome
from cloud_coordinator.services.ports import DispatchStore, Downlink
from cloud_coordinator.services.products import follows_frequency
from cloud_coordinator.services.records import AwardRecord, DispatchRecord, TsoCommand
from cloud_coordinator.services.straying import Strayed
from cloud_coordinator.services.tracking import SIGNALS_KEPT
from protocols.vocabulary.identifiers import ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import ObligationState, Service
from protocols.vocabulary.offer import DispatchSignal

SIGNAL_VALID_S: Final = 5.0
SIGNAL_EARLY_S: Final = 1.0
"""A signal may be applied this much before our now: for gateways whose clock is behind."""
LEAD_S: Final = 5.0
"""Signals are sent this long before the award starts, so that the first second is met."""
SIGNALS_PER_EPOCH: Final = 1_000_000_000
"""Signal ids rise across epochs: epoch x this + a count, so that an echo names one signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchingPorts:
    """What dispatching needs of the outside."""

    history: DispatchStore
    downlink: Downlink


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The awards and what is owed of them."""

    awards: AwardBook
    commands: CommandBook


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What was decided for one award."""

    award: AwardRecord
    outcome: Outcome
    command_w: float

    def record(self, signal: DispatchSignal, *, sent_at: datetime) -> DispatchRecord:
        """Write down the signal and its reasons."""
        obligation, members = self.award.obligation, self.outcome.membership
        return DispatchRecord(
            obligation_id=obligation.obligation_id,
            zone=self.award.zone,
            service=obligation.service,
            signal_id=signal.signal_id,
            epoch=signal.epoch,
            sent_at=sent_at,
            multiplier=self.outcome.call.multiplier,
            command_w=self.command_w,
            correction_w=self.outcome.correction_w,
            held_w=self.outcome.held_w,
            shortfall_w=self.outcome.call.shortfall_w,
            following=int(members.following.sum()),
            held=int(members.held.sum() + members.unmoved.sum()),
        )


class Dispatching:
    """The use case of dispatching awards.

    Parameters
    ----------
    books : Books
        Awards and commands.
    fleet : Fleet
        Who delivers what.
    ports : DispatchingPorts
        The control history and the way down.
    epoch : int
        Fencing number of this program's run, greater than any before.
    """

    def __init__(self, books: Books, fleet: Fleet, *, ports: DispatchingPorts, epoch: int) -> None:
        self._books = books
        self._fleet = fleet
        self._ports = ports
        self._epoch = epoch
        self._last_id = epoch * SIGNALS_PER_EPOCH
        self._deliveries: dict[ObligationId, Delivery] = {}
        self._records: dict[ObligationId, DispatchRecord] = {}
        self._signals: dict[ZoneId, DispatchSignal] = {}
        self._strayed: list[tuple[ObligationId, Strayed]] = []
        self._held = False

    def hold(self, *, held: bool) -> None:
        """Send no signal while a person has control; awards go on being counted."""
        self._held = held

    def accept_command(
        self,
        obligation_id: ObligationId,
        *,
        issued_at: datetime,
        power_w: float,
        now: Moment,
        source: str = "",
    ) -> tuple[TsoCommand, Taken]:
        """Take a command and send its signal at once.

        Raises
        ------
        UnknownError, RejectedError, ConflictError
            As in :meth:`CommandBook.take`.
        """
        command, taken = self._books.commands.take(
            obligation_id, issued_at=issued_at, power_w=power_w, now=now, source=source
        )
        if taken is Taken.ACCEPTED:
            self._again(self._books.awards.get(obligation_id).zone, now)
        return command, taken

    def last_command(self, obligation_id: ObligationId) -> TsoCommand | None:
        """Return the latest command of an award, None before the first."""
        return self._books.commands.last(obligation_id)

    def tick(self, now: Moment) -> Sequence[AwardRecord]:
        """Advance awards, and send every zone's signal, also an unchanged one.

        Returns
        -------
        sequence of AwardRecord
            Awards that began or ended.
        """
        moved = self._books.awards.advance(now)
        running: dict[ZoneId, list[AwardRecord]] = {}
        for award in self._books.awards.all():
            if _is_running(award, now):
                running.setdefault(award.zone, []).append(award)
        ongoing = {one.obligation.obligation_id for some in running.values() for one in some}
        for key in [key for key in self._deliveries if key not in ongoing]:
            del self._deliveries[key]
        for zone, awards in running.items():
            self._dispatch(zone, awards, now)
        return moved

    def signal_of(self, zone: ZoneId, now: Moment) -> DispatchSignal | None:
        """Signal of a zone that is valid now, for a site that has just come back."""
        signal = self._signals.get(zone)
        return signal if signal is not None and signal.interval.contains(now.at) else None

    def delivery_of(self, obligation_id: ObligationId) -> Delivery | None:
        """Return the running delivery of an award."""
        return self._deliveries.get(obligation_id)

    def last_record(self, obligation_id: ObligationId) -> DispatchRecord | None:
        """Return the latest decision for an award in this run."""
        return self._records.get(obligation_id)

    def take_strayed(self) -> Sequence[tuple[ObligationId, Strayed]]:
        """Return which sites began or ceased to use a wrong curve since the last call."""
        strayed, self._strayed = self._strayed, []
        return strayed

    def watch(self, now: Moment) -> None:
        """Between two ticks: dispatch again the awards in which sites fell silent or failed.

        Costs two comparisons per award while none has.
        """
        for key, delivery in list(self._deliveries.items()):
            record, award = self._records.get(key), self._books.awards.get(key)
            if record is not None and delivery.has_news(award, self._fleet, now):
                self._again(award.zone, now)

    def _again(self, zone: ZoneId, now: Moment) -> None:
        """Send the signal of a zone between two ticks."""
        running = [one for one in self._books.awards.open_in(zone) if _is_running(one, now)]
        self._dispatch(zone, running, now)

    def _dispatch(self, zone: ZoneId, running: Sequence[AwardRecord], now: Moment) -> None:
        """Decide the awards of a zone, and send one signal that calls them all."""
        if self._held:
            return
        called = _called(running, now)
        decided = []
        for award in called:
            delivery = self._delivery(award, now)
            command_w = self._books.commands.in_force_w(
                award.obligation.obligation_id, max(now.at, award.obligation.interval.start)
            )
            outcome = delivery.decide(
                award,
                self._fleet,
                command_w=command_w,
                now=now,
                beside=beside_of(award, running, delivery.sites, at=now.at),
            )
            decided.append(_Decided(award=award, outcome=outcome, command_w=command_w))
        if decided:
            self._send(zone, decided, now)
        for one in decided:
            key = one.award.obligation.obligation_id
            straying = self._deliveries[key].straying
            for commitment in straying.messages(one.outcome.call.multiplier, now.wall_s):
                self._ports.downlink.send_commitment(commitment)
            self._strayed += [(key, note) for note in straying.take_notes()]

    def _delivery(self, award: AwardRecord, now: Moment) -> Delivery:
        key = award.obligation.obligation_id
        if key not in self._deliveries:
            delivery = Delivery(award, began_ns=now.monotonic_ns, epoch=self._epoch)
            for record in self._ports.history.recent_dispatches(award.zone, limit=SIGNALS_KEPT):
                if record.obligation_id == key and record.epoch < self._epoch:
                    delivery.tracking.signals.add(
                        record.signal_id, record.multiplier, sent_s=record.sent_at.timestamp()
                    )
            self._deliveries[key] = delivery
        return self._deliveries[key]

    def _send(self, zone: ZoneId, decided: Sequence[_Decided], now: Moment) -> None:
        """Broadcast a numbered signal, remember it and write it down."""
        self._last_id += 1
        signal = DispatchSignal(
            zone=zone,
            signal_id=SignalId(self._last_id),
            epoch=self._epoch,
            interval=Interval(
                start=now.at - timedelta(seconds=SIGNAL_EARLY_S),
                end=now.at + timedelta(seconds=SIGNAL_VALID_S),
            ),
            multipliers={
                one.award.obligation.service: one.outcome.call.multiplier for one in decided
            },
        )
        records = [one.record(signal, sent_at=now.at) for one in decided]
        for record in records:
            tracking = self._deliveries[record.obligation_id].tracking
            tracking.signals.add(self._last_id, record.multiplier, sent_s=now.wall_s)
            self._records[record.obligation_id] = record
        self._signals[zone] = signal
        self._ports.downlink.send_signal(signal)
        for record in records:
            self._ports.history.save_dispatch(record)


def _is_running(award: AwardRecord, now: Moment) -> bool:
    """Whether an award is allocated and runs, or is about to."""
    obligation = award.obligation
    begins = obligation.interval.start - timedelta(seconds=LEAD_S)
    bound = obligation.state in {ObligationState.ACCEPTED, ObligationState.ACTIVE}
    return bool(bound and award.commitments) and begins <= now.at < obligation.interval.end


def _called(running: Sequence[AwardRecord], now: Moment) -> list[AwardRecord]:
    """Awards that follow commands, one of a product: the next one waits for the end of the last."""
    chosen: dict[Service, AwardRecord] = {}
    for award in running:
        service = award.obligation.service
        ahead = now.at < award.obligation.interval.start
        if not follows_frequency(service) and not (ahead and service in chosen):
            chosen[service] = award
    return list(chosen.values())


def beside_of(
    award: AwardRecord, running: Sequence[AwardRecord], sites: Sequence[SiteId], *, at: datetime
) -> Beside | None:
    """Say what else the sites of an award owe now; None where it is alone.

    Parameters
    ----------
    award : AwardRecord
        The award.
    running : sequence of AwardRecord
        All of its zone, itself too.
    sites : sequence of SiteId
        Its own, by commitment.
    at : datetime
        Now, aware UTC.
    """
    own = award.obligation.obligation_id
    others = [
        one
        for one in running
        if one.obligation.obligation_id != own and one.obligation.interval.contains(at)
    ]
    if not others:
        return None
    shared, droop, told_before = set[str](), set[str](), set[str]()
    for one in others:
        bound = {
            child.obligation.target
            for child in one.commitments
            if child.obligation.state is not ObligationState.REFUSED
        }
        if follows_frequency(one.obligation.service):
            droop |= bound
            continue
        shared |= bound
        if one.obligation.obligation_id < own or not award.obligation.interval.contains(at):
            told_before |= bound
    masks = [
        np.array([site in some for site in sites], dtype=np.bool_)
        for some in (shared, droop, told_before)
    ]
    return Beside(shared=masks[0], droop=masks[1], untold=masks[2])
