"""Kill -9 while the primary record is written: every committed second can be read again."""

import runpy
import subprocess
import sys
import time
from pathlib import Path

from edge_agent.journal.reader import JournalReader
from edge_agent.journal.verify import verify
from edge_agent.technician.primary_record import logged_rows

WRITER = Path(__file__).with_name("primary_writer.py")
KILLS = 5
WHOLE_LINES = 60
"""More than a minute must be written, so that whole lines in the middle are seen too."""


def test_no_committed_second_is_lost_or_changed(tmp_path: Path) -> None:
    """If it fails, a power cut in the middle of an award leaves lines that nobody can open."""
    path = tmp_path / "journal.sqlite"
    line_of = runpy.run_path(str(WRITER))["line_of"]
    said = 0
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, str(WRITER), str(path), "site-001"], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.1 + 0.13 * kill)
            writer.kill()
            numbers = writer.stdout.read().splitlines(keepends=True)
        whole = [int(line) for line in numbers if line.endswith("\n")]
        said = max([said, *whole])
    assert verify(path).ok
    reader = JournalReader(path)
    rows = logged_rows(reader, seconds=1_000_000)
    tail = logged_rows(reader, seconds=7)
    reader.close()
    assert len(rows) >= said > WHOLE_LINES
    assert [row["second"] for row in rows] == list(range(1, len(rows) + 1)), "a second is missing"
    assert all(row == line_of(row["second"]) for row in rows)
    assert tail == rows[-7:]
