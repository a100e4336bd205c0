"""``vpp bids`` as a person uses it, on a folder in which no price was ever published."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from cloud_coordinator.commands.bids import app
from cloud_coordinator.commands.bids_picture import HEIGHT, WIDTH, front_picture
from cloud_coordinator.commands.bids_table import table
from cloud_coordinator.services.bidding.comparing import Row
from cloud_coordinator.services.bidding.parameters import PARAMETERS
from cloud_coordinator.services.bidding.searching import BidFront


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
        (("compare", "--from", "2026-04-05", "--only", "magic"), "--only: 'magic'"),
        (("compare", "--from", "2024-10-05"), "no rule set settles primary on 2024-10-05"),
        (("compare", "--from", "2026-04-05", "--area", "tokyo,mars"), "--area: 'mars'"),
        (("train", "--output", "no/such/folder/p.onnx"), "--output"),
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


def test_every_label_of_the_picture_lies_inside_it() -> None:
    """If it fails, the operator picks a plan from a picture whose numbers are cut off."""
    aims = np.array(
        [[-123_456_789.0, 10.0, 0.01, 5.0], [-1_000.0, 900.0, 0.0, 987_654_321.0], [0, 0, 0, 0]]
    )
    front = BidFront(points=np.zeros((3, len(PARAMETERS))), aims=aims)
    root = ElementTree.fromstring(front_picture(front, "tokyo <2024-10-05>"))
    labels = [one for one in root.iter() if one.tag.endswith("}text") and "x" in one.attrib]
    words = "".join(one.text or "" for one in root.iter())
    assert "wear" in words
    assert "期待利益" in words
    assert {"0", "1", "2"} <= {one.text for one in labels}
    for one in labels:
        size = float(one.get("font-size", "12"))
        text = one.text or ""
        long = sum(size if ord(letter) > 0x2000 else 0.62 * size for letter in text)
        part = {"end": 1.0, "middle": 0.5}.get(one.get("text-anchor", ""), 0.0)
        left = float(one.attrib["x"]) - part * long
        assert left >= 0.0, text
        assert left + long <= WIDTH, text
        assert size <= float(one.attrib["y"]) <= HEIGHT, text


def test_the_table_says_how_sure_it_is() -> None:
    """If it fails, one lucky day ranks the strategies."""
    row = Row(
        strategy="pso", days=20, expected_jpy=100.0, profit_jpy=90.0, penalty_jpy=1.0,
        wear_jpy=2.0, error_jpy=31.0, optimism_jpy=10.0, optimism_error_jpy=12.0,
        deviation_jpy=50.0, worst_jpy=5.0, seconds=0.5, expected_gap=0.04, profit_gap=0.06,
        gap_error=0.035, failed=("2024-04-08: no answer",),
    )  # fmt: skip
    lines = table("tokyo", [row], ("a note",))
    assert lines[0].startswith("tokyo")
    assert all(word in lines[2] for word in ("31", "12", "4.0%", "6.0%", "3.5%"))
    assert "2024-04-08" in lines[3]
    assert lines[4] == "note: a note"
