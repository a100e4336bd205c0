"""``vpp openadr``: wiring only. A VTN with its database, its sockets and its operator's door.

Exit codes: 0 after a clean stop, 2 for bad input, 1 for a store that cannot be used.
"""

import asyncio
import gc
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from aiohttp import web

from cloud_coordinator.gateway.openadr.admin import Admin
from cloud_coordinator.gateway.openadr.desk import Desk, DeskPorts
from cloud_coordinator.gateway.openadr.push import PushSender
from cloud_coordinator.gateway.openadr.server import VtnServer
from cloud_coordinator.gateway.openadr.tls import push_context, signatory_of, vtn_context
from cloud_coordinator.gateway.tls import TlsFiles
from cloud_coordinator.process import SystemClock, configure_logging, owned, stop_signal
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.record_table import RecordTable
from protocols.openadr.durations import parse_duration
from protocols.openadr.vtn.seal import PlainSeal, Seal, SignedSeal
from protocols.openadr.vtn.settings import VtnSettings, WantedReport
from protocols.vocabulary.errors import ConfigError, ProtocolError, VppError

EXIT_BAD_INPUT: Final = 2
EXIT_FAILED: Final = 1
BOOK_NAME_MAX: Final = 64
POLL_S_MAX: Final = 86_400.0
TOKEN_BYTES: Final = 32
LOOPBACK: Final = "127.0.0.1"
_EPILOG: Final = (
    "Example 例: vpp openadr vtn --vtn-id TokyoVtn --database vtn.db "
    "--report TELEMETRY_USAGE,PT1M,PT1M"
)

