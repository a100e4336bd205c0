"""A client that hangs, breaks or dies beside the cycle."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from edge_agent.northbound.apart import SECONDS_KEPT, Apart, Waits
from edge_agent.northbound.port import (
    GridOrder,
    OrderReport,
    OrderState,
    Origin,
    Ratings,
    SiteSecond,
)
from protocols.vocabulary.errors import ConfigError

BRIEF = Waits(again_s_min=0.01, again_s_max=0.1, join_s=0.05)


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class Client:
    """A client that does what its test says."""

    def __init__(self, orders: Sequence[GridOrder], work: Callable[[], None]) -> None:
        self._orders = orders
        self._work = work
        self.seconds: list[SiteSecond] = []
        self.thread = 0

    def orders(self, now: datetime) -> Sequence[GridOrder]:
        return self._orders

    def happened(self, second: SiteSecond) -> None:
        self.seconds.append(second)

    async def run(self) -> None:
        self.thread = threading.get_ident()
        self._work()
        await asyncio.sleep(3600)


def second(*reports: OrderReport) -> SiteSecond:
    return SiteSecond(
        at=datetime.now(UTC),
        meter_w=0.0,
        resources=(),
        ratings=Ratings(
            max_w=0.0, max_charge_w=0.0, max_discharge_w=0.0, load_w=0.0, energy_wh=0.0
        ),
        reports=reports,
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.01)


def test_the_first_cycle_has_the_orders_before_anything_runs(grid: SimpleNamespace) -> None:
    """If it fails, a limit in force is forgotten for the first seconds after each restart."""
    order = grid.order("opModExpLimW", 0.0)
    kept = Apart(Origin.IEEE2030_5, lambda: Client([order], lambda: None), Clock())
    assert kept.orders() == (order,)


def test_a_client_works_in_a_thread_of_its_own_and_is_told_each_second() -> None:
    """If it fails, a slow peer delays the control of the site."""
    client = Client((), lambda: None)
    kept = Apart(Origin.OPENADR, lambda: client, Clock())
    kept.start()
    kept.tell(second())
    until(lambda: bool(client.seconds))
    assert client.thread != threading.get_ident()
    asyncio.run(kept.stop())


def test_a_hanging_client_delays_nobody_and_keeps_its_orders(
    grid: SimpleNamespace,
) -> None:
    """If it fails, one bad reply of a utility stops the whole site."""
    order, freed = grid.order("opModExpLimW", 0.0), threading.Event()
    kept = Apart(
        Origin.IEEE2030_5, lambda: Client([order], lambda: _hang(freed)), Clock(), waits=BRIEF
    )
    kept.start()
    report = OrderReport(order=order, state=OrderState.STARTED, at=grid.now)
    begun = time.monotonic()
    for number in range(3 * SECONDS_KEPT):
        kept.tell(second(*([report] if number == 0 else [])))
        assert kept.orders() == (order,)
    asyncio.run(kept.stop())
    assert time.monotonic() - begun < 5.0
    assert len(kept._seconds) == SECONDS_KEPT
    assert kept._seconds[0].reports == (report,)
    freed.set()


def _hang(freed: threading.Event) -> None:
    freed.wait(30.0)


def _break() -> None:
    raise ValueError("a defect")


def test_a_client_that_breaks_is_made_anew_and_its_orders_stay(
    grid: SimpleNamespace,
) -> None:
    """If it fails, a defect in one message frees the site of every limit, or ends the agent."""
    order, made = grid.order("opModExpLimW", 0.0), []

    def make() -> Client:
        made.append(Client([order], _break if len(made) < 2 else lambda: None))
        if len(made) == 2:
            raise ConfigError("not yet")
        return made[-1]

    kept = Apart(Origin.IEEE2030_5, make, Clock(), waits=BRIEF)
    kept.start()
    until(lambda: len(made) >= 3 and made[-1].thread != 0)
    assert kept.orders() == (order,)
    until(lambda: not kept.trouble)
    asyncio.run(kept.stop())


def test_a_client_that_cannot_be_made_is_told_at_the_start() -> None:
    """If it fails, a wrong certificate is found out by the utility."""

    def make() -> Client:
        raise ConfigError("ieee2030_5_client.certificate: no PEM")

    with pytest.raises(ConfigError):
        Apart(Origin.IEEE2030_5, make, Clock())
