"""``vpp sim publisher``: what a person writes wrong."""

from datetime import UTC, datetime

import pytest
import typer
from typer.testing import CliRunner

from firmware_sim.counterparts.publisher_command import add_publisher
from protocols.vocabulary.errors import ConfigError


class Clock:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2024, 4, 2, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--fault", "fire"], "--fault 'fire': use late"),
        (["--fault", "busy:x"], "--fault 'busy:x'"),
        (["--fault", "busy:9999"], "at most 1000"),
        (["--at", "noon"], "--at 'noon': is not a time"),
        (["--at", "2024-04-02"], "has no offset"),
        (["--folder", "/nowhere"], "--folder /nowhere: is not a folder"),
        (["--http", "8099"], "use host:port"),
        (["--http", "127.0.0.1:99999"], "use host:port"),
    ],
)
def test_a_wrong_word_is_told_in_one_line(words: list[str], cause: str) -> None:
    """If it fails, a rehearsal of a publisher's failure does not rehearse it, unnoticed."""
    app = typer.Typer()
    app.callback()(lambda: None)
    add_publisher(app, Clock())
    found = CliRunner().invoke(app, ["publisher", *words])
    assert isinstance(found.exception, ConfigError)
    assert cause in str(found.exception)
    assert "\n" not in str(found.exception)
