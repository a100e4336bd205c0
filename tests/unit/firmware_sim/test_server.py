"""Simulated devices on real loopback UDP: what an independent controller would see."""

import asyncio
import itertools
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.control_socket import ask, serving
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.main import SystemClock
from firmware_sim.scenario.build import build_sites
from firmware_sim.scenario.load import parse_scenario
from firmware_sim.server import SimulationServer
from firmware_sim.timeline import play
from firmware_sim.truth import TruthLog, read_truth
from protocols.echonet_lite.frame import Esv, Frame, Property, decode_frame
from protocols.vocabulary.errors import ConfigError

_NETS = itertools.count(1)
GROUP = "239.192.77.1"
SOC_AND_POWER = "027D01 62 02 E400 D300"
STANDBY = "027D01 61 01 DA0144"
MODE = "027D01 62 01 DA00"


@dataclass
class Bench:
    """A running simulator of one site and a gateway's two sockets beside it."""

    server: SimulationServer
    net: str
    port: int
    unicast: socket.socket
    group: socket.socket

    @property
    def battery(self) -> str:
        """Address of the battery."""
        return f"{self.net}.12"

    def send(self, hexadecimal: str, to: str, *, tid: int = 1) -> None:
        """Send a frame of the gateway, written from its DEOJ on."""
        data = bytes.fromhex(f"1081{tid:04x}05FF01" + hexadecimal.replace(" ", ""))
        self.unicast.sendto(data, (to, self.port))

    async def ask(self, hexadecimal: str, *, tid: int = 1, within_s: float = 1.0) -> Frame | None:
        """Answer of the battery; None if there is none in time."""
        self.send(hexadecimal, self.battery, tid=tid)
        return await self.hear(within_s=within_s)

    async def hear(self, *, within_s: float = 1.0) -> Frame | None:
        """Next datagram to the gateway's own socket."""
        return await _hear(self.unicast, within_s)

    async def overhear(self, *, within_s: float = 1.0) -> Frame | None:
        """Next datagram to the group."""
        return await _hear(self.group, within_s)

    def fault(self, kind: str, **fields: object) -> dict[str, object]:
        """Request for the control socket."""
        return {"op": "fault", "device": "s1/battery-1", "fault": kind, **fields}


async def _hear(sock: socket.socket, within_s: float) -> Frame | None:
    loop = asyncio.get_running_loop()
    try:
        data = await asyncio.wait_for(loop.sock_recv(sock, 2048), within_s)
    except TimeoutError:
        return None
    return decode_frame(data)


def scenario_text(net: str, port: int, **more: object) -> str:
    """Write a site with a battery, a PV system and a meter."""
    site = {
        "site_id": "s1",
        "group": GROUP,
        "load": {
            "kind": "measured",
            "source": "flat",
            "times_s": [0, 1],
            "power_w": [500.0, 500.0],
        },
        "devices": [
            {"id": "meter", "kind": "meter", "address": f"{net}.11"},
            {
                "id": "battery-1",
                "kind": "battery",
                "address": f"{net}.12",
                "energy_wh_capacity": 10_000,
                "power_w_charge_max": 5_000,
                "power_w_discharge_max": 5_000,
                "ramp_w_per_s": 50_000,
            },
            {"id": "pv-1", "kind": "pv", "address": f"{net}.13", "power_w_rated": 5_000},
        ],
    }
    return json.dumps({"start": "2026-07-21T15:00:00Z", "port": port, "sites": [site], **more})


def free_net() -> tuple[str, int]:
    """Take a /24 of loopback and a port that no other test uses."""
    return f"127.{100 + os.getpid() % 100}.{next(_NETS)}", 20_000 + os.getpid() % 10_000


