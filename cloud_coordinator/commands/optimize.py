"""``python -m cloud_coordinator.commands.optimize``: requests to the optimise call, measured.

A coordinator with real stores, its tick and its web server runs here, and a fleet without
gateways is written into its live table every second; another process posts the requests over a
socket and reads the answers. ``vpp bench optimize`` starts it; wiring only.
"""

import asyncio
import contextlib
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from aiohttp import web

from cloud_coordinator.commands.synthetic_sites import ZONE, SyntheticSites
from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.market.rules import load_rule_book
from cloud_coordinator.process import SystemClock, configure_logging
from cloud_coordinator.services.coordinator import Conduct, Coordinator, Stores
from cloud_coordinator.services.errors import StaleError
from cloud_coordinator.services.grid_limits import NodeLimit
from cloud_coordinator.services.plans import PlanRequest
from cloud_coordinator.services.records import OfferRequest
from cloud_coordinator.services.strategies.port import Objective
from cloud_coordinator.store.event_history import learning_ports
from cloud_coordinator.store.history import History
from cloud_coordinator.store.registry import Registry
from cloud_coordinator.store.telemetry import TelemetrySettings, TelemetryStore
from cloud_coordinator.web.app import create_app
from cloud_coordinator.web.ports import Vitals
from protocols.link.messages import Plain
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.offer import DispatchSignal

PATH: Final = "/api/v1/control/optimize"
PROGRAM: Final = "cloud_coordinator.commands.optimize"
FEEDERS: Final = 100
FEEDER_LIMITS_MW: Final = (0.35, 0.65)
"""By turns, of a fleet of 5,000 sites of which 40 MW are owed: the lower ones are full."""
FEEDER_SITES: Final = 5_000
READY_S_MAX: Final = 120.0
READY_STEP_S: Final = 0.05
AHEAD_S: Final = 60.0
REPLY_S_MAX: Final = 30.0
DECISIONS: Final = 5
"""Decisions of each case of which processor time is taken; the requests give the wall time."""
EXIT_FAILED: Final = 1
UP: Final = Vitals(broker_up=True, store_up=True, tick_age_s=None)
RESOURCES_MAX: Final = 1_000_000
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class _NoSites:
    """A downlink: nothing is ever sent by a plan."""

    def send_commitment(self, commitment: Commitment) -> None:
        """Never called."""
        raise AssertionError(f"{commitment} from a plan")

    def request_offer(self, request: OfferRequest) -> None:
        """Never called."""
        raise AssertionError(f"{request} from a plan")

    def send_signal(self, signal: DispatchSignal) -> None:
        """Never called."""
        raise AssertionError(f"{signal} from a plan")

    def send_command(
        self, site_id: SiteId, kind: str, payload: Mapping[str, Plain], *, valid: timedelta
    ) -> bool:
        """Never called."""
        raise AssertionError(f"{kind} for {site_id} from a plan: {payload} for {valid}")


