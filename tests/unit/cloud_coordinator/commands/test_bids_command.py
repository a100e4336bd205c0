"""``vpp bids`` as a person uses it, on a folder in which no price was ever published."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud_coordinator.commands.bids import app


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_missing_prices_do_not_stop_the_day(tmp_path: Path) -> None:
    """If it fails, a day without published prices has no bids, or invents prices silently."""
    pytest.importorskip("highspy", reason="HiGHS is not installed (extra cloud)")
    book = tmp_path / "book.json"
    told = ("--data", str(tmp_path), "--date", "2026-07-22", "--output", str(book))
    code, output = run("make", *told)
    assert code == 0, output
    assert "spot price from persistence" in output
    assert "zero assumed" in output
    code, output = run("check", str(book), "--data", str(tmp_path))
    assert code == 0, output
    assert "accepted by all rules" in output


def test_a_refusal_names_rule_set_and_clause(tmp_path: Path) -> None:
    """If it fails, the operator must guess which of six rule files was broken."""
    book = tmp_path / "book.json"
    bid = {
        "venue": "spot", "service": "energy", "source": "storage", "slot": 20,
        "kw": "150", "least_kw": "150", "price_jpy": "10",
    }  # fmt: skip
    plain = {"format": "vpp-bid-book-1", "area": "tokyo", "day": "2026-07-22", "bids": [bid]}
    book.write_text(json.dumps(plain), encoding="utf-8")
    code, output = run("check", str(book), "--data", str(tmp_path))
    assert code == 1
    assert "jepx-2025-04-01: lot:" in output


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("compare", "--from", "yesterday"), "--from: 'yesterday' is not a day"),
        (("compare", "--from", "2024-10-05", "--only", "magic"), "--only: 'magic'"),
        (("make", "--date", "2024-10-05", "--strategy", "x", "--output", "b"), "--strategy: 'x'"),
        (("check", "nowhere.json"), "nowhere.json"),
        (("front", "--date", "2024-10-05", "--rules", "eprx-1"), "--rules"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, arguments: tuple[str, ...], cause: str
) -> None:
    """If it fails, a typing error ends in a page of traceback."""
    code, output = run(*arguments, "--data", str(tmp_path))
    assert code == 2
    assert cause in output
    assert len(output.strip().splitlines()) == 1
