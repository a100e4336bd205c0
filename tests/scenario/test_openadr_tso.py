"""The coordinator's VEN and `vpp openadr vtn`, both ours, with TLS and signatures, under kills."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_coordinator.gateway.openadr_ven.ven_file import Listener
from cloud_coordinator.gateway.tls import TlsFiles
from tests.conformance.peers.vtn_bed import VtnBed
from tests.ports import free_port
from tests.unit.cloud_coordinator.gateway.openadr_ven.test_shell import Bed, ven_file

HOST = "127.71.9.1"
WATT = {"kind": "powerReal", "description": "RealPower", "units": "W", "scale": "k"}
pytestmark = pytest.mark.timeout(90)


def made(folder: Path, bed: VtnBed, *, pushes: bool) -> Bed:
    """Make a VEN of the coordinator for a VTN."""
    given = bed.credentials("ven")
    assert given is not None
    identity, authority, pin = given
    own = free_port()
    url = f"https://{HOST}:{own}/OpenADR2/Simple/2.0b"
    files = TlsFiles(certificate=identity.certificate, key=identity.key, authorities=authority)
    file = ven_file(
        0,
        url=bed.url,
        tls=files,
        signed=True,
        vtn_fingerprint=pin,
        listener=Listener(host=HOST, port=own, url=url) if pushes else None,
    )
    return Bed(file)


def dispatch(bed: VtnBed, method: str, event_id: str, *, kilowatt: float) -> None:
    """Order or modify a command that has begun."""
    start = datetime.now(UTC) - timedelta(seconds=2)
    interval = {"duration": "PT1H", "value": kilowatt}
    signal = {"name": "LOAD_DISPATCH", "type": "delta", "unit": WATT, "intervals": [interval]}
    body: dict[str, object] = {
        "dtstart": start.isoformat(timespec="seconds"),
        "duration": "PT1H",
        "market_context": "http://tso.example/調整力",
        "signals": [signal],
    }
    if method == "POST":
        body["event_id"] = event_id
    bed.admin(method, "/events" if method == "POST" else f"/events/{event_id}", body)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that is asked of other programs."""
    async with asyncio.timeout(30.0):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - other programs tell nothing
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("pushes", [False, True], ids=["pull", "push"])
def test_commands_survive_kills_of_either_side(tmp_path: Path, *, pushes: bool) -> None:
    """If it fails, a crash here or at the TSO costs a command, or gives one twice."""
    bed = VtnBed(tmp_path, HOST, free_port(), secure=True)

    def answers(event_id: str) -> list[str]:
        return [one["opt_type"] for one in bed.admin("GET", f"/events/{event_id}")["answers"]]

    async def lived() -> None:
        await asyncio.to_thread(bed.start_vtn)
        ven = made(tmp_path, bed, pushes=pushes)
        async with ven.running():
            await until(lambda: bool(bed.admin("GET", "/vens")["vens"]))
            dispatch(bed, "POST", "call", kilowatt=-3.0)
            await until(lambda: ven.powers() == [3000.0] and answers("call") == ["optIn"])
            assert bed.vtn is not None
            bed.vtn.kill()
        ven.ven = ven.made()
        async with ven.running():
            await asyncio.to_thread(bed.start_vtn)
            dispatch(bed, "PUT", "call", kilowatt=-2.0)
            await until(lambda: ven.powers() == [3000.0, 2000.0])
        dispatch(bed, "POST", "unknown", kilowatt=-5.0)
        ven.ven = ven.made()
        async with ven.running():
            await until(lambda: answers("unknown") == ["optIn"])
            await until(lambda: ven.powers() == [3000.0, 2000.0, 5000.0])
            bed.admin("DELETE", "/events/unknown")
            await until(lambda: ven.powers() == [3000.0, 2000.0, 5000.0, 2000.0])

    try:
        asyncio.run(lived())
    finally:
        bed.end()
