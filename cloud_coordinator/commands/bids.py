"""``vpp bids``: bids of one day by any strategy, checked by the rules, compared on real days.

Reads a catalogue of published data; sends nothing anywhere. Exit codes: 0, 1 for a book that
breaks a rule or a strategy that had no answer, 2 for bad input.
"""

import functools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from cloud_coordinator.commands import bids_training
from cloud_coordinator.commands.bids_picture import front_data, front_picture
from cloud_coordinator.commands.bids_table import table
from cloud_coordinator.gateway.exchanges.wired_market import Chosen, market_of
from cloud_coordinator.services.bidding.asking import JointAsker
from cloud_coordinator.services.bidding.book_file import read_book, to_data
from cloud_coordinator.services.bidding.checking import check_bids
from cloud_coordinator.services.bidding.comparing import Entrant, Row, Watch, compare, days_of
from cloud_coordinator.services.bidding.exact import Exact
from cloud_coordinator.services.bidding.port import BidBook, BidQuestion
from cloud_coordinator.services.bidding.searching import BidFront, ParetoSearch, book_at
from cloud_coordinator.services.bidding.strategies import STRATEGIES
from cloud_coordinator.services.bidding.worth import AIMS
from cloud_coordinator.services.market_day.asking import Market
from cloud_coordinator.services.market_day.past import Foresight
from protocols.vocabulary.errors import ConfigError, VppError

EXIT_BROKEN: Final = 1
EXIT_BAD_INPUT: Final = 2
DAYS_MAX: Final = 400
BOOK_BYTES_MAX: Final = 10_000_000
FORESIGHT: Final = "foresight"
SEEDS_MAX: Final = 100

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
DataOption = Annotated[Path, typer.Option(help="Folder of published data. データの場所。")]
AreaOption = Annotated[str, typer.Option(help="Area of the system operator. エリア。")]
DayOption = Annotated[str, typer.Option("--date", help="Day of delivery, YYYY-MM-DD. 受渡日。")]
RulesOption = Annotated[
    str,
    typer.Option(help="Set to judge by, whatever the day; else the set in force. 適用ルール。"),
]
PortfolioOption = Annotated[
    Path | None, typer.Option(help="Plants, TOML; an example if left out. 設備構成。")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of all draws. 乱数の種。")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine readable. JSONで出力。")]


@app.callback()
def root() -> None:
    """入札。Make bids, check them by every rule, compare strategies on real days.

    Days before any rule set was in force need --rules, as in vpp market day.
    """


