"""The technician's commands, as a person runs them."""

import json
import socket
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgpack
import pytest

from edge_agent.control.plain import pack_decision, unpack_decision
from edge_agent.cycle.record import CYCLE_KIND, Happened
from edge_agent.journal.records import Draft
from edge_agent.technician.app import run_app
from protocols.vocabulary.mode import Mode


@pytest.fixture
def ran(site: Any) -> Any:
    """Site that ran: 20 s normal, a skipped 3 s, 10 s autonomous, a kill, 5 s more."""
    for _ in range(20):
        site.second()
    site.clock.wall += timedelta(seconds=3)
    changed = Happened(
        kind="mode.changed", payload={"from": "NORMAL", "to": "AUTONOMOUS", "reason": "link lost"}
    )
    skipped = Happened(kind="cycle.skipped", payload={"from_s": 0, "seconds": 3})
    site.second(mode=Mode.AUTONOMOUS, tell=(changed, skipped))
    for _ in range(9):
        site.second(mode=Mode.AUTONOMOUS, meter_w=None)
    site.journal.close()
    site.clock.wall += timedelta(seconds=7)
    site.start()
    for _ in range(5):
        site.second()
    return site


Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; give exit code, standard output and standard error."""

    def call(site: Any, *arguments: str) -> tuple[int, str, str]:
        code = run_app(site.clock, list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_why_tells_rule_limits_and_setpoints(ran: Any, run: Run) -> None:
    """If this fails, nobody can say why the site charged at 14:03:05."""
    arguments = ("why", "14:03:05", "--config", str(ran.config_path))
    code, out, _ = run(ran, *arguments)
    assert code == 0
    assert "2026-07-22 14:03:05 JST" in out
    assert "contract-import" in out
    assert "GRID_CODE" in out
    assert "economy.tariff" not in out, "the rule is told in words"
    assert "local economy" in out
    assert "77 (valid" in out
    code, out, _ = run(ran, *arguments, "--json")
    page = json.loads(out)
    assert page["cycle"] == 6
    assert page["mode"] == "NORMAL"
    assert page["meter_w"] == -1200.0
    assert page["second"] == "2026-07-22T05:03:05+00:00"
    assert {limit["name"] for limit in page["limits"]} == {"contract-import", "export-limit"}
    (battery,) = page["resources"]
    assert battery["resource_id"] == "site-001/battery-1"
    assert battery["soc"] == 0.5


def test_why_tells_what_the_device_said(site: Any, run: Run) -> None:
    """If this fails, a setpoint that the battery refused looks as if it was obeyed."""
    site.second()
    history_code, out, _ = run(site, "why", "14:03:00", "-c", str(site.config_path), "--json")
    assert history_code == 0
    (battery,) = json.loads(out)["resources"]
    assert battery["action"] == "written", battery
    site.second(outcomes=(site.outcome(site.state.sequence),))
    _, out, _ = run(site, "why", "14:03:00", "-c", str(site.config_path), "--json")
    (battery,) = json.loads(out)["resources"]
    assert battery["outcome"] == "done, reads back -1500 W (EB)"
    _, out, _ = run(site, "why", "14:03:01", "-c", str(site.config_path), "--json")
    (battery,) = json.loads(out)["resources"]
    assert (battery["action"], battery["outcome"]) in {
        ("kept", "done, reads back -1500 W (EB)"),
        ("written", ""),
    }


def test_why_says_since_when_and_why_the_mode(ran: Any, run: Run) -> None:
    """If this fails, a site that ran alone is blamed for not following the signal."""
    _, out, _ = run(ran, "why", "14:03:25", "-c", str(ran.config_path), "--json")
    page = json.loads(out)
    assert page["mode"] == "AUTONOMOUS"
    assert page["mode_since"]["reason"] == "link lost"
    assert page["meter_quality"] == "GOOD"
    _, out, _ = run(ran, "why", "14:03:31", "-c", str(ran.config_path), "--json")
    assert json.loads(out)["meter_quality"] == "STALE"


def test_why_of_a_second_without_a_cycle(ran: Any, run: Run) -> None:
    """If this fails, a skipped second is explained by its neighbour."""
    code, out, _ = run(ran, "why", "14:03:21", "-c", str(ran.config_path))
    assert code == 1
    assert "No cycle ran at 2026-07-22 14:03:21 JST" in out
    assert "14:03:19 JST" in out
    assert "14:03:23 JST" in out
    assert "cycle.skipped" in out


def test_why_of_a_minute_shows_its_first_second_and_all_its_events(ran: Any, run: Run) -> None:
    """If this fails, "why 14:03" hides the mode change at 14:03:23."""
    code, out, _ = run(ran, "why", "14:03", "-c", str(ran.config_path), "--json")
    page = json.loads(out)
    assert code == 0
    assert page["cycle"] == 1
    assert "mode.changed" in {event["kind"] for event in page["events"]}


def test_replay_is_identical(ran: Any, run: Run) -> None:
    """If this fails, the record does not explain what the site did."""
    path = str(ran.config.journal_path)
    code, out, err = run(ran, "replay", path, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["replayed"], found["differing"], found["skipped"]) == (35, 0, 0)
    assert found["setpoints"] > 0
    code, out, _ = run(ran, "replay", path, "--cycle", "21")
    assert code == 0
    assert "1 cycles replayed (cycles 21..21)" in out
    assert "identical" in out


def forged(draft: Draft) -> Draft:
    """Record another setpoint than the one that was decided."""
    if draft.kind != CYCLE_KIND:
        return draft
    parts = msgpack.unpackb(draft.payload)
    decision = unpack_decision(parts[2])
    first = replace(decision.setpoints[0], power_w=decision.setpoints[0].power_w + 1e-9)
    parts[2] = pack_decision(replace(decision, setpoints=(first, *decision.setpoints[1:])))
    return replace(draft, payload=msgpack.packb(parts))


def test_replay_names_the_first_difference(site: Any, run: Run) -> None:
    """If this fails, a forged setpoint passes for what the rules decided."""
    site.second(tamper=forged)
    site.second()
    code, out, err = run(site, "replay", str(site.config.journal_path))
    assert code == 1
    assert "1 of 2 cycles differ" in out
    assert err.startswith("edge-agent: cycle 1: setpoints[0].power_w: recorded ")
    assert err.count("\n") == 1


def test_points_tell_last_good_and_age(ran: Any, run: Run) -> None:
    """If this fails, a technician takes an old number for a measurement."""
    ran.see("battery-1", "energy_wh_remaining", 5000.0)
    ran.second()
    ran.clock.wall += timedelta(seconds=99)
    code, out, _ = run(ran, "points", "-c", str(ran.config_path), "--json")
    assert code == 0
    lines = {line["point_id"]: line for line in json.loads(out)}
    assert lines["battery-1.energy_wh_remaining"]["good_value"] == 5000.0
    assert lines["battery-1.energy_wh_remaining"]["good_age_s"] == pytest.approx(100.0)
    assert lines["battery-1.mode"]["quality"] == "BAD"
    assert lines["battery-1.mode"]["reason"] == "never read"
    assert lines["battery-1.mode"]["good_age_s"] is None
    code, out, _ = run(ran, "points", "-c", str(ran.config_path))
    assert "meter.power_w" in out


def test_status_of_a_running_and_of_a_stopped_site(ran: Any, run: Run) -> None:
    """If this fails, a dead agent looks alive."""
    raised = Happened(kind="alarm.raised", payload={"alarm": "write x", "detail": "refused"})
    ran.second(tell=(raised,))
    _, out, _ = run(ran, "status", "-c", str(ran.config_path), "--json")
    found = json.loads(out)
    assert isinstance(found["agent_pid"], int)
    assert found["age_s"] == 1.0
    assert found["unsent"] == {"tel": 36, "evt": 5, "offer": 0}
    assert [alarm["name"] for alarm in found["alarms"]] == ["write x"]
    ran.journal.close()
    _, out, _ = run(ran, "status", "-c", str(ran.config_path), "--json")
    assert json.loads(out)["agent_pid"] is None
    code, out, _ = run(ran, "status", "-c", str(ran.config_path))
    assert code == 0
    assert "does not run" in out


def test_doctor_counts_seconds_gaps_modes_and_times(ran: Any, run: Run) -> None:
    """If this fails, the demo's report says that nothing was lost although something was."""
    ran.journal.close()
    code, out, _ = run(ran, "doctor", "-c", str(ran.config_path), "--json")
    report = json.loads(out)
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["journal"]["ok"]
    assert checks["watchdog"]["ok"]
    assert code == (0 if report["ok"] else 1)
    (journal,) = report["journals"]
    assert journal["chain_ok"]
    assert (journal["tel_first"], journal["tel_last"], journal["tel_count"]) == (1, 35, 35)
    assert journal["tel_repeated_s"] == 0
    assert journal["cycles"] == 35
    assert journal["skipped_s"] == 10
    assert [(gap["seconds"], gap["reason"]) for gap in journal["gaps"]] == [
        (3, "cycle skipped: the one before took too long"),
        (7, "agent killed or power lost"),
    ]
    (change,) = journal["mode_changes"]
    assert (change["before"], change["after"], change["reason"]) == (
        "NORMAL",
        "AUTONOMOUS",
        "link lost",
    )
    assert journal["cycle_ms"] == {"p50": 3.0, "p99": 3.0, "p999": 3.0, "max": 3.0, "samples": 35.0}
    assert journal["steps_ms"]["read"]["p99"] == 300.0
    assert "cycle" not in journal["steps_ms"]


