"""What the gateways of a fleet have promised, and what the signal asks of each. Pure.

Columns for what is asked every second, plain messages for what happens once: offers,
commitments and their receipts, which wait in the gateways' journals of entries. Called by
:mod:`firmware_sim.fleet.gateways`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from firmware_sim.fleet.plant import Characters, shares
from protocols.link.fencing import EARLY
from protocols.link.messages import Command, Event, ObligationMessage, Offer, Plain
from protocols.vocabulary.arrays import FloatArray, IntArray, column
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import JournalId, ModelId, ObligationId, SiteId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import DispatchSignal, OfferCurve

ENERGY_H: Final = 1.0
METHOD: Final = "fleet-constant"
_NEVER: Final = -np.inf
_EARLY_S: Final = EARLY.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a gateway is."""

    site_id: SiteId
    journal_id: JournalId


class Contracts:
    """Promises and signals of n gateways; one commitment each at a time.

    Parameters
    ----------
    identities : sequence of Identity
        By gateway.
    characters : Characters
        Curves and baselines that are offered.
    service : Service
        The product they offer and follow.

    Attributes
    ----------
    signal_id, market_epoch : IntArray
        Shape (n,), of the signal in force; 0 before the first.
    refused : int
        Signals, commitments and commands that were not taken.
    """

    def __init__(
        self, identities: Sequence[Identity], characters: Characters, service: Service
    ) -> None:
        count = len(identities)
        self._identities = identities
        self._characters = characters
        self._service = service
        self._multipliers = characters.multipliers.copy()
        self._power_w = characters.power_w.copy()
        self._start_s = np.full(count, np.inf)
        self._end_s = np.full(count, _NEVER)
        self._share_w = np.zeros(count)
        self._versions: list[dict[ObligationId, int]] = [{} for _ in identities]
        self._commands: list[set[int]] = [set() for _ in identities]
        self.offer_version = np.zeros(count, dtype=np.int64)
        self.signal_id = np.zeros(count, dtype=np.int64)
        self.market_epoch = np.zeros(count, dtype=np.int64)
        self.refused = 0

    def obligations(self, gateway: int) -> Mapping[ObligationId, int]:
        """Versions of the commitments a gateway holds."""
        return self._versions[gateway]

    def signal(self, who: IntArray, signal: DispatchSignal, now_s: float) -> None:
        """Take a broadcast signal at the gateways that received it, each once.

        Refused as :class:`protocols.link.fencing.SignalGuard` does: old epochs, replays, and
        what is not valid now.
        """
        price = signal.multipliers.get(self._service)
        start_s, end_s = signal.interval.start.timestamp(), signal.interval.end.timestamp()
        newer = (signal.epoch > self.market_epoch[who]) | (
            (signal.epoch == self.market_epoch[who]) & (signal.signal_id > self.signal_id[who])
        )
        valid = start_s - _EARLY_S <= now_s < end_s
        taken = who[newer] if valid else who[:0]
        self.refused += len(who) - len(taken)
        self.market_epoch[taken] = signal.epoch
        self.signal_id[taken] = signal.signal_id
        if price is None:
            self._share_w[taken] = 0.0
            return
        prices = np.full(len(taken), price)
        self._share_w[taken] = shares(self._multipliers[taken], self._power_w[taken], prices)

    def share_w(self, now_s: float) -> FloatArray:
        """Power each gateway asks of its resources now, W, shape (n,).

        The last share received holds to the end of the commitment (settled 1).
        """
        running = (self._start_s <= now_s) & (now_s < self._end_s)
        return np.asarray(np.where(running, self._share_w, 0.0), dtype=np.float64)

    def flexible_w(self) -> npt.NDArray[np.float32]:
        """Upward reach of each gateway's curve, W, shape (n,)."""
        return self._power_w[:, -1].astype(np.float32)

    def commit(self, gateway: int, message: ObligationMessage, now: datetime) -> dict[str, Plain]:
        """Take a commitment; return the payload of its receipt (``kind`` is the event's)."""
        commitment = message.commitment
        obligation, reason = commitment.obligation, ""
        curve = commitment.curve
        if obligation.target != self._identities[gateway].site_id:
            reason = "wrong-target"
        elif message.validity.end <= now:
            reason = "expired"
        elif len(curve.multipliers) != self._multipliers.shape[1]:
            reason = "not my curve"
        if reason:
            self.refused += 1
        else:
            self._multipliers[gateway], self._power_w[gateway] = curve.multipliers, curve.power_w
            self._start_s[gateway] = obligation.interval.start.timestamp()
            self._end_s[gateway] = obligation.interval.end.timestamp()
            self._versions[gateway][obligation.obligation_id] = obligation.version
        return {
            "kind": "obligation.refused" if reason else "obligation.accepted",
            "obligation_id": str(obligation.obligation_id),
            "version": obligation.version,
            "reason": reason,
        }

    def obey(
        self, gateway: int, command: Command, now: datetime
    ) -> tuple[dict[str, Plain], Interval | None]:
        """Take a command; return the payload of its receipt and the interval to offer for."""
        start_s, end_s = command.payload.get("start_s"), command.payload.get("end_s")
        reason = ""
        interval = None
        if command.validity.end <= now:
            reason = "expired"
        elif command.kind != "offer" or command.payload.get("service") != self._service.value:
            reason = f"a simulated gateway does not do {command.kind}"
        elif not isinstance(start_s, int) or not isinstance(end_s, int) or end_s <= start_s:
            reason = "no interval"
        elif command.sequence not in self._commands[gateway]:
            self._commands[gateway].add(command.sequence)
            interval = Interval(start=utc_from_seconds(start_s), end=utc_from_seconds(end_s))
        self.refused += bool(reason)
        return {
            "kind": "command.refused" if reason else "command.done",
            "sequence": command.sequence,
            "reason": reason,
        }, interval

    def offer(self, gateway: int, interval: Interval, *, sequence: int, now: datetime) -> Offer:
        """Make the offer of a gateway for an interval."""
        identity, one = self._identities[gateway], self._characters
        self.offer_version[gateway] += 1
        top_w = float(one.power_w[gateway, -1])
        energy_wh = top_w * max(ENERGY_H, interval.duration_s / 3600.0)
        step_s = interval.duration_s
        return Offer(
            journal_id=identity.journal_id,
            sequence=sequence,
            curve=OfferCurve(
                site_id=identity.site_id,
                service=self._service,
                version=int(self.offer_version[gateway]),
                multipliers=column(one.multipliers[gateway]),
                power_w=column(one.power_w[gateway]),
                interval=interval,
            ),
            envelope=Envelope(
                target=identity.site_id,
                interval=interval,
                step_s=step_s,
                power_w_min=column([-top_w]),
                power_w_max=column([top_w]),
                energy_wh_min=column([0.0, -energy_wh]),
                energy_wh_max=column([0.0, energy_wh]),
                ramp_w_per_s=float(one.ramp_w_per_s[gateway].sum()),
                limited_by="rating",
            ),
            baseline=Baseline(
                target=identity.site_id,
                interval=interval,
                step_s=step_s,
                power_w=column([one.baseline_w[gateway]]),
                method=METHOD,
                computed_at=now,
                data_until=now,
                model_id=ModelId(METHOD),
            ),
        )

    def receipt(
        self, gateway: int, payload: dict[str, Plain], *, sequence: int, now: datetime
    ) -> Event:
        """Make the event of a receipt."""
        return Event(
            journal_id=self._identities[gateway].journal_id,
            sequence=sequence,
            recorded_at=now,
            kind=str(payload["kind"]),
            payload={name: value for name, value in payload.items() if name != "kind"},
        )
