"""``vpp market import | fetch | imports | series``: published files into the store. Wiring only.

Exit codes: 0, 2 if a file was refused or could not be had; the others are imported all the same.
"""

import asyncio
import contextlib
import getpass
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import aiohttp
import typer
from rich.console import Console
from rich.progress import track

from cloud_coordinator.commands.recorded import shell_deed, trail_of
from cloud_coordinator.gateway.exchanges.fetch import Fetcher, FetchLimits
from cloud_coordinator.gateway.exchanges.files import (
    PublishedFile,
    open_published,
)
from cloud_coordinator.gateway.exchanges.importing import (
    VERSIONS_BOOK,
    FetchedImports,
    ImportContext,
    Imported,
    import_published,
)
from cloud_coordinator.gateway.exchanges.layouts import read_publication
from cloud_coordinator.process import SystemClock, configure_logging
from cloud_coordinator.services.publications import ImportRecord, Quality
from cloud_coordinator.store.record_table import RecordTable
from cloud_coordinator.store.registry import Registry
from protocols.vocabulary.calendar import day_slots
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.intervals import Interval, utc_from_seconds

EXIT_REFUSED: Final = 2
_REGISTRY: Final = "registry.sqlite3"
_PROGRESS_FROM: Final = 20

DataOption = Annotated[
    Path, typer.Option("--data-dir", help="Data of the coordinator. データの保存先。")
]
AreaOption = Annotated[
    str, typer.Option(help="Area or station, if the file does not say it. エリア・地点。")
]
ByOption = Annotated[str, typer.Option(help="Who imports; you, if left out. 取込者。")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, one line a file. JSONで出力。")]
_DATA: Final = Path("coordinator-data")


def add_imports(app: typer.Typer) -> None:
    """Add the commands to ``vpp market``."""
    _add_import(app)
    _add_fetch(app)
    _add_imports(app)
    _add_series(app)


def _add_import(app: typer.Typer) -> None:
    @app.command(
        "import", epilog="Example 例: vpp market import 20220401_power_usage.csv spot_2024.csv"
    )
    def import_files(  # noqa: PLR0913  one parameter per command line option
        *,
        files: Annotated[list[Path], typer.Argument(help="As published, also .gz. 公表ファイル。")],
        data_dir: DataOption = _DATA,
        area: AreaOption = "",
        by: ByOption = "",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Read only, keep nothing. 確認のみ。")
        ] = False,
        as_json: JsonOption = False,
    ) -> None:
        """公表ファイルの取込。Import published files: each whole or not at all, twice is once."""
        context = _context(area, by)
        with _Outcome(as_json=as_json) as outcome, contextlib.ExitStack() as closing:
            registry = None if dry_run else closing.enter_context(_registry(data_dir))
            for path in _with_progress(files):
                with outcome.judging(str(path)):
                    file = open_published(path)
                    if registry is None:
                        outcome.say(_dry(file, context), str(path), "readable")
                        continue
                    with trail_of(registry.database).act(shell_deed(f"market import: {path.name}")):
                        done = import_published(file, registry.publications, context)
                    _say_done(outcome, done, str(path))


def _add_fetch(app: typer.Typer) -> None:
    @app.command(epilog="Example 例: vpp market fetch https://example.org/20240401_power_usage.csv")
    def fetch(  # noqa: PLR0913  one parameter per command line option
        *,
        addresses: Annotated[list[str], typer.Argument(help="Of published files. URL。")],
        data_dir: DataOption = _DATA,
        area: AreaOption = "",
        timeout: Annotated[
            float, typer.Option(min=0.1, max=600, help="Of one try, s. 制限時間。")
        ] = 60.0,
        tries: Annotated[int, typer.Option(min=1, max=10, help="At most. 最大試行回数。")] = 4,
        as_json: JsonOption = False,
    ) -> None:
        """公表ファイルの取得。Fetch published files that changed, and import them."""
        configure_logging(verbose=False)
        context = _context(area, "fetch")
        limits = FetchLimits(timeout_s=timeout, tries=tries)
        with _Outcome(as_json=as_json) as outcome, _registry(data_dir) as registry:
            asyncio.run(_fetch_all(addresses, limits, registry, context=context, outcome=outcome))


def _add_imports(app: typer.Typer) -> None:
    @app.command("imports", epilog="Example 例: vpp market imports --json")
    def list_imports(*, data_dir: DataOption = _DATA, as_json: JsonOption = False) -> None:
        """取込の一覧。List what was imported: from where, when, by whom, what still counts."""
        with (
            _Outcome(as_json=as_json) as outcome,
            outcome.judging(str(data_dir)),
            _known_registry(data_dir) as registry,
        ):
            for record in registry.publications.imports():
                outcome.say(_data(record), record.origin.source, "imported")


def _add_series(app: typer.Typer) -> None:
    @app.command(epilog="Example 例: vpp market series demand_w tokyo --day 2022-04-01")
    def series(  # noqa: PLR0913  one parameter per command line option
        *,
        kind: Annotated[str, typer.Argument(help="Such as demand_w. 種別。")],
        area: Annotated[str, typer.Argument(help="Area or station. エリア・地点。")],
        day: Annotated[str, typer.Option(help="YYYY-MM-DD, Japan. 対象日。")],
        step: Annotated[int, typer.Option(min=1, help="Length of a slot, s. 時間幅。")] = 3600,
        known_at: Annotated[
            str, typer.Option(help="As known then, RFC 3339; now if left out. 時点。")
        ] = "",
        data_dir: DataOption = _DATA,
    ) -> None:
        """取込値の表示。Print imported values of a day as CSV: start (UTC), value, quality."""
        with _Outcome(as_json=False) as outcome, outcome.judging(f"{kind} {area}"):
            slots = day_slots(_day(day))
            interval = Interval(start=slots[0].interval.start, end=slots[-1].interval.end)
            with _known_registry(data_dir) as registry:
                found = registry.publications.series(
                    kind, area, step_s=step, interval=interval, known_at=_moment(known_at)
                )
            if not found.start_s.size:
                raise ConfigError(f"nothing is known of {day} in slots of {step} s")
            typer.echo(f"start,{kind},quality")
            for at, start_s in enumerate(found.start_s.tolist()):
                quality = Quality(int(found.quality[at]))
                text = "" if quality >= Quality.BLANK else repr(float(found.value[at]))
                start = utc_from_seconds(start_s).isoformat()
                typer.echo(f"{start},{text},{quality.name.lower()}")


