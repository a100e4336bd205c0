"""``edge-agent``: wiring only. Makes the rooms of one site and lets them run.

Exit codes: 0 after a clean stop, 2 for bad input (one clear line says where and why), 1 for a
broken invariant (the service manager restarts the agent, which resumes from its journal).
"""

import asyncio
import gc
import json
import logging
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.cycle.advice import PLAN_STEP_S, PLAN_STEPS, Advice
from edge_agent.cycle.agent import Agent
from edge_agent.cycle.digests import RowDigests
from edge_agent.cycle.hand_door import HandDoor
from edge_agent.cycle.memory import HeldMemory, load_memory
from edge_agent.cycle.parts import AgentParts
from edge_agent.cycle.record import Happened
from edge_agent.cycle.site_orders import SiteOrders
from edge_agent.cycle.upkeep import Upkeep
from edge_agent.drivers.families import open_site
from edge_agent.drivers.family import FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.ledger import FileLedger
from edge_agent.drivers.port import Driver
from edge_agent.drivers.site import SiteDriver
from edge_agent.forecast.half_hours import HalfHours
from edge_agent.forecast.onnx_model import OnnxForecaster
from edge_agent.forecast.persistence import ClearSkyForecaster
from edge_agent.forecast.port import Forecaster, Grid
from edge_agent.forecast.shipped import load_half_hours, shipped_forecaster
from edge_agent.identity.files import IdentityFiles
from edge_agent.identity.renewal import RenewalPorts, Renewing
from edge_agent.image.image import LatestValues
from edge_agent.journal.journal import Journal
from edge_agent.journal.records import JournalStream
from edge_agent.link.connection import Connection, ConnectionTopics
from edge_agent.link.inbox import Inbox
from edge_agent.link.seals import open_seals
from edge_agent.link.secure import link_context
from edge_agent.link.site_link import SiteLink
from edge_agent.link.uplink import JournalUplink
from edge_agent.northbound.clients import open_clients
from edge_agent.northbound.judge import SiteJudge
from edge_agent.northbound.scaling import SiteFacts
from edge_agent.northbound.signals import site_signals
from edge_agent.points.table import points_of
from edge_agent.technician.app import ConfigOption, app, run_app
from edge_agent.technician.logs import configure_logging
from edge_agent.watchdog.heartbeat import Heartbeat
from edge_agent.watchdog.orphans import release_orphans
from edge_agent.watchdog.process import WatchdogProcess
from edge_agent.watchdog.recipe import ReleaseRecipe
from edge_agent.watchdog.report import take_report
from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import Holdings
from protocols.link.fencing import partition_lease
from protocols.link.messages import LinkState, Plain, Stream
from protocols.link.topics import TopicKind, Topics, signal_topic
from protocols.link.wire import encode
from protocols.vocabulary.errors import ConfigError, JournalError

log = structlog.get_logger()


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return time.monotonic_ns()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What every room of the agent stands on."""

    config: SiteConfig
    clock: SystemClock
    journal: Journal
    held: HeldMemory
    inbox: Inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What works beside the cycle."""

    advice: Advice
    heartbeat: Heartbeat
    orders: SiteOrders


def _link(ground: _Ground) -> SiteLink:
    """Make the link: connection, session, uplink."""
    config, journal, memory = ground.config, ground.journal, ground.held.memory
    topics = Topics(config.site_id)
    files = None if config.identity_dir is None else IdentityFiles(folder=config.identity_dir)
    epochs = memory.guards.epochs
    seals = None if files is None else open_seals(files, config.site_id, config.zone, epochs=epochs)
    connection = Connection(
        client_id=config.site_id,
        brokers=config.link.brokers,
        topics=ConnectionTopics(
            subscribe=(topics.downlink_filter, signal_topic(config.zone)),
            will_topic=topics.topic(TopicKind.STATE),
            will_payload=encode(LinkState(online=False)),
        ),
        keepalive_s=config.link.keepalive_s,
        jitter=random.random,
        tls=None if files is None else partial(link_context, files),
    )
    holdings = Holdings(
        last={stream: journal.last(JournalStream(stream.value)) for stream in Stream},
        durable=memory.durable,
        trimmed={stream: journal.oldest(JournalStream(stream.value)) - 1 for stream in Stream},
        epoch=memory.guards.epochs.get(partition_lease(config.site_id), 0),
    )
    uplink = JournalUplink(
        journal,
        site_id=config.site_id,
        zone=config.zone,
        journal_id=journal.journal_id,
        holding=ground.held.holding,
    )
    return SiteLink(
        connection=connection,
        session=EdgeSession(journal.journal_id, holdings),
        uplink=uplink,
        inbox=ground.inbox,
        topics=topics,
        clock=ground.clock,
        seals=seals,
    )


def _renewing(ground: _Ground, link: SiteLink) -> Renewing | None:
    """Make what keeps the certificate in force; None without an identity."""
    config = ground.config
    if config.identity_dir is None:
        return None
    ports = RenewalPorts(
        clock=ground.clock, draw=random.random, sleep=asyncio.sleep, renewed=link.reconnect
    )
    return Renewing(IdentityFiles(folder=config.identity_dir), config.data_dir, ports)


def _told_at_start(journal: Journal, report: dict[str, Plain] | None) -> tuple[Happened, ...]:
    """Say how a new life found the journal, and what the watchdog did meanwhile."""
    told = [
        Happened(
            kind="agent.started",
            payload={"journal_id": journal.journal_id, "new_journal": journal.report.created},
        )
    ]
    told += [
        Happened(
            kind="alarm.raised",
            payload={"alarm": f"journal {aside.cause}", "detail": f"{aside.path}: {aside.reason}"},
        )
        for aside in journal.report.set_aside
    ]
    if report is not None:
        told.append(Happened(kind="watchdog.released", payload=report))
    return tuple(told)


