"""The gateway's central system against callers that are not chargers, or bad ones.

Loopback 127.5.5.x, 127.5.7.x and 127.5.8.x, port 8887.
"""

import asyncio
import base64
import contextlib
import json
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from edge_agent.config.site import OcppConfig
from tests.unit.edge_agent.drivers.ocpp.site import CHARGER, PORT, served, site

TEMPLATE = "ocpp-16-ac-6kw"
PASSWORD = "a long enough password"
BOOT = {"chargePointVendor": "Raw", "chargePointModel": "Client"}


def call(
    address: str,
    *,
    name: str = CHARGER,
    version: str = "ocpp1.6",
    headers: dict[str, str] | None = None,
) -> connect:
    """Call the central system as some charger."""
    return connect(
        f"ws://{address}:{PORT}/ocpp/{name}",
        subprotocols=[Subprotocol(version)],
        additional_headers=headers,
        proxy=None,
        open_timeout=2.0,
    )


async def ask(socket: ClientConnection, action: str, words: object, *, number: str = "1") -> object:
    """Make a call and return its whole answer; questions to us in between are left open."""
    await socket.send(json.dumps([2, number, action, words]))
    async with asyncio.timeout(2.0):
        while True:
            answer = json.loads(await socket.recv())
            if answer[0] != 2 and answer[1] == number:
                return answer


async def ends(socket: ClientConnection) -> int:
    """Wait until the central system ends a connection; how it did."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(2.0):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


def _basic(name: str, password: str) -> dict[str, str]:
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


def test_the_password_is_asked_for(tmp_path: Path) -> None:
    """If it fails, whoever reaches the port can pose as the site's charger."""
    address = "127.5.5.1"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address, password=PASSWORD)) as us:
            wrong = [
                None,
                _basic(CHARGER, "wrong"),
                _basic("other", PASSWORD),
                {"Authorization": "Basic ???"},
                {"Authorization": f"Bearer {PASSWORD}"},
            ]
            for headers in wrong:
                with pytest.raises(InvalidStatus) as refused:
                    async with call(address, headers=headers):
                        pass
                assert refused.value.response.status_code == 401
            async with call(address, headers=_basic(CHARGER, PASSWORD)) as socket:
                answer = await ask(socket, "BootNotification", BOOT)
                assert isinstance(answer, list)
                assert answer[2]["status"] == "Accepted"
            assert await us.family.discover() == ()

    asyncio.run(drive())


def test_tls_is_spoken_where_it_is_configured(tmp_path: Path, peer: Callable[[str], str]) -> None:
    """If it fails, passwords cross a network in the clear though a certificate was given."""
    address = "127.5.5.2"
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-nodes", "-days", "2", "-subj", "/CN=gateway"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [peer("openssl"), "req", "-x509", "-newkey", "rsa:2048", *subject, *files],
        check=True,
        capture_output=True,
        timeout=20,
    )
    ocpp = OcppConfig(address=address, port=PORT, certificate=certificate, key=key)

    async def drive() -> None:
        async with served(replace(site(tmp_path, TEMPLATE, address), ocpp=ocpp)):
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            async with connect(
                f"wss://{address}:{PORT}/{CHARGER}",
                subprotocols=[Subprotocol("ocpp1.6")],
                ssl=context,
                proxy=None,
            ) as socket:
                answer = await ask(socket, "BootNotification", BOOT)
                assert isinstance(answer, list)
                assert answer[2]["status"] == "Accepted"

    asyncio.run(drive())


def test_a_wrong_version_is_refused_and_named(tmp_path: Path) -> None:
    """If it fails, a charger is talked to in words it does not know, or nobody learns why not."""
    address = "127.5.5.3"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)) as us:
            for version in ("ocpp2.0.1", "soap"):
                with pytest.raises(InvalidStatus) as refused:
                    async with call(address, version=version):
                        pass
                assert refused.value.response.status_code == 400
            (found,) = await us.family.discover()
            assert found.identity == CHARGER
            assert "wanted ocpp1.6" in found.about

    asyncio.run(drive())


