"""``vpp coordinator``: wiring only. Makes the rooms of the coordinator and lets them run.

Exit codes: 0 after a clean stop, 2 for bad input (one clear line says where and why, and
nothing has been started), 1 for a broken invariant (the service manager starts it again, and
it resumes from its store).
"""

import asyncio
import contextlib
import gc
import json
import os
import secrets
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from aiohttp import web

from cloud_coordinator.allocation.engines import kernel_absence
from cloud_coordinator.gateway.aggregators.files import (
    NO_SERVERS,
    ServerFiles,
    read_server_files,
)
from cloud_coordinator.gateway.aggregators.servers import AggregatorServers, ServerPorts
from cloud_coordinator.gateway.aggregators.site import SitePorts
from cloud_coordinator.gateway.aggregators.switchboard import Switchboard
from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.common_causes import read_policy
from cloud_coordinator.gateway.connect import connect_bus
from cloud_coordinator.gateway.cycle_log import CycleLog, CyclePorts
from cloud_coordinator.gateway.link import LinkGateway
from cloud_coordinator.gateway.openadr_ven.ven_file import VenFile, read_ven_files
from cloud_coordinator.gateway.openadr_ven.vens import CoordinatorVens
from cloud_coordinator.gateway.openadr_ven.zone import ZonePorts
from cloud_coordinator.gateway.secured import Security, check_plain, open_security
from cloud_coordinator.gateway.ticking import tick_forever
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.opening import OpenedStore, open_store
from cloud_coordinator.process import (
    PORT_MAX,
    SystemClock,
    configure_logging,
    listen,
    parse_address,
    run_until,
    stop_signal,
)
from cloud_coordinator.securing import secure
from cloud_coordinator.services.assurance import AWARD_PROBABILITY, AssurancePolicy
from cloud_coordinator.services.coordinator import Conduct, Coordinator
from cloud_coordinator.store.upkeep import keep_up
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.ports import Vitals
from protocols.vocabulary.errors import VppError

EXIT_BAD_INPUT: Final = 2
PARTITIONS_LEASE: Final = "partitions"
"""Lease under which one coordinator owns all partitions."""
WEB_STOP_S: Final = 2.0

_log = structlog.get_logger()
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person decides on the command line, as its help explains it."""

    data_dir: Path
    http_host: str
    http_port: int
    mqtt_port: int
    broker: str | None
    nats_server: Path | None
    vens: tuple[VenFile, ...] = ()
    cycle_log: Path | None = None
    servers: ServerFiles = NO_SERVERS
    policy: AssurancePolicy = field(default_factory=AssurancePolicy)
    is_open: bool = False
    identity: Path | None = None


async def _open_bus(
    options: Options,
    clock: SystemClock,
    closing: contextlib.AsyncExitStack,
    *,
    security: Security | None,
) -> tuple[Bus, EmbeddedBroker | None]:
    """Connect to the broker, started here unless another one is named."""
    broker = None
    url = options.broker
    if url is None:
        broker = EmbeddedBroker(
            BrokerSettings(
                data_dir=options.data_dir,
                mqtt_port=options.mqtt_port,
                binary=options.nats_server,
                tls=None if security is None else security.broker_tls,
            ),
            clock,
        )
        await broker.ensure()
        closing.push_async_callback(broker.stop)
        url = broker.url
    bus = await connect_bus(url)
    closing.push_async_callback(bus.close)
    return bus, broker


def _connect_aggregators(
    options: Options, coordinator: Coordinator, *, store: OpenedStore, switchboard: Switchboard
) -> AggregatorServers:
    """Make the servers toward aggregators, and a site in front of each aggregator."""
    clock = SystemClock()
    servers = AggregatorServers(
        options.servers, ServerPorts(books=store.book, clock=clock, draw=secrets.token_bytes)
    )
    intake, epoch = coordinator.intake, coordinator.epoch
    ports = SitePorts(taker=intake, history=store.telemetry, clock=clock, epoch=epoch)
    servers.connect(switchboard, ports)
    return servers


def _zone_ports(coordinator: Coordinator, store: OpenedStore, name: str) -> ZonePorts:
    """Ports of the VEN of a name."""
    return ZonePorts(
        record=coordinator.queries,
        present=coordinator.live,
        desk=coordinator.dispatching,
        book=store.book(f"ven:{name}"),
        clock=SystemClock(),
        draw=secrets.token_bytes,
    )


async def _serve(
    application: web.Application,
    listening: socket.socket,
    closing: contextlib.AsyncExitStack,
    *,
    context: ssl.SSLContext | None,
) -> None:
    """Serve API and page on the open socket."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=WEB_STOP_S)
    await runner.setup()
    closing.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening, ssl_context=context).start()


