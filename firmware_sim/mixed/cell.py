"""One process of a mixed site: some of its devices on the wire, told of their site by the parent.

The parent sends what the site's meter and household show, the cell sends back what its devices
do. The wire between them is a Unix socket with a JSON object per line. A cell that loses its
parent ends.
"""

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_sim.devices.contract import SimulatedDevice, Span
from firmware_sim.devices.echonet_lite.node import SimulatedNode
from firmware_sim.devices.machines import machine_of
from firmware_sim.devices.rooms import over_machine, simulated
from firmware_sim.mixed.recording import DeviceLog, RecordedMachine
from firmware_sim.scenario.load import load_scenario
from firmware_sim.scenario.schema import Scenario, Templated
from firmware_sim.servers.port import Hosted, World
from firmware_sim.servers.registry import listeners
from protocols.templates.catalogue import template_of
from protocols.templates.echonet_lite import EchonetWire
from protocols.templates.modbus import ModbusWire
from protocols.templates.sunspec import SunspecWire
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

TICK_S: Final = 0.2
STEP_S_MIN: Final = 1e-3
STEP_S_MAX: Final = 0.25
_LINE_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSpec:
    """What a cell is told at its start, as JSON.

    Attributes
    ----------
    scenario : str
        File of the site's scenario.
    devices : tuple of str
        Ids of its devices there.
    socket : str
        Where the parent listens.
    truth : str
        Folder of the devices' logs.
    world_shift_s : float
        World time minus Unix time, s.
    gain : float
        Share of the meter's power that one device of the site may take upon itself in a step,
        so that many that follow the same meter do not swing.
    socs : dict of str to float
        How full devices are that have been there before.
    """

    scenario: str
    devices: tuple[str, ...]
    socket: str
    truth: str
    world_shift_s: float
    gain: float
    socs: dict[str, float]