def _forecaster(config: SiteConfig, half_hours: HalfHours) -> Forecaster:
    clear_sky = ClearSkyForecaster(
        grid=Grid(step_s=PLAN_STEP_S, steps=PLAN_STEPS),
        latitude=config.location.latitude,
        longitude=config.location.longitude,
        peak_w=config.pv_peak_w,
    )
    if config.forecast_model is None:
        return shipped_forecaster(config, half_hours, clear_sky)
    return OnnxForecaster(config.forecast_model, clear_sky)


def _agent(ground: _Ground, driver: Driver, link: SiteLink, *, beside: _Beside) -> Agent:
    """Make the cycle on its ground."""
    config = ground.config
    parts = AgentParts(
        config=config,
        clock=ground.clock,
        driver=driver,
        specs=points_of(config),
        latest=LatestValues(ground.clock),
        journal=ground.journal,
        inbox=ground.inbox,
        link=link,
        advice=beside.advice,
        heartbeat=beside.heartbeat,
        orders=beside.orders,
        hand=HandDoor(config.data_dir),
        digests=None
        if config.identity_dir is None
        else RowDigests(config.site_id, ground.journal.journal_id),
    )
    report = take_report(_state_dir(config))
    return Agent(parts, ground.held, _told_at_start(ground.journal, report))


def _judge(config: SiteConfig) -> SiteJudge:
    """Make the judge of the grid's orders, from the mapping and the configuration."""
    own = None if config.openadr_ven is None else config.openadr_ven.signals
    parents = {device.parent for device in config.devices}
    resources = [
        device
        for device in config.devices
        if device is not config.meter and device.device_id not in parents
    ]
    facts = SiteFacts(
        resources=(),
        contract_import_w=config.limits.contract_import_w,
        devices=len(resources),
    )
    return SiteJudge(site_signals(own), facts)


def _state_dir(config: SiteConfig) -> Path:
    """Folder shared with the watchdog."""
    return config.data_dir / "watchdog"


def _open_lease_book(config: SiteConfig) -> ReleaseRecipe:
    """Read what an earlier life left leased; the first thing that needs the data folder."""
    try:
        return ReleaseRecipe.of_site(config, _state_dir(config))
    except OSError as error:
        raise ConfigError(f"data_dir: {config.data_dir}: {error.strerror or error}") from error


async def _open_driver(config: SiteConfig, clock: SystemClock) -> SiteDriver:
    """Open every family of devices; first give back what is none of theirs any more."""
    book = _open_lease_book(config)
    known = {config.resource_id(device.device_id) for device in config.devices}
    await asyncio.to_thread(release_orphans, book, known, clock)
    ledger = FileLedger(config.data_dir, clock)
    ports = FamilyPorts(clock=clock, book=book, ledger=ledger, tap=NO_TAP)
    return await open_site(config, ports)


def _open_journal(config: SiteConfig, clock: SystemClock) -> Journal:
    try:
        journal = Journal.open(config.journal_path, config.site_id, clock)
    except JournalError as error:
        raise ConfigError(f"data_dir: {error}") from error
    for aside in journal.report.set_aside:
        log.warning("journal.set_aside", path=str(aside.path), reason=aside.reason)
    return journal


async def run_site(config: SiteConfig, clock: SystemClock) -> None:
    """Run the agent of a site until SIGTERM or SIGINT.

    Raises
    ------
    ConfigError
        If something a person wrote or set up is wrong: nothing has been started then.
    """
    judge = _judge(config)
    clients = open_clients(config, clock, judge)
    driver = await _open_driver(config, clock)
    journal = _open_journal(config, clock)
    held = HeldMemory(load_memory(journal.state))
    inbox = Inbox(config.site_id, config.zone, held.memory.guards)
    ground = _Ground(config=config, clock=clock, journal=journal, held=held, inbox=inbox)
    link = _link(ground)
    half_hours = load_half_hours(journal.state)
    beside = _Beside(
        advice=Advice(_forecaster(config, half_hours), half_hours),
        heartbeat=Heartbeat(_state_dir(config)),
        orders=SiteOrders(config.site_id, judge, clients),
    )
    agent = _agent(ground, driver, link, beside=beside)
    watchdog = WatchdogProcess(_state_dir(config))
    upkeep = Upkeep(watchdog, journal, link, held=held, limits=config.journal)
    renewing = _renewing(ground, link)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gc.freeze()
    _say_ready(config)
    for client in clients:
        client.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(upkeep.run()), tasks.create_task(beside.advice.run())]
            if renewing is not None:
                background.append(tasks.create_task(renewing.run()))
            await agent.run(stop)
            for task in background:
                task.cancel()
    finally:
        journal.close()
        for client in clients:
            await client.stop()
    beside.heartbeat.stop()


def _say_ready(config: SiteConfig) -> None:
    """Tell whoever started the agent, in one line of JSON."""
    ready = {"event": "agent.ready", "site_id": config.site_id, "pid": os.getpid()}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


@app.command(epilog="Example 例: edge-agent run --config site.toml")
def run(
    config: ConfigOption = Path("site.toml"),
    *,
    verbose: Annotated[bool, typer.Option("--verbose", help="More events. 詳細ログ。")] = False,
) -> None:
    """Run the site's agent until Ctrl-C (エージェントを動かす)."""
    configure_logging(logging.DEBUG if verbose else logging.INFO)
    site = load_config(config)
    try:
        asyncio.run(run_site(site, SystemClock()))
    except ConfigError as error:
        raise ConfigError(f"{config.name}: {error}") from error


def main() -> int:
    """Run the command line; returns its exit code."""
    return run_app(SystemClock())
