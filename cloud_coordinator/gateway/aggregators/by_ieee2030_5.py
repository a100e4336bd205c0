"""An aggregator that is a client of our IEEE 2030.5 server: orders are controls, readings mirrors.

Each new power is a control of its own that supersedes the one before, to the end of the order.

Notes
-----
IEEE 2030.5-2018: DERControl with opModTargetW, MirrorUsagePoint of real power.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cloud_coordinator.gateway.aggregators.port import Ask, MeterReading, Reply
from cloud_coordinator.gateway.ieee2030_5.service import Ieee2030_5Service
from protocols.ieee2030_5.resources.der import DERControlBase
from protocols.ieee2030_5.server.desk_devices import MeterValue
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from protocols.ieee2030_5.server.state import Control
from protocols.ieee2030_5.units import amount_of, encode_active_power
from protocols.vocabulary.intervals import utc_from_seconds

WATT: Final = 38
"""Unit (uom) of ReadingType."""
REVERSE: Final = 19
"""Flow direction against the one that counts forward."""
PREMISES: Final = 0x02
"""Role flag: measured where the premises are connected."""
_POWER_OF_TEN_MAX: Final = 9
_TAKES_PART: Final = frozenset({1, 2, 3, 5, 7})
"""Responses: received, started, completed, opted in, superseded by our own next control."""
_DECLINES: Final = frozenset({4, 251, 252, 253, 254})
"""Responses: opted out, not applicable, invalid, expired."""
_TAG_DIGITS: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTerms:
    """How a client is spoken to.

    Attributes
    ----------
    lfdi : str
        Of its EndDevice.
    factor : float
        From the sign of what its meter counts forward to ours: -1 for consumption, else 1.
    reading_s, silent_s : float
        Length of readings that have none, and how long it may be silent, s.
    """

    lfdi: str
    factor: float
    reading_s: float
    silent_s: float


class ClientPartner:
    """A client.

    Parameters
    ----------
    service : Ieee2030_5Service
        Our server.
    terms : ClientTerms
        How it is spoken to.
    """

    def __init__(self, service: Ieee2030_5Service, terms: ClientTerms) -> None:
        self._service = service
        self._terms = terms

    async def ask(self, ask: Ask, now: datetime) -> None:
        """Issue a control from now, or from the order's start, to the order's end.

        Raises
        ------
        LocalProtocolError
            If the client is not registered, or the order is over.
        StoreError
            If it could not be made durable.
        """
        start = max(int(ask.interval.start.timestamp()), int(now.timestamp()))
        power = encode_active_power(ask.baseline_w + ask.share_w)
        order = ControlOrder(
            base=DERControlBase(op_mod_target_w=power),
            start=start,
            duration_s=int(ask.interval.end.timestamp()) - start,
            description=_tag(ask.order_id),
        )
        await self._service.issue(self._terms.lfdi, order)

    def share_w(self, order_id: str, baseline_w: float) -> float | None:
        """Return what the last control asks, as a change against the baseline."""
        controls = self._controls(order_id)
        target = controls[-1].resource.der_control_base.op_mod_target_w if controls else None
        return None if target is None else amount_of(target) - baseline_w

    def reply(self, order_id: str) -> Reply:
        """Return the client's latest response that says whether it takes part."""
        for control in reversed(self._controls(order_id)):
            for answer in reversed(self._service.responses(control.resource.mrid)):
                if answer.status in _TAKES_PART:
                    return Reply.YES
                if answer.status in _DECLINES:
                    return Reply.NO
        return Reply.NONE

    def is_there(self) -> bool:
        """Whether the certificate that speaks for it calls."""
        return self._service.silent_s(self._terms.lfdi) <= self._terms.silent_s

    def readings(self, since: datetime) -> Sequence[MeterReading]:
        """Return its latest real power: that of its premises, or else its own."""
        values = [one for one in self._service.values(self._terms.lfdi) if _is_power(one)]
        premises = [one for one in values if one.role_flags & PREMISES]
        chosen = premises or values
        if not chosen:
            return ()
        newest = max(chosen, key=lambda one: (one.start, one.received_at))
        start = utc_from_seconds(float(max(newest.start, 0)))
        if start < since:
            return ()
        duration_s = newest.duration_s or round(self._terms.reading_s)
        power_w = self._terms.factor * _forward_w(newest)
        return (MeterReading(start=start, duration_s=duration_s, power_w=power_w),)

    def _controls(self, order_id: str) -> tuple[Control, ...]:
        """Return the controls of an order, as they were issued."""
        return self._service.controls(_tag(order_id))


def _tag(order_id: str) -> str:
    """Text by which the controls of an order are known again, also after a restart."""
    return f"vpp {hashlib.sha256(order_id.encode()).hexdigest()[:_TAG_DIGITS]}"


def _is_power(value: MeterValue) -> bool:
    kind = value.reading_type
    if kind is None or kind.uom != WATT:
        return False
    return abs(kind.power_of_ten_multiplier or 0) <= _POWER_OF_TEN_MAX


def _forward_w(value: MeterValue) -> float:
    """W, + in the direction that the client counts forward."""
    kind = value.reading_type
    assert kind is not None, "its unit was looked at"
    sign = -1.0 if kind.flow_direction == REVERSE else 1.0
    return sign * value.value * 10.0 ** (kind.power_of_ten_multiplier or 0) + 0.0
