"""``vpp market import | imports | series``: what a person sees of published files."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner, Result

from cloud_coordinator.commands.market import app
from cloud_coordinator.commands.market_imports import EXIT_REFUSED
from firmware_sim.counterparts.publisher import Fault, Publisher, PublisherSettings
from tests.ports import free_port

VECTORS = Path(__file__).parents[3] / "vectors" / "published"
TEPCO = str(VECTORS / "tokyo_20210502_power_usage.csv")
NOON = str(VECTORS / "tokyo_20210502_power_usage_noon.csv")
YEAR = str(VECTORS / "tokyo_juyo-2021.csv")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_files_are_imported_listed_and_shown(tmp_path: Path) -> None:
    """If it fails, an operator cannot tell what the forecasts were made of."""
    data = ("--data-dir", str(tmp_path))
    first = run("import", NOON, TEPCO, *data, "--by", "aoi", "--json")
    assert first.exit_code == 0, first.output
    assert [json.loads(line)["state"] for line in first.stdout.splitlines()] == ["imported"] * 2
    again = run("import", TEPCO, *data)
    assert again.exit_code == 0
    assert "2: was imported before, nothing changed tepco-power-usage" in again.output
    listed = [json.loads(one) for one in run("imports", *data, "--json").stdout.splitlines()]
    assert [(one["imported_by"], one["current_rows"]) for one in listed] == [
        ("aoi", 0),
        ("aoi", 986),
    ]
    assert listed[1]["file"] == TEPCO
    assert len(listed[1]["sha256"]) == 64
    day = ("--day", "2021-05-02", *data)
    shown = run("series", "demand_w", "tokyo", *day).stdout.splitlines()
    assert shown[0] == "start,demand_w,quality"
    assert len(shown) == 25
    assert shown[1].startswith("2021-05-01T15:00:00+00:00,")
    then = ("--known-at", "2021-05-02T12:00:00+09:00")
    noon = run("series", "demand_w", "tokyo", *day, *then).stdout.splitlines()
    assert noon[12:14] == [noon[12], "2021-05-02T03:00:00+00:00,,not_yet"]


def test_one_refused_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """If it fails, one bad file of a night leaves a hole in all data, or goes unnoticed."""
    bad = tmp_path / "bad.csv"
    bad.write_bytes(Path(TEPCO).read_bytes().replace(b"2:00,", b"25:00,", 1))
    found = run("import", str(bad), YEAR, "--data-dir", str(tmp_path / "data"))
    assert found.exit_code == EXIT_REFUSED
    lines = found.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"vpp market: {bad}:")
    assert "is not a time" in lines[0]
    assert "1: imported tso-hourly-demand" in found.stdout


def test_a_dry_run_and_a_look_make_nothing(tmp_path: Path) -> None:
    """If it fails, trying out a file already changes what the market day is computed from."""
    data = tmp_path / "data"
    found = run("import", TEPCO, "--dry-run", "--json", "--data-dir", str(data))
    assert found.exit_code == 0
    assert json.loads(found.stdout)["rows"] == 986
    for words in (("imports",), ("series", "demand_w", "tokyo", "--day", "2021-05-02")):
        looked = run(*words, "--data-dir", str(data))
        assert looked.exit_code == EXIT_REFUSED
        assert "nothing was imported there" in looked.stderr
    assert not data.exists()


def test_bad_words_are_one_line(tmp_path: Path) -> None:
    """If it fails, a typing error ends in a traceback."""
    data = ("--data-dir", str(tmp_path))
    assert run("import", YEAR, *data).exit_code == 0
    for words, cause in (
        (("series", "demand_w", "tokyo", "--day", "may"), "--day 'may': is not a day"),
        (("series", "demand_w", "edo", "--day", "2021-01-01"), "nothing is known"),
        (
            ("series", "demand_w", "tokyo", "--day", "2021-01-01", "--known-at", "2021-01-01"),
            "has no offset",
        ),
        (("import", YEAR, "--area", "edo"), "area 'edo' is not one of"),
    ):
        found = run(*words, *data)
        assert found.exit_code == EXIT_REFUSED
        assert cause in found.stderr
        assert found.stderr.count("\n") == 1


class Noon:
    """A clock that stands at a noon in Japan."""

    def now(self) -> datetime:
        return datetime(2021, 5, 3, 3, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0


def test_what_is_fetched_is_imported_and_only_once(tmp_path: Path) -> None:
    """If it fails, what publishers have never reaches the forecasts, or a refused file does."""
    data = ("--data-dir", str(tmp_path), "--json", "--tries", "1")

    async def fetch(*faults: Fault) -> list[dict[str, object]]:
        port = free_port()
        publisher = Publisher(PublisherSettings(), Noon(), faults)
        await publisher.start("127.0.0.1", port)
        try:
            address = f"http://127.0.0.1:{port}/kyushu/20210502_power_usage.csv"
            done = [await asyncio.to_thread(run, "fetch", address, *data) for _ in range(4)]
        finally:
            await publisher.stop()
        assert [one.exit_code for one in done] == [EXIT_REFUSED, EXIT_REFUSED, 0, 0]
        return [json.loads(one.stdout) for one in done]

    late, cut, first, again = asyncio.run(fetch(Fault.SERVER_ERROR, Fault.CUT))
    assert "status 500" in str(late["cause"])
    assert cut["state"] == "refused"
    assert (first["state"], first["rows"]) == ("imported", 722)
    assert again["state"] == "unchanged at its publisher"
    listed = run("imports", "--data-dir", str(tmp_path), "--json").stdout.splitlines()
    assert [json.loads(one)["imported_by"] for one in listed] == ["fetch"]
