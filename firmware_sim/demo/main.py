"""``vpp demo``: the command line. Wiring only."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer

from firmware_sim.demo.board import Board
from firmware_sim.demo.collect import collect
from firmware_sim.demo.coordinator_client import CoordinatorClient
from firmware_sim.demo.ground import Ground, lay_ground
from firmware_sim.demo.options import DemoOptions
from firmware_sim.demo.plant import Plant
from firmware_sim.demo.plots import draw_all
from firmware_sim.demo.processes import EXIT_BAD_INPUT, ProgramError, once
from firmware_sim.demo.programs import check_programs
from firmware_sim.demo.report_files import csv_text, html_text, write_json, write_whole
from firmware_sim.demo.run import Run
from firmware_sim.demo.screen import show
from firmware_sim.demo.verdict import build_report
from protocols.vocabulary.errors import ConfigError, VppError

EXIT_NOT_GOOD: Final = 1
EXIT_INTERRUPTED: Final = 130
_EPILOG: Final = (
    "Example 例: vpp demo --sites 20 --duration 180 --cut 0.3 --headless --json out.json"
)
_APP = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@_APP.command(epilog=_EPILOG)
def demo(  # noqa: PLR0913  one parameter per option of the command line
    *,
    sites: Annotated[int, typer.Option(help="How many sites. 拠点数。")] = 8,
    duration: Annotated[int, typer.Option(help="Length of the award, s. 契約の長さ（秒）。")] = 120,
    cut: Annotated[
        float,
        typer.Option(
            help="Share of the links cut for the second third, 0 to 1. 中間で切る通信の割合。"
        ),
    ] = 0.3,
    data: Annotated[
        Path | None,
        typer.Option(help="Measured loads and PV drive the sites. 実測負荷・太陽光のフォルダ。"),
    ] = None,
    signal_file: Annotated[
        Path | None,
        typer.Option(
            "--signal",
            help="Dispatch signal: CSV or CSV.gz of time and -1..1; without it one is "
            "generated. 指令信号。",
        ),
    ] = None,
    signal_start: Annotated[
        float,
        typer.Option(help="Begin this many s after the signal's first value. 信号の開始位置。"),
    ] = 0.0,
    chaos: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            help="Seed: kill -9 an agent, the broker, the coordinator once each. 強制終了試験。",
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines, no live view. 画面なし。")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the report's JSON here. JSON出力先。")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run. 出力先。", show_default="runs/<UTC time>"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Of the live page. 画面のポート。", show_default="8080 or a free one"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws sites, signal and cut links. 乱数の種。")] = 1,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep the page running until Ctrl-C. 終了後も画面を残す。"),
    ] = False,
    broker: Annotated[
        str | None,
        typer.Option(help="Use a running broker, mqtt://host:port. 外部ブローカー。"),
    ] = None,
    nats_server: Annotated[
        Path | None, typer.Option(help="Another nats-server to start. nats-serverのパス。")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without TLS and signatures. 暗号化・署名なし。")
    ] = False,
) -> None:
    """Run a whole virtual power plant on this machine: broker, coordinator, agents, devices.

    仮想発電所を一式動かし、通信を切り、復旧させ、指令と実績を報告します。
    """
    options = DemoOptions(
        sites=sites,
        duration_s=duration,
        cut_share=cut,
        seed=seed,
        chaos_seed=chaos,
        data=data,
        signal=signal_file,
        signal_start_s=signal_start,
        out=out or Path("runs") / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        json_file=json_file,
        port=port,
        broker=broker,
        nats_server=nats_server,
        headless=headless,
        keep=keep,
        plain=plain,
    )
    raise typer.Exit(_run(options))


def _run(options: DemoOptions) -> int:
    """Run and turn what happens into an exit code and one clear line."""
    try:
        check_programs()
        ground = lay_ground(options)
    except ConfigError as error:
        return _complain(str(error), EXIT_BAD_INPUT)
    try:
        return asyncio.run(_in_loop(ground))
    except ConfigError as error:
        return _complain(str(error), EXIT_BAD_INPUT)
    except VppError as error:
        return _complain(f"{error}\nlogs of all programs: {ground.out / 'logs'}", EXIT_NOT_GOOD)
    except asyncio.CancelledError:
        return _complain(f"interrupted; everything was ended; {ground.out}", EXIT_INTERRUPTED)


async def _in_loop(ground: Ground) -> int:
    """Run until the end or the first signal; everything is ended in either case."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "this is a task"
    interrupt = once(task.cancel)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupt)
    with (ground.out / "events.jsonl").open("w", encoding="utf-8") as journal:
        board = Board(page=f"{ground.page}/", out=str(ground.out), now_s=time.time, journal=journal)
        async with aiohttp.ClientSession() as session, _showing(board, ground):
            client = CoordinatorClient(ground.page, session, trust=ground.trust)
            plant = Plant(ground, board, client=client, now_s=time.time)
            try:
                report = await _measured(ground, plant, client=client, board=board)
                if ground.options.keep:
                    board.begin(f"kept running: {ground.page}/ - Ctrl-C ends it")
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
            finally:
                board.begin("ending every program")
                await plant.end()
    return _conclude(ground, report)


async def _measured(
    ground: Ground, plant: Plant, *, client: CoordinatorClient, board: Board
) -> dict[str, Any]:
    """Run, collect, and write the report."""
    run = Run(ground, plant, client=client, board=board, now_s=time.time)
    await run.execute()
    record = await collect(ground, plant, run=run, client=client, board=board)
    board.begin("writing the report")
    report = build_report(record)
    paths = [ground.out / "report.json"]
    if ground.options.json_file is not None:
        paths.append(ground.options.json_file)
    try:
        write_json(report, paths)
        write_whole(ground.out / "report.csv", csv_text(record))
        write_whole(ground.out / "report.html", html_text(report, draw_all(record)))
    except OSError as error:
        raise ProgramError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return report


@contextlib.asynccontextmanager
async def _showing(board: Board, ground: Ground) -> AsyncIterator[None]:
    """Show the board beside the work."""
    showing = asyncio.create_task(show(board, headless=ground.options.headless))
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


def _conclude(ground: Ground, report: dict[str, Any]) -> int:
    """Print where the report is and how the run ended."""
    word = "ok" if report["ok"] else "not good enough"
    sys.stdout.write(
        f"vpp demo: {word}: {report['verdict']}\n"
        f"report: {ground.out / 'report.html'} (also report.csv, report.json, logs/)\n"
    )
    return 0 if report["ok"] else EXIT_NOT_GOOD


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"vpp demo: {message}\n")
    return code


def main() -> int:
    """Run ``vpp demo``.

    Returns
    -------
    int
        0 if nothing was lost or counted twice and cut sites held; codes leave by SystemExit.
    """
    _APP(args=with_chaos_seed(sys.argv[1:]), prog_name="vpp demo")
    return 0


def with_chaos_seed(arguments: Sequence[str]) -> list[str]:
    """Give ``--chaos`` without a seed the seed 1."""
    found: list[str] = []
    for index, word in enumerate(arguments):
        found.append(word)
        following = arguments[index + 1 : index + 2]
        if word == "--chaos" and (not following or following[0].startswith("--")):
            found.append("1")
    return found
