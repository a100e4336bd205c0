"""A process that journals the primary record until it is killed; started by the test beside it.

Arguments: journal file, site id. Goes on after the last second of the journal, as the agent's
next life does, and prints each second after its commit.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgpack

from edge_agent.journal.journal import Journal
from edge_agent.journal.records import Draft, JournalStream
from protocols.link.primary_line import Line, shortened
from protocols.vocabulary.identifiers import SiteId

FIELDS = [
    *("frequency_hz", "frequency_hz_min", "frequency_hz_max", "samples", "quality", "age_s"),
    *("source", "basis", "base_w", "asked_w", "response_w", "power_w", "power_quality"),
    *("limit_w_min", "limit_w_max", "award_w", "rated_w", "nominal_hz", "droop"),
    *("dead_band_hz", "obligations"),
]


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def line_of(second: int) -> Line:
    """Line of a second: each number says which second it is."""
    line: dict[str, object] = dict.fromkeys(FIELDS, 1.0)
    line |= {"second": second, "frequency_hz": 50.0 + second % 100 / 1000.0, "samples": 10}
    line |= {"members": [["site/battery-1", second / 1000.0, None, False]]}
    return line  # type: ignore[return-value] # plain values


def main() -> None:
    journal = Journal.open(Path(sys.argv[1]), SiteId(sys.argv[2]), SystemClock())
    second = journal.last(JournalStream.EVENT)
    whole: Line | None = None
    while True:
        second += 1
        line = line_of(second)
        payload = shortened(line, whole)
        whole = line if payload is line else whole
        packed = msgpack.packb(dict(payload))
        draft = Draft(
            stream=JournalStream.EVENT, cycle=second, kind="primary.logged", payload=packed
        )
        journal.append([draft], {})
        sys.stdout.write(f"{second}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
