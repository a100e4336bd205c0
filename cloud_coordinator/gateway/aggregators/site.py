"""A resource aggregator as a site of the fleet: the site's half of the link, played for it.

Commitments become orders in the aggregator's protocol, dispatch signals become new powers of
these orders, its readings become the site's history. Its live rows have no meter: a reading of
a past minute is not the power of now. If its readings show that it does not do what it was
asked, it counts with what it delivers, as a site does that does not hear us.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from cloud_coordinator.gateway.aggregators.duty import Duty
from cloud_coordinator.gateway.aggregators.port import MeterReading, Partner, Reply, Terms
from cloud_coordinator.gateway.aggregators.rows import (
    Row,
    baseline_w,
    layout_of,
    offer_of,
    telemetry_of,
)
from cloud_coordinator.gateway.link_ports import Taker
from cloud_coordinator.services.ports import HistoryWriter
from cloud_coordinator.services.records import OfferRequest
from protocols.link.messages import Event, Hello, Plain
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import LocalProtocolError, StoreError
from protocols.vocabulary.identifiers import NO_SIGNAL, JournalId, SignalId
from protocols.vocabulary.intervals import Clock, utc_from_seconds
from protocols.vocabulary.offer import DispatchSignal

LOOK_BACK: Final = timedelta(hours=1)
"""After a restart, readings of so long ago are taken again: the store may not have them."""
STEP_S: Final = 1.0
_NAN: Final = float("nan")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePorts:
    """What an aggregator's site needs of the coordinator.

    Attributes
    ----------
    taker : Taker
        The services' intake.
    history : HistoryWriter
        The telemetry history.
    clock : Clock
        The coordinator's.
    epoch : int
        Of this run; names the site's journal.
    """

    taker: Taker
    history: HistoryWriter
    clock: Clock
    epoch: int


class AggregatorSite:
    """One aggregator.

    Parameters
    ----------
    terms : Terms
        What was agreed.
    partner : Partner
        The aggregator in its own protocol.
    ports : SitePorts
        The coordinator.
    """

    def __init__(self, terms: Terms, partner: Partner, ports: SitePorts) -> None:
        self._terms = terms
        self._partner = partner
        self._ports = ports
        self._journal = JournalId(f"aggregator-{ports.epoch}")
        self._duties: dict[str, Duty] = {}
        self._wanted: list[OfferRequest] = []
        self._signal: DispatchSignal | None = None
        self._readings: dict[datetime, MeterReading] = {}
        self._unwritten: list[MeterReading] = []
        self._is_there = False
        self._trouble = ""
        self._live = self._written = self._entries = 0

    def commit(self, commitment: Commitment) -> None:
        """Take a commitment; the same again changes nothing."""
        duty = Duty(commitment, self._terms)
        self._duties.setdefault(duty.order_id, duty)

    def want(self, request: OfferRequest) -> None:
        """Take note that an offer is wanted."""
        self._wanted.append(request)

    def signal(self, signal: DispatchSignal) -> None:
        """Take a broadcast signal."""
        if signal.zone == self._terms.zone:
            self._signal = signal

    async def run(self) -> None:
        """Play the site until cancelled."""
        for commitment in self._ports.taker.commitments_of(self._terms.site_id):
            self.commit(commitment)
        while True:
            await self.step()
            await asyncio.sleep(STEP_S - self._ports.clock.now().timestamp() % STEP_S)

    async def step(self) -> None:
        """Do what is due at this second."""
        now = self._ports.clock.now()
        try:
            self._greet()
            self._listen(now)
            for duty in tuple(self._duties.values()):
                if duty.is_over(now):
                    del self._duties[duty.order_id]
                else:
                    await self._serve(duty, now)
            self._offer(now)
            self._tell(now)
        except (LocalProtocolError, StoreError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                site = self._terms.site_id
                _log.warning("aggregator.troubled", site_id=site, cause=self._trouble)
        else:
            self._trouble = ""

    def _greet(self) -> None:
        """Say hello when the aggregator comes, and note when it goes."""
        was_there, self._is_there = self._is_there, self._partner.is_there()
        site = self._terms.site_id
        if self._is_there and not was_there:
            _log.info("aggregator.heard", site_id=site)
            self._ports.taker.hello(
                Hello(
                    site_id=site,
                    zone=self._terms.zone,
                    journal_id=self._journal,
                    agent_version="aggregator",
                    held={},
                    durable_known={},
                    oldest={},
                    epochs={},
                    obligations={},
                    offer_version=0,
                    layout=layout_of(self._terms),
                    signal_id=NO_SIGNAL,
                )
            )
        elif was_there and not self._is_there:
            _log.warning("aggregator.silent", site_id=site)

    def _listen(self, now: datetime) -> None:
        """Take new readings into the history."""
        oldest = now - LOOK_BACK
        for reading in self._partner.readings(oldest):
            if reading.start not in self._readings:
                self._readings[reading.start] = reading
                self._unwritten.append(reading)
                for duty in self._duties.values():
                    duty.judge(reading)
        for start in [start for start in self._readings if start < oldest]:
            del self._readings[start]
        while self._unwritten:
            self._write(self._unwritten[0])
            self._unwritten.pop(0)

    def _write(self, reading: MeterReading) -> None:
        first = int(reading.start.timestamp())
        rows = [
            self._row(first + k, meter_w=reading.power_w, signal_id=NO_SIGNAL)
            for k in range(reading.duration_s)
        ]
        telemetry = telemetry_of(rows, self._journal, self._written + 1)
        self._ports.history.append(self._terms.site_id, telemetry)
        self._written += len(rows)

    async def _serve(self, duty: Duty, now: datetime) -> None:
        """Ask what is due, and hand on what it says."""
        if duty.is_new:
            known_w = self._partner.share_w(duty.order_id, duty.baseline_w)
            if known_w is not None:
                duty.asked(known_w, now)
        reply = self._partner.reply(duty.order_id)
        if reply is not duty.told and reply is not Reply.NONE:
            self._answer(duty, reply, now)
        ask = None if duty.told is Reply.NO else duty.ask_for(self._signal, now)
        if ask is not None:
            await self._partner.ask(ask, now)
            duty.asked(ask.share_w, now)

    def _answer(self, duty: Duty, reply: Reply, now: datetime) -> None:
        obligation = duty.commitment.obligation
        payload: dict[str, Plain] = {
            "obligation_id": str(obligation.obligation_id),
            "version": obligation.version,
            "reason": "" if reply is Reply.YES else "the aggregator does not take part",
        }
        self._entries += 1
        self._ports.taker.event(
            self._terms.site_id,
            Event(
                journal_id=self._journal,
                sequence=self._entries,
                recorded_at=now,
                kind="obligation.accepted" if reply is Reply.YES else "obligation.refused",
                payload=payload,
            ),
        )
        duty.told = reply

    def _offer(self, now: datetime) -> None:
        """Offer what is wanted, if its meter says what it does without us."""
        wanted, self._wanted = self._wanted, []
        duty = self._duty(now)
        level_w = self._baseline_w(now) if duty is None else duty.baseline_w
        if level_w is None or not self._is_there:
            return
        for request in wanted:
            self._entries += 1
            self._ports.taker.offer(
                offer_of(
                    self._terms,
                    request.service,
                    request.interval,
                    baseline=(level_w, now),
                    number=(self._journal, self._entries),
                )
            )

    def _tell(self, now: datetime) -> None:
        """Send the live row of this second, if the aggregator is there."""
        if not self._is_there:
            return
        duty = self._duty(now)
        follows = duty is None or duty.delivered_w is None
        signal_id = self._signal.signal_id if self._signal is not None and follows else NO_SIGNAL
        row = self._row(int(now.timestamp()), meter_w=_NAN, signal_id=signal_id)
        self._live += 1
        self._ports.taker.live(self._terms.site_id, telemetry_of([row], self._journal, self._live))

    def _row(self, second: int, *, meter_w: float, signal_id: SignalId) -> Row:
        moment = utc_from_seconds(second)
        duty = self._duty(moment)
        if duty is None:
            level_w = self._baseline_w(moment)
            return Row(
                second=second,
                signal_id=signal_id,
                meter_w=meter_w,
                baseline_w=_NAN if level_w is None else level_w,
                share_w=0.0,
            )
        delivered_w = duty.delivered_w
        return Row(
            second=second,
            signal_id=signal_id,
            meter_w=meter_w,
            baseline_w=duty.baseline_w,
            share_w=duty.share_at(moment) if delivered_w is None else delivered_w,
        )

    def _baseline_w(self, moment: datetime) -> float | None:
        return baseline_w([one for one in self._readings.values() if one.start <= moment], moment)

    def _duty(self, moment: datetime) -> Duty | None:
        return next((one for one in self._duties.values() if one.runs(moment)), None)
