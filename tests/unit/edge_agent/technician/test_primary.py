"""``edge-agent primary``, as a technician runs it."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.cycle.grid_orders import OrderNote
from edge_agent.cycle.memory import AgentMemory, changed_state
from edge_agent.cycle.primary_members import members_path, named_members, qualified
from edge_agent.cycle.record import Happened
from edge_agent.northbound.port import GridOrder, OrderState, Origin
from edge_agent.technician.app import run_app
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment, Droop
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import ModelId, ObligationId, SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import OfferCurve


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
    assert qualified(site.config) == ()
    assert run_app(site.clock, [*arguments, "--save", "--json"]) == 0
    (told,) = qualified(site.config)
    assert told.kind == "primary.qualified"
    assert told.payload["product"] == "primary-offline"
    assert told.payload["available_w"] == pytest.approx(1488.0)
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


def test_a_short_line_without_its_whole_one_is_left_out(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, a trimmed journal shows seconds with the numbers of others."""
    short = {"second": 1_784_000_030, "since": 1_784_000_000, "changes": [], "members": []}
    site.second(tell=(Happened(kind="primary.logged", payload=short),))
    site.second(tell=(_logged(1_784_000_060, 50.0, 0.0),))
    site.journal.close()
    arguments = ["primary", "show", "--config", str(site.config_path), "--json"]
    assert run_app(site.clock, arguments) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a recorded test with --recording FILE, or make one with --live"),
        (("--live", "--yes", "--device", "batery"), "'batery' is not a device of site-001"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    site: Any, capsys: pytest.CaptureFixture[str], *, words: tuple[str, ...], said: str
) -> None:
    """If it fails, a technician moves devices without having been told which, or sees a trace."""
    site.journal.close()
    arguments = ["primary", "test", *words, "--config", str(site.config_path)]
    assert run_app(site.clock, arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_live_test_is_refused_while_the_agent_runs(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it fails, two programs move the same battery."""
    arguments = ["primary", "test", "--live", "--yes", "--config", str(site.config_path)]
    assert run_app(site.clock, arguments) == 2
    assert "speaks with the devices" in capsys.readouterr().err


def _ordered(now: datetime) -> OrderNote:
    """Make a curtailment that holds now."""
    order = GridOrder(
        order_id="der-1",
        event_id="der-1",
        issued_at=now,
        origin=Origin.IEEE2030_5,
        issued_by="utility",
        mode="opModExpLimW",
        value=0.0,
        interval=Interval(start=now - timedelta(minutes=1), end=now + timedelta(minutes=20)),
        priority=1,
    )
    return OrderNote(order=order, state=OrderState.STARTED)


def _owed(now: datetime) -> Commitment:
    """Half an hour of primary reserve that runs now."""
    span = Interval(start=now - timedelta(minutes=10), end=now + timedelta(minutes=20))
    one, both = column([1000.0]), column([-1e6, -1e6])
    return Commitment(
        obligation=Obligation(
            obligation_id=ObligationId("award-1/site-001"),
            parent_id=ObligationId("award-1"),
            target="site-001",
            service=Service.PRIMARY_OFFLINE,
            interval=span,
            step_s=span.duration_s,
            power_w=one,
            relative_to=RelativeTo.BASELINE,
            tolerance_w=100.0,
        ),
        curve=OfferCurve(
            site_id=SiteId("site-001"),
            service=Service.PRIMARY_OFFLINE,
            version=1,
            multipliers=column([0.0, 20.0]),
            power_w=column([0.0, 1000.0]),
            interval=span,
        ),
        envelope=Envelope(
            target="site-001",
            interval=span,
            step_s=span.duration_s,
            power_w_min=-one,
            power_w_max=one,
            energy_wh_min=both,
            energy_wh_max=-both,
            ramp_w_per_s=1e6,
        ),
        baseline=Baseline(
            target="site-001",
            interval=span,
            step_s=span.duration_s,
            power_w=column([-1000.0]),
            method="before-5min",
            computed_at=now,
            data_until=now,
            model_id=ModelId("rule"),
        ),
        hold=HoldRule.FOLLOW_DROOP,
        band_lower_w=column([-100.0]),
        band_upper_w=column([100.0]),
        droop=Droop(nominal_hz=50.0, droop=0.05, dead_band_hz=0.01, delay_s=2.0),
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stopped": True}, "an emergency stop is in force"),
        ({"orders": True}, "order der-1 of utility holds from"),
        ({"commitments": True}, "obligation award-1/site-001 holds from"),
    ],
)
def test_a_live_test_is_refused_where_it_would_do_harm(
    site: Any, capsys: pytest.CaptureFixture[str], *, changes: dict[str, bool], said: str
) -> None:
    """If it fails, a technician's test breaks an award, or an emergency stop."""
    memory = AgentMemory(
        stopped=changes.get("stopped", False),
        commitments=(_owed(site.clock.now()),) if "commitments" in changes else (),
        orders=(_ordered(site.clock.now()),) if "orders" in changes else (),
    )
    site.journal.append([], changed_state(AgentMemory(), memory))
    site.journal.close()
    arguments = ["primary", "test", "--live", "--yes", "--config", str(site.config_path)]
    assert run_app(site.clock, arguments) == 2
    assert said in capsys.readouterr().err
