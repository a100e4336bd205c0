"""Transactions through cut connections, repeated messages and restarts of the gateway.

Loopback 127.5.6.x, port 8887.
"""

import asyncio
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.drivers.ocpp.transaction_book import FILE, FileTransactionBook
from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import MachineState
from firmware_sim.devices.ocpp.device import OcppDevice, simulated_device
from firmware_sim.servers.ocpp import listener
from firmware_sim.servers.port import Hosted, World
from protocols.ocpp.transactions import Step, TransactionEvent
from protocols.templates.catalogue import template_of
from protocols.vocabulary.errors import ConfigError, JournalError
from tests.unit.edge_agent.drivers.ocpp.site import PORT, Driveway, served, site

VERSIONS = ["ocpp-16-ac-6kw", "ocpp-201-ac-22kw"]


class Garage:
    """A machine whose car comes and goes when the test says so."""

    def __init__(self) -> None:
        self.car = False
        self._energy_wh = 0.0
        self._limit_w = 6000.0

    def ask(self, power_w: float | None) -> None:
        """Nothing: a charger is only limited."""

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:
        self._limit_w = min(-power_w_min, 6000.0)

    def advance(self, span: Span) -> Reading:
        self._energy_wh += -self._power_w * span.duration_s / 3600.0
        return Reading(power_w=self._power_w)

    def state(self) -> MachineState:
        return MachineState(
            power_w=self._power_w,
            power_w_min=-6000.0,
            power_w_max=0.0,
            energy_wh_in=self._energy_wh,
            connected=self.car,
        )

    def restart(self) -> None:
        self._limit_w = 6000.0

    @property
    def _power_w(self) -> float:
        return -self._limit_w if self.car else 0.0


def rows(folder: Path) -> list[tuple[str, str]]:
    """Phase and reason of each transaction in the file."""
    if not (folder / FILE).exists():
        return []
    book = sqlite3.connect(folder / FILE)
    try:
        found = book.execute("SELECT phase, reason FROM transactions ORDER BY started_at")
        return [(str(phase), str(reason)) for phase, reason in found]
    except sqlite3.OperationalError:
        return []
    finally:
        book.close()


async def until_rows(folder: Path, wanted: list[tuple[str, str]]) -> None:
    """Wait until the file holds what it should."""
    ends = time.monotonic() + 8.0
    while rows(folder) != wanted:
        assert time.monotonic() < ends, rows(folder)
        await asyncio.sleep(0.1)


class Street:
    """A charger that goes on while the gateway comes and goes."""

    def __init__(self, template_id: str, address: str) -> None:
        template = template_of(template_id)
        self.garage = Garage()
        self.device: OcppDevice = simulated_device(
            template, self.garage, name="site-1/cp-1", wall_s=time.time()
        )
        driveway = Driveway(self.device)
        hosted = Hosted(device=self.device, template=template, address=address, port=PORT)
        self._chargers = listener([hosted], World(now_s=time.time, catch_up=driveway.step))
        self._driveway = driveway
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Street":
        """Let the charger call."""
        await self._chargers.start()
        self._ticking = asyncio.create_task(self._pass_time())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut it off."""
        assert self._ticking is not None
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        await self._chargers.close()

    async def _pass_time(self) -> None:
        while True:
            self._driveway.step()
            await self._chargers.tick(time.time())
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("template_id", VERSIONS)
def test_what_happened_while_the_gateway_was_away_is_told_and_kept(
    template_id: str, tmp_path: Path
) -> None:
    """If it fails, a charge during a restart of the gateway has never been."""
    address = f"127.5.6.{VERSIONS.index(template_id) + 1}"

    async def drive() -> None:
        async with Street(template_id, address) as street:
            config = site(tmp_path, template_id, address)
            async with served(config) as us:
                assert await us.until(lambda: us.value("connected") == 0.0)
                assert us.value("power_w") == 0.0
                street.garage.car = True
                await until_rows(tmp_path, [("running", "")])
                assert await us.until(lambda: us.value("power_w") == -6000.0)
            street.garage.car = False  # the gateway is away
            await asyncio.sleep(0.3)
            street.garage.car = True
            await asyncio.sleep(0.3)
            street.garage.car = False
            await asyncio.sleep(0.3)
            async with served(config) as us:
                ended = ("ended", "EVDisconnected")
                await until_rows(tmp_path, [ended, ended])
                assert await us.until(lambda: us.value("power_w") == 0.0)

    asyncio.run(drive())


NOW = datetime(2026, 7, 22, 3, 0, tzinfo=UTC)
EVENT = TransactionEvent(
    charge_point="cp-1", transaction_id="", step=Step.STARTED, at=NOW, meter_wh=5.0
)


def test_a_start_keeps_its_number_through_a_restart(tmp_path: Path) -> None:
    """If it fails, a start that was not answered in time is booked twice."""

    async def take(event: TransactionEvent) -> str:
        book = FileTransactionBook(tmp_path)
        try:
            return (await book.take(event)).transaction_id
        finally:
            book.close()

    later = replace(EVENT, at=NOW + timedelta(minutes=1))
    found = [asyncio.run(take(event)) for event in (EVENT, later, EVENT, later)]
    assert found == ["1", "2", "1", "2"]


def test_a_transaction_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path) -> None:
    """If it fails, a charger forgets what the gateway has forgotten too."""

    async def take() -> None:
        book = FileTransactionBook(tmp_path)
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError):
            await book.take(EVENT)
        other.execute("ROLLBACK")
        other.close()
        assert (await book.take(EVENT)).transaction_id == "1"
        book.close()

    asyncio.run(take())


def test_a_file_that_is_no_book_is_refused(tmp_path: Path) -> None:
    """If it fails, the gateway starts and loses every transaction."""
    (tmp_path / FILE).write_text("not a database " * 100)
    with pytest.raises(ConfigError):
        FileTransactionBook(tmp_path)


def test_the_book_may_be_closed_while_somebody_who_hung_up_is_written(tmp_path: Path) -> None:
    """If it fails, a charger that hangs up as the gateway stops takes the whole agent down."""

    async def hang_up_and_close(number: int) -> list[object]:
        book = FileTransactionBook(tmp_path / str(number))
        events = [
            TransactionEvent(
                charge_point=f"cp-{n}",
                transaction_id=f"t-{n}",
                step=Step.STARTED,
                at=datetime(2026, 7, 22, tzinfo=UTC),
            )
            for n in range(8)
        ]
        takes = [asyncio.ensure_future(book.take(event)) for event in events]
        await asyncio.sleep(0.0005 * (number % 4))
        for take in takes:
            take.cancel()
        await asyncio.gather(*takes, return_exceptions=True)
        book.close()
        with pytest.raises(JournalError):
            await book.take(replace(events[0], charge_point="late"))
        return [take.cancelled() for take in takes]

    outcomes = [asyncio.run(hang_up_and_close(number)) for number in range(40)]
    assert any(any(cancelled) for cancelled in outcomes)
    for number in range(40):
        assert all(phase == "running" for phase, _ in rows(tmp_path / str(number)))
