"""``edge-agent signals`` as a technician reads it."""

import json
from datetime import UTC, datetime

import pytest

from edge_agent.technician.app import run_app


class Clock:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 7, 22, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0


def test_every_mode_is_shown_with_what_it_becomes(capsys: pytest.CaptureFixture[str]) -> None:
    """If it fails, nobody at the site can say what a utility's order will do."""
    assert run_app(Clock(), ["signals", "--json"]) == 0
    lines = {line["mode"]: line for line in json.loads(capsys.readouterr().out)}
    assert lines["opModExpLimW"]["becomes"] == "limit"
    assert lines["LOAD_DISPATCH.delta"]["becomes"] == "obligation"
    assert "ASSUMED" in lines["LOAD_DISPATCH.delta"]["note"]
    assert lines["opModVoltVar"]["supported"] is False
    assert lines["opModVoltVar"]["title_ja"]


def test_the_table_has_both_languages_and_no_cut_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If it fails, a technician reads half of a mode's name."""
    assert run_app(Clock(), ["signals"]) == 0
    text = capsys.readouterr().out
    assert "LOAD_CONTROL.x-loadControlCapacity" in text
    assert "優先順位" in text
