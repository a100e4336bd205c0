"""An independent workstation (BAC0) reads and commands our simulated BACnet devices.

The simulator runs in a process of its own, so that the truth comes from its physics and not
from the wire. BAC0 stands on bacpypes3 as we do; what it adds is another's idea of how a device
is read and written. Loopback: devices 127.4.30.x at UDP 47830, BAC0 at 127.4.30.1:47831, our
gateway at 127.4.30.2:47832.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.drivers.port import WriteState
from tests.conformance.peers.bacnet_bed import driven
from tests.conformance.peers.conftest import Process

pytestmark = pytest.mark.peer("BAC0")

PORT = 47_830
AHU, LIGHTS, METER = "127.4.30.11", "127.4.30.12", "127.4.30.13"
SITE = Path(__file__).parent / "bacnet_site.py"


@pytest.fixture
def site(peer: Callable[[str], str], processes: Callable[[list[str]], Process]) -> Process:
    """Start the simulated devices."""
    peer("BAC0")
    started = processes(
        [
            sys.executable,
            str(SITE),
            str(PORT),
            f"{AHU}=bacnet-ahu-demand-limit=30011",
            f"{LIGHTS}=bacnet-lighting-shed=30012",
            f"{METER}=bacnet-power-meter=30013",
        ]
    )
    started.wait_for("listening")
    return started


@asynccontextmanager
async def workstation() -> AsyncIterator[Any]:
    import BAC0

    BAC0.log_level("silence")
    async with BAC0.start(ip="127.4.30.1/8", port=47_831, deviceId=3001) as bac0:
        yield bac0


def true_power_w(site: Process, template: str) -> float:
    """Power as it really is now."""
    site.drain()
    record = site.wait_for("truth")
    powers = record["powers_w"]
    assert isinstance(powers, dict)
    return float(powers[template])


async def settles(site: Process, template: str, *, below_w: float) -> None:
    """Wait until a load really takes no more than that."""
    for _ in range(60):
        power_w = await asyncio.to_thread(true_power_w, site, template)
        if -power_w <= below_w:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it takes {-power_w} W")


def run(test: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with workstation() as bac0:
            await test(bac0)

    asyncio.run(whole())


def test_a_workstation_reads_what_is_true(site: Process) -> None:
    """If it fails, our simulator speaks a BACnet that only our own driver understands."""

    async def test(bac0: Any) -> None:
        node = f"{AHU}:{PORT}"
        assert str(await bac0.read(f"{node} analogInput 1 units")) == "kilowatts"
        for _ in range(5):
            told_w = -1000.0 * float(await bac0.read(f"{node} analogInput 1 presentValue"))
            true_w = await asyncio.to_thread(true_power_w, site, "bacnet-ahu-demand-limit")
            if abs(told_w - true_w) <= 400.0:  # it ramps at 500 W/s
                break
        else:
            raise AssertionError(f"told {told_w} W, true {true_w} W")
        meter_kw = float(await bac0.read(f"{METER}:{PORT} analogInput 1 presentValue"))
        assert meter_kw == pytest.approx(2.5), "import is positive on the meter"
        objects = await bac0.read(f"{node} device 30011 objectList")
        assert ("analog-value", 10) in {(str(kind), number) for kind, number in objects}
        several = await bac0.readMultiple(f"{node} analogInput 2 presentValue units")
        assert float(several[0]) == pytest.approx(26.0, abs=1.0)

    run(test)


def test_a_workstation_commands_and_the_machine_obeys(site: Process) -> None:
    """If it fails, a command is taken on the wire and the simulated machine does not move."""

    async def test(bac0: Any) -> None:
        ahu, lights = f"{AHU}:{PORT}", f"{LIGHTS}:{PORT}"
        await bac0._write(f"{ahu} analogValue 10 presentValue 3 - 8")
        assert float(await bac0.read(f"{ahu} analogValue 10 presentValue")) == 3.0
        array = await bac0.read(f"{ahu} analogValue 10 priorityArray")
        assert [n for n, entry in enumerate(array, 1) if entry.null is None] == [8]
        await settles(site, "bacnet-ahu-demand-limit", below_w=3001.0)
        await bac0._write(f"{lights} multiStateValue 1 presentValue 4 - 8")
        await settles(site, "bacnet-lighting-shed", below_w=2801.0)
        await bac0._write(f"{ahu} analogValue 10 presentValue null - 8")
        assert float(await bac0.read(f"{ahu} analogValue 10 presentValue")) == 20.0

    run(test)


def test_what_a_controller_refuses_is_refused(site: Process) -> None:
    """If it fails, our simulator takes what no controller takes, and hides a driver's mistake."""

    async def test(bac0: Any) -> None:
        from BAC0.core.io.IOExceptions import NoResponseFromController

        node = f"{AHU}:{PORT}"
        for words, cause in (
            ("analogInput 1 presentValue 5", "write-access-denied"),
            ("analogValue 10 presentValue nan - 8", "value-out-of-range"),
            ("analogValue 10 presentValue 500 - 8", "value-out-of-range"),
            ("analogValue 10 relinquishDefault 5", "write-access-denied"),
        ):
            with pytest.raises(NoResponseFromController, match=cause):
                await bac0._write(f"{node} {words}")
        assert float(await bac0.read(f"{node} analogValue 10 presentValue")) == 20.0

    run(test)


def test_our_driver_yields_to_the_workstations_operator(site: Process) -> None:
    """If it fails, an operator's command at priority 8 is not seen, or is fought."""

    async def test(bac0: Any) -> None:
        node = f"{AHU}:{PORT}"
        async with driven(
            gateway="127.4.30.2", port=47_832, device=node, template="bacnet-ahu-demand-limit"
        ) as on:
            await on.until(lambda: on.value("power_w") is not None)
            assert (await on.write(-6000.0)).state is WriteState.DONE
            await bac0._write(f"{node} analogValue 10 presentValue 15 - 8")
            await on.until(lambda: on.value("limit_w") == pytest.approx(-15_000.0))
            outcome = await on.write(-6000.0)
            assert outcome.state is WriteState.UNCONFIRMED
            assert "held at priority 8 (manual operator): 15" in outcome.detail
            await bac0._write(f"{node} analogValue 10 presentValue null - 8")
            assert (await on.write(-6000.0)).state is WriteState.DONE
        array = await bac0.read(f"{node} analogValue 10 priorityArray")
        assert all(entry.null is not None for entry in array), "given back when the agent ended"

    run(test)