def read_spec(path: Path) -> CellSpec:
    """Read what the parent has written."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return CellSpec(**{**told, "devices": tuple(told["devices"])})


class Cell:
    """Devices of one process.

    Parameters
    ----------
    spec : CellSpec
        Which.
    scenario : Scenario
        With these devices, made from templates.
    clock : Clock
        Its wall time counts, for the agent's clock is the same.
    """

    def __init__(self, spec: CellSpec, scenario: Scenario, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._now_s = clock.now().timestamp()
        self._stepping = False
        self._meter_w = self._house_w = 0.0
        self._frequency_hz = 50.0
        site = scenario.sites[0]
        wanted = [
            device
            for device in site.devices
            if isinstance(device, Templated) and device.id in spec.devices
        ]
        self._logs = {
            device.id: DeviceLog(
                Path(spec.truth) / f"{device.id}.jsonl", self.now_s, lambda: self._stepping
            )
            for device in wanted
        }
        self._devices = {
            device.id: self._made(device, f"{site.site_id}/{device.id}") for device in wanted
        }
        hosted = [
            (device.protocol, _hosted(device, self._devices[device.id], site.group))
            for device in wanted
        ]
        self._listeners = listeners(hosted, World(now_s=self.now_s, catch_up=self._catch_up))

    def now_s(self) -> float:
        """Unix time in s."""
        return self._clock.now().timestamp()

    def hear(self, told: dict[str, float]) -> None:
        """Take what the parent says of the site."""
        self._meter_w = float(told["meter_w"])
        self._house_w = float(told["house_w"])
        self._frequency_hz = float(told["frequency_hz"])

    def report(self) -> dict[str, object]:
        """Tell what the devices do now."""
        readings = {name: device.reading for name, device in self._devices.items()}
        return {
            "powers": {name: reading.power_w for name, reading in readings.items()},
            "socs": {n: reading.soc for n, reading in readings.items() if reading.soc is not None},
        }

    async def start(self) -> None:
        """Bind every socket, see :class:`firmware_sim.servers.port.Listener`."""
        for listener in self._listeners:
            await listener.start()

    async def close(self) -> None:
        """Close sockets and logs."""
        for listener in self._listeners:
            await listener.close()
        for log in self._logs.values():
            log.close()

    async def tick(self) -> None:
        """Step to now, let the listeners speak, write the truth."""
        self.step()
        for listener in self._listeners:
            await listener.tick(self._now_s)
        for log in self._logs.values():
            log.flush()

    def step(self) -> None:
        """Step every device to now, in steps that are short against what they follow."""
        to_s = self.now_s()
        while to_s - self._now_s >= STEP_S_MIN:
            end_s = min(to_s, self._now_s + STEP_S_MAX)
            for name, device in self._devices.items():
                _note(self._logs[name], device)
                self._stepping = True
                self._advance(name, device, end_s)
                self._stepping = False
            self._now_s = end_s

    def _advance(self, name: str, device: SimulatedDevice, end_s: float) -> None:
        """Step one device; what it sees of its site is damped by the gain."""
        device.advance(
            Span(
                start_s=self._now_s,
                end_s=end_s,
                world_shift_s=self._spec.world_shift_s,
                house_w=self._house_w,
                others_w=self._spec.gain * self._meter_w - device.reading.power_w,
                drift=device.faults.drift,
                frequency_hz=self._frequency_hz,
            )
        )
        log = self._logs[name]
        log.sample(end_s, device.reading.power_w)
        _note(log, device)

    def _catch_up(self, _name: str) -> None:
        """Step before a request is served; what the one before it set is noted as a request."""
        self.step()

    def _made(self, device: Templated, name: str) -> SimulatedDevice:
        """Make a device whose orders are written down."""
        template = template_of(device.template)
        soc_start = self._spec.socs.get(device.id, device.soc_start)
        if isinstance(template.wire, EchonetWire):
            return simulated(
                template, name, seed=device.seed, soc_start=soc_start, wall_s=self._now_s
            )
        machine = machine_of(template, seed=device.seed, soc_start=soc_start)
        recorded = RecordedMachine(machine, self._logs[device.id])
        return over_machine(template, recorded, name=name, wall_s=self._now_s)


async def live(spec: CellSpec, clock: Clock) -> None:
    """Run a cell until SIGTERM or the parent is gone.

    Raises
    ------
    ConfigError
        If an address or the parent's socket cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    cell = Cell(spec, load_scenario(Path(spec.scenario)), clock)
    try:
        await cell.start()
        reader, writer = await _reach(spec.socket)
        sys.stdout.write(json.dumps({"event": "cell.ready", "devices": len(spec.devices)}) + "\n")
        sys.stdout.flush()
        hearing = asyncio.create_task(_hear(cell, reader, stop))
        with contextlib.suppress(ConnectionError):
            await _run(cell, writer, stop)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
        writer.close()
    finally:
        await cell.close()


async def _reach(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(path, limit=_LINE_BYTES_MAX)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be reached: {error.strerror}") from None


async def _run(cell: Cell, writer: asyncio.StreamWriter, stop: asyncio.Event) -> None:
    """Step and report at least every :data:`TICK_S`."""
    while not stop.is_set():
        await cell.tick()
        writer.write(json.dumps(cell.report(), separators=(",", ":")).encode() + b"\n")
        await writer.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)


async def _hear(cell: Cell, reader: asyncio.StreamReader, stop: asyncio.Event) -> None:
    """Take what the parent says until it is gone."""
    with contextlib.suppress(ConnectionError):
        async for line in reader:
            cell.hear(json.loads(line))
    stop.set()


def _hosted(device: Templated, made: SimulatedDevice, group: str) -> Hosted:
    template = template_of(device.template)
    unit = device.unit
    if unit is None:
        wire = template.wire
        unit = wire.unit_id if isinstance(wire, SunspecWire | ModbusWire) else 1
    assert device.port is not None, "a mixed site gives every device its port"
    return Hosted(
        device=made,
        template=template,
        address=device.address,
        port=device.port,
        unit=unit,
        group=group,
    )


def _note(log: DeviceLog, device: SimulatedDevice) -> None:
    """Note what an ECHONET Lite device's settings ask; machines note it by themselves."""
    if isinstance(device, SimulatedNode):
        log.told(ask=device.appliance.asked_w)
