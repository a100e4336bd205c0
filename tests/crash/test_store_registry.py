"""kill -9 in the middle of the registry's commits: what was confirmed is there, and whole."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloud_coordinator.services.records import EventQuery
from cloud_coordinator.store.registry import Registry

ROUNDS = 3

WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from cloud_coordinator.services.records import AwardRecord, AwardTerms, EventRecord
from cloud_coordinator.store.registry import Registry
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import OfferCurve

START = datetime(2026, 7, 22, 1, tzinfo=UTC)
RUN = Interval(start=START, end=START + timedelta(minutes=30))
common = dict(interval=RUN, step_s=1800.0)

def owed(name, parent, target, power_w, version):
    return Obligation(obligation_id=name, parent_id=parent, target=target,
        power_w=column([power_w]), service=Service.SECONDARY_1,
        relative_to=RelativeTo.BASELINE, tolerance_w=1.0, version=version, **common)

def child(site, power_w, version):
    return Commitment(obligation=owed(f"award/{site}", "award", site, power_w, version),
        curve=OfferCurve(site_id=site, service=Service.SECONDARY_1, version=1, interval=RUN,
            multipliers=column([1.0]), power_w=column([power_w])),
        envelope=Envelope(target=site, power_w_min=column([0]), power_w_max=column([power_w]),
            energy_wh_min=column([0, 0]), energy_wh_max=column([0, 0]), ramp_w_per_s=1.0, **common),
        baseline=Baseline(target=site, power_w=column([0]), method="m", computed_at=START,
            data_until=START, model_id="m", **common),
        hold=HoldRule.HOLD_SHARE, band_lower_w=column([-1]), band_upper_w=column([1]))

registry = Registry.open(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    number += 1
    registry.obligations.save_award(AwardRecord(
        obligation=owed("award", None, "tokyo", 20.0 * number, number),
        terms=AwardTerms(price_jpy_per_kw_30min=Decimal(number), rule_set_id="seed"),
        received_at=START,
        commitments=tuple(child(f"site-{i}", float(number), number) for i in range(20))))
    registry.events.save_event(EventRecord(event_key=str(number), site_id=None, recorded_at=START,
        received_at=START, kind="award.saved", payload={"number": number}))
    epoch = registry.epochs.next_epoch("market")
    print(number, epoch, flush=True)
"""


@pytest.mark.timeout(60)
def test_no_kill_loses_a_confirmed_commit_or_leaves_half_of_one(tmp_path: Path) -> None:
    """After a crash the children would not sum to the award, or an epoch be given twice."""
    path = tmp_path / "registry.sqlite"
    number = epoch = 0
    confirmed: set[int] = set()
    for round_number in range(ROUNDS):
        command = [sys.executable, "-c", WRITER, str(path), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline()]
            time.sleep(0.05 + 0.017 * round_number)
            os.kill(writer.pid, signal.SIGKILL)
            lines += writer.stdout.read().splitlines()
        whole = [line.split() for line in lines if len(line.split()) == 2]
        number, epoch = int(whole[-1][0]), int(whole[-1][1])
        confirmed |= {int(line[0]) for line in whole}
        registry = Registry.open(path)
        (award,) = registry.obligations.awards()
        version = award.obligation.version
        assert version in {number, number + 1}
        assert sum(c.obligation.power_w[0] for c in award.commitments) == 20.0 * version
        assert {c.obligation.version for c in award.commitments} == {version}
        keys = {int(e.event_key) for e in registry.events.events(EventQuery(limit=100_000))}
        assert confirmed <= keys
        assert registry.epochs.next_epoch("market") > epoch
        registry.close()
        number = version
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
