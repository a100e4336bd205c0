"""Switches the scenario's faults on and off at their times."""

import asyncio
import contextlib
from collections.abc import Callable

from firmware_sim.scenario.build import fault_of
from firmware_sim.scenario.schema import FaultEvent
from firmware_sim.server import SimulationServer


def moments(
    server: SimulationServer, events: tuple[FaultEvent, ...]
) -> list[tuple[float, Callable[[], None]]]:
    """Switchings in the order of their times, s after the start."""
    planned: list[tuple[float, Callable[[], None]]] = []
    for event in events:
        planned.append((event.at_s, _on(server, event)))
        if event.until_s is not None:
            planned.append((event.until_s, _off(server, event)))
    return sorted(planned, key=lambda entry: entry[0])


async def play(
    server: SimulationServer, events: tuple[FaultEvent, ...], *, stop: asyncio.Event
) -> None:
    """Switch each fault at its time until all are done or the simulator stops."""
    for at_s, switch in moments(server, events):
        delay_s = max(0.0, at_s - server.elapsed_s())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay_s)
        if stop.is_set():
            return
        switch()


def _on(server: SimulationServer, event: FaultEvent) -> Callable[[], None]:
    return lambda: server.switch_on(event.device, fault_of(event))


def _off(server: SimulationServer, event: FaultEvent) -> Callable[[], None]:
    return lambda: server.switch_off(event.device, event.fault)
