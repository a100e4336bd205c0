"""The generated parts of the documentation are what the code says."""

import ast
import csv
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_true() -> None:
    """A reader would trust a drawing or a list that the code left behind; `make docs` writes it."""
    result = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_every_turned_property_has_its_row() -> None:
    """A peer's sign would be turned and nobody could look up that it is."""
    table = ROOT / "protocols" / "echonet_lite" / "properties.csv"
    with table.open(encoding="utf-8") as stream:
        turned = {(r["class"], r["epc"]) for r in csv.DictReader(stream) if r["turned"]}
    page = (ROOT / "docs" / "units-and-signs.md").read_text(encoding="utf-8")
    missing = [pair for pair in turned if f"| 0x{pair[0]} | {pair[1]} |" not in page]
    assert turned
    assert not missing, missing


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name)
def test_places_that_a_page_names_exist(page: Path) -> None:
    """A reader would be sent to a file that is no longer there."""
    text = page.read_text(encoding="utf-8")
    words = (word for word in text.replace("\n", " ").split("`")[1::2] if "/" in word)
    roots = {path.name for path in ROOT.iterdir()}
    places = {word.partition("::")[0] for word in words if word.split("/")[0] in roots}
    missing = sorted(place for place in places if not list(ROOT.glob(place.rstrip("/"))))
    assert not missing, missing


def test_tests_that_a_page_names_exist(suite: Mapping[str, ast.Module]) -> None:
    """The proof of a statement would be a test that was renamed or dropped."""
    names = {
        (path, node.name)
        for path, tree in suite.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    page = (ROOT / "docs" / "spec-issues.md").read_text(encoding="utf-8")
    named = {word for word in page.replace("\n", " ").split("`")[1::2] if "::" in word}
    missing = sorted(word for word in named if tuple(word.split("::")) not in names)
    assert named
    assert not missing, missing
