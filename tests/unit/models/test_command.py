"""``vpp models``: one clear line for bad input, cards for people and programs."""

import json
import sys

import pytest
from typer.testing import CliRunner

from models.command import EXIT_BAD_INPUT, app, main
from models.day_ahead.targets import TARGETS
from models.site.run import LOAD_MODEL, PV_MODEL


def test_cards_are_printed_for_people_and_programs() -> None:
    """If it fails, nobody can ask an installed program what its models are made from."""
    runner = CliRunner()
    text = runner.invoke(app, ["card", "--target", "pv"])
    assert text.exit_code == 0
    assert "Limits" in text.output
    plain = json.loads(runner.invoke(app, ["card", "--json"]).output)
    assert set(plain) == {target.name for target in TARGETS} | {LOAD_MODEL, PV_MODEL}


@pytest.mark.parametrize(
    "asked",
    [
        (["card", "--target", "weather"], "'weather' is none of demand, pv, price, balancing"),
        (["card", "--models", "/nowhere"], "/nowhere/demand.md: cannot be read"),
        (["evaluate", "--data", "/nowhere", "--target", "site-pv"], "/nowhere: no homes or roofs"),
        (["evaluate", "--data", "/nowhere"], "none of the tables of the data catalogue"),
    ],
    ids=["target", "folder", "homes", "data"],
)
def test_bad_input_is_one_clear_line(
    asked: tuple[list[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If it fails, a mistyped word gives a page of Python instead of its cause."""
    words, said = asked
    monkeypatch.setattr(sys, "argv", ["vpp models", *words])
    assert main() == EXIT_BAD_INPUT
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith("vpp models: ")


def test_every_command_says_how_it_is_used() -> None:
    """If it fails, a person has to read the source to train a model."""
    runner = CliRunner()
    for name in ("evaluate", "train", "card"):
        assert "Example: vpp models" in runner.invoke(app, [name, "--help"]).output