def with_bench(
    test: Callable[[Bench], Awaitable[None]], *, truth: Path | None = None, **more: object
) -> None:
    """Run a test against a simulator in this process."""

    async def run() -> None:
        net, port = free_net()
        scenario = parse_scenario(scenario_text(net, port, **more), origin="test")
        clock = SystemClock()
        sites = build_sites(scenario, now_s=clock.now().timestamp())
        log = TruthLog(truth) if truth else None
        server = SimulationServer(sites, clock=clock, truth=log)
        with _unicast(f"{net}.1", port) as unicast, _member(f"{net}.1", port) as group:
            await server.start()
            stop = asyncio.Event()
            tasks = [
                asyncio.create_task(server.run(stop)),
                asyncio.create_task(play(server, scenario.faults, stop=stop)),
            ]
            bench = Bench(server=server, net=net, port=port, unicast=unicast, group=group)
            try:
                await test(bench)
            finally:
                stop.set()
                await asyncio.gather(*tasks)
                await server.close()
                if log:
                    log.close()

    asyncio.run(run())


def _fault(kind: str, **fields: Any) -> Fault:
    """Fault by the name a scenario uses."""
    return Fault(kind=FaultKind(kind), **fields)


def _unicast(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.bind((address, port))
    return sock


def _member(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((GROUP, port))
    membership = socket.inet_aton(GROUP) + socket.inet_aton(address)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return sock


def test_raw_get_returns_the_expected_frame() -> None:
    """A controller written by somebody else could not read our battery."""

    async def test(bench: Bench) -> None:
        await bench.ask(STANDBY)
        await asyncio.sleep(0.3)
        bench.send(SOC_AND_POWER, bench.battery, tid=0x1234)
        loop = asyncio.get_running_loop()
        data = await asyncio.wait_for(loop.sock_recv(bench.unicast, 2048), 1.0)
        assert data.hex() == "10811234027d0105ff017202e40132d30400000000"

    with_bench(test)


def test_every_node_announces_itself_and_is_found_by_multicast() -> None:
    """The gateway could not discover devices without a list of addresses."""

    async def test(bench: Bench) -> None:
        started = [await bench.overhear() for _ in range(3)]
        assert {frame.properties[0].edt.hex() for frame in started if frame} == {
            "01028801",
            "01027d01",
            "01027901",
        }
        assert all(frame and frame.esv is Esv.INF for frame in started)
        bench.send("0EF001 62 01 D600", GROUP, tid=9)
        found = [await bench.hear() for _ in range(3)]
        lists = {frame.properties[0].edt.hex() for frame in found if frame}
        assert lists == {"01028801", "01027d01", "01027901"}
        assert await bench.hear(within_s=0.3) is None, "a node answered twice"

    with_bench(test)


def test_a_mode_change_is_announced_to_the_group() -> None:
    """A device that changes its mode by itself would stay unnoticed until the next poll."""

    async def test(bench: Bench) -> None:
        while await bench.overhear(within_s=0.3):
            pass
        await bench.ask(STANDBY)
        frame = await bench.overhear()
        assert frame is not None
        assert Property(0xCF, b"\x44") in frame.properties

    with_bench(test)


def test_silent_device_says_nothing_and_comes_back() -> None:
    """A test with a lost device would really test a living one."""

    async def test(bench: Bench) -> None:
        bench.server.switch_on("s1/battery-1", _fault("silent"))
        assert await bench.ask(STANDBY, within_s=0.4) is None
        bench.server.switch_off("s1/battery-1", _fault("silent").kind)
        answer = await bench.ask(MODE)
        assert answer is not None
        assert answer.properties[0].edt == b"\x46", "a silent device took a setting"

    with_bench(test)


def test_slow_device_serves_after_its_delay() -> None:
    """A time-out of the driver could never be tried on a device that is only slow."""

    async def test(bench: Bench) -> None:
        bench.server.switch_on("s1/battery-1", _fault("slow", delay_s=0.5))
        began = time.monotonic()
        bench.send(STANDBY, bench.battery)
        await asyncio.sleep(0.2)
        assert await bench.hear(within_s=0.01) is None
        answer = await bench.hear()
        assert answer is not None
        assert answer.esv is Esv.SET_RES
        assert 0.45 <= time.monotonic() - began < 0.9

    with_bench(test)


def test_refusing_and_pretending_devices_do_not_move() -> None:
    """A driver that believes an acknowledgement could pass every test."""

    async def test(bench: Bench) -> None:
        bench.server.switch_on("s1/battery-1", _fault("refusing"))
        answer = await bench.ask(STANDBY)
        assert answer is not None
        assert answer.esv is Esv.SET_C_SNA
        assert answer.properties == (Property(0xDA, b"\x44"),)
        bench.server.switch_off("s1/battery-1", _fault("refusing").kind)
        bench.server.switch_on("s1/battery-1", _fault("no-effect"))
        answer = await bench.ask(STANDBY)
        assert answer is not None
        assert answer.esv is Esv.SET_RES
        after = await bench.ask(MODE)
        assert after is not None
        assert after.properties == (Property(0xDA, b"\x46"),)

    with_bench(test)


def test_drifting_device_works_beside_its_setpoint() -> None:
    """Integral correction would be tested on devices that are always exact."""

    async def test(bench: Bench) -> None:
        await bench.ask("027D01 61 03 C20103 EC04000003E8 DA0143")
        bench.server.switch_on("s1/battery-1", _fault("drifting", gain=0.9, offset_w=-50.0))
        await asyncio.sleep(0.4)
        answer = await bench.ask("027D01 62 02 D300 EC00")
        assert answer is not None
        power, setting = answer.properties
        assert int.from_bytes(power.edt, "big", signed=True) == -850
        assert int.from_bytes(setting.edt, "big") == 1000

    with_bench(test)


def test_stuck_device_repeats_old_measurements() -> None:
    """A frozen reading would look like a steady device, and nobody could try to notice it."""

    async def test(bench: Bench) -> None:
        await bench.ask(STANDBY)
        await asyncio.sleep(0.4)
        bench.server.switch_on("s1/battery-1", _fault("stuck"))
        await bench.ask("027D01 61 03 C20103 EC04000003E8 DA0143")
        await asyncio.sleep(0.4)
        answer = await bench.ask("027D01 62 03 D300 CF00 DA00")
        assert answer is not None
        assert [entry.edt.hex() for entry in answer.properties] == ["00000000", "44", "43"]
        status = bench.server.status()["s1/battery-1"]
        assert status["power_w"] == pytest.approx(1000.0)

    with_bench(test)


def test_duplicate_and_late_datagrams() -> None:
    """Doubled and overdue answers, usual on a bad network, would never reach the driver."""

    async def test(bench: Bench) -> None:
        bench.server.switch_on("s1/battery-1", _fault("duplicate", delay_s=0.05))
        first = await bench.ask(MODE, tid=3)
        second = await bench.hear()
        assert first == second
        assert first is not None
        assert first.tid == 3
        bench.server.switch_off("s1/battery-1", _fault("duplicate").kind)
        bench.server.switch_on("s1/battery-1", _fault("late", delay_s=0.5))
        bench.send(MODE, bench.battery, tid=4)
        await asyncio.sleep(0.1)
        bench.server.switch_off("s1/battery-1", _fault("late").kind)
        prompt = await bench.ask(MODE, tid=5)
        overdue = await bench.hear()
        assert prompt is not None
        assert overdue is not None
        assert (prompt.tid, overdue.tid) == (5, 4)

    with_bench(test)


def test_wrong_map_and_its_end() -> None:
    """A map that disagrees with its own count would stay in force, or never come."""

    async def test(bench: Bench) -> None:
        true = await bench.ask("027D01 62 01 9F00")
        bench.server.switch_on("s1/battery-1", _fault("wrong-map"))
        wrong = await bench.ask("027D01 62 01 9F00")
        bench.server.switch_off("s1/battery-1", _fault("wrong-map").kind)
        again = await bench.ask("027D01 62 01 9F00")
        assert true is not None
        assert wrong is not None
        assert wrong.properties[0].edt[0] == true.properties[0].edt[0] + 1
        assert wrong.properties[0].edt[1:] == true.properties[0].edt[1:]
        assert again == true

    with_bench(test)


def test_restarted_device_announces_itself_and_has_lost_its_settings() -> None:
    """The agent could go on believing in a lease that the device has forgotten."""

    async def test(bench: Bench) -> None:
        await bench.ask(STANDBY)
        while await bench.overhear(within_s=0.3):
            pass
        bench.server.switch_on("s1/battery-1", _fault("restarted"))
        frame = await bench.overhear()
        assert frame is not None
        assert (frame.esv, frame.properties[0].epc) == (Esv.INF, 0xD5)
        answer = await bench.ask(MODE)
        assert answer is not None
        assert answer.properties[0].edt == b"\x46"

    with_bench(test)


def test_timeline_switches_faults_at_their_times() -> None:
    """A scenario's faults could come late or never, and a run prove nothing."""

    async def test(bench: Bench) -> None:
        assert await bench.ask(MODE, within_s=0.3) is not None
        await asyncio.sleep(0.5)
        assert await bench.ask(MODE, within_s=0.1) is None
        await asyncio.sleep(0.5)
        assert await bench.ask(MODE, within_s=0.3) is not None

    event = {"at_s": 0.4, "until_s": 0.9, "device": "s1/battery-1", "fault": "silent"}
    with_bench(test, faults=[event])


def test_control_socket_switches_faults_and_refuses_nonsense(tmp_path: Path) -> None:
    """Somebody at the console could not make a device fail, or could stop the simulator."""
    path = tmp_path / "sim.sock"

    async def test(bench: Bench) -> None:
        async with serving(bench.server, path):
            requests: list[dict[str, object]] = [
                bench.fault("silent"),
                {"op": "status"},
                {**bench.fault("silent"), "op": "clear"},
                bench.fault("tired"),
                {"op": "fault", "device": "s1/nobody", "fault": "silent"},
                {"op": "dance"},
            ]
            answers = [await asyncio.to_thread(ask, path, request) for request in requests]
        assert [answer["ok"] for answer in answers] == [True, True, True, False, False, False]
        assert "nobody" in str(answers[4]["error"])
        devices = answers[1]["devices"]
        assert isinstance(devices, dict)
        assert devices["s1/battery-1"]["faults"] == ["silent"]
        assert await bench.ask(MODE) is not None

    with_bench(test)


def test_truth_log_has_every_second_and_is_the_sum(tmp_path: Path) -> None:
    """What the agent says would be compared with a truth that has holes or does not add up."""
    path = tmp_path / "truth.jsonl"

    async def test(bench: Bench) -> None:
        await bench.ask("027D01 61 03 C20103 EC04000007D0 DA0143")
        await asyncio.sleep(2.3)

    with_bench(test, truth=path)
    rows = read_truth(path)
    assert len(rows) >= 2
    seconds = [row.time_s for row in rows]
    assert seconds == list(range(seconds[0], seconds[0] + len(rows)))
    for row in rows:
        assert row.meter_w == pytest.approx(row.load_w + sum(row.powers_w.values()), abs=1e-3)
    assert rows[-1].powers_w["battery-1"] == pytest.approx(2000.0)
    assert rows[-1].meter_mean_w == pytest.approx(1500.0, abs=1.0)


def test_taken_port_is_said_in_one_line_and_nothing_stays_bound() -> None:
    """A second simulator could seem to run and answer nothing."""

    async def run() -> None:
        net, port = free_net()
        scenario = parse_scenario(scenario_text(net, port), origin="test")
        clock = SystemClock()
        sites = build_sites(scenario, now_s=clock.now().timestamp())
        with _unicast(f"{net}.13", port):
            server = SimulationServer(sites, clock=clock)
            with pytest.raises(ConfigError, match=rf"s1/pv-1.*{net}\.13.*{port}.*in use"):
                await server.start()
            with _unicast(f"{net}.11", port):
                pass

    asyncio.run(run())
