"""openleadr's VEN as a load behind the gateway's own VTN: plain, and with TLS and signatures.

Loopback 127.71.6.x.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.config.local_servers import OpenAdrVtnConfig, ServerFiles
from edge_agent.config.site import (
    DeviceConfig,
    JournalConfig,
    LimitsConfig,
    LinkConfig,
    LocationConfig,
    SiteConfig,
    TariffConfig,
)
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.frames import NO_TAP
from edge_agent.drivers.openadr.family import open_family
from edge_agent.drivers.port import WriteOutcome, WriteState
from firmware_sim.main import SystemClock
from protocols.vocabulary.identifiers import ResourceId, SiteId, ZoneId
from protocols.vocabulary.measurement import Measurement
from protocols.vocabulary.resource import Capability, ResourceKind
from protocols.vocabulary.setpoint import Setpoint
from tests.conformance.peers.bacnet_bed import Book, Ledger
from tests.conformance.peers.conftest import HERE, Process
from tests.pki import Holder, Pki
from tests.ports import free_port

NET = "127.71.6"
RESOURCE = ResourceId("site-1/load-1")
POLL_S = 5
pytestmark = [pytest.mark.peer("openleadr"), pytest.mark.timeout(120)]
Start = Callable[[list[str]], Process]


class Bed:
    """The gateway's VTN, and a foreign VEN that calls it.

    Parameters
    ----------
    folder : Path
        Where the files are.
    host : str
        Address of the VTN.
    secure : bool
        With TLS and signatures, and the VEN known by its certificate; else by its name.
    """

    def __init__(self, folder: Path, host: str, *, secure: bool) -> None:
        self._folder, self._host, self._port = folder, host, free_port()
        pki = Pki(folder / "pki")
        self._ca = pki.authorities
        self._server = pki.server("localhost", host) if secure else None
        self._device = pki.device("ven") if secure else None
        self.book = Book()
        self.seen: dict[str, Measurement] = {}

    def config(self) -> SiteConfig:
        """Configure the site."""
        identity = "load-ven" if self._device is None else fingerprint_of(self._device)
        device = DeviceConfig(
            device_id="load-1",
            kind=ResourceKind.LOAD,
            protocol="openadr",
            address="",
            template_id="openadr-load-setpoint",
            identity=identity,
        )
        files = self._server
        return SiteConfig(
            site_id=SiteId("site-1"),
            zone=ZoneId("tokyo"),
            data_dir=self._folder / "data",
            link=LinkConfig(brokers=(), keepalive_s=10),
            limits=LimitsConfig(contract_import_w=50_000.0, export_limit_w=5_000.0),
            tariff=TariffConfig(import_jpy_per_kwh=30.0, export_jpy_per_kwh=8.0),
            location=LocationConfig(latitude=35.6, longitude=139.7),
            echonet=None,
            journal=JournalConfig(bytes_max=10**9, tick_age_s_max=86_400.0),
            pv_peak_w=0.0,
            forecast_model=None,
            devices=(device,),
            openadr_vtn=OpenAdrVtnConfig(
                address=self._host,
                port=self._port,
                vtn_id="VTN-gateway",
                tls=None
                if files is None
                else ServerFiles(
                    certificate=files.certificate, key=files.key, authorities=self._ca
                ),
                signs=files is not None,
            ),
        )

    def ven(self, python: str, **options: object) -> list[str]:
        """Command of the foreign VEN."""
        scheme = "http" if self._device is None else "https"
        url = f"{scheme}://{self._host}:{self._port}/OpenADR2/Simple/2.0b"
        settings: dict[str, object] = {"url": url, "ven_name": "Load", **options}
        if self._device is None:
            settings["ven_id"] = "load-ven"
        else:
            assert self._server is not None
            settings |= {
                "cert": str(self._device.certificate),
                "key": str(self._device.key),
                "ca": str(self._ca),
                "vtn_fingerprint": fingerprint_of(self._server),
            }
        return [python, str(HERE / "openleadr_ven.py"), json.dumps(settings)]

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[DeviceFamily]:
        """Run the family."""
        ports = FamilyPorts(clock=SystemClock(), book=self.book, ledger=Ledger(), tap=NO_TAP)
        family = await open_family(self.config(), ports)
        assert family is not None
        running = asyncio.create_task(family.run())
        try:
            yield family
            assert not running.done(), f"the family has ended: {running.exception()}"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, family: DeviceFamily, holds: Callable[[], bool], what: str) -> None:
        """Read until something holds."""
        ends = time.monotonic() + 25.0
        while not holds():
            assert time.monotonic() < ends, what
            for point, measurement in await family.read(0.2):
                self.seen[point.rpartition(".")[2]] = measurement
            await asyncio.sleep(0.1)


def fingerprint_of(holder: Holder) -> str:
    """Fingerprint of a certificate as OpenADR has it."""
    leaf = x509.load_pem_x509_certificate(holder.leaf.read_bytes())
    return hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()[-10:].hex(":").upper()


async def write(family: DeviceFamily, power_w: float, sequence: int) -> WriteOutcome:
    """Order a ceiling."""
    now = datetime.now(UTC)
    setpoint = Setpoint(
        resource_id=RESOURCE,
        power_w=power_w,
        valid_from=now,
        valid_until=now + timedelta(seconds=60),
        reason="test",
        cycle=sequence,
        sequence=sequence,
    )
    return await family.write(setpoint)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "signed"])
def test_a_foreign_load_reports_is_held_down_and_let_go(
    tmp_path: Path, peer: Callable[[str], str], processes: Start, *, secure: bool
) -> None:
    """If it fails, a building's load of another maker cannot be held down, or not let go."""

    async def story() -> None:
        bed = Bed(tmp_path, f"{NET}.{1 + secure}", secure=secure)
        async with bed.served() as family:
            ven = processes(bed.ven(peer("openleadr")))
            await bed.until(
                family, lambda: bool(family.resources()[0].capabilities), "the VEN is met"
            )
            (resource,) = family.resources()
            assert Capability.TAKES_LIMIT in resource.capabilities
            await bed.until(family, lambda: "power_w" in bed.seen, "a report comes")
            power = bed.seen["power_w"]
            assert power.value is not None
            assert -1100.0 < power.value <= -1000.0
            assert abs(datetime.now(UTC) - power.measured_at) < timedelta(seconds=20)

            outcome = await write(family, -800.0, 1)
            assert outcome.state is WriteState.DONE, outcome.detail
            assert outcome.read_back_w == -800.0
            told = await asyncio.to_thread(ven.wait_for, "event")
            signals = told["signals"]
            assert isinstance(signals, list)
            assert (signals[0]["name"], signals[0]["values"]) == ("LOAD_DISPATCH", [800.0])
        async with bed.served() as family:
            await bed.until(
                family, lambda: bool(family.resources()[0].capabilities), "the VEN is met again"
            )
            outcome = await write(family, -500.0, 2)
            assert outcome.state is WriteState.DONE, outcome.detail
            update = await asyncio.to_thread(ven.wait_for, "update")
            assert (update["event_id"], update["modification_number"]) == (told["event_id"], 1)
            outcome = await family.release(RESOURCE)
            assert outcome.state is WriteState.DONE, outcome.detail
            update = await asyncio.to_thread(ven.wait_for, "update")
            assert update["status"] == "cancelled"
            assert not bed.book.held

    asyncio.run(story())


