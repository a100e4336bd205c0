"""``edge-agent primary``, as a technician runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cycle.primary_members import members_path, named_members
from edge_agent.cycle.record import Happened
from edge_agent.technician.app import run_app


def _csv(folder: Path, *, late_s: float = 0.0) -> Path:
    lines = ["time_s,frequency_hz,frequency_samples,battery-1.command_w,battery-1.power_w"]
    for row in range(60):
        command = 1500.0 if row >= 10 else 0.0
        power = 1490.0 if row >= 11 + late_s else 2.0
        lines.append(f"{row},{49.8 if row >= 10 else 50.0},10,{command},{power}")
    path = folder / "step.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _logged(second: int, frequency_hz: float, asked_w: float) -> Happened:
    payload: dict[str, Any] = {
        "second": second,
        "frequency_hz": frequency_hz,
        "samples": 10,
        "quality": "GOOD",
        "age_s": 0.05,
        "source": "battery-1.frequency_hz",
        "basis": "following",
        "base_w": 100.0,
        "asked_w": asked_w,
        "response_w": asked_w,
        "power_w": 100.0 + asked_w,
        "award_w": 1000.0,
        "rated_w": 5000.0,
        "nominal_hz": 50.0,
        "droop": 0.05,
        "dead_band_hz": 0.01,
        "members": [["site-001/battery-1", 100.0 + asked_w, 100.0 + asked_w, False]],
    }
    return Happened(kind="primary.logged", payload=payload)


@pytest.fixture
def logged(site: Any) -> Any:
    """Site with two minutes of primary reserve, a fall of the frequency in the second."""
    for number in range(120):
        frequency_hz = 49.7 if 60 <= number < 100 else 50.0 + 0.02 * (-1) ** number
        asked_w = (50.0 - frequency_hz) / 50.0 / 0.05 * 5000.0
        now_s = int(site.clock.now().timestamp())
        site.second(tell=(_logged(now_s, frequency_hz, asked_w),))
    site.journal.close()
    return site


def test_a_recorded_test_qualifies_and_is_kept(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, the agent lends devices that no test has named."""
    path = _csv(tmp_path)
    arguments = ["primary", "test", "--recording", str(path), "--config", str(site.config_path)]
    assert named_members(site.config) is None
    assert run_app(site.clock, [*arguments, "--save", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["best"]["names"] == ["battery-1"]
    assert out["best"]["available_w"] == pytest.approx(1488.0)
    assert named_members(site.config) == ("site-001/battery-1",)
    assert run_app(site.clock, arguments) == 0
    assert "qualifies" in capsys.readouterr().out
    members_path(site.config).write_text("{}", encoding="utf-8")
    assert run_app(site.clock, ["primary", "show", "--config", str(site.config_path)]) == 2
    assert "no list of members" in capsys.readouterr().err


def test_a_late_device_is_refused_with_the_reason(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, nobody learns why the site cannot be sold."""
    path = _csv(tmp_path, late_s=15.0)
    assert run_app(site.clock, ["primary", "test", "--recording", str(path)]) == 1
    assert "first movement after" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must name the columns"),
        ("time_s,a.power_w\n1,2\n0,3\n", "must rise"),
        ("time_s,a.power_w\n1,x\n", "'x' is not a number"),
        ("time_s,a.power_w\n1,nan\n", "not a finite number"),
        ("time_s,a.power_w\n1\n", "line 2 has 1 of 2 cells"),
        ("time_s,a.power_w\n1,2\n2,3\n", "no device has both"),
    ],
)
def test_a_bad_recording_is_one_line_and_exit_2(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, text: str, said: str
) -> None:
    """If it fails, a damaged file gives a traceback, or worse, a verdict."""
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    assert run_app(site.clock, ["primary", "test", "--recording", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_record_is_shown_judged_and_exported(
    logged: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, an unannounced inspection of the raw record ends the site's trade."""
    target = tmp_path / "primary.csv"
    arguments = ["primary", "show", "--config", str(logged.config_path)]
    assert run_app(logged.clock, [*arguments, "--csv", str(target), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["seconds"] == 120
    assert out["gaps"] == 0
    assert out["followed"] == 120
    assert out["normal"]["slope_w_per_hz"] < 0.0
    (fall,) = out["falls"]
    assert fall["points"] > 20
    assert fall["failed"] == []
    lines = target.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 121
    assert "battery-1.command_w" in lines[0]
    assert run_app(logged.clock, ["primary", "test", "--recording", str(target)]) in {0, 1}
    assert "battery-1" in capsys.readouterr().out
    assert run_app(logged.clock, arguments) == 0
    assert "slope" in capsys.readouterr().out


def test_without_a_recording_nothing_is_moved(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, a technician believes that devices were tested."""
    assert run_app(site.clock, ["primary", "test"]) == 2
    assert "--recording" in capsys.readouterr().err