def _cases(sites: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Name what is asked: each objective, with and without limits of feeders."""
    feeders = [
        {
            "node_id": f"feeder-{at}",
            "site_ids": list(sites[at::FEEDERS]),
            "limit_up_mw": FEEDER_LIMITS_MW[at % 2] * len(sites) / FEEDER_SITES,
        }
        for at in range(min(FEEDERS, len(sites)))
    ]
    return {
        f"{objective.value}{name}": {
            "optimization_objective": objective.value,
            "constraints": {"grid_constraints": limits},
        }
        for objective in Objective
        for name, limits in (("", []), (f" {FEEDERS} feeders", feeders))
    }


def _opened(folder: Path, clock: SystemClock, closing: contextlib.ExitStack) -> Coordinator:
    """Start a coordinator on stores of its own."""
    registry = Registry.open(folder / "registry.sqlite3")
    closing.callback(registry.close)
    telemetry = TelemetryStore(TelemetrySettings(root=folder / "telemetry"), clock)
    history = History(telemetry)
    closing.callback(history.close)
    stores = Stores(
        sites=registry.sites,
        obligations=registry.obligations,
        offers=registry.offers,
        commands=registry.commands,
        dispatches=registry.dispatches,
        epochs=registry.epochs,
        events=registry.events,
        history=history,
        certificates=registry.certificates,
        learning=learning_ports(registry, history),
        publications=registry.publications,
    )
    return Coordinator(stores, _NoSites(), conduct=Conduct(rules=load_rule_book()), clock=clock)


async def measure(resources: int, requests: int) -> dict[str, Any]:
    """Serve and ask.

    Parameters
    ----------
    resources : int
        How many, in sites of twenty.
    requests : int
        Of each case.

    Returns
    -------
    dict
        What was seen, JSON.
    """
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="vpp-optimize-")))
        coordinator = _opened(folder, clock, closing.enter_context(contextlib.ExitStack()))
        synthetic = SyntheticSites(coordinator.fleet, resources)
        runner = web.AppRunner(
            create_app(
                coordinator, vitals=lambda: Vitals(broker_up=True, store_up=True, tick_age_s=None)
            ),
            access_log=None,
        )
        await runner.setup()
        closing.push_async_callback(runner.cleanup)
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        port = int(runner.addresses[0][1])
        beat = asyncio.create_task(_beat(coordinator, synthetic, clock))
        closing.callback(beat.cancel)
        await asyncio.sleep(0)
        cases = _cases(synthetic.sites)
        joined = await _joined(coordinator, port, next(iter(cases.values())))
        found = {}
        for name, case in cases.items():
            sys.stderr.write(f"{name}\n")
            replies = await _asked(port, case, requests)
            found[name] = summary(replies) | {"decision_cpu_ms": _decided(coordinator, case)}
        if beat.done():
            beat.result()
    return {"resources": synthetic.resources, "just_joined": joined, "cases": found}


async def _beat(coordinator: Coordinator, synthetic: SyntheticSites, clock: SystemClock) -> None:
    """Hear all sites and tick, every second."""
    while True:
        synthetic.hear(moment_of(clock))
        coordinator.tick()
        await asyncio.sleep(1.0)


async def _joined(coordinator: Coordinator, port: int, case: Mapping[str, Any]) -> dict[str, Any]:
    """Ask right after all sites have joined, and again when the columns are laid out."""
    loop = asyncio.get_running_loop()
    began_s, refused = loop.time(), ""
    try:
        _decided(coordinator, case)
    except StaleError as error:
        refused = str(error)
    while not coordinator.optimizing.prepare():
        assert loop.time() - began_s < READY_S_MAX, "the columns were never laid out"
        await asyncio.sleep(READY_STEP_S)
    ready_s = loop.time() - began_s
    (then,) = await _asked(port, case, 1)
    return {"refused": refused, "ready_after_s": round(ready_s, 2), "then": then}


async def _asked(port: int, case: Mapping[str, Any], requests: int) -> list[dict[str, Any]]:
    """Let another process post, one request after the other, and read its report."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", PROGRAM, "post", str(port), str(requests),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate(json.dumps(case).encode())
    replies = [json.loads(line) for line in out.decode().splitlines()]
    assert len(replies) == requests, "the other process ended early"
    return replies


def _decided(coordinator: Coordinator, case: Mapping[str, Any]) -> dict[str, float]:
    """Processor time of looking at the fleet and deciding, in this thread."""
    limits = tuple(
        NodeLimit(
            node_id=one["node_id"],
            site_ids=tuple(one["site_ids"]),
            up_w=one["limit_up_mw"] * 1e6,
            down_w=float("inf"),
        )
        for one in case["constraints"]["grid_constraints"]
    )
    spent = []
    for _ in range(DECISIONS):
        now = coordinator.now()
        request = PlanRequest(
            vpp_id=ZONE,
            target_at=now.at + timedelta(seconds=AHEAD_S),
            objective=Objective(case["optimization_objective"]),
            reserve_w=0.0,
            limits=limits,
        )
        began_ns = time.thread_time_ns()
        coordinator.optimizing.decide(coordinator.optimizing.ask(request, now))
        spent.append((time.thread_time_ns() - began_ns) / 1e6)
    return {"p50": round(float(np.median(spent)), 1), "max": round(max(spent), 1)}


def summary(replies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum up the replies of one case: how many of each status, and their times.

    Parameters
    ----------
    replies : sequence of mapping
        ``status``, ``first_ms`` (to the head of the answer, which follows the decision),
        ``all_ms`` (to its end) and ``bytes``; at least one.
    """
    answered = [one for one in replies if one["status"] == http.client.OK]
    statuses = sorted({one["status"] for one in replies})
    told: dict[str, Any] = {
        "requests": len(replies),
        "statuses": {str(s): sum(one["status"] == s for one in replies) for s in statuses},
    }
    for name in ("first_ms", "all_ms"):
        times = [one[name] for one in answered]
        if times:
            told[name] = {
                "p50": round(float(np.percentile(times, 50)), 1),
                "p99": round(float(np.percentile(times, 99)), 1),
            }
    told["answer_bytes"] = max((one["bytes"] for one in answered), default=0)
    return told


@app.command()
def post(port: int, requests: int) -> None:
    """Post what standard input holds, and tell of each answer in a line."""
    case = json.loads(sys.stdin.read())
    for _ in range(requests):
        at = SystemClock().now() + timedelta(seconds=AHEAD_S)
        body = json.dumps({"vpp_id": ZONE, "target_timestamp": at.isoformat(), **case})
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_S_MAX)
        began_ns = time.perf_counter_ns()
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        first_ns = time.perf_counter_ns()
        size = len(reply.read())
        told = {
            "status": reply.status,
            "first_ms": round((first_ns - began_ns) / 1e6, 2),
            "all_ms": round((time.perf_counter_ns() - began_ns) / 1e6, 2),
            "bytes": size,
        }
        connection.close()
        sys.stdout.write(json.dumps(told) + "\n")


@app.command()
def run(
    *,
    resources: Annotated[int, typer.Option(min=20, max=RESOURCES_MAX, help="How many. 機器数。")],
    requests: Annotated[int, typer.Option(min=1, help="Of each case. 各条件の回数。")],
) -> None:
    """Measure and print JSON.

    測定してJSONで出力します。
    """
    configure_logging(verbose=False)
    sys.stdout.write(json.dumps(asyncio.run(measure(resources, requests))) + "\n")


def main() -> int:
    """Run the program.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(standalone_mode=False) or 0)
    except (typer.TyperException, VppError) as error:
        sys.stderr.write(f"optimize: {error}\n")
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