@app.command(
    "compare",
    epilog="Example 例: vpp bids compare --from 2024-04-08 --days 20 --every 18 "
    "--area tokyo,kansai --rules eprx-2026-03-14",
)
def compare_strategies(  # noqa: PLR0913  one parameter per command line option
    *,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD. 開始日。")],
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="How many. 日数。")] = 3,
    every: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="Days apart. 間隔。")] = 1,
    areas: Annotated[str, typer.Option("--area", help="Areas, a,b,c. エリア。")] = "tokyo",
    data: DataOption = Path("../shared/data"),
    only: Annotated[str, typer.Option(help="Strategies, a,b,c; all if left out. 戦略。")] = "",
    rules: RulesOption = "",
    portfolio: PortfolioOption = None,
    seed: SeedOption = 1,
    seeds: Annotated[
        int, typer.Option(min=1, max=SEEDS_MAX, help="How many, from --seed on. 種の数。")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """戦略の比較。Let all strategies bid on the same days and print profit, risk and time."""
    found: dict[str, tuple[Sequence[Row], tuple[str, ...]]] = {}
    try:
        chosen = days_of(_date(first, "--from"), days, every=every)
        markets = {
            area: _market(area, data, rules, portfolio=portfolio, day=chosen[0])
            for area in areas.split(",")
        }
        for area, market in markets.items():
            entrants, absent = _entrants(only, market)
            with Progress(console=Console(file=sys.stderr), transient=True) as bar:
                task = bar.add_task(f"{area} 入札", total=days * len(entrants) * seeds)
                watch = Watch(clock_s=time.perf_counter, done=functools.partial(bar.advance, task))
                rows, notes = compare(
                    entrants, market, chosen, seeds=range(seed, seed + seeds), watch=watch
                )
            missing = (f"missing: {one}" for one in market.history.missing())
            found[area] = rows, (*absent, *missing, *notes)
    except VppError as error:
        raise _bad(str(error)) from error
    if as_json:
        plain = {
            area: {"rows": [asdict(row) for row in rows], "notes": notes}
            for area, (rows, notes) in found.items()
        }
        typer.echo(json.dumps(plain))
    else:
        typer.echo("\n\n".join("\n".join(table(area, *one)) for area, one in found.items()))
    if absent or any(row.failed for rows, _ in found.values() for row in rows):
        raise typer.Exit(EXIT_BROKEN)


@app.command("make", epilog="Example 例: vpp bids make --date 2024-10-05 --output book.json")
def make_book(  # noqa: PLR0913  one parameter per command line option
    *,
    day: DayOption,
    strategy: Annotated[str, typer.Option(help="exact, nsga3, pso, rl. 戦略。")] = "exact",
    output: Annotated[Path, typer.Option(help="Where to write it, JSON. 出力先。")],
    area: AreaOption = "tokyo",
    data: DataOption = Path("../shared/data"),
    rules: RulesOption = "",
    portfolio: PortfolioOption = None,
    seed: SeedOption = 1,
) -> None:
    """入札の作成。Make the bids of one day and write the book."""
    try:
        if strategy not in STRATEGIES:
            raise ConfigError(f"--strategy: {strategy!r} is not one of {', '.join(STRATEGIES)}")
        market = _market(area, data, rules, portfolio=portfolio, day=_date(day, "--date"))
        question = _question(market, _date(day, "--date"), seed)
        book = STRATEGIES[strategy]().bids(question)
        _write_book(output, book, question)
    except VppError as error:
        raise _bad(str(error)) from error
    typer.echo("\n".join(_book_lines(book)))


@app.command("check", epilog="Example 例: vpp bids check book.json")
def check_book(  # noqa: PLR0913  one parameter per command line option
    *,
    file: Annotated[Path, typer.Argument(help="Bid book, JSON. 入札ファイル。")],
    data: DataOption = Path("../shared/data"),
    rules: RulesOption = "",
    portfolio: PortfolioOption = None,
    at: Annotated[
        str, typer.Option(help="When it is handed in, RFC 3339; before the gates if left out.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """入札の確認。Check a book by every market's rules and by the capacity ledger."""
    try:
        book, area, day = read_book(_json(file), str(file))
        market = _market(area, data, rules, portfolio=portfolio, day=day)
        question = _question(market, day, 1)
        if at:
            question = _handed_in(question, at)
        refusals = check_bids(book, question)
    except VppError as error:
        raise _bad(str(error)) from error
    if as_json:
        typer.echo(json.dumps({"bids": len(book.bids), "refusals": [asdict(r) for r in refusals]}))
    else:
        for one in refusals:
            typer.echo(f"{one.rule_set_id}: {one.rule}: {one.detail} [{one.clause}]")
        if not refusals:
            typer.echo(f"{len(book.bids)} bids: accepted by all rules 全ルール適合")
    if refusals:
        raise typer.Exit(EXIT_BROKEN)


@app.command("front", epilog="Example 例: vpp bids front --date 2024-10-05 --picture front.svg")
def show_front(  # noqa: PLR0913  one parameter per command line option
    *,
    day: DayOption,
    area: AreaOption = "tokyo",
    data: DataOption = Path("../shared/data"),
    rules: RulesOption = "",
    portfolio: PortfolioOption = None,
    seed: SeedOption = 1,
    picture: Annotated[Path | None, typer.Option(help="SVG to write. 図の出力先。")] = None,
    pick: Annotated[int, typer.Option(help="Point whose bids are written. 選ぶ点。")] = -1,
    output: Annotated[Path | None, typer.Option(help="Where its book goes. 出力先。")] = None,
    as_json: JsonOption = False,
) -> None:
    """パレート前線。Search the front of profit, grid impact, reliability and wear; pick a point."""
    try:
        market = _market(area, data, rules, portfolio=portfolio, day=_date(day, "--date"))
        question = _question(market, _date(day, "--date"), seed)
        front = ParetoSearch().front(question)
        if picture is not None:
            _write(picture, front_picture(front, f"{area} {question.day} 入札の候補 bid front"))
        if output is not None:
            _write_picked(front, pick, question, output=output)
    except VppError as error:
        raise _bad(str(error)) from error
    if as_json:
        typer.echo(json.dumps(front_data(front, question)))
    else:
        typer.echo("\n".join(_front_lines(front)))


@app.command("train", epilog="Example 例: vpp bids train --data ../shared/data --output p.onnx")
def train(
    *,
    output: Annotated[Path, typer.Option(help="ONNX file to write. 出力先。")],
    data: DataOption = Path("../shared/data"),
    seed: bids_training.SeedOption = bids_training.SEED,
    steps: bids_training.StepsOption = bids_training.STEPS,
) -> None:
    """学習。Train the bidding policy on published prices; needs the extra train."""
    try:
        told = bids_training.train_policy(output, data, seed=seed, steps=steps)
    except VppError as error:
        raise _bad(str(error)) from error
    typer.echo(told)


def main() -> None:
    """Run the verb."""
    app(prog_name="vpp bids")


def _write_picked(front: BidFront, pick: int, question: BidQuestion, *, output: Path) -> None:
    if not 0 <= pick < len(front.points):
        raise ConfigError(f"--pick: {pick} is not in 0..{len(front.points) - 1}")
    book = book_at(front.points[pick], question, strategy=f"nsga3 point {pick}")
    _write_book(output, book, question)


def _write_book(output: Path, book: BidBook, question: BidQuestion) -> None:
    plain = to_data(book, area=question.area, day=question.day)
    _write(output, json.dumps(plain, indent=1, ensure_ascii=False))


def _market(area: str, data: Path, rules: str, *, portfolio: Path | None, day: date) -> Market:
    chosen = Chosen(area=area, data=data, strategy="exact", rules=rules, portfolio=portfolio)
    return market_of(chosen, first=day)


def _question(market: Market, day: date, seed: int) -> BidQuestion:
    return JointAsker(market, seed=seed).question(day, market.forecasts)


def _handed_in(question: BidQuestion, at: str) -> BidQuestion:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise ConfigError(f"--at: {at!r} is not a time") from None
    if moment.utcoffset() is None:
        raise ConfigError(f"--at: {at!r} has no offset")
    return question.at_moment(moment)


def _entrants(only: str, market: Market) -> tuple[list[Entrant], tuple[str, ...]]:
    """Strategies asked for, and why some cannot take part."""
    names = [one for one in only.split(",") if one] or [*STRATEGIES, FORESIGHT]
    found, absent = [], []
    for name in names:
        if name == FORESIGHT:
            ceiling = Foresight(market.history)
            found.append(Entrant(name=name, strategy=Exact(), forecasts=ceiling))
            continue
        if name not in STRATEGIES:
            known = ", ".join([*STRATEGIES, FORESIGHT])
            raise ConfigError(f"--only: {name!r} is not one of {known}")
        try:
            made = STRATEGIES[name]()
        except ConfigError as error:
            absent.append(f"{name} takes no part: {error}")
            continue
        found.append(Entrant(name=name, strategy=made, forecasts=market.forecasts))
    return found, tuple(absent)


def _book_lines(book: BidBook) -> list[str]:
    by_market: dict[str, int] = {}
    for bid in book.bids:
        name = f"{bid.venue.value} {bid.service.value} of {bid.source.value}"
        by_market[name] = by_market.get(name, 0) + 1
    lines = [f"{book.strategy}: {len(book.bids)} bids, {book.expected_jpy:,} JPY expected"]
    lines += [f"  {count:4d} {name}" for name, count in by_market.items()]
    return lines + [f"note: {one}" for one in book.notes]


def _front_lines(front: BidFront) -> list[str]:
    lines = [f"{'point':>5} {'profit JPY':>12} {'steps kW':>9} {'missed':>8} {'wear JPY':>10}"]
    for at, row in enumerate(front.aims.tolist()):
        profit, impact, missed, wear = row
        lines.append(f"{at:5d} {-profit:12,.0f} {impact:9,.0f} {missed:8.3%} {wear:10,.0f}")
    return [*lines, f"{len(front.points)} points; aims {', '.join(AIMS)}"]


def _json(path: Path) -> object:
    try:
        if path.stat().st_size > BOOK_BYTES_MAX:
            raise ConfigError(f"{path}: is larger than {BOOK_BYTES_MAX:,} bytes")
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {error}") from error
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error


def _date(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is not a day") from None


def _bad(cause: str) -> typer.Exit:
    typer.echo(cause, err=True)
    return typer.Exit(EXIT_BAD_INPUT)
