"""What a journal forgets, oldest first, and what it never does.

Ticks go by age, and first when the file is too large. The streams of the link go only when
the file is too large, and never past their durable acknowledgement: an entry that the
coordinator has not made durable stays, even when the file grows beyond its bound. Called by
:class:`edge_agent.journal.journal.Journal` inside its transaction.
"""

import sqlite3
from datetime import datetime, timedelta

from edge_agent.journal.instants import microseconds_of
from edge_agent.journal.records import JournalStream, Retention, TrimReport
from edge_agent.journal.schema import STATEMENTS


def forget_oldest(
    connection: sqlite3.Connection, retention: Retention, now: datetime
) -> TrimReport:
    """Remove what may go, at most ``rows_max`` entries per stream.

    Parameters
    ----------
    connection : sqlite3.Connection
        In a transaction.
    retention : Retention
        What may go.
    now : datetime
        Aware UTC.
    """
    removed = dict.fromkeys(JournalStream, 0)
    removed[JournalStream.TICK] = _forget_ticks(connection, retention, now)
    if not removed[JournalStream.TICK] and bytes_used(connection) > retention.bytes_max:
        for stream in JournalStream:
            if stream is not JournalStream.TICK:
                cut = retention.durable.get(stream, 0)
                removed[stream] = _forget(connection, stream, cut, rows_max=retention.rows_max)
    used = bytes_used(connection)
    return TrimReport(
        removed=removed, bytes_used=used, over_bytes=max(used - retention.bytes_max, 0)
    )


def bytes_used(connection: sqlite3.Connection) -> int:
    """Size of the pages that hold something; free pages are used again before the file grows."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _forget_ticks(connection: sqlite3.Connection, retention: Retention, now: datetime) -> int:
    tick = JournalStream.TICK
    anchor, last = _ends(connection, tick)
    oldest_kept_us = microseconds_of(now - timedelta(seconds=retention.tick_age_s_max))
    rows = connection.execute(STATEMENTS[tick].times, (anchor + 1, retention.rows_max))
    cut = anchor
    for sequence, recorded_us in rows.fetchall():
        if recorded_us >= oldest_kept_us:
            break
        cut = sequence
    if bytes_used(connection) > retention.bytes_max:
        cut = max(cut, last - retention.ticks_kept_min)
    return _forget(connection, tick, cut, rows_max=retention.rows_max)


def _forget(
    connection: sqlite3.Connection, stream: JournalStream, cut: int, *, rows_max: int
) -> int:
    """Remove the entries up to a sequence, keeping the digest that the next one is chained to."""
    anchor, last = _ends(connection, stream)
    cut = min(cut, anchor + rows_max, last)
    if cut <= anchor:
        return 0
    kept = connection.execute(STATEMENTS[stream].between, (cut, cut)).fetchone()
    connection.execute(
        "UPDATE anchor SET sequence = ?, digest = ? WHERE stream = ?",
        (cut, kept[-1], stream.value),
    )
    connection.execute(STATEMENTS[stream].forget, (cut,))
    return cut - anchor


def _ends(connection: sqlite3.Connection, stream: JournalStream) -> tuple[int, int]:
    """Sequence of the anchor and of the last entry."""
    anchor = connection.execute(
        "SELECT sequence FROM anchor WHERE stream = ?", (stream.value,)
    ).fetchone()
    last = connection.execute(STATEMENTS[stream].last).fetchone()
    return int(anchor[0]), int(last[0]) if last else int(anchor[0])
