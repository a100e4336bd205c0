"""Which commitments a site holds, and the receipts it owes for them. Pure.

A commitment is idempotent by its id and version: the same one again changes nothing and is
receipted again, a higher version replaces, a lower one is refused. Ended ones are dropped a
while after their end, when nobody can ask for them any more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from edge_agent.link.inbox import Judged
from protocols.link.fencing import Refusal
from protocols.link.messages import Plain
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.droop import unusable
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.obligation import HoldRule, ObligationState

KEEP_ENDED: Final = timedelta(minutes=5)
OPEN_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An event that answers a message from the coordinator.

    Attributes
    ----------
    kind : str
        ``obligation.accepted``, ``obligation.refused``, ``command.done``, ``command.refused``.
    payload : mapping of str to Plain
        What the link's event of that kind carries.
    """

    kind: str
    payload: Mapping[str, Plain]


def receipt_of(commitment: Commitment, refusal: str) -> Receipt:
    """Receipt for one commitment; an empty refusal accepts."""
    obligation = commitment.obligation
    return Receipt(
        kind="obligation.refused" if refusal else "obligation.accepted",
        payload={
            "obligation_id": obligation.obligation_id,
            "version": obligation.version,
            "reason": refusal,
        },
    )


def _refusal(
    held: Mapping[ObligationId, Commitment], judged: Judged, now: datetime
) -> Refusal | str | None:
    assert judged.commitment is not None, "no commitment to judge"
    if judged.refusal is not None:
        return judged.refusal
    obligation = judged.commitment.obligation
    if obligation.interval.end <= now:
        return "ended"
    if _without_law(judged.commitment):
        return "unusable-droop"
    known = held.get(obligation.obligation_id)
    if known is not None and known.obligation.version > obligation.version:
        return "superseded"
    if known is None and len(held) >= OPEN_MAX:
        return "too-many-open"
    return None


def _without_law(commitment: Commitment) -> bool:
    """Whether a commitment is to follow the frequency by a law that is none."""
    if commitment.droop is None:
        return commitment.hold is HoldRule.FOLLOW_DROOP
    return bool(unusable(commitment.droop))


def take_commitments(
    held: tuple[Commitment, ...], arrived: Iterable[Judged], now: datetime
) -> tuple[tuple[Commitment, ...], tuple[Receipt, ...]]:
    """Add what arrived to what is held.

    Parameters
    ----------
    held : tuple of Commitment
        By begin.
    arrived : iterable of Judged
        Those with a commitment are taken or refused.
    now : datetime
        Aware UTC.

    Returns
    -------
    tuple
        What is held afterwards, by begin and id (``held`` itself if nothing changed), and one
        receipt per message.
    """
    by_id = {item.obligation.obligation_id: item for item in held}
    receipts = []
    for judged in arrived:
        if judged.commitment is None:
            continue
        refusal = _refusal(by_id, judged, now)
        word = refusal.value if isinstance(refusal, Refusal) else refusal or ""
        receipts.append(receipt_of(judged.commitment, word))
        known = by_id.get(judged.commitment.obligation.obligation_id)
        again = known is not None and (
            known.obligation.version == judged.commitment.obligation.version
        )
        if not word and not again:
            accepted = replace(judged.commitment.obligation, state=ObligationState.ACCEPTED)
            by_id[accepted.obligation_id] = replace(judged.commitment, obligation=accepted)
    kept = [item for item in by_id.values() if item.obligation.interval.end + KEEP_ENDED > now]
    kept.sort(key=_order)
    same = len(kept) == len(held) and all(a is b for a, b in zip(kept, held, strict=True))
    return held if same else tuple(kept), tuple(receipts)


def cancel(
    held: tuple[Commitment, ...], obligation_id: ObligationId
) -> tuple[tuple[Commitment, ...], bool]:
    """Drop a commitment by its id; says whether it was there."""
    kept = tuple(item for item in held if item.obligation.obligation_id != obligation_id)
    return kept, len(kept) < len(held)


def _order(commitment: Commitment) -> tuple[datetime, str]:
    return commitment.obligation.interval.start, commitment.obligation.obligation_id