def test_a_load_that_opts_out_is_refused(
    tmp_path: Path, peer: Callable[[str], str], processes: Start
) -> None:
    """If it fails, control counts on a load that has said it will not."""

    async def story() -> None:
        bed = Bed(tmp_path, f"{NET}.3", secure=False)
        async with bed.served() as family:
            processes(bed.ven(peer("openleadr"), opt={"LOAD_DISPATCH": "optOut"}))
            await bed.until(
                family, lambda: bool(family.resources()[0].capabilities), "the VEN is met"
            )
            outcome = await write(family, -800.0, 1)
            assert outcome.state is WriteState.REFUSED
            assert "optOut" in outcome.detail

    asyncio.run(story())


def test_a_load_that_is_not_configured_is_turned_away(
    tmp_path: Path, peer: Callable[[str], str], processes: Start
) -> None:
    """If it fails, whoever reaches the port poses as a load of the building."""

    async def story() -> None:
        bed = Bed(tmp_path, f"{NET}.4", secure=False)
        async with bed.served() as family:
            python, script, settings = bed.ven(peer("openleadr"))
            processes([python, script, _renamed(settings)])
            for _ in range(100):
                if await family.discover():
                    break
                await asyncio.sleep(0.1)
            (found,) = await family.discover()
            assert found.device_id == ""
            assert not family.resources()[0].capabilities

    asyncio.run(story())


def _renamed(settings: str) -> str:
    return json.dumps({**json.loads(settings), "ven_id": "somebody-else", "ven_name": "Other"})