async def _fetch_all(
    addresses: Sequence[str],
    limits: FetchLimits,
    registry: Registry,
    *,
    context: ImportContext,
    outcome: "_Outcome",
) -> None:
    versions = RecordTable(registry.database, book=VERSIONS_BOOK)
    trail = trail_of(registry.database)
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        imports = FetchedImports(Fetcher(session, limits), registry.publications, versions)
        for address in addresses:
            with outcome.judging(address):
                where = urlsplit(address)  # a query may hold a secret
                with trail.act(shell_deed(f"market fetch: {where.hostname}{where.path}")):
                    done = await imports.import_from(address, context)
                if done is None:
                    outcome.say({"source": address}, address, "unchanged at its publisher")
                else:
                    _say_done(outcome, done, address)


class _Outcome:
    """What is said of each file, and whether any was refused."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json, self._refused = as_json, False

    def __enter__(self) -> "_Outcome":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._refused:
            raise typer.Exit(EXIT_REFUSED)

    @contextlib.contextmanager
    def judging(self, source: str) -> Iterator[None]:
        """Say in one line why something of ours did not work; go on with the next."""
        try:
            yield
        except VppError as error:
            self._refused = True
            cause = " ".join(str(error).split())
            if self._as_json:
                typer.echo(json.dumps({"file": source, "state": "refused", "cause": cause}))
            else:
                sys.stderr.write(f"vpp market: {cause}\n")

    def say(self, data: dict[str, object], source: str, state: str) -> None:
        """Say what happened to a file."""
        if self._as_json:
            typer.echo(json.dumps({"file": source, "state": state, **data}, ensure_ascii=False))
            return
        areas = str(data.get("area", "")).split(",")
        area = areas[0] if len(areas) == 1 else f"{len(areas)} areas"
        words = [
            f"{data['number']}:" if "number" in data else "",
            state,
            f"{data['layout']}, {data['publisher']}, {area}," if "layout" in data else "",
            f"{data['start_at']} to {data['end_at']}," if "start_at" in data else "",
            f"{data['rows']} values, {data['missing']} missing," if "rows" in data else "",
            f"{data['current_rows']} current," if "current_rows" in data else "",
            f"by {data['imported_by']} at {data['imported_at']}," if "imported_by" in data else "",
            source,
        ]
        typer.echo(" ".join(word for word in words if word))


def _say_done(outcome: _Outcome, done: Imported, source: str) -> None:
    state = "imported" if done.is_new else "was imported before, nothing changed"
    outcome.say(_data(done.record), source, state)


def _data(record: ImportRecord) -> dict[str, object]:
    published = record.published_at
    return {
        "number": record.number,
        "layout": record.layout,
        "publisher": record.publisher,
        "area": record.area,
        "stage": record.stage.name.lower(),
        "published_at": None if published is None else published.isoformat(),
        "start_at": record.start_at.isoformat(),
        "end_at": record.end_at.isoformat(),
        "rows": record.rows,
        "missing": record.missing,
        "current_rows": record.current_rows,
        "sha256": record.origin.sha256,
        "encoding": record.origin.encoding,
        "size_bytes": record.origin.size_bytes,
        "imported_at": record.imported_at.isoformat(),
        "imported_by": record.imported_by,
    }


def _dry(file: PublishedFile, context: ImportContext) -> dict[str, object]:
    found = read_publication(file, area=context.area)
    areas = sorted({one.area for one in found.series})
    return {
        "layout": found.layout,
        "publisher": found.publisher,
        "area": ",".join(areas),
        "rows": found.rows,
        "missing": found.missing,
    }


def _context(area: str, by: str) -> ImportContext:
    return ImportContext(at=SystemClock().now(), by=by or _user(), area=area or None)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@contextlib.contextmanager
def _registry(data_dir: Path) -> Iterator[Registry]:
    try:
        registry = Registry.open(data_dir / _REGISTRY)
    except VppError as error:
        sys.stderr.write(f"vpp market: {error}\n")
        raise typer.Exit(EXIT_REFUSED) from error
    try:
        yield registry
    finally:
        registry.close()


@contextlib.contextmanager
def _known_registry(data_dir: Path) -> Iterator[Registry]:
    """Only one that is there: to look makes nothing."""
    if not (data_dir / _REGISTRY).is_file():
        raise ConfigError(f"--data-dir {data_dir}: nothing was imported there")
    with _registry(data_dir) as registry:
        yield registry


def _with_progress(files: Sequence[Path]) -> Iterator[Path]:
    if len(files) < _PROGRESS_FROM or not sys.stderr.isatty():
        yield from files
        return
    yield from track(files, description="取込 import", console=Console(stderr=True))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--day {text!r}: is not a day") from error


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text) if text else SystemClock().now()
    except ValueError as error:
        raise ConfigError(f"--known-at {text!r}: is not a time") from error
    if found.utcoffset() is None:
        raise ConfigError(f"--known-at {text!r}: has no offset")
    return found.astimezone(UTC)
