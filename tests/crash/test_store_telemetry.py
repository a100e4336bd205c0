"""kill -9 in the middle of flush and merge: the record is whole, each row once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloud_coordinator.store.history import History
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.vocabulary.identifiers import JournalId, SiteId

ROUNDS = 6
SITES = 3

WRITER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from protocols.link.messages import Telemetry

class Clock:
    def now(self): return datetime.fromtimestamp(1784682000, tz=UTC)
    def monotonic_ns(self): return 0

settings = TelemetrySettings(root=Path(sys.argv[1]), merge_fan_in=(3, 4), partitions_per_segment=16)
store = TelemetryStore(settings, Clock())
sites = sys.argv[2].split(",")
durable = {site: store.durable().get((site, "j"), 0) for site in sites}
print(json.dumps(durable), flush=True)
while True:
    for site in sites:
        first = durable[site] + 1
        sequences = np.arange(first, first + 40)
        store.append(site, Telemetry(
            journal_id="j", first_sequence=first, layout_version=1,
            times_s=1784682000 + sequences - (sequences % 7 == 0) * 200, signal_ids=sequences,
            values=np.repeat(sequences[:, None], 14, axis=1).astype(np.float32)))
    store.flush()
    durable = {site: store.durable()[(site, "j")] for site in sites}
    print(json.dumps(durable), flush=True)
    store.compact()
"""


def run_and_kill(root: Path, sites: list[str], delay_s: float) -> dict[str, int]:
    """Let a writer work for a while, kill it, and return the last acknowledgement it gave."""
    command = [sys.executable, "-c", WRITER, str(root), ",".join(sites)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline(), writer.stdout.readline()]
        time.sleep(delay_s)
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
    whole = [line for line in lines if line.strip().endswith("}")]
    acknowledged: dict[str, int] = json.loads(whole[-1])
    return acknowledged


@pytest.mark.timeout(90)
def test_no_kill_loses_or_doubles_an_acknowledged_row(tmp_path: Path) -> None:
    """A crash of the coordinator would lose seconds the gateways have trimmed, or pay twice."""
    sites = [f"site-{number}" for number in range(SITES)]
    acknowledged = dict.fromkeys(sites, 0)
    for number in range(ROUNDS):
        acknowledged = run_and_kill(tmp_path, sites, 0.019 * number)
    store = TelemetryStore(TelemetrySettings(root=tmp_path), _Never())
    assert store.catalog.report.corrupt == ()
    history = History(store)
    accounts = {account.site_id: account for account in history.accounts()}
    for site in sites:
        account = accounts[SiteId(site)]
        assert account.durable >= acknowledged[site] > 0
        assert account.first_sequence == 1
        assert account.last_sequence == account.durable == account.rows == account.distinct
        assert store.durable()[(SiteId(site), JournalId("j"))] == account.rows
    files = list(tmp_path.glob("*/*"))
    assert len(files) == len(store.catalog.segments())


class _Never:
    """A clock nobody asks."""

    def now(self) -> None:
        raise AssertionError

    def monotonic_ns(self) -> int:
        raise AssertionError
