"""``vpp sim site`` as an operator runs it: every protocol, kill -9, and the records compared.

Loopback 127.2.1.x to 127.2.4.x at the protocols' own ports.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).with_name("vpp")), "sim", "site"]


@pytest.mark.slow
def test_devices_of_every_protocol_and_the_journal_agree(tmp_path: Path) -> None:
    """If it fails, what the agent wrote down is not what the devices were told or did."""
    out = tmp_path / "run"
    done = subprocess.run(
        [
            *COMMAND,
            *("--devices", "6echonet,8sunspec,10bacnet,6ocpp", "--duration", "40"),
            *("--kill", "2", "--out", str(out), "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert told["missing"] == []
    assert done.returncode == 0
    assert set(told["protocols"]) == {"echonet-lite", "sunspec", "bacnet", "ocpp"}
    assert len(told["killed"]) == 3
    assert all(killed["back_s"] > killed["at_s"] for killed in told["killed"])
    for counts in told["protocols"].values():
        assert counts["applied"] > 0
        assert counts["good"] > 0
    for load in ("bacnet-01", "bacnet-06", "ocpp-01", "ocpp-02"):
        assert told["devices"][load]["applied"] > 0, "it takes a limit and tells no state of charge"
    assert told["cycle_ms"]["p999"] > 0.0
    assert told["agent_cpu_share"] > 0.0
    truth = (out / "truth" / "sunspec-01.jsonl").read_text().splitlines()
    assert "born" in truth[0]


def test_what_makes_no_sense_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    """If it fails, a misspelt protocol ends in a traceback, or in a run of something else."""
    done = subprocess.run(
        [*COMMAND, "--devices", "3zigbee"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("vpp sim: --devices: '3zigbee'")
    assert done.stderr.count("\n") == 1
    (tmp_path / "there").write_text("x")
    done = subprocess.run(
        [*COMMAND, "--devices", "1echonet", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "is not empty" in done.stderr
