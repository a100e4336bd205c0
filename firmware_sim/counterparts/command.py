"""``vpp sim counterpart``: exchange, balancing market and OCCTO as servers. Wiring only."""

import asyncio
import json
import signal
import ssl
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from aiohttp import web

from firmware_sim.counterparts.eprx import EprxCounterpart
from firmware_sim.counterparts.jepx import JepxCounterpart
from firmware_sim.counterparts.jepx_book import published_book, simulated_book
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Mischief, faults_of
from firmware_sim.counterparts.occto import Account, OcctoCounterpart
from firmware_sim.counterparts.shifted_clock import ShiftedClock
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

_HOST: Final = "127.0.0.1"
_STOP_S: Final = 1.0
PortOption = Annotated[int, typer.Option(min=1, max=65_535, help="Port on loopback. ポート。")]
LedgerOption = Annotated[
    Path | None, typer.Option(help="What was received, to survive a restart. 受付台帳。")
]
AtOption = Annotated[str, typer.Option(help="Begin at this time, RFC 3339. 開始時刻。")]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(help="busy, error, lost, late, garbled, cut, replay, twice; NAME:COUNT. 障害。"),
]
PemOption = Annotated[Path | None, typer.Option(help="PEM. 証明書と鍵。")]


def add_counterparts(app: typer.Typer, clock: Clock) -> None:
    """Add ``counterpart`` to ``vpp sim``."""
    group = typer.Typer(add_completion=False, help="取引所・OCCTOの模擬。Markets as servers.")
    app.add_typer(group, name="counterpart")
    _add_jepx(group, clock)
    _add_eprx(group, clock)
    _add_occto(group, clock)


def _add_jepx(group: typer.Typer, clock: Clock) -> None:
    @group.command(epilog="Example 例: vpp sim counterpart jepx --port 8101 --fault lost")
    def jepx(
        *,
        port: PortOption,
        ledger: LedgerOption = None,
        at: AtOption = "",
        fault: FaultOption = None,
        curves: Annotated[
            Path | None, typer.Option(help="Published bid curves of a day. 入札カーブ。")
        ] = None,
    ) -> None:
        """Take orders, close, clear and publish as the exchange.

        卸電力取引所を模擬します。
        """
        book = simulated_book() if curves is None else published_book(curves)
        made = JepxCounterpart(
            Ledger(ledger), _clock(clock, at), book=book, mischief=_mischief(fault)
        )
        asyncio.run(serve(made.application(), port, name="jepx"))


def _add_eprx(group: typer.Typer, clock: Clock) -> None:
    @group.command(epilog="Example 例: vpp sim counterpart eprx --port 8102 --fault busy:2")
    def eprx(
        *,
        port: PortOption,
        ledger: LedgerOption = None,
        at: AtOption = "",
        fault: FaultOption = None,
    ) -> None:
        """Take bids and award them as the balancing market.

        需給調整市場を模擬します。
        """
        made = EprxCounterpart(Ledger(ledger), _clock(clock, at), mischief=_mischief(fault))
        asyncio.run(serve(made.application(), port, name="eprx"))


def _add_occto(group: typer.Typer, clock: Clock) -> None:
    @group.command(
        epilog="Example 例: vpp sim counterpart occto --port 8103 --certificate server.pem "
        "--key server.key --authorities ca.pem --user vpp --password-file password"
    )
    def occto(  # noqa: PLR0913  one parameter per option of the command line
        *,
        port: PortOption,
        certificate: PemOption = None,
        key: PemOption = None,
        authorities: PemOption = None,
        user: Annotated[str, typer.Option(help="User. 利用者。")] = "vpp",
        password_file: Annotated[Path | None, typer.Option(help="Password. パスワード。")] = None,
        ledger: LedgerOption = None,
        at: AtOption = "",
        fault: FaultOption = None,
    ) -> None:
        """Take plans as OCCTO.

        広域機関の計画受付を模擬します。
        """
        if certificate is None or key is None or authorities is None or password_file is None:
            raise ConfigError(
                "counterpart occto: needs --certificate, --key, --authorities and --password-file"
            )
        account = Account(user=user, password=_secret(password_file))
        made = OcctoCounterpart(
            Ledger(ledger), _clock(clock, at), account=account, mischief=_mischief(fault)
        )
        context = mutual_context(certificate, key, authorities=authorities)
        asyncio.run(serve(made.application(), port, name="occto", context=context))


def mutual_context(certificate: Path, key: Path, *, authorities: Path) -> ssl.SSLContext:
    """Context of a server that asks for a client certificate.

    Raises
    ------
    ConfigError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{certificate}, {key}, {authorities}: {error}") from error
    return context


async def serve(
    app: web.Application, port: int, *, name: str, context: ssl.SSLContext | None = None
) -> None:
    """Listen until SIGTERM or SIGINT; one line says that the socket is bound.

    Raises
    ------
    ConfigError
        If the port cannot be had.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port, ssl_context=context).start()
        ready = {"event": "counterpart.ready", "name": name, "port": port}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stop.wait()
    except OSError as error:
        raise ConfigError(f"--port {port}: {error.strerror or error}") from error
    finally:
        await runner.cleanup()


def _mischief(fault: list[str] | None) -> Mischief:
    return Mischief(faults_of(fault or []))


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _clock(clock: Clock, at: str) -> Clock:
    if not at:
        return clock
    try:
        begin = datetime.fromisoformat(at)
    except ValueError as error:
        raise ConfigError(f"--at {at!r}: is not a time") from error
    if begin.utcoffset() is None:
        raise ConfigError(f"--at {at!r}: has no offset")
    return ShiftedClock(clock, begin)
