"""``vpp bench``: the site it measures on, and what it prints."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.bench import agent_table, link_table, result, seals_text, table, time_text
from firmware_sim.bench_agent import AgentCost, fifty_devices, write_site
from firmware_sim.bench_link import (
    RESOURCES,
    SIGNING,
    VERIFYING,
    LinkCost,
    best_ns,
    edge_step,
    measure_link,
    site_step,
    telemetry_of,
)
from firmware_sim.scenario.load import parse_scenario
from protocols.link.messages import Lane
from protocols.link.orders import SendTelemetry
from protocols.link.site_session import Accept
from protocols.link.topics import TopicKind
from protocols.link.wire import decode, encode

COMMAND = [sys.executable, "-c", "from firmware_sim.bench import main; raise SystemExit(main())"]
TIMES = {"p50": 1.0, "p99": 22.5, "p999": 23.0, "max": 30.125, "samples": 20.0}
AGENT = AgentCost(
    devices=50,
    cycle_ms=TIMES,
    steps_ms={"read": {**TIMES, "p50": 60.0}, "decide": {"p50": 2.0}},
    cpu_share=0.05,
    skipped_s=0,
)
COST = LinkCost(name="encode live row", message_ns=2_000.0, rows=200, message_bytes=40_000)


def test_fifty_devices_are_a_scenario_the_simulator_accepts(tmp_path: Path) -> None:
    """The benchmark could measure fewer devices than it says."""
    made = fifty_devices(3610)
    scenario = parse_scenario(json.dumps(made), origin="bench")
    (site,) = scenario.sites
    kinds = Counter(device.kind for device in site.devices)
    assert kinds == {"meter": 1, "battery": 25, "pv": 12, "ev-charger": 6, "ev-v2h": 6}
    assert {device.address.rsplit(".", 1)[0] for device in site.devices} == {"127.60.1"}
    config = write_site(tmp_path)
    assert config.read_text(encoding="utf-8").count("[[devices]]") == 50
    assert (tmp_path / "scenario.json").is_file()


def test_each_step_and_the_total_is_a_line() -> None:
    """A slow step could be missing from the table, or stand under another's name."""
    lines = agent_table(AGENT).splitlines()
    assert lines[0].split() == ["step,", "ms", "p50", "p99", "p999", "max"]
    assert lines[1].split() == ["read", "60.000", "22.500", "23.000", "30.125"]
    assert lines[2].split() == ["decide", "2.000", "–", "–", "–"]
    assert lines[3].startswith("total without read")
    assert lines[3].split()[-4:] == ["1.000", "22.500", "23.000", "30.125"]
    assert len(lines) == 4


def test_columns_stand_under_their_heads() -> None:
    """A reader could take a number for another column's."""
    assert table(["a", "long"], [["name", "1"], ["x", "22"]]) == (
        "a     long\nname     1\nx       22"
    )


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [(0.4, "0 ns"), (999.0, "999 ns"), (1_000.0, "1.0 µs"), (13_808.0, "13.8 µs")],
)
def test_times_are_told_in_a_fitting_unit(time_ns: float, text: str) -> None:
    """A time could be read as a thousand times another."""
    assert time_text(time_ns) == text


def test_rates_follow_from_the_time_of_a_message() -> None:
    """Messages and rows per second could be mixed up."""
    assert COST.messages_per_s == 500_000.0
    assert COST.rows_per_s == 100_000_000.0
    assert link_table([COST]).splitlines()[1].split() == [
        *("encode", "live", "row", "2.0", "µs", "500,000", "100,000,000", "40,000"),
    ]


def test_the_json_says_what_it_was_measured_on() -> None:
    """Figures could be compared between machines without knowing."""
    costs = [COST, replace(COST, name=SIGNING), replace(COST, name=VERIFYING)]
    told = json.loads(json.dumps(result(AGENT, costs), allow_nan=False))
    assert told["signatures"]["sign_us"] == 2.0
    assert told["signatures"]["each_site_percent"] == pytest.approx(10.0)
    assert "5,000 sites 10 %" in seals_text(told["signatures"])
    assert told["machine"]["cpu"]
    assert told["machine"]["cores"] >= 1
    assert told["versions"]["numpy"]
    assert told["agent"]["steps_ms"]["read"]["p50"] == 60.0
    assert told["link"][0]["rows_per_s"] == 100_000_000.0
    assert result(None, [])["agent"] is None


def test_the_measured_message_is_a_whole_one() -> None:
    """An empty message could be measured and called a backfill."""
    message = telemetry_of(200)
    assert message.values.shape == (200, 6 + 4 * RESOURCES)
    again = decode(TopicKind.BACKFILL, encode(message))
    assert (again.values == message.values).all()
    assert (again.times_s == message.times_s).all()


def test_the_measured_sessions_do_the_work() -> None:
    """A session that refuses everything could be measured as a fast one."""
    edge, site = edge_step(), site_step()
    for index in range(50):
        sent = SendTelemetry(first=index + 1, last=index + 1, lane=Lane.LIVE)
        assert edge(index) == [sent]
        accepted = Accept(history=slice(0, 1), live=True, duplicates=0, ahead=0)
        assert site(index) == accepted


def test_a_step_is_numbered_without_a_gap() -> None:
    """Sequences with gaps would measure the refusal of messages."""
    seen: list[int] = []

    def make() -> object:
        seen.clear()
        return seen.append

    assert best_ns(make, round_s=0.001) > 0.0  # type: ignore[arg-type]
    assert seen == list(range(len(seen)))
    assert len(seen) >= 64


def test_the_link_is_measured_whole() -> None:
    """A part of the link could go unmeasured."""
    costs = list(measure_link(round_s=0.002))
    assert [cost.rows for cost in costs] == [1, 1, 200, 200, 1, 1, 1, 1]
    assert len({cost.name for cost in costs}) == 8
    assert all(0.0 < cost.message_ns < 1e8 for cost in costs)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    """`vpp bench` could end without its figures."""
    path = tmp_path / "bench.json"
    done = subprocess.run(
        [*COMMAND, "--only-link", "--json", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "decode 200-row backfill" in done.stdout
    assert "cores" in done.stdout
    assert len(json.loads(path.read_text(encoding="utf-8"))["link"]) == 8


@pytest.mark.parametrize(
    "options", [["--seconds", "4"], ["--seconds", "3601"], ["--json", "/nowhere/b.json"]]
)
def test_a_bad_value_is_one_line_and_exit_code_2(options: list[str]) -> None:
    """A benchmark could run for minutes and then fail to write, or run for nothing."""
    done = subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert options[0] in done.stderr
