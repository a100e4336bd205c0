"""What a poll costs: one server after the other, the same load, the same client, one run."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_sim.bench_der.load import Client, Load, closed_loop, connected, natural
from firmware_sim.bench_der.servers import HOST, Ground, Server, polling, register
from firmware_sim.demo.machine import cpu_s
from firmware_sim.demo.processes import Child, Family

READY_S: Final = 30.0
AT_ONCE: Final = 32
"""Requests under way at a time in the closed loop."""
REST_S: Final = 0.5
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one kind of load on one server showed.

    Attributes
    ----------
    server : str
        Whose.
    transport : str
        plain, or TLS + signature, or TLS.
    load : str
        natural or closed loop.
    clients : int
        How many there were.
    polls, failed : int
        Good replies, and others.
    polls_per_s : float
        Good replies in a second.
    p50_ms, p99_ms, max_ms : float
        What clients waited.
    cpu_ms_per_poll : float or None
        Processor time of the server's process per good reply, ms.
    client_share : float
        Processor time of this process, which is the client, by wall time; near 1 the client is
        the limit.
    """

    server: str
    transport: str
    load: str
    clients: int
    polls: int
    failed: int
    polls_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms_per_poll: float | None
    client_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how fast.

    Attributes
    ----------
    every_s : float
        Natural interval of a client, s.
    seconds : float
        Length of each load, s.
    """

    every_s: float
    seconds: float


def free_port() -> int:
    """TCP port that is free at the benchmark's address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def measure_vtn(
    family: Family, server: Server, ground: Ground, *, plan: Plan, tell: Tell
) -> list[Cost]:
    """Start a VTN, register all VENs, put both loads on it, end it.

    Raises
    ------
    VppError
        If it does not start or does not register a VEN.
    """
    child = await family.start(server.program)
    await child.ready(READY_S)
    lines = await register(ground, server, lambda text: tell(f"{server.program.name}: {text}"))
    transport = "TLS + signature" if server.secure else "plain"
    clients = polling(lines)
    try:
        return await put_loads(child, clients, transport=transport, plan=plan, tell=tell)
    finally:
        for line in lines:
            line.connection.close()
        await child.stop()


async def put_loads(
    child: Child, clients: Sequence[Client], *, transport: str, plan: Plan, tell: Tell
) -> list[Cost]:
    """Put both loads on a server that runs."""
    await connected(clients)
    await closed_loop(clients, at_once=AT_ONCE, seconds=min(1.0, plan.seconds))
    costs = []
    for name in ("natural", "closed loop"):
        tell(f"{child.program.name}: {name}, {plan.seconds:.0f} s")
        await asyncio.sleep(REST_S)
        used_s, own_s, begin_s = cpu_s(child.pid), time.process_time(), time.perf_counter()
        if name == "natural":
            load = await natural(clients, every_s=plan.every_s, seconds=plan.seconds)
        else:
            load = await closed_loop(clients, at_once=AT_ONCE, seconds=plan.seconds)
        now_used_s = cpu_s(child.pid)
        server_s = None if used_s is None or now_used_s is None else now_used_s - used_s
        share = (time.process_time() - own_s) / (time.perf_counter() - begin_s)
        cost = _cost(load, server_s, clients=len(clients), share=share)
        costs.append(
            Cost(server=child.program.name, transport=transport, load=name, **cost)  # type: ignore[arg-type]  # names of Cost
        )
    return costs


def _cost(
    load: Load, server_s: float | None, *, clients: int, share: float
) -> dict[str, float | int | None]:
    per_poll = None if server_s is None or not load.polls else 1e3 * server_s / load.polls
    return {
        "clients": clients,
        "polls": load.polls,
        "failed": load.failed,
        "polls_per_s": round(load.per_s, 1),
        "p50_ms": round(load.quantile_ms(0.50), 3),
        "p99_ms": round(load.quantile_ms(0.99), 3),
        "max_ms": round(load.quantile_ms(1.0), 3),
        "cpu_ms_per_poll": None if per_poll is None else round(per_poll, 4),
        "client_share": round(share, 3),
    }