class _Pulse:
    """What the program knows of its own health.

    Parameters
    ----------
    bus : Bus
        Asked whether the broker is reached.
    clock : SystemClock
        For the age of the last tick.
    """

    def __init__(self, bus: Bus, clock: SystemClock) -> None:
        self._bus = bus
        self._clock = clock
        self._ticked_ns: int | None = None
        self._store_up = True

    def ticked(self, *, store_up: bool) -> None:
        """Note a completed tick, and whether the store took what it wrote."""
        self._ticked_ns = self._clock.monotonic_ns()
        self._store_up = store_up

    def vitals(self) -> Vitals:
        """Answer ``/healthz``."""
        ticked_ns = self._ticked_ns
        age_s = None if ticked_ns is None else (self._clock.monotonic_ns() - ticked_ns) / 1e9
        return Vitals(
            broker_up=self._bus.statistics.connected, store_up=self._store_up, tick_age_s=age_s
        )


def _say_ready(
    options: Options, coordinator: Coordinator, listening: socket.socket, *, embedded: bool
) -> None:
    """Print the one line that tells a parent process where everything is."""
    port = listening.getsockname()[1]
    safe = "" if options.identity is None else "s"
    ready = {
        "event": "coordinator.ready",
        "pid": os.getpid(),
        "epoch": coordinator.epoch,
        "http": f"http{safe}://{options.http_host}:{port}/",
        "mqtt": f"mqtt{safe}://127.0.0.1:{options.mqtt_port}" if embedded else None,
        "data_dir": str(options.data_dir),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


async def run_coordinator(options: Options) -> None:
    """Run the coordinator as a person chose, until SIGTERM or SIGINT.

    Raises
    ------
    VppError
        If something a person wrote or set up is wrong: nothing runs then.
    """
    if absence := kernel_absence():
        _log.warning("kernel.missed", cause=absence)
    clock, stop = SystemClock(), stop_signal()
    security = None if options.identity is None else open_security(options.identity)
    if security is None:
        check_plain(options.http_host)
    async with contextlib.AsyncExitStack() as closing:
        listening = listen(options.http_host, options.http_port)
        closing.callback(listening.close)
        store = open_store(options.data_dir, clock, closing.enter_context(contextlib.ExitStack()))
        bus, broker = await _open_bus(options, clock, closing, security=security)
        epoch = store.registry.epochs.next_epoch(PARTITIONS_LEASE)
        secured = await secure(
            security,
            store,
            bus=bus,
            broker=broker,
            epoch=epoch,
            clock=clock,
            data_dir=options.data_dir,
        )
        closing.push_async_callback(secured.close)
        gateway = LinkGateway(
            secured.bus,
            store.link_ports(),
            epoch=epoch,
            clock=clock,
            cpu_ns=clock.cpu_ns,
        )
        closing.push_async_callback(gateway.flush)
        secured.tell(gateway.refusals)
        switchboard = Switchboard(gateway.downlink)
        apart = closing.enter_context(ThreadPoolExecutor(1, "awards"))
        conduct = Conduct(rules=load_rule_book(), policy=options.policy, apart=apart)
        coordinator = Coordinator(store.ports(), switchboard, conduct=conduct, clock=clock)
        servers = _connect_aggregators(options, coordinator, store=store, switchboard=switchboard)
        closing.push_async_callback(servers.close)
        coordinator.start()
        await gateway.start(coordinator.intake)
        pulse = _Pulse(bus, clock)
        await _serve(
            create_app(coordinator, vitals=pulse.vitals), listening, closing, context=secured.web
        )
        await servers.open()
        vens = CoordinatorVens(options.vens, partial(_zone_ports, coordinator, store))
        closing.push_async_callback(vens.close)
        await vens.open()
        cycle_ports = CyclePorts(bus=bus, clock=clock, watch=clock)
        log = CycleLog.asked(options.cycle_log, coordinator, ports=cycle_ports)
        jobs = [
            servers.run(),
            vens.run(),
            tick_forever(log or coordinator, clock, pulse),
            *([log.run(coordinator.fleet, gateway.statistics)] if log else []),
            gateway.run(),
            keep_up(store.registry, store.telemetry, coordinator.learning),
            *([] if broker is None else [broker.supervise()]),
            *secured.jobs(),
        ]
        gc.freeze()
        closing.callback(gc.unfreeze)
        _say_ready(options, coordinator, listening, embedded=broker is not None)
        await run_until(stop, jobs)


@app.command()
def coordinator(  # noqa: PLR0913  one parameter per command line option
    *,
    data_dir: Annotated[
        Path, typer.Option(help="Where everything durable is kept. データの保存先。")
    ] = Path("coordinator-data"),
    http: Annotated[
        str, typer.Option(help="Address of the API and the page. APIと画面のアドレス。")
    ] = "127.0.0.1:8080",
    mqtt_port: Annotated[
        int, typer.Option(min=1, max=PORT_MAX, help="Where gateways connect. MQTTポート。")
    ] = 1883,
    broker: Annotated[
        str | None,
        typer.Option(
            help="Use this broker: nats://host:port or mqtt://host:port. 外部ブローカー。"
        ),
    ] = None,
    nats_server: Annotated[
        Path | None, typer.Option(help="Another nats-server to start. nats-serverのパス。")
    ] = None,
    openadr_ven: Annotated[
        list[Path] | None,
        typer.Option(help="File of a VTN that commands us (OpenADR). 簡易指令などのVTN設定。"),
    ] = None,
    openadr_vtn: Annotated[
        list[Path] | None,
        typer.Option(help="File of a VTN of ours, for aggregators (OpenADR). アグリ用VTN設定。"),
    ] = None,
    ieee2030_5: Annotated[
        Path | None,
        typer.Option(
            "--ieee2030-5", help="File of our IEEE 2030.5 server, for aggregators. サーバー設定。"
        ),
    ] = None,
    cycle_log: Annotated[Path | None, typer.Option(help="Cycle costs go here. 計測。")] = None,
    award_probability: Annotated[
        float, typer.Option(min=0.5, max=0.999999, help="Of keeping an award. 供出確率。")
    ] = AWARD_PROBABILITY,
    common_causes: Annotated[
        Path | None, typer.Option(help="File: feeder, vendor, network of sites. 共通要因。")
    ] = None,
    identity: Annotated[
        Path | None,
        typer.Option(help="Of `vpp authority init`: TLS, signatures. 認証局。"),
    ] = None,
    is_open: Annotated[
        bool, typer.Option("--open", help="Ask nobody who they are. 認証なし（ローカルのみ）。")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="More events. 詳細ログ。")] = False,
) -> None:
    """Run the coordinator until Ctrl-C (コーディネーターを動かす).

    Example: vpp coordinator --data-dir data --http 127.0.0.1:8080.
    """
    configure_logging(verbose=verbose)
    host, port = parse_address(http)
    asyncio.run(
        run_coordinator(
            Options(
                data_dir=data_dir,
                http_host=host,
                http_port=port,
                mqtt_port=mqtt_port,
                broker=broker,
                nats_server=nats_server,
                vens=read_ven_files(openadr_ven or ()),
                cycle_log=cycle_log,
                servers=read_server_files(openadr_vtn or (), ieee2030_5),
                policy=read_policy(award_probability, common_causes),
                is_open=is_open,
                identity=identity,
            )
        )
    )


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


def _bad_input(message: str) -> int:
    """Say what is wrong in one line."""
    sys.stderr.write(f"vpp coordinator: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT
