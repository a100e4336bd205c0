"""The set of segments that are the history now: found at start, changed by flush and merge.

Recovery needs no other file: a temporary file is a write that never happened, a segment that
another one replaces is a merge that was not finished, a segment that cannot be read is kept
aside under its name with ``.corrupt`` behind it and reported. Files leave the directory only
when no reader uses them.
"""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from cloud_coordinator.store.segments import Segment, SegmentName, read_segment, write_segment
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.identifiers import JournalId, SiteId

JournalKey = tuple[SiteId, JournalId]

READ_THREADS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """What was found at start.

    Attributes
    ----------
    segments, rows : int
        Live ones.
    swept : int
        Temporary files of writes that a crash interrupted, removed.
    finished : int
        Segments removed because a merge had taken over their rows.
    corrupt : tuple of str
        One line per segment that was kept aside: path and cause.
    """

    segments: int
    rows: int
    swept: int
    finished: int
    corrupt: tuple[str, ...]


class Catalog:
    """Live segments of one history directory.

    Parameters
    ----------
    root : Path
        The history's directory; made if it is not there.

    Raises
    ------
    StoreError
        If the directory cannot be made or read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._live: dict[SegmentName, Segment] = {}
        self._obsolete: set[SegmentName] = set()
        self._readers = 0
        self._number = 0
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.report = self._recover()
        except OSError as error:
            message = f"{root}: {error.strerror or error}"
            raise StoreError(message) from error

    def next_number(self) -> int:
        """Return a segment number that was never used here."""
        with self._lock:
            self._number += 1
            return self._number

    def add(self, name: SegmentName, table: pa.Table) -> Segment:
        """Write a new segment durably and make it live."""
        segment = write_segment(self.root, name, table)
        with self._lock:
            self._live[name] = segment
        return segment

    def replace(self, inputs: list[Segment], name: SegmentName, table: pa.Table) -> Segment:
        """Write a segment with the rows of the inputs, and let the inputs go, in one step."""
        with self._lock:
            gone = {segment.name for segment in inputs} | self._obsolete
        replaced = [str(old.path) for old in gone]
        segment = write_segment(self.root, name, table, replaces=replaced)
        with self._lock:
            for old in inputs:
                del self._live[old.name]
                self._obsolete.add(old.name)
            self._live[name] = segment
        self._remove_obsolete()
        return segment

    def segments(self) -> list[Segment]:
        """Live segments in the order they were written."""
        with self._lock:
            return sorted(self._live.values(), key=lambda segment: segment.name.number)

    @contextlib.contextmanager
    def reading(self) -> Iterator[list[Segment]]:
        """Live segments whose files stay while the context is open."""
        with self._lock:
            self._readers += 1
            segments = list(self._live.values())
        try:
            yield segments
        finally:
            with self._lock:
                self._readers -= 1
            self._remove_obsolete()

    def set_aside(self, name: SegmentName) -> None:
        """Take a damaged segment out of the history; the file is kept."""
        with self._lock:
            self._live.pop(name, None)
            _keep_aside(self.root / name.path)

    def watermarks(self) -> dict[JournalKey, int]:
        """Highest stored sequence per journal, from the footers."""
        result: dict[JournalKey, int] = {}
        for segment in self.segments():
            for item in segment.ranges:
                key = (item.site_id, item.journal_id)
                result[key] = max(result.get(key, 0), item.last)
        return result

    def _recover(self) -> RecoveryReport:
        swept, corrupt = 0, []
        names = []
        for path in sorted(self.root.glob("*/*")):
            torn = path.suffix == ".tmp"
            name = SegmentName.parse(path.stem + ".parquet" if torn else path.name)
            if name is None:
                continue
            self._number = max(self._number, name.number)
            if torn:
                path.unlink()
                swept += 1
            elif path.suffix == ".parquet":
                names.append(name)
        with ThreadPoolExecutor(READ_THREADS) as pool:
            for name, found in zip(names, pool.map(self._read, names), strict=True):
                if isinstance(found, Segment):
                    self._live[name] = found
                else:
                    _keep_aside(self.root / name.path)
                    corrupt.append(str(found))
        replaced = set().union(*(segment.replaces for segment in self._live.values()))
        unfinished = [name for name in self._live if str(name.path) in replaced]
        for name in unfinished:
            del self._live[name]
            (self.root / name.path).unlink()
        return RecoveryReport(
            segments=len(self._live),
            rows=sum(segment.rows for segment in self._live.values()),
            swept=swept,
            finished=len(unfinished),
            corrupt=tuple(corrupt),
        )

    def _read(self, name: SegmentName) -> Segment | StoreError:
        try:
            return read_segment(self.root, name)
        except StoreError as error:
            return error

    def _remove_obsolete(self) -> None:
        with self._lock:
            if self._readers:
                return
            for name in list(self._obsolete):
                with contextlib.suppress(OSError):  # it stays listed as replaced, so harmless
                    (self.root / name.path).unlink(missing_ok=True)
                    self._obsolete.discard(name)


def _keep_aside(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.rename(path.with_name(path.name + ".corrupt"))
