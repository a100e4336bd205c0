"""The load: many clients at their natural rate, or each asking again as soon as it is answered.

Latency is what a client waits: from the moment a poll was due to the moment its reply was whole.
At the natural rate a poll that could not be sent in time counts from when it was due, so a server
that stands still cannot hide it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from firmware_sim.bench_der.connection import Connection, LostError


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client of a server.

    Attributes
    ----------
    connection : Connection
        Kept open.
    request : callable
        Makes the next request's bytes.
    good : callable
        Whether a status and body are what should come.
    """

    connection: Connection
    request: Callable[[], bytes]
    good: Callable[[int, bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a load did.

    Attributes
    ----------
    polls : int
        Good replies.
    failed : int
        Requests with no reply or another one than it should be.
    seconds : float
        How long it took.
    latencies_s : tuple of float
        Of the good replies, ascending.
    """

    polls: int
    failed: int
    seconds: float
    latencies_s: tuple[float, ...]

    @property
    def per_s(self) -> float:
        """Good replies in a second."""
        return self.polls / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Latency that a share of the replies does not exceed, ms; NaN without replies."""
        if not self.latencies_s:
            return float("nan")
        place = min(int(share * len(self.latencies_s)), len(self.latencies_s) - 1)
        return 1e3 * self.latencies_s[place]


class _Counting:
    """Counts the replies of all clients."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.failed = 0

    async def ask(self, client: Client, due_s: float) -> None:
        """Ask once."""
        try:
            status, body = await client.connection.ask(client.request())
        except LostError:
            self.failed += 1
            return
        if client.good(status, body):
            self.latencies_s.append(perf_counter() - due_s)
        else:
            self.failed += 1

    def load(self, seconds: float) -> Load:
        """Sum up."""
        return Load(
            polls=len(self.latencies_s),
            failed=self.failed,
            seconds=seconds,
            latencies_s=tuple(sorted(self.latencies_s)),
        )


async def natural(clients: Sequence[Client], *, every_s: float, seconds: float) -> Load:
    """Let each client ask at its interval, their phases spread evenly.

    Parameters
    ----------
    clients : sequence of Client
        Who asks.
    every_s : float
        Interval of each.
    seconds : float
        Length of the measurement.
    """
    counting, begin_s = _Counting(), perf_counter()

    async def live(client: Client, phase_s: float) -> None:
        due_s = begin_s + phase_s
        while due_s < begin_s + seconds:
            await asyncio.sleep(max(0.0, due_s - perf_counter()))
            await counting.ask(client, due_s)
            due_s += every_s

    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            group.create_task(live(client, every_s * number / len(clients)))
    return counting.load(max(perf_counter() - begin_s, seconds))


async def closed_loop(clients: Sequence[Client], *, at_once: int, seconds: float) -> Load:
    """Let some clients at a time ask again as soon as they are answered.

    Parameters
    ----------
    clients : sequence of Client
        Who asks, in turn.
    at_once : int
        Requests under way at a time.
    seconds : float
        Length of the measurement.
    """
    counting, begin_s = _Counting(), perf_counter()
    end_s = begin_s + seconds
    workers = min(at_once, len(clients))

    async def live(own: Sequence[Client]) -> None:
        while perf_counter() < end_s:
            for client in own:
                now_s = perf_counter()
                if now_s >= end_s:
                    return
                await counting.ask(client, now_s)

    async with asyncio.TaskGroup() as group:
        for number in range(workers):
            group.create_task(live(clients[number::workers]))
    return counting.load(perf_counter() - begin_s)


async def connected(clients: Sequence[Client], *, at_once: int = 20) -> None:
    """Open all connections before anything is measured.

    Raises
    ------
    LostError
        If one cannot be opened.
    """
    room = asyncio.Semaphore(at_once)

    async def one(client: Client) -> None:
        async with room:
            await client.connection.opened()

    await asyncio.gather(*(one(client) for client in clients))
