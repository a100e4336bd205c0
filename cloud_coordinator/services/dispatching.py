"""Dispatching: commands become one broadcast signal per zone, every second.

The multiplier is the exact root of the summed curves of the sites that follow, for the
command, less what sites that cannot hear us are known to hold, less the lasting error at the
meters. Everything it needs after a restart is in the store. Called by the tick of ``main``
and by ``web`` for each command.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.fleet.moment import Moment
from cloud_coordinator.services.book import AwardBook
from cloud_coordinator.services.commands import CommandBook, Taken
from cloud_coordinator.services.delivery import Delivery, Outcome
from cloud_coordinator.services.ports import DispatchStore, Downlink
from cloud_coordinator.services.records import AwardRecord, DispatchRecord, TsoCommand
from cloud_coordinator.services.straying import Strayed
from cloud_coordinator.services.tracking import SIGNALS_KEPT
from protocols.vocabulary.identifiers import ObligationId, SignalId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import ObligationState
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
            self._dispatch(self._books.awards.get(obligation_id), now)
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
        for award in self._books.awards.all():
            self._dispatch(award, now)
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
        """Between two ticks: dispatch again the awards in which a site has fallen silent.

        Costs one comparison per award while none has.
        """
        for key, delivery in list(self._deliveries.items()):
            record, award = self._records.get(key), self._books.awards.get(key)
            if record is not None and delivery.has_new_silence(award, self._fleet, now):
                self._dispatch(award, now)

    def _dispatch(self, award: AwardRecord, now: Moment) -> None:
        obligation = award.obligation
        begins = obligation.interval.start - timedelta(seconds=LEAD_S)
        running = obligation.state in {ObligationState.ACCEPTED, ObligationState.ACTIVE}
        if not (running and award.commitments and begins <= now.at < obligation.interval.end):
            self._deliveries.pop(obligation.obligation_id, None)
            return
        if self._held:
            return
        delivery = self._delivery(award, now)
        command_w = self._books.commands.in_force_w(
            obligation.obligation_id, max(now.at, obligation.interval.start)
        )
        outcome = delivery.decide(award, self._fleet, command_w=command_w, now=now)
        self._send(award, outcome, command_w=command_w, now=now)
        for commitment in delivery.straying.messages(outcome.call.multiplier, now.wall_s):
            self._ports.downlink.send_commitment(commitment)
        key = obligation.obligation_id
        self._strayed += [(key, note) for note in delivery.straying.take_notes()]

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

    def _send(self, award: AwardRecord, outcome: Outcome, *, command_w: float, now: Moment) -> None:
        """Broadcast a numbered signal, remember it and write it down."""
        obligation, call, members = award.obligation, outcome.call, outcome.membership
        self._last_id += 1
        signal = DispatchSignal(
            zone=award.zone,
            signal_id=SignalId(self._last_id),
            epoch=self._epoch,
            interval=Interval(
                start=now.at - timedelta(seconds=SIGNAL_EARLY_S),
                end=now.at + timedelta(seconds=SIGNAL_VALID_S),
            ),
            multipliers={obligation.service: call.multiplier},
        )
        record = DispatchRecord(
            obligation_id=obligation.obligation_id,
            zone=award.zone,
            service=obligation.service,
            signal_id=signal.signal_id,
            epoch=self._epoch,
            sent_at=now.at,
            multiplier=call.multiplier,
            command_w=command_w,
            correction_w=outcome.correction_w,
            held_w=outcome.held_w,
            shortfall_w=call.shortfall_w,
            following=int(members.following.sum()),
            held=int(members.held.sum() + members.unmoved.sum()),
        )
        delivery = self._deliveries[obligation.obligation_id]
        delivery.tracking.signals.add(self._last_id, call.multiplier, sent_s=now.wall_s)
        self._records[obligation.obligation_id] = record
        self._signals[award.zone] = signal
        self._ports.downlink.send_signal(signal)
        self._ports.history.save_dispatch(record)
