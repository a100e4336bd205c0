"""One commitment of an aggregator while it runs: what it owes, was asked, and shows. Pure."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cloud_coordinator.gateway.aggregators.port import Ask, MeterReading, Reply, Terms
from cloud_coordinator.services.tracking import MOVED_ABOVE, TELLING_PART, UNMOVED_BELOW
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.offer import DispatchSignal, share

_CHANGES_KEPT: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A power that was asked, from a moment on."""

    at: datetime
    share_w: float


class Duty:
    """What an aggregator owes by one commitment.

    Parameters
    ----------
    commitment : Commitment
        As it was sent.
    terms : Terms
        What was agreed.

    Attributes
    ----------
    told : Reply
        What the use cases know of its reply.
    delivered_w : float or None
        What it delivers by its meter, if that is far from what it was asked; W.
    """

    def __init__(self, commitment: Commitment, terms: Terms) -> None:
        self.commitment = commitment
        self._terms = terms
        self._changes: deque[_Change] = deque(maxlen=_CHANGES_KEPT)
        self._due_w = 0.0
        self.told = Reply.NONE
        self.delivered_w: float | None = None

    @property
    def order_id(self) -> str:
        """Identifier of the order by which it is asked."""
        return self.commitment.obligation.obligation_id

    @property
    def baseline_w(self) -> float:
        """Committed power at the meter, W."""
        return float(self.commitment.baseline.power_w[0])

    @property
    def is_new(self) -> bool:
        """Whether nothing is known yet of what it was asked."""
        return not self._changes

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return now >= self.commitment.obligation.interval.end

    def runs(self, now: datetime) -> bool:
        """Whether its time is now, and it was not refused."""
        return self.told is not Reply.NO and self.commitment.obligation.interval.contains(now)

    def share_at(self, moment: datetime) -> float:
        """Return what was asked at a moment, W; 0 outside its interval."""
        if not self.commitment.obligation.interval.contains(moment):
            return 0.0
        before = [one for one in self._changes if one.at <= moment]
        return before[-1].share_w if before else 0.0

    def ask_for(self, signal: DispatchSignal | None, now: datetime) -> Ask | None:
        """Return what it is to be asked now, None if that is what it was asked already.

        Without a signal that holds, it is left at its last share to the end.
        """
        if signal is not None and signal.interval.contains(now):
            self._due_w = share(self.commitment.curve, signal.multipliers)
        if not self._changes:
            return self._ask(self._due_w)
        last = self._changes[-1]
        soon = now - last.at < timedelta(seconds=self._terms.step_s)
        returns = self._due_w == 0.0 != last.share_w
        if soon or (abs(self._due_w - last.share_w) <= self._terms.deadband_w and not returns):
            return None
        return self._ask(self._due_w)

    def asked(self, share_w: float, at: datetime) -> None:
        """Note what it was asked, from a moment on."""
        self._changes.append(_Change(at=at, share_w=share_w))
        if len(self._changes) == 1:
            self._due_w = share_w

    def judge(self, reading: MeterReading) -> None:
        """See by a reading whether it does what it was asked, if the reading can tell."""
        begins = max(self._settled_at(), self.commitment.obligation.interval.start)
        ends = reading.start + timedelta(seconds=reading.duration_s)
        if reading.start < begins or ends > self.commitment.obligation.interval.end:
            return
        asked_w = self._changes[-1].share_w
        reach_w = max(self._terms.up_w, self._terms.down_w)
        if abs(asked_w) < TELLING_PART * reach_w:
            self.delivered_w = None
            return
        delivered_w = reading.power_w - self.baseline_w
        part = delivered_w / asked_w
        if part > MOVED_ABOVE:
            self.delivered_w = None
        elif part < UNMOVED_BELOW or self.delivered_w is not None:
            self.delivered_w = delivered_w

    def _settled_at(self) -> datetime:
        """When it must have done what it was asked last."""
        last = self._changes[-1].at if self._changes else self.commitment.obligation.interval.end
        return last + timedelta(seconds=self._terms.response_s)

    def _ask(self, share_w: float) -> Ask:
        return Ask(
            order_id=self.order_id,
            interval=self.commitment.obligation.interval,
            share_w=share_w,
            baseline_w=self.baseline_w,
        )
