"""A process that appends ticks until it is killed; started by test_journal_crash.py.

Arguments: journal file, site id. Prints the number of each tick after its commit.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft, JournalStream, Retention
from protocols.vocabulary.identifiers import SiteId


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def payload_of(number: int) -> bytes:
    """Payload of a tick: its number and then up to 9 kB, so that pages overflow now and then."""
    return number.to_bytes(8, "big") + bytes([number % 251]) * (number * 37 % 9000)


def main() -> None:
    journal = Journal.open(Path(sys.argv[1]), SiteId(sys.argv[2]), SystemClock())
    number = journal.last(JournalStream.TICK)
    while True:
        number += 1
        drafts = [
            Draft(stream=stream, cycle=number, kind="row", payload=payload_of(number))
            for stream in (JournalStream.TICK, JournalStream.TELEMETRY)
        ]
        journal.append(drafts, {"control": payload_of(number)})
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        if number % 50 == 0:
            durable = {JournalStream.TELEMETRY: number - 100}
            journal.trim(Retention(bytes_max=1, tick_age_s_max=1e9, durable=durable))


if __name__ == "__main__":
    main()
