"""Opens the short lines of the primary record, each with the whole line it is told from."""

from edge_agent.cycle.primary_log import LOGGED_KIND
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.technician.happening import Happening, happening_of
from protocols.link.primary_line import SECOND, SINCE, WHOLE_EVERY_S, Line, opened
from protocols.vocabulary.setpoint import JournalEntry


class PrimaryLines:
    """Remembers the last whole line, so that reading in order asks the journal seldom.

    Parameters
    ----------
    reader : JournalReader
        The journal.
    """

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._whole: Line | None = None

    def whole(self, entry: JournalEntry) -> Line | None:
        """Return the whole line of an entry; None if the line it is told from was trimmed away."""
        line = happening_of(entry).payload
        if SINCE not in line:
            self._whole = line
            return line
        base = self._base(line, entry.sequence)
        return None if base is None else opened(line, base)

    def happening(self, entry: JournalEntry) -> Happening:
        """Open an entry of the event stream, a short line as a whole one if it can be."""
        found = happening_of(entry)
        line = self.whole(entry) if entry.kind == LOGGED_KIND else None
        if line is None:
            return found
        return Happening(
            recorded_at=found.recorded_at, cycle=found.cycle, kind=found.kind, payload=line
        )

    def _base(self, line: Line, sequence: int) -> Line | None:
        """Find the whole line that a short one names, a minute back at most."""
        if self._whole is not None and self._whole[SECOND] == line[SINCE]:
            return self._whole
        for _ in range(WHOLE_EVERY_S):
            entry = self._reader.last_of_kind(JournalStream.EVENT, LOGGED_KIND, until=sequence - 1)
            if entry is None:
                return None
            sequence, before = entry.sequence, happening_of(entry).payload
            if SINCE not in before:
                self._whole = before if before[SECOND] == line[SINCE] else self._whole
                return before if before[SECOND] == line[SINCE] else None
        return None
