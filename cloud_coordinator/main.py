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
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from cloud_coordinator.admitting import Admitted, admit
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
from cloud_coordinator.gateway.cycle_log import CycleLog, CyclePorts
from cloud_coordinator.gateway.exchanges.market_file import MarketFile, read_market_file
from cloud_coordinator.gateway.exchanges.trading_service import trade
from cloud_coordinator.gateway.half_hours import keep_half_hours
from cloud_coordinator.gateway.joining import join_bus
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
from cloud_coordinator.securing import Secured, secure
from cloud_coordinator.services.assurance import AWARD_PROBABILITY, AssurancePolicy
from cloud_coordinator.services.coordinator import Conduct, Coordinator
from cloud_coordinator.store.upkeep import keep_up
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.serving import Pulse, serve
from protocols.vocabulary.errors import VppError

EXIT_BAD_INPUT: Final = 2
PARTITIONS_LEASE: Final = "partitions"
"""Lease under which one coordinator owns all partitions."""

_log = structlog.get_logger()
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person decides on the command line, as its help explains it."""

    data_dir: Path
    http_host: str
    http_port: int
    mqtt_host: str
    mqtt_port: int
    broker: str | None
    nats_server: Path | None
    vens: tuple[VenFile, ...] = ()
    cycle_log: Path | None = None
    servers: ServerFiles = NO_SERVERS
    policy: AssurancePolicy = field(default_factory=AssurancePolicy)
    market: MarketFile | None = None
    is_open: bool = False
    identity: Path | None = None

    def own_broker(self, security: Security | None) -> BrokerSettings:
        """How a broker of our own is started."""
        return BrokerSettings(
            data_dir=self.data_dir,
            mqtt_host=self.mqtt_host,
            mqtt_port=self.mqtt_port,
            binary=self.nats_server,
            tls=None if security is None else security.broker_tls,
        )


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
        "mqtt": f"mqtt{safe}://{options.mqtt_host}:{options.mqtt_port}" if embedded else None,
        "data_dir": str(options.data_dir),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What stands before anything runs: store, doors, bus."""

    store: OpenedStore
    admitted: Admitted
    bus: Bus
    broker: EmbeddedBroker | None
    secured: Secured
    epoch: int


async def _lay_ground(
    options: Options, clock: SystemClock, closing: contextlib.AsyncExitStack
) -> _Ground:
    """Open store and doors, and join the broker."""
    security = None if options.identity is None else open_security(options.identity)
    if security is None:
        check_plain("--http", options.http_host)
        check_plain("--mqtt-host", options.mqtt_host)
    store = open_store(options.data_dir, clock, closing.enter_context(contextlib.ExitStack()))
    admitted = admit(
        store,
        clock,
        wishes=(options.http_host, options.is_open),
        data_dir=options.data_dir,
        security=security,
        draw=secrets.token_bytes,
    )
    closing.callback(admitted.close)
    bus, broker = await join_bus(
        options.broker, options.own_broker(security), clock, closing=closing
    )
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
    return _Ground(
        store=store, admitted=admitted, bus=bus, broker=broker, secured=secured, epoch=epoch
    )


def _standing_jobs(
    options: Options, ground: _Ground, coordinator: Coordinator, *, clock: SystemClock
) -> list[Coroutine[None, None, None]]:
    """Return the jobs of store, market and doors."""
    store = ground.store
    return [
        trade(options.market, store.trading(coordinator)),
        keep_half_hours(store.half_hours(coordinator.queries), clock),
        keep_up(store.registry, store.telemetry, coordinator.learning),
        *([] if ground.broker is None else [ground.broker.supervise()]),
        *ground.secured.jobs(),
        *ground.admitted.jobs(),
    ]


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
    async with contextlib.AsyncExitStack() as closing:
        listening = listen(options.http_host, options.http_port)
        closing.callback(listening.close)
        ground = await _lay_ground(options, clock, closing)
        store, secured = ground.store, ground.secured
        gateway = LinkGateway(
            secured.bus, store.link_ports(), epoch=ground.epoch, clock=clock, cpu_ns=clock.cpu_ns
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
        pulse = Pulse(lambda: ground.bus.statistics.connected, clock)
        application = create_app(coordinator, vitals=pulse.vitals, access=ground.admitted.access)
        await serve(application, listening, closing, context=secured.web)
        await servers.open()
        vens = CoordinatorVens(options.vens, partial(_zone_ports, coordinator, store))
        closing.push_async_callback(vens.close)
        await vens.open()
        cycle_ports = CyclePorts(bus=ground.bus, clock=clock, watch=clock)
        log = CycleLog.asked(options.cycle_log, coordinator, ports=cycle_ports)
        jobs = [
            servers.run(),
            vens.run(),
            tick_forever(log or coordinator, clock, pulse),
            *([log.run(coordinator.fleet, gateway.statistics)] if log else []),
            gateway.run(),
            *_standing_jobs(options, ground, coordinator, clock=clock),
        ]
        gc.freeze()
        closing.callback(gc.unfreeze)
        _say_ready(options, coordinator, listening, embedded=ground.broker is not None)
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
    mqtt_host: Annotated[
        str, typer.Option(help="Beyond this machine only with --identity. MQTTの待受アドレス。")
    ] = "127.0.0.1",
    broker: Annotated[
        str | None,
        typer.Option(
            envvar="VPP_BROKER",
            help="Use this broker: nats://host:port or mqtt://host:port. 外部ブローカー。",
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
    market: Annotated[
        Path | None, typer.Option(help="File: trade days by the clock. 市場取引の設定。")
    ] = None,
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
                mqtt_host=mqtt_host,
                mqtt_port=mqtt_port,
                broker=broker,
                nats_server=nats_server,
                vens=read_ven_files(openadr_ven or ()),
                cycle_log=cycle_log,
                servers=read_server_files(openadr_vtn or (), ieee2030_5),
                policy=read_policy(award_probability, common_causes),
                is_open=is_open,
                identity=identity,
                market=None if market is None else read_market_file(market),
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
