"""Whether a book keeps every rule of every market and of the ledger; each refusal names its own.

Pure. Called on every book before it leaves a strategy, and by ``vpp bids check``.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cloud_coordinator.market.bids import Bid, Venue
from cloud_coordinator.market.gates import (
    ExchangeRule,
    Refusal,
    ReserveBid,
    check_reserve_bid,
)
from cloud_coordinator.market.ledger import Ledger, Store, contents_of, durations_of, judge
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from protocols.vocabulary.calendar import SLOT_MINUTES, SLOTS_A_DAY
from protocols.vocabulary.obligation import Service


def check_bids(book: BidBook, question: BidQuestion) -> tuple[Refusal, ...]:
    """Check every bid by the rules of its market, and all together by the ledger.

    Returns
    -------
    tuple of Refusal
        Empty if the book may be handed in.
    """
    found: list[Refusal] = []
    for bid in book.bids:
        if bid.slot.day != question.day:
            detail = f"{bid.name}: the question is about {question.day}"
            found.append(question.ledger_rule.refuse("block", detail))
        if bid.venue is Venue.RESERVE:
            found.extend(_check_reserve(bid, question))
        else:
            found.extend(_check_energy(bid, question))
    having = replace(question.holdings, store=store_of(question))
    found.extend(judge(ledger_of(book, question), having, question.ledger_rule))
    return tuple(found)


def ledger_of(book: BidBook, question: BidQuestion) -> Ledger:
    """Book everything: what is committed, and what is offered."""
    return Ledger(
        bids=(*question.committed, *book.bids),
        refill_kw=book.refill_kw,
        durations_s=call_durations_s(question),
        refill_wait=refill_wait(question.exchange),
    )


def store_of(question: BidQuestion) -> Store | None:
    """Describe the storage, with an end of the day that does not ask for more than is possible.

    What is committed and what is lost standing may leave less than was meant to be there; that
    is no reason to refuse bids that take nothing more.
    """
    store = question.holdings.store
    if store is None:
        return None
    nothing = BidBook(bids=(), refill_kw=np.zeros(SLOTS_A_DAY), strategy="")
    left = float(contents_of(ledger_of(nothing, question), store).planned_kwh[-1])
    return replace(store, end_kwh=min(store.end_kwh, left))


def call_durations_s(question: BidQuestion) -> Mapping[Service, int]:
    """How long each product may be called in one slot, s."""
    return durations_of(question.rules)


def refill_wait(exchange: ExchangeRule) -> int:
    """Slots from a call to the first that can be bought for after it.

    A slot that was used is known at its end; the intraday market then takes orders for what
    begins after its gate.
    """
    return 1 + math.ceil(exchange.intraday_gate_minutes / SLOT_MINUTES)


def _check_reserve(bid: Bid, question: BidQuestion) -> list[Refusal]:
    rules = question.rules.get(bid.service, ())
    at = question.handed_in.get(Venue.RESERVE)
    if not rules or at is None:
        detail = f"{bid.name}: no rule set takes this product now"
        return [question.ledger_rule.refuse("kind", detail)]
    offer = ReserveBid(
        slot=bid.slot, power_kw=bid.power_kw, least_kw=bid.least_kw, price_jpy=bid.price_jpy
    )
    found = [
        Refusal(
            rule=one.rule,
            rule_set_id=one.rule_set_id,
            detail=f"{bid.name}: {one.detail}",
            clause=one.clause,
        )
        for one in check_reserve_bid(offer, at, rules)
    ]
    block = rules[-1].block_minutes // SLOT_MINUTES
    if bid.slots != block or (bid.slot.number - 1) % block:
        detail = f"{bid.name}: {bid.slots} slots from there are no block of {block}"
        found.append(question.ledger_rule.refuse("block", detail))
    return found


def _check_energy(bid: Bid, question: BidQuestion) -> list[Refusal]:
    at = question.handed_in.get(bid.venue)
    if at is None:
        detail = f"{bid.name}: this market is not open to the book"
        return [question.ledger_rule.refuse("kind", detail)]
    exchange = question.exchange
    intraday = bid.venue is Venue.INTRADAY
    window = exchange.intraday_window(bid.slot) if intraday else exchange.spot_window(bid.slot)
    energy = exchange.lot_kwh * exchange.lots(abs(bid.power_kw))
    return [
        Refusal(
            rule=one.rule,
            rule_set_id=one.rule_set_id,
            detail=f"{bid.name}: {one.detail}",
            clause=one.clause,
        )
        for one in exchange.check(energy, bid.price_jpy, at=at, window=window)
    ]
