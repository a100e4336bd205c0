"""The journal as JSON lines, as a program that compares it reads them."""

import json
from typing import Any

import pytest

from edge_agent.technician.app import run_app


def test_the_journal_is_told_line_by_line(site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, what devices were told cannot be held against the agent's own record."""
    site.second()
    site.second(outcomes=(site.outcome(1),))
    site.second(meter_w=None)
    assert run_app(site.clock, ["journal", "--config", str(site.config_path)]) == 0
    first, *lines = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["site_id"] == "site-001"
    assert first["max_age_s"]["meter.power_w"] == 3.0
    cycles = [line for line in lines if "cycle" in line]
    assert [line["cycle"] for line in cycles] == [1, 2, 3]
    value, quality, measured_s = cycles[0]["points"]["meter.power_w"]
    assert (value, quality, measured_s) == (-1200.0, "GOOD", cycles[0]["at_s"])
    (setpoint,) = cycles[0]["setpoints"]
    assert setpoint["resource_id"] == "site-001/battery-1"
    assert setpoint["until_s"] > setpoint["from_s"] == cycles[0]["at_s"]
    (ended,) = (line for line in lines if "outcome" in line)
    assert (ended["outcome"], ended["sequence"], ended["read_back_w"]) == ("done", 1, -1500.0)
    assert cycles[2]["points"]["meter.power_w"][2] == cycles[1]["at_s"]
