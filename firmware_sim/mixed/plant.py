"""The parent's side of a mixed site: household, meter, and what the cells say of their devices.

A device whose process is gone gives and takes nothing.
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Final

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.meter import MeterDevice
from firmware_sim.devices.echonet_lite.node import SimulatedNode
from firmware_sim.faults import Fault, FaultKind, FaultState
from firmware_sim.mixed.recording import DeviceLog
from firmware_sim.scenario.build import placed_from_template, taken_w
from firmware_sim.scenario.schema import Scenario, Templated
from firmware_sim.servers.port import Hosted, World
from firmware_sim.servers.registry import listeners
from firmware_sim.site import Placed, Site, SitePlan
from protocols.vocabulary.intervals import Clock

TICK_S: Final = 0.2
METER: Final = "meter"
_LINE_BYTES_MAX: Final = 1 << 20


class RemoteDevice:
    """A device in another process, as far as the site's sum needs it.

    Parameters
    ----------
    name : str
        ``"site/device"``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reading = Reading()
        self.faults = FaultState()

    def told(self, power_w: float, soc: float | None) -> None:
        """Take what its process says."""
        self.reading = Reading(power_w=power_w, mean_w=power_w, soc=soc)

    def gone(self) -> None:
        """Its process has ended: it gives and takes nothing, its storage stays as it is."""
        self.reading = Reading(soc=self.reading.soc)

    def advance(self, span: Span) -> None:
        """Do nothing: it advances where it is."""

    def switch_on(self, fault: Fault, wall_s: float) -> None:
        """Do nothing: faults are switched where it is."""

    def switch_off(self, kind: FaultKind) -> None:
        """Do nothing: faults are switched where it is."""

    def restart(self, wall_s: float) -> None:
        """Do nothing: it restarts with its process."""


class Plant:
    """Household, meter and the door for the cells.

    Parameters
    ----------
    scenario : Scenario
        One site, its meter from a template.
    truth : Path
        Folder of the logs.
    clock : Clock
        Its wall time counts.
    """

    def __init__(self, scenario: Scenario, truth: Path, clock: Clock) -> None:
        self._clock = clock
        start_s = clock.now().timestamp()
        assert scenario.start is not None, "a mixed site has its own time of day"
        self.world_shift_s = scenario.start.timestamp() - start_s
        site = scenario.sites[0]
        self._remote: dict[str, RemoteDevice] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._door: asyncio.Server | None = None
        devices = [device for device in site.devices if isinstance(device, Templated)]
        meter = placed_from_template(
            next(device for device in devices if device.id == METER),
            f"{site.site_id}/{METER}",
            wall_s=start_s,
            echonet_port=scenario.port,
        )
        node = meter.device
        assert isinstance(node, SimulatedNode), "the site's meter is on ECHONET Lite"
        shown = node.appliance
        assert isinstance(shown, MeterDevice), "and a smart meter"
        plan = SitePlan(
            site_id=site.site_id,
            group=site.group,
            devices=tuple(self._placed(site.site_id, d) for d in devices if d.id != METER),
            meter=meter,
            show_meter=shown.show,
            meter_start=shown.state,
            taken_w=taken_w(site, scenario.seed, world_s=scenario.start.timestamp()),
            world_shift_s=self.world_shift_s,
            frequency_hz=lambda _world_s: 50.0,
        )
        self._site = Site(plan, start_s=start_s)
        self._log = DeviceLog(truth / f"{METER}.jsonl", self.now_s, lambda: False)
        hosted = Hosted(
            device=node,
            template=meter.template,
            address=meter.address,
            port=meter.port,
            group=site.group,
        )
        world = World(now_s=self.now_s, catch_up=lambda _name: self._step())
        self._listeners = listeners([(meter.protocol, hosted)], world)

    def now_s(self) -> float:
        """Unix time in s."""
        return self._clock.now().timestamp()

    @property
    def socs(self) -> dict[str, float]:
        """How full each device was when it was last heard of."""
        readings = {name: device.reading for name, device in self._remote.items()}
        return {name: one.soc for name, one in readings.items() if one.soc is not None}

    async def open(self, path: Path) -> None:
        """Bind the meter's sockets, and listen for the cells."""
        for listener in self._listeners:
            await listener.start()
        self._door = await asyncio.start_unix_server(self._serve, path, limit=_LINE_BYTES_MAX)

    async def close(self) -> None:
        """Close everything."""
        for listener in self._listeners:
            await listener.close()
        if self._door is not None:
            self._door.close()
        for writer in self._writers:
            writer.close()
        self._log.close()

    async def run(self) -> None:
        """Step, tell the cells, write the meter's truth, until cancelled."""
        while True:
            self._step()
            for listener in self._listeners:
                await listener.tick(self.now_s())
            self._log.flush()
            self._site.take_truths()
            self._tell()
            await asyncio.sleep(TICK_S)

    def _step(self) -> None:
        now_s = self.now_s()
        self._site.advance(now_s)
        self._log.sample(now_s, self._site.meter.power_w)

    def _tell(self) -> None:
        """Tell every cell what the site does."""
        told = {
            "meter_w": self._site.meter.power_w,
            "house_w": self._site.house_w,
            "frequency_hz": 50.0,
        }
        line = json.dumps(told, separators=(",", ":")).encode() + b"\n"
        for writer in self._writers:
            if writer.transport.get_write_buffer_size() < _LINE_BYTES_MAX:
                writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear a cell until it is gone; then its devices are."""
        self._writers.add(writer)
        names: set[str] = set()
        with contextlib.suppress(ConnectionError, ValueError):
            async for line in reader:
                told = json.loads(line)
                for name, power_w in told["powers"].items():
                    names.add(name)
                    self._remote[name].told(power_w, told["socs"].get(name))
        self._writers.discard(writer)
        writer.close()
        for name in names:
            self._remote[name].gone()

    def _placed(self, site_id: str, device: Templated) -> Placed:
        remote = self._remote[device.id] = RemoteDevice(f"{site_id}/{device.id}")
        return Placed(
            device_id=device.id,
            kind=device.kind,
            device=remote,
            address=device.address,
            port=device.port or 0,
            protocol=device.protocol,
        )