_log = structlog.get_logger(__name__)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person decides on the command line, as its help explains it."""

    settings: VtnSettings
    host: str
    port: int
    database: str
    tls: TlsFiles | None
    signed: bool
    admin_port: int
    token_file: Path | None


@app.callback()
def openadr() -> None:
    """Run programs of OpenADR 2.0b.

    OpenADR 2.0bのプログラム。
    """


@app.command(epilog=_EPILOG)
def vtn(  # noqa: PLR0913  a command line has many options
    *,
    vtn_id: Annotated[str, typer.Option(help="Name of this VTN. VTNの識別子。")],
    database: Annotated[
        str, typer.Option(help="SQLite file, or a SQLAlchemy address. データベース。")
    ],
    host: Annotated[str, typer.Option(help="Address to listen at. 待受アドレス。")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one. 待受ポート。")] = 8080,
    cert: Annotated[
        Path | None, typer.Option(help="Own certificate, PEM; turns TLS on. サーバー証明書。")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM. 秘密鍵。")] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Who signs the VENs' certificates, PEM. 認証局。")
    ] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="Ask for and make XML signatures. XML署名を使用。")
    ] = False,
    poll_interval: Annotated[
        float, typer.Option(help="How often VENs poll, s. ポーリング間隔（秒）。")
    ] = 10.0,
    report: Annotated[
        list[str] | None,
        typer.Option(
            help="Report wanted of every VEN: NAME,GRANULARITY,REPORT-BACK. 要求するレポート。"
        ),
    ] = None,
    named_only: Annotated[
        bool,
        typer.Option("--named-only", help="Register only VENs named by the operator. 登録制限。"),
    ] = False,
    admin_port: Annotated[
        int, typer.Option(help="Port of the operator's door on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    admin_token_file: Annotated[
        Path | None,
        typer.Option(help="File with the operator's token; made if missing. 管理トークン。"),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more. 詳細ログ。")] = False,
) -> None:
    """Serve VENs as a VTN (OpenADR 2.0b).

    VTNサーバーを起動します。
    """
    configure_logging(verbose=verbose)
    try:
        settings = VtnSettings(
            vtn_id=vtn_id,
            poll_interval=_poll_interval(poll_interval),
            named_only=named_only,
            wanted_reports=tuple(_wanted(text) for text in report or ()),
        )
        options = Options(
            settings=settings,
            host=host,
            port=port,
            database=database,
            tls=_tls(cert, key, ca),
            signed=signed,
            admin_port=admin_port,
            token_file=admin_token_file,
        )
        _check(options)
        with owned(options.database):
            asyncio.run(serve(options))
    except ConfigError as error:
        raise typer.Exit(_complain(str(error), EXIT_BAD_INPUT)) from None
    except VppError as error:
        raise typer.Exit(_complain(str(error), EXIT_FAILED)) from None


async def serve(options: Options) -> None:
    """Run one VTN until SIGTERM or SIGINT.

    Raises
    ------
    ConfigError
        If an address, a file or the database's address is wrong.
    StoreError
        If the database cannot be used.
    """
    where = options.database if "://" in options.database else Path(options.database)
    database = open_database(where)
    try:
        seal: Seal = PlainSeal()
        if options.signed:
            assert options.tls is not None, "checked before"
            seal = SignedSeal(signatory_of(options.tls))
        book = RecordTable(database, book=f"vtn:{options.settings.vtn_id}"[:BOOK_NAME_MAX])
        ports = DeskPorts(
            settings=options.settings,
            seal=seal,
            book=book,
            clock=SystemClock(),
            draw=secrets.token_bytes,
        )
        desk = Desk(ports)
        token = _token(options)
        await _run(options, desk, Admin(desk, token=token))
    finally:
        database.close()


async def _run(options: Options, desk: Desk, admin: Admin) -> None:
    stop = stop_signal()
    tls = options.tls
    server = VtnServer(desk, None if tls is None else vtn_context(tls))
    sender = PushSender(desk, None if tls is None else push_context(tls))
    runner = web.AppRunner(admin.app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, options.admin_port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"--admin-port {options.admin_port}: {error.strerror}") from error
        port = await server.open(options.host, options.port)
        gc.freeze()
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(sender.run())
            _say(options, desk, {"port": port, "admin_port": runner.addresses[0][1]})
            await stop.wait()
            sending.cancel()
    finally:
        await server.close()
        await runner.cleanup()
        await desk.close()


def _say(options: Options, desk: Desk, ports: Mapping[str, int]) -> None:
    """Tell on standard output that it works."""
    ready = {
        "event": "openadr.ready",
        "vtn_id": options.settings.vtn_id,
        "host": options.host,
        "port": ports["port"],
        "tls": options.tls is not None,
        "signed": options.signed,
        "path": options.settings.path_prefix,
        "admin": f"http://{LOOPBACK}:{ports['admin_port']}",
        "token_file": str(_token_file(options)),
        "vens": len(desk.state.vens.everyone()),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


def _check(options: Options) -> None:
    """Refuse what cannot be done before anything is opened."""
    if not options.settings.vtn_id.strip() or len(options.settings.vtn_id) > BOOK_NAME_MAX - 4:
        raise ConfigError(f"--vtn-id: use 1 to {BOOK_NAME_MAX - 4} characters")
    if options.settings.vtn_id == options.settings.vtn_id.lower():
        raise ConfigError(
            "--vtn-id: use at least one capital letter; there are VENs that refuse others"
        )
    if options.signed and options.tls is None:
        raise ConfigError("--signed: needs --cert, --key and --ca")


def _poll_interval(seconds: float) -> timedelta:
    if not 1.0 <= seconds <= POLL_S_MAX or seconds % 1.0:
        raise ConfigError("--poll-interval: use whole seconds from 1 to 86400")
    return timedelta(seconds=seconds)


def _tls(cert: Path | None, key: Path | None, ca: Path | None) -> TlsFiles | None:
    if cert is None and key is None and ca is None:
        return None
    if cert is None or key is None or ca is None:
        raise ConfigError("--cert, --key and --ca belong together")
    return TlsFiles(certificate=cert, key=key, authorities=ca)


def _wanted(text: str) -> WantedReport:
    parts = text.split(",")
    try:
        name, granularity, back = parts
        return WantedReport(
            report_name=name,
            granularity=parse_duration(granularity),
            report_back=parse_duration(back),
        )
    except (ValueError, ProtocolError) as error:
        raise ConfigError(f"--report {text!r}: use NAME,PT1M,PT1M: {error}") from error


def _token_file(options: Options) -> Path:
    if options.token_file is not None:
        return options.token_file
    if "://" in options.database:
        raise ConfigError("--admin-token-file: is needed with a database address")
    return Path(f"{options.database}.token")


def _token(options: Options) -> str:
    """Read the operator's token, or make one that only this user can read."""
    path = _token_file(options)
    try:
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    return token


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"vpp openadr: {message}\n")
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``vpp openadr``.

    Returns
    -------
    int
        0; other codes leave by SystemExit.
    """
    app(prog_name="vpp openadr", args=None if arguments is None else list(arguments))
    return 0
