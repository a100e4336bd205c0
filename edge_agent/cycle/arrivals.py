"""What the coordinator asked since the last cycle, turned into memory and receipts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from edge_agent.control.inputs import HeldSignal
from edge_agent.cycle.hand import HandKind, HandMemory, HandOrder, refusal, take_hand
from edge_agent.cycle.memory import AgentMemory
from edge_agent.cycle.obligations import Receipt, cancel, take_commitments
from edge_agent.cycle.record import Happened
from edge_agent.link.inbox import Arrived
from protocols.link.fencing import Refusal
from protocols.link.messages import Command, Plain, Stream
from protocols.vocabulary.identifiers import ObligationId, ResourceId
from protocols.vocabulary.intervals import Interval, utc_from_seconds
from protocols.vocabulary.obligation import Service

_BY_HAND: Final = {"override": HandKind.OVERRIDE, "release": HandKind.RELEASE}
"""Commands of operators that are a person's hand; the validity has been judged by the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWanted:
    """The coordinator's wish for a curve."""

    service: Service
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What arrivals come to.

    Attributes
    ----------
    memory : AgentMemory
        With commitments, signal, stop and durable acknowledgements as they are now.
    receipts : tuple of Receipt
        To be journaled as events.
    offers : tuple of OfferWanted
        Curves to be committed.
    trouble : str or None
        Why signals are refused or messages were dropped; empty once a signal is admitted again;
        None when nothing came that tells.
    happened : tuple of Happened
        What the coordinator's operators did by hand.
    """

    memory: AgentMemory
    receipts: tuple[Receipt, ...]
    offers: tuple[OfferWanted, ...]
    trouble: str | None = None
    happened: tuple[Happened, ...] = ()


def take(
    memory: AgentMemory, arrived: Arrived, *, durable: Mapping[Stream, int], now: datetime
) -> Taken:
    """Apply what arrived.

    Parameters
    ----------
    memory : AgentMemory
        As the last cycle left it.
    arrived : Arrived
        From the inbox, judged.
    durable : mapping of Stream to int
        Durable acknowledgements since the last cycle.
    now : datetime
        Aware UTC.
    """
    commitments, receipts = take_commitments(memory.commitments, arrived.judged, now)
    answers, offers = list(receipts), []
    stopped, hand = memory.stopped, memory.hand
    happened = [
        Happened(kind="link.seal_refused", payload={"reason": reason, "total": total})
        for reason, total in arrived.seals
    ]
    for judged in arrived.judged:
        if judged.command is None:
            continue
        reason = _refusal(judged.command, judged.refusal, memory=memory, now=now)
        if not reason:
            kind = judged.command.kind
            if kind in {"stop", "resume"}:
                stopped = kind == "stop"
            elif kind in _BY_HAND:
                hand, told = _by_hand(judged.command, hand, memory=memory, now=now)
                happened += told
            elif kind == "cancel":
                name = ObligationId(str(judged.command.payload["obligation_id"]))
                commitments, _ = cancel(commitments, name)
            else:
                offers.append(_offer_wanted(judged.command))
        if judged.refusal is Refusal.REPLAYED:
            reason = ""  # it was done before; only the receipt was lost
        answers.append(_receipt(judged.command, reason))
    signal = memory.signal
    if arrived.signal is not None:
        signal = HeldSignal(signal=arrived.signal.signal, received_at=arrived.signal.received_at)
    return Taken(
        memory=replace(
            memory,
            commitments=commitments,
            signal=signal,
            stopped=stopped,
            hand=hand,
            durable={**memory.durable, **durable} if durable else memory.durable,
        ),
        receipts=tuple(answers),
        offers=tuple(offers),
        trouble=_trouble(arrived),
        happened=tuple(happened),
    )


def _trouble(arrived: Arrived) -> str | None:
    """Say what is wrong with what arrived."""
    words = sorted({refusal.value for refusal in arrived.refused_signals})
    if arrived.overflow:
        words.append(f"{arrived.overflow} messages dropped")
    if words:
        return ", ".join(words)
    return None if arrived.signal is None else ""


def _refusal(
    command: Command, refused: Refusal | None, *, memory: AgentMemory, now: datetime
) -> str:
    """Why a command is not carried out; empty if it is."""
    if refused is not None:
        return refused.value
    if command.kind in {"stop", "resume"}:
        return ""
    if command.kind == "cancel":
        return "" if isinstance(command.payload.get("obligation_id"), str) else "malformed"
    if command.kind in _BY_HAND:
        order = _hand_order(command, now)
        known = {one.resource_id: one for one in memory.layout.resources}
        return "malformed" if order is None else refusal(order, known, now)
    if command.kind == "offer":
        return "" if _readable_offer(command.payload) else "malformed"
    return "unknown-kind"


def _by_hand(
    command: Command, hand: HandMemory, *, memory: AgentMemory, now: datetime
) -> tuple[HandMemory, tuple[Happened, ...]]:
    """Do what an operator ordered; it was found well before."""
    order = _hand_order(command, now)
    assert order is not None, "checked by _refusal"
    taken = take_hand(hand, [order], resources=memory.layout.resources, now=now)
    return taken.memory, taken.happened


def _hand_order(command: Command, now: datetime) -> HandOrder | None:
    """Read an operator's override or release; None if it cannot be read."""
    payload = command.payload
    name, by, power_w = payload.get("resource_id"), payload.get("by"), payload.get("power_w")
    until_s, reason = payload.get("until_s"), payload.get("reason", "")
    if not (isinstance(by, str) and isinstance(reason, str) and isinstance(name, str | None)):
        return None
    if not (isinstance(power_w, float | None) and isinstance(until_s, int | None)):
        return None
    if until_s is not None and not 0 <= until_s < 1 << 33:
        return None
    return HandOrder(
        order_id=f"command-{command.sequence}",
        kind=_BY_HAND[command.kind],
        by=by,
        reason=reason,
        given_at=now,
        resource_id=None if name is None else ResourceId(name),
        power_w=power_w,
        until=None if until_s is None else utc_from_seconds(until_s),
        is_remote=True,
    )


def _readable_offer(payload: Mapping[str, Plain]) -> bool:
    start_s, end_s = payload.get("start_s"), payload.get("end_s")
    return (
        isinstance(start_s, int)
        and isinstance(end_s, int)
        and 0 <= start_s < end_s < 1 << 33
        and payload.get("service") in {service.value for service in Service}
    )


def _offer_wanted(command: Command) -> OfferWanted:
    start_s, end_s = command.payload["start_s"], command.payload["end_s"]
    assert isinstance(start_s, int), "checked by _readable_offer"
    assert isinstance(end_s, int), "checked by _readable_offer"
    return OfferWanted(
        service=Service(command.payload["service"]),
        interval=Interval(start=utc_from_seconds(start_s), end=utc_from_seconds(end_s)),
    )


def _receipt(command: Command, reason: str) -> Receipt:
    return Receipt(
        kind="command.refused" if reason else "command.done",
        payload={"sequence": command.sequence, "kind": command.kind, "reason": reason},
    )
