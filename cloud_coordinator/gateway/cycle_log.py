"""``vpp coordinator --cycle-log``: what the cycle costs, second by second, as JSON lines.

Times what the coordinator does anyway (live rows decoded, judged and written into the arrays;
the tick that dispatches) and, beside it, a :class:`DecisionCycle` over all live resources. For
``vpp bench cycle``; without the option nothing of this runs.
"""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud_coordinator.fleet.fleet import Fleet
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.cycle import DecisionCycle, Laps, Stopwatch
from cloud_coordinator.gateway.link_ports import LinkStatistics
from cloud_coordinator.gateway.ticking import Ticking
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

PHASE_S: Final = 0.75
"""Part of the second at which the cycle begins: when the rows of the second are in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclePorts:
    """What the log needs of the outside: where messages go, the time, and the stopwatch."""

    bus: Bus
    clock: Clock
    watch: Stopwatch


class CycleLog:
    """Writes a line a second.

    Parameters
    ----------
    path : Path
        The file; it is made anew.
    inner : Ticking
        Timed when it ticks.
    ports : CyclePorts
        Processor and wall time, and where the cycle's messages go.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """

    def __init__(self, path: Path, inner: Ticking, *, ports: CyclePorts) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise ConfigError(f"--cycle-log {path}: {error.strerror or error}") from error
        self._inner = inner
        self._ports = ports
        self._tick = Laps()

    @classmethod
    def asked(cls, path: Path | None, inner: Ticking, *, ports: CyclePorts) -> "CycleLog | None":
        """Make a log if a path is given."""
        return None if path is None else cls(path, inner, ports=ports)

    def tick(self) -> None:
        """Let the coordinator tick, timed."""
        with self._tick.lap("tick", self._ports.watch):
            self._inner.tick()

    def watch(self) -> None:
        """Let the coordinator look, timed as a part of its tick."""
        with self._tick.lap("tick", self._ports.watch):
            self._inner.watch()

    async def run(self, fleet: Fleet, statistics: LinkStatistics) -> None:
        """Measure for ever, once a second."""
        ports, clock = self._ports, self._ports.clock
        cycle = DecisionCycle(fleet, ports.bus, clock=clock, watch=ports.watch)
        rows, rows_ns, wall_ns = statistics.blocks, statistics.rows_cpu_ns, statistics.rows_wall_ns
        try:
            while True:
                wait_s = (PHASE_S - clock.now().timestamp()) % 1.0
                await asyncio.sleep(wait_s if wait_s > 0.05 else wait_s + 1.0)  # noqa: PLR2004  not twice
                tick, self._tick = self._tick, Laps()
                laps = cycle.once()
                now = statistics.blocks, statistics.rows_cpu_ns, statistics.rows_wall_ns
                cpu_ms = {"decode": (now[1] - rows_ns) / 1e6, **tick.cpu_ms, **laps.cpu_ms}
                wall_ms = {"decode": (now[2] - wall_ns) / 1e6, **tick.wall_ms, **laps.wall_ms}
                line = {
                    "at_s": clock.now().timestamp(),
                    "rows": now[0] - rows,
                    "resources": cycle.resources,
                    "cpu_ms": cpu_ms,
                    "wall_ms": wall_ms,
                    "load": os.getloadavg()[0],
                }
                rows, rows_ns, wall_ns = now
                self._file.write(json.dumps(line) + "\n")
        finally:
            self._file.close()
