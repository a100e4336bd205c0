"""``vpp market day`` and ``vpp market backtest``: a day, or many, from forecast to settled yen.

Reads a catalogue of published data; sends nothing anywhere. Exit codes: 0, 1 when the day was run
on assumptions because data were missing, 2 for bad input.
"""

import json
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cloud_coordinator.commands.market_day_report import day_document, day_page, day_table
from cloud_coordinator.commands.market_day_saved import SavedDays
from cloud_coordinator.commands.market_day_setup import keep_day
from cloud_coordinator.gateway.exchanges.wired_market import Chosen, market_of
from cloud_coordinator.market.imbalance import load_imbalance_rule
from cloud_coordinator.services.bidding.strategies import STRATEGIES
from cloud_coordinator.services.market_day.backtest import (
    Backtest,
    DaySummary,
    Totals,
    days_between,
    totals,
)
from cloud_coordinator.services.market_day.day import MarketDay
from protocols.vocabulary.errors import ConfigError, VppError

EXIT_ASSUMED: Final = 1
EXIT_BAD_INPUT: Final = 2
DAYS_MAX: Final = 3660

DataOption = Annotated[Path, typer.Option(help="Folder of published data. データの場所。")]
AreaOption = Annotated[str, typer.Option(help="Area of the system operator. エリア。")]
StrategyOption = Annotated[str, typer.Option(help=f"Who bids: {', '.join(STRATEGIES)}. 入札戦略。")]
RulesOption = Annotated[
    str,
    typer.Option(
        help="Rule set to settle by, whatever the day; the set in force if left out. 適用ルール。"
    ),
]
PortfolioOption = Annotated[
    Path | None, typer.Option(help="Plants, TOML; an example if left out. 設備構成。")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of absences and drawn strategies. 乱数。")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine readable. JSONで出力。")]


def add_days(app: typer.Typer) -> None:
    """Add the commands to ``vpp market``."""
    app.command("day")(day)
    app.command("backtest")(backtest)


