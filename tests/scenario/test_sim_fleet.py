"""A small fleet at work: the same commands, processes and messages as at full size."""

import asyncio
from pathlib import Path

import pytest

from firmware_sim.demo.signal_file import generate_signal
from firmware_sim.fleet.report import fleet_report
from firmware_sim.fleet.run import FleetOptions, FleetRun
from firmware_sim.main import SystemClock

GATEWAYS, RESOURCES, SECONDS = 20, 5, 12


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    options = FleetOptions(
        gateways=GATEWAYS,
        resources=RESOURCES,
        dispatch=generate_signal(1, SECONDS),
        dropout=0.1,
        duration_s=SECONDS,
        seed=2,
        folder=folder,
        coordinator=("--cycle-log", str(folder / "cycle.jsonl")),
    )
    run = FleetRun(options, clock=SystemClock(), tell=lambda text: None)
    gateways = asyncio.run(run.run())
    assert (folder / "cycle.jsonl").read_text(encoding="utf-8").count("allocate_f3") > SECONDS
    return fleet_report(gateways, run.record)


def test_every_row_is_stored_once(report: dict[str, object]) -> None:
    """If it fails, a fleet whose links come and go leaves a record with holes or doubles."""
    rows = report["rows"]
    assert isinstance(rows, dict)
    assert rows["journaled"] >= GATEWAYS * SECONDS
    assert (rows["lost"], rows["doubled"]) == (0, 0)
    assert report["drained_s"] is not None


def test_the_fleet_follows_the_commands(report: dict[str, object]) -> None:
    """If it fails, gateways take their part of an award and do not deliver it."""
    award = report["award"]
    assert isinstance(award, dict)
    assert award["sites_accepted"] == GATEWAYS
    assert award["commands_not_taken"] == 0
    assert award["undisturbed"]["within_5pct_at_lag"] > 0.5


def test_what_came_back_was_sent_again(report: dict[str, object]) -> None:
    """If it fails, the run cut no link, and the rows were never in danger."""
    messages = report["messages"]
    assert isinstance(messages, dict)
    assert messages["backfill_rows"] > 0
    assert messages["hellos"] > GATEWAYS
    assert messages["refused"] == 0
