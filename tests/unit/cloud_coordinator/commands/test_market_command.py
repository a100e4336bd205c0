"""``vpp market``: what a person reads about rules, bids and prices."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud_coordinator.commands.market import EXIT_BAD_INPUT, EXIT_BROKEN, app

BID = ["check", "--product", "secondary1", "--day", "2026-07-22", "--slot", "35", "--kw", "1000"]
IN_TIME = ["--at", "2026-07-21T14:00:00+09:00"]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_rules_of_a_day() -> None:
    """An operator could not tell by which rules a day is settled."""
    found = run("rules", "--day", "2026-03-13")
    assert found.exit_code == 0
    assert "eprx-2025-04-01@" in found.output
    assert "eprx-2026-03-14" not in found.output
    assert "hokkaido: 50 Hz, abnormal from -0.3 Hz" in found.output
    assert run("rules").exit_code == 0


def test_a_bid_that_keeps_the_rules_and_one_that_does_not() -> None:
    """A bid that the market refuses would be found out after the gate."""
    assert run(*BID, *IN_TIME, "--price", "15").exit_code == 0
    broken = run(*BID, *IN_TIME, "--price", "15.005")
    assert broken.exit_code == EXIT_BROKEN
    for line in ("eprx-2026-03-14: cap", "eprx-2026-03-14: tick", "seed-internal: tick"):
        assert line in broken.output
    late = run(*BID, "--at", "2026-07-21T14:00:01+09:00", "--price", "15")
    assert late.exit_code == EXIT_BROKEN
    assert late.output.count(": gate: ") == 2


def test_the_price_of_a_shortage() -> None:
    """A shortage would be planned with the wrong price."""
    found = run("imbalance", "--reserve", "5", "--day", "2026-09-30", "--short-wh", "40000")
    assert "138.0 JPY/kWh, 5520 JPY" in found.output


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["rules", "--day", "soon"], "soon"),
        (["rules", "--day", "2020-01-01"], "2020-01-01"),
        (["imbalance", "--reserve", "x"], "--reserve"),
        (["imbalance", "--reserve", "NaN"], "--reserve"),
        (["imbalance", "--reserve", "5", "--day", "1999-01-01"], "1999-01-01"),
        ([*BID, "--price", "x"], "--price"),
        ([*BID, "--price", "1", "--at", "2026-07-21T14:00:00"], "offset"),
        ([*BID, "--price", "1", "--at", "noon"], "noon"),
        (["check", "--product", "x", *BID[3:], "--price", "1"], "--product"),
    ],
)
def test_bad_input_is_one_line(words: list[str], cause: str) -> None:
    """A person would read a stack trace instead of what to change."""
    found = run(*words)
    assert found.exit_code == EXIT_BAD_INPUT
    assert cause in found.output
    assert found.output.count("\n") == 1


def test_a_baseline_from_a_file_of_loads(tmp_path: Path) -> None:
    """A customer could not be shown how its baseline came about."""
    rows = ["day,slot,kw"]
    loads = {21: 1000, 17: 980, 16: 1100, 15: 900, 14: 1060}
    for day, kw in loads.items():
        rows += [f"2026-07-{day},{slot},{kw if slot >= 30 else 1100}" for slot in range(1, 49)]
    rows += [f"2026-07-22,{slot},1160" for slot in range(1, 34)]
    path = tmp_path / "loads.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    words = ["baseline", "--loads", str(path), "--day", "2026-07-22", "--first", "34"]
    found = run(*words, "--last", "34")
    assert found.exit_code == 0
    assert "days 2026-07-21, 2026-07-17, 2026-07-16, 2026-07-14" in found.output
    assert "plain: 1035.000 (adjustment +0.000)" in found.output
    assert "adjusted: 1095.000 (adjustment +60.000)" in found.output
    short = run(*words, "--last", "34", "--without", "2026-07-21")
    assert "plain: none: too-few-days" in short.output
    assert run(*words, "--last", "33").exit_code == EXIT_BAD_INPUT


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("day,slot\n", ":1"),
        ("day,slot,kw\n2026-07-21,1,5\n2026-07-21,1,5\n", ":3"),
        ("day,slot,kw\n2026-07-21,49,5\n", ":2"),
        ("day,slot,kw\n2026-07-21,1,nan\n", ":2"),
        ("day,slot,kw\n2026-07-21,1\n", ":2"),
        ("\udcff", "loads.csv"),
    ],
)
def test_a_bad_file_of_loads_is_refused_whole(text: str, cause: str, *, tmp_path: Path) -> None:
    """A half-read file would lower a baseline."""
    path = tmp_path / "loads.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    words = ["--day", "2026-07-22", "--first", "34", "--last", "34"]
    found = run("baseline", "--loads", str(path), *words)
    assert found.exit_code == EXIT_BAD_INPUT
    assert cause in found.output.replace("\n", "")


def statement(name: str, day: int, performance: str) -> str:
    slots = [{"performance": "passed", "abnormal": False}]
    slots.append({"performance": performance, "abnormal": False})
    start = f"2026-07-{day:02}T01:00:00Z"
    return json.dumps(
        {"obligation_id": name, "service": "secondary2", "start": start, "slots": slots}
    )


def test_three_failed_statements_close_a_product(tmp_path: Path) -> None:
    """A pattern would go on bidding until the market refuses it."""
    paths = []
    for day, performance in ((1, "failed"), (2, "failed"), (3, "passed"), (4, "failed")):
        paths.append(tmp_path / f"{day}.json")
        paths[-1].write_text(statement(f"a{day}", day, performance), encoding="utf-8")
    files = [str(path) for path in paths]
    closed = run("standing", *files)
    assert closed.exit_code == EXIT_BROKEN
    assert "closed from 2026-07-04T01:00:00+00:00 until a test is passed" in closed.output
    tested = run("standing", *files, "--tested", "2026-07-10T00:00:00Z")
    assert (tested.exit_code, "until 2026-07-10" in tested.output) == (0, True)
    assert run("standing", *files[:3]).exit_code == 0
    assert "no failure" in run("standing", files[2]).output
    paths[0].write_text("{}", encoding="utf-8")
    assert run("standing", *files).exit_code == EXIT_BAD_INPUT
