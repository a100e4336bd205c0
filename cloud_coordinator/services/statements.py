"""The book of statements: posted once, and corrected in the open.

An account (an award, a day's energy of an area) gets one entry when it is first settled. Settling
again changes nothing; settling with late data adds a correction entry with the difference and the
slots it comes from. No entry is ever changed, so the sum of an account's changes is its amount.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from protocols.vocabulary.errors import StoreError

STATEMENT: Final = "statement"
CORRECTION: Final = "correction"
REASON_LENGTH: Final = 255
_SLOTS_NAMED: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """One line of the book.

    Attributes
    ----------
    account : str
        What was settled.
    number : int
        1 for the first entry of an account.
    kind : str
        ``statement`` or ``correction``.
    settled_at : datetime
        When it was posted, aware UTC.
    statement_id : str
        Digest of slots and rules; the same data gives the same.
    amount_jpy : Decimal
        What the account amounts to from now on, exact.
    change_jpy : Decimal
        Against the entry before.
    reason : str
        Of a correction: slots that changed; empty otherwise.
    slots_jpy : tuple of Decimal
        Amount by slot; their sum is ``amount_jpy``.
    """

    account: str
    number: int
    kind: str
    settled_at: datetime
    statement_id: str
    amount_jpy: Decimal
    change_jpy: Decimal
    reason: str
    slots_jpy: tuple[Decimal, ...]


class StatementStore(Protocol):
    """Entries, durable."""

    def entries(self, prefix: str) -> Sequence[StatementEntry]:
        """Entries of all accounts whose name begins so, by account and number."""
        ...

    def append(self, entries: Sequence[StatementEntry]) -> None:
        """Keep new entries in one transaction; durable on return."""
        ...


class StatementBook:
    """The use case of posting.

    Parameters
    ----------
    store : StatementStore
        Where entries are kept.
    """

    def __init__(self, store: StatementStore) -> None:
        self._store = store

    def post(
        self,
        prefix: str,
        accounts: Mapping[str, Sequence[Decimal]],
        *,
        rules: Sequence[str],
        at: datetime,
    ) -> Sequence[StatementEntry]:
        """Post what was settled; return the new entries, none if nothing changed.

        Parameters
        ----------
        prefix : str
            Of the accounts this settling speaks for: one that was posted before and is no
            longer there is corrected to nothing.
        accounts : mapping of str to sequence of Decimal
            Slots of each account, exact JPY; names without the prefix.
        rules : sequence of str
            Rule sets with digests.
        at : datetime
            Now, aware UTC.
        """
        last = {entry.account: entry for entry in self._store.entries(prefix)}
        named = {f"{prefix}{name}": tuple(slots) for name, slots in accounts.items()}
        for account, entry in last.items():
            named.setdefault(account, tuple(Decimal(0) for _ in entry.slots_jpy))
        fresh = [
            new
            for account, slots in named.items()
            if (new := _entry(account, slots, last.get(account), rules=rules, at=at)) is not None
        ]
        if fresh:
            self._store.append(fresh)
        return fresh


def _entry(
    account: str,
    slots: tuple[Decimal, ...],
    before: StatementEntry | None,
    *,
    rules: Sequence[str],
    at: datetime,
) -> StatementEntry | None:
    statement_id = _digest(slots, rules)
    if before is not None and before.statement_id == statement_id:
        return None
    if before is not None and before.slots_jpy == slots and not any(slots):
        return None
    amount = sum(slots, Decimal(0))
    return StatementEntry(
        account=account,
        number=1 if before is None else before.number + 1,
        kind=STATEMENT if before is None else CORRECTION,
        settled_at=at,
        statement_id=statement_id,
        amount_jpy=amount,
        change_jpy=amount - (Decimal(0) if before is None else before.amount_jpy),
        reason="" if before is None else _reason(before.slots_jpy, slots),
        slots_jpy=slots,
    )


def _reason(before: Sequence[Decimal], after: Sequence[Decimal]) -> str:
    moved = [
        str(number)
        for number, (old, new) in enumerate(zip(before, after, strict=False), start=1)
        if old != new
    ]
    if not moved:
        return "the rules changed, no slot did"
    more = f" and {len(moved) - _SLOTS_NAMED} more" if len(moved) > _SLOTS_NAMED else ""
    return f"data changed in slots {', '.join(moved[:_SLOTS_NAMED])}{more}"[:REASON_LENGTH]


def _digest(slots: Sequence[Decimal], rules: Sequence[str]) -> str:
    content = json.dumps([[str(one.normalize()) for one in slots], sorted(rules)])
    return hashlib.sha256(content.encode()).hexdigest()


def pack_slots(slots: Sequence[Decimal]) -> bytes:
    """Write slots as bytes for a store."""
    return json.dumps([str(one) for one in slots]).encode()


def unpack_slots(body: bytes) -> tuple[Decimal, ...]:
    """Read what :func:`pack_slots` wrote.

    Raises
    ------
    StoreError
        If it is something else.
    """
    try:
        return tuple(Decimal(one) for one in json.loads(body))
    except (ValueError, TypeError, ArithmeticError) as error:
        raise StoreError(f"statement entry: {error!r}") from error
