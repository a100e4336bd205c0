"""All sites of a scenario on the wire: steps them, and lets each protocol's listener speak."""

import asyncio
import contextlib

import structlog

from firmware_sim.faults import Fault, FaultKind
from firmware_sim.servers.port import Hosted, Listener, World
from firmware_sim.servers.registry import listeners
from firmware_sim.site import Placed, Site
from firmware_sim.truth import TruthLog
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

TICK_S = 0.2

_NANOSECONDS = 1e9
_log = structlog.get_logger(__name__)


class SimulationServer:
    """All sites of a scenario on the wire.

    Parameters
    ----------
    sites : tuple of Site
        Built for ``clock``'s time of now.
    clock : Clock
        Read once for the wall time; then its monotonic time counts.
    truth : TruthLog or None
        Where the truth is written.
    """

    def __init__(
        self, sites: tuple[Site, ...], *, clock: Clock, truth: TruthLog | None = None
    ) -> None:
        self._sites = sites
        self._clock = clock
        self._truth = truth
        self._wall_s = clock.now().timestamp()
        self._started_ns = clock.monotonic_ns()
        self._by_name = {
            placed.device.name: (site, placed) for site in sites for placed in site.placed
        }
        self._listeners: list[Listener] = []

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of all devices, ``site/device``."""
        return tuple(self._by_name)

    def now_s(self) -> float:
        """Unix time in s, never going back."""
        return self._wall_s + self.elapsed_s()

    def elapsed_s(self) -> float:
        """Seconds since the server was made."""
        return (self._clock.monotonic_ns() - self._started_ns) / _NANOSECONDS

    async def start(self) -> None:
        """Bind every socket and let every device announce itself.

        Raises
        ------
        ConfigError
            If an address and port are taken or not allowed, or a protocol cannot be
            simulated here; nothing stays bound.
        """
        world = World(now_s=self.now_s, catch_up=self._catch_up)
        hosted = [
            (placed.protocol, _hosted(site, placed)) for site, placed in self._by_name.values()
        ]
        made = listeners(hosted, world)
        try:
            for listener in made:
                self._listeners.append(listener)
                await listener.start()
        except ConfigError:
            await self.close()
            raise

    async def run(self, stop: asyncio.Event) -> None:
        """Step all sites at least every :data:`TICK_S` until told to stop."""
        while not stop.is_set():
            for site in self._sites:
                self._tick(site)
            for listener in self._listeners:
                await listener.tick(self.now_s())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)

    async def close(self) -> None:
        """Close every socket and forget what was waiting."""
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()

    def switch_on(self, name: str, fault: Fault) -> None:
        """Begin a fault of a device; KeyError for a device that is not here."""
        site, placed = self._by_name[name]
        site.advance(self.now_s())
        _log.info("fault.started", device=name, fault=fault.kind.value)
        placed.device.switch_on(fault, self.now_s())

    def switch_off(self, name: str, kind: FaultKind) -> None:
        """End a fault of a device; KeyError for a device that is not here."""
        site, placed = self._by_name[name]
        site.advance(self.now_s())
        placed.device.switch_off(kind)
        _log.info("fault.ended", device=name, fault=kind.value)

    def status(self) -> dict[str, dict[str, object]]:
        """Truth of now per device: power, state of charge, faults in force."""
        for site in self._sites:
            site.advance(self.now_s())
        return {name: _device_status(placed) for name, (_, placed) in self._by_name.items()}

    def _catch_up(self, name: str) -> None:
        """Step a device's site to now."""
        site, _ = self._by_name[name]
        site.advance(self.now_s())

    def _tick(self, site: Site) -> None:
        """Step a site to now and write the truth."""
        site.advance(self.now_s())
        truths = site.take_truths()
        if self._truth is not None:
            self._truth.write(truths)


def _hosted(site: Site, placed: Placed) -> Hosted:
    """Device as its listener sees it."""
    return Hosted(
        device=placed.device,
        template=placed.template,
        address=placed.address,
        port=placed.port,
        unit=placed.unit,
        group=site.plan.group,
    )


def _device_status(placed: Placed) -> dict[str, object]:
    """Plain data about a device."""
    reading = placed.device.reading
    return {
        "kind": placed.kind,
        "protocol": placed.protocol,
        "address": placed.address,
        "power_w": reading.power_w,
        "soc": reading.soc,
        "faults": sorted(kind.value for kind in placed.device.faults.active),
    }
