"""Verification: every digest recomputed, every gap found.

``verify`` looks at a whole file; opening a journal looks at the end of each stream with the
same function. Called by the journal and the technician.
"""

from collections.abc import Iterable
from pathlib import Path

from edge_agent.journal.chain import entry_digest, origin_digest
from edge_agent.journal.faults import DamagedJournalError
from edge_agent.journal.instants import microseconds_of
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream, StreamReport, VerifyReport
from protocols.vocabulary.errors import JournalError
from protocols.vocabulary.identifiers import JournalId, SiteId
from protocols.vocabulary.setpoint import JournalEntry


def verify(path: Path) -> VerifyReport:
    """Verify a whole journal file, also one of a running agent or one kept aside.

    Parameters
    ----------
    path : Path
        The file. It is only read.

    Returns
    -------
    VerifyReport
        With the first fault found, if any; never raises for a bad file.
    """
    try:
        reader = JournalReader(path)
    except JournalError as error:
        return VerifyReport(journal_id=JournalId(""), site_id=SiteId(""), fault=str(error))
    streams: dict[JournalStream, StreamReport] = {}
    try:
        with reader.snapshot():
            fault = reader.damage(pages=True)
            for stream in JournalStream:
                streams[stream] = verify_stream(reader, stream)
    except JournalError as error:
        fault = str(error)
    finally:
        reader.close()
    faults = [
        f"stream {name.value}: {found.fault}" for name, found in streams.items() if found.fault
    ]
    return VerifyReport(
        journal_id=reader.meta.journal_id,
        site_id=reader.meta.site_id,
        streams=streams,
        fault=fault or next(iter(faults), ""),
    )


def verify_stream(
    reader: JournalReader, stream: JournalStream, *, newest: int | None = None
) -> StreamReport:
    """Verify a stream, or the newest entries of it.

    Parameters
    ----------
    reader : JournalReader
        The file.
    stream : JournalStream
        Which one.
    newest : int or None
        How many of the newest entries to look at; None for all.

    Returns
    -------
    StreamReport
        ``first`` and ``last`` are of the whole stream, whatever was looked at.

    Raises
    ------
    JournalError
        If the file cannot be read.
    """
    anchor_sequence, before = reader.anchor(stream)
    first, last = reader.bounds(stream)
    if anchor_sequence == 0 and before != origin_digest(
        reader.meta.journal_id, reader.meta.site_id, stream.value
    ):
        raise DamagedJournalError(f"{reader.path}: stream {stream.value} begins elsewhere")
    start = first if newest is None else max(first, last - newest + 1)
    fault = ""
    if start > first:
        held = reader.read(stream, start - 1, start - 1)
        before = held[0].digest if held else b""
        fault = "" if held else f"entry {start - 1} is missing"
    if not fault:
        fault = chain_fault(reader.scan(stream, start, last), stream, start, before=before)
    ends = [*reader.read(stream, first, first), *reader.read(stream, last, last)]
    return StreamReport(
        first=first,
        last=last,
        first_at=ends[0].recorded_at if ends else None,
        last_at=ends[-1].recorded_at if ends else None,
        fault=fault,
    )


def chain_fault(
    entries: Iterable[JournalEntry], stream: JournalStream, first: int, *, before: bytes
) -> str:
    """Say what is wrong with consecutive entries; empty if nothing is.

    Parameters
    ----------
    entries : iterable of JournalEntry
        Ascending.
    stream : JournalStream
        Theirs.
    first : int
        The sequence they must begin with.
    before : bytes
        The digest before the first.
    """
    expected = first
    for entry in entries:
        if entry.sequence != expected:
            return f"entry {expected} is missing"
        numbers = (
            entry.sequence,
            microseconds_of(entry.recorded_at),
            entry.monotonic_ns,
            entry.cycle,
        )
        before = entry_digest(before, stream.value, numbers, kind=entry.kind, payload=entry.payload)
        if before != entry.digest:
            return f"entry {entry.sequence} was changed: its digest does not fit"
        expected += 1
    return ""
