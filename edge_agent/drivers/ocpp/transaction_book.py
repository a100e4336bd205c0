"""Where charging transactions are kept: a file of the data folder that outlives the agent.

What a transaction is and how messages about it are merged says
:mod:`protocols.ocpp.transactions`; this only remembers. A start or an end is on the disk
before the charger gets its answer, for then it forgets its own copy.
"""

import asyncio
import contextlib
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import structlog

from protocols.ocpp.transactions import (
    Phase,
    Step,
    Transaction,
    TransactionEvent,
    merged,
    number_of_start,
)
from protocols.vocabulary.errors import ConfigError, JournalError

FILE: Final = "ocpp-transactions.sqlite"
KEPT_MAX: Final = 5000
"""Transactions that are remembered; what makes room has ended, or else never began."""
_FAR_BACK: Final = datetime(1, 1, 1, tzinfo=UTC)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS transactions (
    charge_point TEXT NOT NULL, transaction_id TEXT NOT NULL, phase TEXT NOT NULL,
    connector INTEGER, id_token TEXT NOT NULL, started_at TEXT, ended_at TEXT,
    meter_wh_start REAL, meter_wh_stop REAL, meter_wh_last REAL,
    reason TEXT NOT NULL, sequences TEXT NOT NULL,
    PRIMARY KEY (charge_point, transaction_id)
) WITHOUT ROWID
"""
_PUT: Final = "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DROP: Final = "DELETE FROM transactions WHERE charge_point = ? AND transaction_id = ?"

log = structlog.get_logger(__name__)


class TransactionBook(Protocol):
    """Keeps transactions."""

    async def take(self, event: TransactionEvent) -> Transaction:
        """Merge an event and keep the result.

        A STARTED of 1.6 has an empty ``transaction_id``: it gets its number here, the same
        for the same start.

        Raises
        ------
        JournalError
            If it cannot be kept; then the charger must keep it.
        """


class FileTransactionBook:
    """Transactions in SQLite.

    Parameters
    ----------
    data_dir : Path
        Folder of the file; made if it is missing.

    Raises
    ------
    ConfigError
        If the file cannot be opened or is something else.
    """

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / FILE
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, isolation_level=None, timeout=1.0, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(_SCHEMA)
            self._known = {(one.charge_point, one.transaction_id): one for one in _rows(self._db)}
        except (OSError, sqlite3.Error, ValueError) as error:
            raise ConfigError(f"data_dir: {path}: {error}") from error
        self._turn = asyncio.Lock()
        self._writing = threading.Lock()

    async def take(self, event: TransactionEvent) -> Transaction:
        """Merge an event and keep the result; see :class:`TransactionBook`."""
        async with self._turn:
            if not event.transaction_id:
                number = number_of_start(self._known.values(), event)
                event = replace(event, transaction_id=str(number))
            key = (event.charge_point, event.transaction_id)
            before = self._known.get(key)
            after = merged(before, event)
            if after == before:
                return after
            dropped = None if before is not None else self._superfluous()
            # A meter value alone may wait for the next write that is forced to the disk.
            durable = event.step is not Step.UPDATED or before is None
            await asyncio.to_thread(self._put, after, dropped, durable=durable)
            self._known[key] = after
            if dropped is not None:
                self._known.pop((dropped.charge_point, dropped.transaction_id), None)
        if before is None or before.phase is not after.phase:
            _tell(after)
        return after

    def close(self) -> None:
        """Let go of the file, after a write that nobody waits for any more."""
        with self._writing:
            self._db.close()

    def _put(self, after: Transaction, dropped: Transaction | None, *, durable: bool) -> None:
        """Write one transaction; runs in a thread, one at a time.

        A charger that hangs up cancels its answer, not the write that is under way: SQLite must
        not be closed, nor written by another thread, before that has ended.
        """
        with self._writing:
            self._write(after, dropped, durable=durable)

    def _write(self, after: Transaction, dropped: Transaction | None, *, durable: bool) -> None:
        try:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_PUT, _row(after))
            if dropped is not None:
                self._db.execute(_DROP, (dropped.charge_point, dropped.transaction_id))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):  # it may have been closed
                self._db.rollback()
            raise JournalError(f"transaction {after.transaction_id}: {error}") from error

    def _superfluous(self) -> Transaction | None:
        """Which transaction makes room for a new one; None while there is room."""
        if len(self._known) < KEPT_MAX:
            return None
        phases = (Phase.ENDED, Phase.STUB, Phase.HEADLESS, Phase.RUNNING)
        return min(
            self._known.values(),
            key=lambda one: (phases.index(one.phase), one.ended_at or _FAR_BACK),
        )


def _tell(transaction: Transaction) -> None:
    log.info(
        "transaction.changed",
        charge_point=transaction.charge_point,
        transaction_id=transaction.transaction_id,
        phase=transaction.phase.value,
        complete=transaction.complete,
    )


def _row(one: Transaction) -> tuple[object, ...]:
    return (
        one.charge_point,
        one.transaction_id,
        one.phase.value,
        one.connector,
        one.id_token,
        None if one.started_at is None else one.started_at.isoformat(),
        None if one.ended_at is None else one.ended_at.isoformat(),
        one.meter_wh_start,
        one.meter_wh_stop,
        one.meter_wh_last,
        one.reason,
        ",".join(f"{low}-{high}" for low, high in one.sequences),
    )


def _rows(db: sqlite3.Connection) -> list[Transaction]:
    return [
        Transaction(
            charge_point=row[0],
            transaction_id=row[1],
            phase=Phase(row[2]),
            connector=row[3],
            id_token=row[4],
            started_at=None if row[5] is None else datetime.fromisoformat(row[5]),
            ended_at=None if row[6] is None else datetime.fromisoformat(row[6]),
            meter_wh_start=row[7],
            meter_wh_stop=row[8],
            meter_wh_last=row[9],
            reason=row[10],
            sequences=_runs(row[11]),
        )
        for row in db.execute("SELECT * FROM transactions")
    ]


def _runs(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (run.split("-", maxsplit=1) for run in text.split(",") if run)
    return tuple((int(low), int(high)) for low, high in pairs)
