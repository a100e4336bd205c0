"""OpenADR's orders in the words of the northbound port, and the judge's answer in OpenADR's."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from edge_agent.northbound.port import (
    OPEN_END,
    GridOrder,
    Judge,
    Origin,
    RefusalKind,
)
from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.elements import OptType
from protocols.openadr.messages.event import EiEvent, OadrEvent, ResponseRequired
from protocols.openadr.ven.events import HeldEvent
from protocols.openadr.ven.orders import SignalOrder, signal_orders
from protocols.openadr.ven.verdicts import OPT_IN, Verdict
from protocols.vocabulary.intervals import Interval

_CODES: Final = {
    RefusalKind.UNSUPPORTED: ResponseCode.SIGNAL_NOT_SUPPORTED,
    RefusalKind.INVALID: ResponseCode.INVALID_DATA,
    RefusalKind.UNABLE: ResponseCode.OK,
}


def grid_order(order: SignalOrder, vtn_id: str) -> GridOrder:
    """Order of the northbound port.

    Parameters
    ----------
    order : SignalOrder
        One value of one signal; a power without a unit is in W.
    vtn_id : str
        Who sent it.
    """
    return GridOrder(
        order_id=order.order_id,
        event_id=order.event_id,
        origin=Origin.OPENADR,
        issued_by=vtn_id,
        mode=f"{order.signal_name}.{order.signal_type}",
        value=order.value,
        unit="W" if order.unit == "J/s" else order.unit,
        interval=Interval(start=order.start, end=order.end or OPEN_END),
        priority=order.priority,
        issued_at=order.created_at,
        targets=order.resource_ids,
        detail=order.market_context,
    )


def grid_orders(orders: Iterable[SignalOrder], vtn_id: str) -> tuple[GridOrder, ...]:
    """Orders of the northbound port."""
    return tuple(grid_order(order, vtn_id) for order in orders)


class OpenAdrJudge:
    """Judges whole events by their orders.

    Parameters
    ----------
    judge : Judge
        Of single orders.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def verdict(self, event: EiEvent, shift: timedelta) -> Verdict:
        """Opt out of an event of which anything is refused.

        What cannot be done here is an opt-out; what is not known or makes no sense has a code.
        """
        held = HeldEvent(
            event=OadrEvent(ei_event=event, oadr_response_required=ResponseRequired.ALWAYS),
            shift=shift,
            verdict=OPT_IN,
        )
        for signal in event.ei_event_signals.ei_event_signal:
            for order in signal_orders(event, signal, held):
                refusal = self._judge.refusal(grid_order(order, ""))
                if refusal is not None:
                    return Verdict(
                        opt_type=OptType.OPT_OUT, code=_CODES[refusal.kind], cause=refusal.cause
                    )
        return OPT_IN