NO_IDS = ["", "a" * 49, "a%20b", "a%0Ab", "%E5%AE%B6"]


@pytest.mark.parametrize("name", NO_IDS)
def test_a_path_without_an_id_is_refused(name: str, tmp_path: Path) -> None:
    """If it fails, a name nobody can configure ends up in logs and lists."""
    address = f"127.5.8.{NO_IDS.index(name) + 1}"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)) as us:
            url = f"ws://{address}:{PORT}/{name}"
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, subprotocols=[Subprotocol("ocpp1.6")], proxy=None):
                    pass
            assert refused.value.response.status_code == 404
            assert await us.family.discover() == ()

    asyncio.run(drive())


def test_many_strangers_are_bounded(tmp_path: Path) -> None:
    """If it fails, whoever knows the port can fill the gateway's memory with names."""
    address = "127.5.5.5"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)) as us:
            sockets = [call(address, name=f"stranger-{number}") for number in range(45)]
            answers = await asyncio.gather(*sockets, return_exceptions=True)
            opened = [one for one in answers if isinstance(one, ClientConnection)]
            assert len(opened) <= 4
            found = await us.family.discover()
            assert len(found) == 32
            for socket in opened:
                await socket.close()

    asyncio.run(drive())


def test_a_second_connection_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """If it fails, a charger whose old connection hangs cannot come back."""
    address = "127.5.5.6"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)), call(address) as first:
            await ask(first, "BootNotification", BOOT)
            async with call(address) as second:
                await ask(second, "BootNotification", BOOT)
                await ends(first)
                answer = await ask(second, "Heartbeat", {}, number="2")
                assert isinstance(answer, list)
                assert "currentTime" in answer[2]

    asyncio.run(drive())


NONSENSE = [
    "",
    "{}",
    "[]",
    "null",
    "[2]",
    '[2,"x"]',
    '[2,"x","Heartbeat"]',
    '[2,"x",["Heartbeat"],{}]',
    '[2,["x"],"Heartbeat",{}]',
    '[2,"x","Heartbeat",[]]',
    '[2,"","Heartbeat",{}]',
    '[3,"nobody-asked",{}]',
    '[4,"nobody-asked","InternalError","",{}]',
    '[9,"x","Heartbeat",{}]',
    '[2,"x","MeterValues",{"connectorId":NaN}]',
    '[2,"x","MeterValues",{"connectorId":1e999}]',
    '[2,"x","MeterValues",{"connectorId":' + "9" * 5000 + "}]",
    '[2,"x","DataTransfer",' + '{"a":' * 400 + "1" + "}" * 400 + "]",
    "[" * 20_000,
    '[2,"x","StatusNotification",{"connectorId":"one","status":7}]',
    '[2,"x","StartTransaction",{}]',
    '[2,"x","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":5,"sampledValue":"no"}]}]',
    '[2,"x","StopTransaction",{"transactionId":true,"timestamp":"yesterday"}]',
    '[2,"x","Nonsense",{}]',
    '[2,"x","SetChargingProfile",{}]',
]


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: text[:40] or "empty")
def test_nonsense_does_not_end_the_connection(text: str, tmp_path: Path) -> None:
    """If it fails, one bad message costs a charger its connection, or the gateway its loop."""
    address = f"127.5.7.{NONSENSE.index(text) + 1}"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)), call(address) as socket:
            await ask(socket, "BootNotification", BOOT)
            await socket.send(text)
            await socket.send(text.encode())
            answer = await ask(socket, "Heartbeat", {}, number="after")
            assert isinstance(answer, list)
            assert answer[0] == 3

    asyncio.run(drive())