def test_doctor_tells_of_journals_kept_aside(ran: Any, run: Run) -> None:
    """If this fails, seconds in a journal that was set aside are counted as lost."""
    ran.journal.close()
    connection = sqlite3.connect(ran.config.journal_path)
    connection.execute("UPDATE tel SET payload = X'00' WHERE sequence = 30")
    connection.commit()
    connection.close()
    code, out, _ = run(ran, "doctor", "--journal", str(ran.config.journal_path))
    assert code == 1
    assert "entry 30 was changed" in out
    ran.start()
    ran.second()
    code, out, _ = run(ran, "doctor", "--journal", str(ran.config.journal_path), "--json")
    current, aside = json.loads(out)["journals"]
    assert code == 0
    assert current["chain_ok"]
    assert not current["aside"]
    assert aside["aside"]
    assert not aside["chain_ok"]
    assert "entry 30 was changed" in aside["fault"]
    assert aside["journal_id"] != current["journal_id"]


def test_doctor_sees_a_taken_port(ran: Any, run: Run) -> None:
    """If this fails, an installer looks for hours for the program that holds the port."""
    ran.journal.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.1.250.1", 43610))
        code, out, _ = run(ran, "doctor", "-c", str(ran.config_path), "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 1
    assert not checks["port"]["ok"]
    assert "Address already in use" in checks["port"]["detail"]


BAD_INPUTS = [
    (["why", "noon"], "TIME 'noon': write 14:03"),
    (["why"], "Missing argument 'TIME'"),
    (["status", "--confg", "x"], "No such option: --confg"),
    (["nonsense"], "No such command 'nonsense'"),
    (["status", "-c", "/nowhere/site.toml"], "/nowhere/site.toml: file: cannot be read"),
    (["replay", "/nowhere/journal.sqlite"], "/nowhere/journal.sqlite: no such journal"),
    (["doctor", "--journal", "/nowhere/journal.sqlite"], "no such journal"),
    (["replay", "x", "--cycle", "one"], "Invalid value for '--cycle'"),
    (["replay", "x", "--cycle", "1", "--all"], "--cycle and --all exclude each other"),
]


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=[message for _, message in BAD_INPUTS])
def test_bad_input_is_one_line_and_exit_2(site: Any, run: Run, bad: tuple[list[str], str]) -> None:
    """If this fails, a typing mistake shows a stack trace, or looks like a fault of the site."""
    arguments, message = bad
    code, out, err = run(site, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("edge-agent: ")
    assert message in err
    assert err.count("\n") == 1


def test_files_that_are_no_journal_are_one_line(site: Any, run: Run, tmp_path: Path) -> None:
    """If this fails, a technician who names the wrong file sees a stack trace."""
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"text")
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE a (b)")
    connection.close()
    for path, cause in ((wrong, "damaged"), (other, "a database of another program")):
        code, _, err = run(site, "replay", str(path))
        assert code == 2
        assert cause in err
        assert err.count("\n") == 1
    code, _, err = run(site, "replay", str(site.config.journal_path), "--cycle", "7")
    assert code == 2
    assert "holds no cycle 7" in err


def test_help_has_an_example_for_every_command(site: Any, run: Run) -> None:
    """If this fails, a technician without a network has nothing to copy from."""
    for command in ("status", "why", "points", "replay", "doctor"):
        code, out, _ = run(site, command, "--help")
        assert code == 0
        assert f"edge-agent {command}" in out
        assert "Example" in out