def day(  # noqa: PLR0913  one parameter per command line option
    *,
    day: Annotated[str, typer.Option("--date", help="Day of delivery, YYYY-MM-DD. 受渡日。")],
    area: AreaOption = "tokyo",
    data: DataOption = Path("../shared/data"),
    strategy: StrategyOption = "exact",
    rules: RulesOption = "",
    portfolio: PortfolioOption = None,
    seed: SeedOption = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report (HTML and JSON). 出力先。")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Registry in which the day is kept (SQLite). 保存先データベース。"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """一日の取引。Run one day: forecast, bids, awards, delivery, assessment, statement.

    Example: vpp market day --date 2024-10-05 --area tokyo --data ../shared/data
    --rules eprx-2025-04-01 --out report
    """
    try:
        market = market_of(
            Chosen(area=area, data=data, strategy=strategy, rules=rules, portfolio=portfolio),
            first=_date(day, "--date"),
        )
        use_case = MarketDay(market, imbalance=load_imbalance_rule(), seed=seed)
        result = use_case.run(_date(day, "--date"), use_case.opening())
        document = day_document(result)
        if out is not None:
            _write(out / f"market-{area}-{result.day}.json", json.dumps(document, indent=1))
            _write(out / f"market-{area}-{result.day}.html", day_page(result))
        entries = [] if store is None else keep_day(store, result, market.portfolio)
    except VppError as error:
        raise _bad(str(error)) from error
    typer.echo(json.dumps(document) if as_json else "\n".join(day_table(result)))
    for entry in entries:
        typer.echo(
            f"{entry.kind} {entry.number}: {entry.account}: {entry.change_jpy} JPY {entry.reason}",
            err=True,
        )
    if market.history.missing():
        raise typer.Exit(EXIT_ASSUMED)


def backtest(  # noqa: PLR0913  one parameter per command line option
    *,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD. 開始日。")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD. 終了日。")],
    area: AreaOption = "tokyo",
    data: DataOption = Path("../shared/data"),
    strategy: StrategyOption = "exact",
    rules: RulesOption = "eprx-2025-04-01",
    portfolio: PortfolioOption = None,
    seed: SeedOption = 1,
    saved: Annotated[
        Path | None, typer.Option(help="Days that are done; goes on where it stopped. 途中経過。")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """過去検証。Run many days for a strategy, two baselines and with perfect foresight.

    Example: vpp market backtest --area tokyo --from 2024-04-01 --to 2025-03-31
    --data ../shared/data
    """
    try:
        days = days_between(_date(first, "--from"), _date(last, "--to"))
        if not days or len(days) > DAYS_MAX:
            raise ConfigError(f"--from, --to: {len(days)} days are not between 1 and {DAYS_MAX}")
        chosen = Chosen(area=area, data=data, strategy=strategy, rules=rules, portfolio=portfolio)
        market = market_of(chosen, first=days[0])
        book = SavedDays(saved, chosen.digest(seed))
        use_case = Backtest(market, imbalance=load_imbalance_rule(), seed=seed)
        found = _all(use_case, days, book)
    except VppError as error:
        raise _bad(str(error)) from error
    sums = totals(found)
    missing = market.history.missing()
    if as_json:
        typer.echo(json.dumps(_sums_document(chosen, sums, missing)))
    else:
        typer.echo("\n".join(_sums_table(chosen, sums, missing)))
    if missing:
        raise typer.Exit(EXIT_ASSUMED)


def _all(use_case: Backtest, days: tuple[date, ...], book: SavedDays) -> list[DaySummary]:
    """Run every scenario under a bar on standard error; what is done is kept at once."""
    found: list[DaySummary] = []
    bar = Progress(
        TextColumn("{task.description:22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
    )
    with book, bar:
        tasks = {name: bar.add_task(name, total=len(days)) for name in use_case.scenarios}
        for name, task in tasks.items():
            keep = _keeper(found, book, partial(bar.advance, task))
            use_case.run(days, scenario=name, saved=book.days, keep=keep)
    return found


def _keeper(
    found: list[DaySummary], book: SavedDays, step: Callable[[], object]
) -> Callable[[DaySummary], None]:
    def keep(one: DaySummary) -> None:
        found.append(one)
        book.keep(one)
        step()

    return keep


def _sums_table(chosen: Chosen, sums: tuple[Totals, ...], missing: object) -> list[str]:
    lines = [
        f"{chosen.area}, settled by {chosen.rules or 'the rule set in force'}"
        f"{' (as if it had been in force)' if chosen.rules else ''}, yen",
        f"{'month':8} {'scenario':22} {'days':>5} {'revenue':>14} {'capacity':>14} "
        f"{'penalties':>12} {'wear':>12} {'profit':>14} {'called':>7} {'failed':>11}",
    ]
    order = sorted(sums, key=lambda one: (one.period == "all", one.period))
    lines += [
        f"{one.period:8} {one.scenario:22} {one.days:5d} {one.revenue_yen:14,d} "
        f"{one.capacity_jpy:14,.0f} {one.penalties_jpy:12,.0f} {one.degradation_jpy:12,.0f} "
        f"{one.profit_jpy:14,.0f} {one.called_share:7.1%} "
        f"{one.failed_slots:5d}/{one.award_slots:5d}"
        for one in order
    ]
    lines += [
        f"{one.scenario:22} {count:6d} {cause}"
        for one in sums
        if one.period == "all"
        for cause, count in sorted(one.causes.items())
    ]
    assert isinstance(missing, tuple)
    return [*lines, *(f"missing: {line}" for line in missing)]


def _sums_document(chosen: Chosen, sums: tuple[Totals, ...], missing: object) -> dict[str, object]:
    return {
        "area": chosen.area,
        "strategy": chosen.strategy,
        "rule_set": chosen.rules,
        "as_if": bool(chosen.rules),
        "missing": missing,
        "rows": [
            {
                "period": one.period,
                "scenario": one.scenario,
                "days": one.days,
                "revenue_yen": one.revenue_yen,
                "capacity_jpy": str(one.capacity_jpy),
                "penalties_jpy": str(one.penalties_jpy),
                "degradation_jpy": str(one.degradation_jpy),
                "profit_jpy": str(one.profit_jpy),
                "called_kwh": one.called_kwh,
                "called_share": one.called_share,
                "award_slots": one.award_slots,
                "failed_slots": one.failed_slots,
                "causes": dict(one.causes),
            }
            for one in sums
        ],
    }


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out: {path}: {error.strerror or error}") from error


def _date(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is not a day") from None


def _bad(cause: str) -> typer.Exit:
    typer.echo(cause, err=True)
    return typer.Exit(EXIT_BAD_INPUT)