def test_a_message_that_is_too_long_ends_the_connection_only(tmp_path: Path) -> None:
    """If it fails, a charger can fill the gateway's memory with one message."""
    address = "127.5.5.8"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)):
            async with call(address) as socket:
                await ask(socket, "BootNotification", BOOT)
                long = {"vendorId": "x", "data": "y" * 600_000}
                with pytest.raises(ConnectionClosed) as closed:
                    await ask(socket, "DataTransfer", long, number="2")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1009
            async with call(address) as socket:
                answer = await ask(socket, "BootNotification", BOOT)
                assert isinstance(answer, list)

    asyncio.run(drive())


def test_a_flood_is_cut_off_and_kept_out_for_a_while(tmp_path: Path) -> None:
    """If it fails, one charger gone mad takes the gateway's time from all other devices."""
    address = "127.5.5.9"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)):
            async with call(address) as socket:
                with contextlib.suppress(ConnectionClosed):
                    for number in range(5000):
                        await socket.send(json.dumps([2, f"{number}", "Heartbeat", {}]))
                assert await ends(socket) == 1008
            with pytest.raises(InvalidStatus) as refused:
                async with call(address):
                    pass
            assert refused.value.response.status_code == 429

    asyncio.run(drive())


def test_answers_do_not_wait_behind_a_queue_of_calls(tmp_path: Path) -> None:
    """If it fails, a charger that drains its queue cannot be limited meanwhile."""
    address = "127.5.5.10"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)) as us, call(address) as socket:
            await socket.send(json.dumps([2, "boot", "BootNotification", BOOT]))
            met = asyncio.Event()
            asked: list[str] = []

            async def answer() -> None:
                number = 0
                async for text in socket:
                    message = json.loads(text)
                    if message[0] != 2:
                        continue
                    asked.append(message[2])
                    for _ in range(12):
                        number += 1
                        await socket.send(json.dumps([2, f"h{number}", "Heartbeat", {}]))
                    result = {"status": "Accepted"}
                    if message[2] == "GetConfiguration":
                        result = {}
                    await socket.send(json.dumps([3, message[1], result]))
                    if message[2] == "TriggerMessage":
                        met.set()

            answering = asyncio.create_task(answer())
            async with asyncio.timeout(3.0):
                await met.wait()
            assert asked[:2] == ["GetConfiguration", "TriggerMessage"]
            answering.cancel()
            await us.read()

    asyncio.run(drive())


def _values(at: datetime, power_w: float) -> dict[str, object]:
    sampled = [{"measurand": "Power.Active.Import", "value": f"{power_w}"}]
    stamp = at.isoformat().replace("+00:00", "Z")
    return {"connectorId": 1, "meterValue": [{"timestamp": stamp, "sampledValue": sampled}]}


def test_values_from_the_queue_are_not_of_now(tmp_path: Path) -> None:
    """If it fails, the power of an hour ago is planned with."""
    address = "127.5.5.11"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)) as us, call(address) as socket:
            now = datetime.now(UTC)
            await ask(socket, "BootNotification", BOOT)
            for minute in range(10):
                old = _values(now - timedelta(minutes=20 - minute), 3000.0)
                await ask(socket, "MeterValues", old, number=f"old-{minute}")
            found = {point for point, _ in await us.family.read(0.1)}
            assert not any("power_w" in point for point in found)
            await ask(socket, "MeterValues", _values(datetime.now(UTC), 1234.0), number="new")
            charger = dict(await us.family.read(0.1))
            (power,) = [one for point, one in charger.items() if point.endswith(".power_w")]
            assert power.value == -1234.0

    asyncio.run(drive())


def test_a_charger_that_only_connects_is_held_back(tmp_path: Path) -> None:
    """If it fails, a charger that calls and hangs up for ever fills the log and the loop."""
    address = "127.5.5.12"

    async def drive() -> None:
        async with served(site(tmp_path, TEMPLATE, address)):
            refused = 0
            for _ in range(30):
                try:
                    async with call(address):
                        pass
                except InvalidStatus as error:
                    refused += error.response.status_code == 429
            assert refused == 10

    asyncio.run(drive())
