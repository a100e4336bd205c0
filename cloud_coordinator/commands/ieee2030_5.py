"""``vpp ieee2030-5``: wiring only. Runs an IEEE 2030.5 server until it is told to stop.

Exit codes: 0 after a clean stop, 2 for bad input (one clear line says where and why, and
nothing has been started), 1 for a broken invariant (the service manager starts it again, and
it resumes from its database).
"""

import asyncio
import contextlib
import json
import os
import random
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TextIO

import structlog
import typer

from cloud_coordinator.gateway.ieee2030_5.service import (
    Chance,
    Ieee2030_5Service,
    ServiceOptions,
    Where,
)
from cloud_coordinator.gateway.ieee2030_5.zone_time import zone_rules
from cloud_coordinator.gateway.tls import TlsFiles, server_context
from cloud_coordinator.process import PORT_MAX, SystemClock, configure_logging, owned, stop_signal
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.record_table import RecordTable
from protocols.ieee2030_5.server.server import SEED_OCTETS
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.vocabulary.errors import ConfigError, VppError

EXIT_BAD_INPUT: Final = 2
BOOK: Final = "ieee2030_5"
TOKEN_VARIABLE: Final = "VPP_ADMIN_TOKEN"  # noqa: S105 - the variable's name, no secret

_log = structlog.get_logger()
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person decides on the command line, as its help explains it."""

    service: ServiceOptions
    database: str
    log: Path | None


@app.callback()
def ieee2030_5() -> None:
    """IEEE 2030.5 (CSIP, CSIP-AUS) toward other parties' devices and aggregators."""


@app.command()
def serve(  # noqa: PLR0913  one parameter per command line option
    *,
    cert: Annotated[Path, typer.Option(help="The server's certificate chain, PEM. 証明書。")],
    key: Annotated[Path, typer.Option(help="Its private key, PEM. 秘密鍵。")],
    ca: Annotated[Path, typer.Option(help="Trusted certificates (SERCA and MICAs), PEM. 認証局。")],
    host: Annotated[str, typer.Option(help="Address to listen on. アドレス。")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=PORT_MAX, help="Port. ポート。")] = 8443,
    database: Annotated[
        str, typer.Option(help="SQLite file or SQLAlchemy address. データベース。")
    ] = "ieee2030-5.sqlite3",
    admin_port: Annotated[
        int | None,
        typer.Option(min=0, max=PORT_MAX, help="Take JSON instructions here. 管理ポート。"),
    ] = None,
    admin_host: Annotated[
        str, typer.Option(help=f"Other than loopback wants ${TOKEN_VARIABLE}. 管理アドレス。")
    ] = "127.0.0.1",
    poll_rate: Annotated[int, typer.Option(min=1, help="Poll rate, s. ポーリング間隔。")] = 300,
    post_rate: Annotated[int, typer.Option(min=1, help="Post rate, s. 送信間隔。")] = 300,
    csip_aus: Annotated[
        bool, typer.Option("--csip-aus/--no-csip-aus", help="Speak CSIP-AUS 1.2. 豪州拡張。")
    ] = True,
    registration: Annotated[
        bool,
        typer.Option(
            "--registration/--no-registration", help="Let devices register. 機器の自己登録。"
        ),
    ] = True,
    pen: Annotated[int, typer.Option(min=0, help="Enterprise number in mRIDs. PEN。")] = 0,
    time_zone: Annotated[str, typer.Option(help="Of the Time resource. 時間帯。")] = "Asia/Tokyo",
    log: Annotated[
        Path | None, typer.Option(help="Append JSON lines here. JSON Linesの記録先。")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="More events. 詳細ログ。")] = False,
) -> None:
    """Run a server until Ctrl-C (サーバーを動かす).

    Example: vpp ieee2030-5 serve --cert server.pem --key server.key --ca authorities.pem.
    """
    configure_logging(verbose=verbose)
    options = Options(
        service=ServiceOptions(
            host=host,
            port=port,
            tls=TlsFiles(certificate=cert, key=key, authorities=ca),
            server=ServerSettings(
                poll_rate_s=poll_rate,
                post_rate_s=post_rate,
                csip_aus=csip_aus,
                open_registration=registration,
                enterprise_number=pen,
                zone=zone_rules(time_zone),
            ),
            admin_host=admin_host,
            admin_port=admin_port,
            admin_token=os.environ.get(TOKEN_VARIABLE, ""),
        ),
        database=database,
        log=log,
    )
    server_context(options.service.tls)  # a wrong file is told before anything is made
    with owned(options.database):
        asyncio.run(_run(options))


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        Exit code.
    """
    try:
        app(standalone_mode=False)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))
    return 0


async def _run(options: Options) -> None:
    stop = stop_signal()
    async with contextlib.AsyncExitStack() as closing:
        clock, address = SystemClock(), options.database
        database = open_database(address if "://" in address else Path(address))
        closing.callback(database.close)
        service = Ieee2030_5Service(
            options.service,
            RecordTable(database, book=BOOK),
            clock=lambda: clock.now().timestamp(),
            chance=Chance(seed=secrets.token_bytes(SEED_OCTETS), draw=random.SystemRandom().random),
            log=_open_log(options.log, closing),
        )
        closing.push_async_callback(service.close)
        where = await service.open()
        _say_ready(options, where)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(service.run())
            await stop.wait()
            _log.info("der_server.stopping")
            running.cancel()


def _open_log(path: Path | None, closing: contextlib.AsyncExitStack) -> TextIO | None:
    if path is None:
        return None
    try:
        return closing.enter_context(path.open("a", encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"log {path}: {error.strerror}") from error


def _say_ready(options: Options, where: Where) -> None:
    """Print the one line that tells a parent process where everything is."""
    ready = {
        "event": "ieee2030_5.ready",
        "pid": os.getpid(),
        "dcap": f"https://{options.service.host}:{where.port}/dcap",
        "admin": None
        if where.admin_port is None
        else f"http://{options.service.admin_host}:{where.admin_port}/",
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


def _bad_input(message: str) -> int:
    """Say what is wrong in one line."""
    sys.stderr.write(f"vpp ieee2030-5: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT
