"""Whether the coordinator takes part in an event: pure, asked once per version of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cloud_coordinator.gateway.openadr_ven.plan import WATT, Profile, orders_in
from cloud_coordinator.services.products import follows_frequency
from cloud_coordinator.services.records import AwardRecord
from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.elements import OptType
from protocols.openadr.messages.event import EiEvent, OadrEvent, ResponseRequired
from protocols.openadr.ven.events import HeldEvent
from protocols.openadr.ven.orders import SignalOrder
from protocols.openadr.ven.verdicts import OPT_IN, Verdict, refused
from protocols.vocabulary.identifiers import ZoneId
from protocols.vocabulary.obligation import ObligationState

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_CLOSED: Final = frozenset({ObligationState.CANCELLED, ObligationState.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AwardJudge:
    """Judges events by the zone's awards: a command calls what was awarded, and nothing else.

    Attributes
    ----------
    zone : ZoneId
        Whose awards.
    profile : Profile
        How signals are read.
    awards : callable
        All awards there are.
    """

    zone: ZoneId
    profile: Profile
    awards: Callable[[], Sequence[AwardRecord]]

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict:
        """Judge an event whose form is right."""
        held = HeldEvent(
            event=OadrEvent(ei_event=event, oadr_response_required=ResponseRequired.ALWAYS),
            shift=shift,
            verdict=OPT_IN,
        )
        orders = orders_in(event, held, self.profile)
        if not orders:
            words = ", ".join(self.profile.signals)
            return refused(ResponseCode.SIGNAL_NOT_SUPPORTED, f"no signal of {words}")
        for order in orders:
            if order.unit not in WATT or not math.isfinite(order.value):
                return refused(ResponseCode.INVALID_DATA, "the signal's values are not in W")
        if not any(self._is_awarded(order) for order in orders):
            cause = f"zone {self.zone} has no award in that time"
            return Verdict(opt_type=OptType.OPT_OUT, cause=cause)
        return OPT_IN

    def _is_awarded(self, order: SignalOrder) -> bool:
        return any(
            award.zone == self.zone
            and award.obligation.state not in _CLOSED
            and not follows_frequency(award.obligation.service)
            and award.obligation.interval.start < (order.end or _NEVER)
            and order.start < award.obligation.interval.end
            for award in self.awards()
        )
