"""``python -m cloud_coordinator.commands.cycle``: the decision cycle on a synthetic fleet.

Without gateways: frames of telemetry are made here, then decoded, judged and written into the
arrays as the link's gateway does it, allocated and handed to a real broker. Cycles follow each
other at once. ``vpp bench cycle`` starts it for a million resources; wiring only.
"""

import asyncio
import contextlib
import gc
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from cloud_coordinator.fleet.fleet import Fleet, update_rows
from cloud_coordinator.fleet.moment import moment_of
from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings, port_is_free
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.collecting import Garbage
from cloud_coordinator.gateway.connect import connect_bus
from cloud_coordinator.gateway.cycle import DecisionCycle, Laps
from cloud_coordinator.gateway.live_rows import TOGETHER_MAX, LiveMessage, LiveRows
from cloud_coordinator.gateway.sessions import JournalKey, Progress, Sessions
from cloud_coordinator.process import SystemClock, configure_logging
from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS, Layout, Stream, Telemetry
from protocols.link.telemetry import RowBlock
from protocols.link.topics import TopicKind, Topics
from protocols.link.wire import encode
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.identifiers import JournalId, ResourceId, SiteId, ZoneId
from protocols.vocabulary.resource import Resource, ResourceKind

PER_SITE: Final = 20
FIRST_SEQUENCE: Final = 1_000_000
"""A number that msgpack writes in four bytes, as all that follow: they are written over it."""
RATING_W: Final = 4_000.0
RESOURCES_MAX: Final = 2_000_000
DRAIN_S: Final = 5.0
MQTT_PORTS: Final = range(18_000, 18_800)
EXIT_BAD_INPUT: Final = 2
_SEQUENCE_AT: Final = 37
"""Where its four bytes are: behind the array, the version, the journal id and the code."""
_TIME_AT: Final = _SEQUENCE_AT + 4 + 1 + 2
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class _Held:
    """A store in which every journal is known up to the first sequence of the run."""

    def __init__(self, keys: Sequence[JournalKey]) -> None:
        self._keys = dict.fromkeys(keys, FIRST_SEQUENCE - 1)

    def durable(self) -> Mapping[JournalKey, int]:
        """Progress of telemetry."""
        return self._keys


class _NoEntries:
    """Events and offers: none."""

    def durable(self, _site: SiteId, _journal: JournalId) -> Mapping[Stream, int]:
        """Nothing."""
        return {}

    def save_many(self, durable: Mapping[JournalKey, Mapping[Stream, int]]) -> None:
        """Never called: no entry comes."""
        raise AssertionError(f"{len(durable)} entries from nowhere")


class _Sink:
    """A history that is always empty, and the way into the fleet."""

    full = False

    def __init__(self, fleet: Fleet, clock: SystemClock) -> None:
        self._fleet = fleet
        self._clock = clock
        self.rows = 0

    def append_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Count rows; the history is not measured here."""
        assert len(sites) == len(block.positions), "a site for each row"
        self.rows += len(sites)

    def live_rows(self, sites: Sequence[SiteId], block: RowBlock) -> None:
        """Write rows into the arrays."""
        places = np.array([self._fleet.index_of(site) for site in sites], dtype=np.int64)
        update_rows(self._fleet, places, block, received=moment_of(self._clock))


class SyntheticFleet:
    """Sites of twenty batteries, and a frame of each for any second.

    Parameters
    ----------
    sites : int
        How many.
    clock : SystemClock
        For the seconds of the rows.

    Attributes
    ----------
    fleet : Fleet
        The live table they are in.
    """

    def __init__(self, sites: int, clock: SystemClock) -> None:
        self.fleet = Fleet(capacity=sites)
        self._clock = clock
        self._sink = _Sink(self.fleet, clock)
        ids = [SiteId(f"gw-{number:06d}") for number in range(sites)]
        journals = [JournalId(f"{number:032x}") for number in range(sites)]
        keys = list(zip(ids, journals, strict=True))
        self._sessions = Sessions(Progress(telemetry=_Held(keys), entries=_NoEntries()), epoch=1)
        dice, layout = np.random.default_rng(1), _layout()
        frames = []
        for site, journal in keys:
            self.fleet.upsert_site(site, ZoneId("cycle"))
            self.fleet.upsert_layout(site, layout)
            self._sessions.for_journal(site, journal)
            frames.append(_frame(journal, dice))
        self._frames = [
            (data[:_SEQUENCE_AT], data[_SEQUENCE_AT + 4 : _TIME_AT], data[_TIME_AT + 8 :])
            for data in frames
        ]
        self._topics = [Topics(site).topic(TopicKind.TELEMETRY) for site in ids]
        self._ids = ids
        self._rows = LiveRows(self._sessions, self._sink)
        self._sequence = FIRST_SEQUENCE

    def messages(self) -> list[LiveMessage]:
        """Frames of all sites for the present second."""
        sequence = self._sequence.to_bytes(4, "big")
        second = int(self._clock.now().timestamp()).to_bytes(8, "little")
        self._sequence += 1
        return [
            (topic, site, head + sequence + middle + second + tail)
            for topic, site, (head, middle, tail) in zip(
                self._topics, self._ids, self._frames, strict=True
            )
        ]

    def take(self, messages: Sequence[LiveMessage]) -> None:
        """Decode, judge and write them."""
        before = self._sink.rows
        for first in range(0, len(messages), TOGETHER_MAX):
            some = messages[first : first + TOGETHER_MAX]
            self._rows.take(some, self._sink, self._clock.monotonic_ns())
        assert self._sink.rows - before == len(messages), "every frame is the next of its site"


def _layout() -> Layout:
    """Layout that all sites share: this fleet is only counted."""
    site = SiteId("gw")
    return Layout(
        version=1,
        resources=tuple(
            Resource(
                resource_id=ResourceId(f"{site}/{place:02d}"),
                site_id=site,
                kind=ResourceKind.BATTERY,
                power_w_min=-RATING_W,
                power_w_max=RATING_W * (0.5 + place / PER_SITE),
                ramp_w_per_s=RATING_W,
                energy_wh_capacity=2.0 * RATING_W,
            )
            for place in range(PER_SITE)
        ),
    )


def _frame(journal: JournalId, dice: np.random.Generator) -> bytes:
    values = np.zeros((1, len(SITE_COLUMNS) + len(RESOURCE_COLUMNS) * PER_SITE), dtype=np.float32)
    block = values[:, len(SITE_COLUMNS) :].reshape(PER_SITE, len(RESOURCE_COLUMNS))
    block[:, 0] = dice.uniform(-RATING_W, RATING_W, PER_SITE)
    block[:, 2] = dice.uniform(0.2, 0.8, PER_SITE)
    return encode(
        Telemetry(
            journal_id=journal,
            first_sequence=FIRST_SEQUENCE,
            layout_version=1,
            times_s=np.zeros(1, dtype=np.int64),
            signal_ids=np.ones(1, dtype=np.int64),
            values=values,
        )
    )


async def measure(resources: int, cycles: int, tell: Callable[[dict[str, object]], None]) -> None:
    """Run the cycles and tell of each.

    Parameters
    ----------
    resources, cycles : int
        How many.
    tell : callable
        Is given a line for each cycle.
    """
    clock = SystemClock()
    synthetic = SyntheticFleet(max(1, resources // PER_SITE), clock)
    async with contextlib.AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="vpp-cycle-")))
        broker = EmbeddedBroker(BrokerSettings(data_dir=folder, mqtt_port=_free_port()), clock)
        await broker.ensure()
        closing.push_async_callback(broker.stop)
        bus = await connect_bus(broker.url)
        closing.push_async_callback(bus.close)
        cycle = DecisionCycle(synthetic.fleet, bus, clock=clock, watch=clock)
        garbage = closing.enter_context(Garbage(clock))
        gc.freeze()
        for _ in range(cycles):
            garbage.collect()
            laps, messages = Laps(), synthetic.messages()
            with laps.lap("decode", clock):
                synthetic.take(messages)
            decided = cycle.once()
            with laps.lap("drain", clock):
                await _drained(bus)
            tell(
                {
                    "rows": len(messages),
                    "resources": cycle.resources,
                    "cpu_ms": {**laps.cpu_ms, **decided.cpu_ms},
                    "wall_ms": {**laps.wall_ms, **decided.wall_ms},
                    "dropped": bus.statistics.dropped_out,
                }
            )


async def _drained(bus: Bus) -> None:
    """Wait until the bus has written what it was given."""
    loop = asyncio.get_running_loop()
    until_s, sent = loop.time() + DRAIN_S, -1
    while loop.time() < until_s and bus.statistics.sent != sent:
        sent = bus.statistics.sent
        await asyncio.sleep(0.01)


def _free_port() -> int:
    """Port for the broker's gateways; there are none."""
    found = (port for port in MQTT_PORTS if port_is_free("127.0.0.1", port))
    port = next(found, None)
    if port is None:
        raise ConfigError(f"no free port among {MQTT_PORTS.start} to {MQTT_PORTS.stop - 1}")
    return port


@app.command()
def cycle(
    *,
    resources: Annotated[int, typer.Option(min=PER_SITE, max=RESOURCES_MAX)] = 1_000_000,
    cycles: Annotated[int, typer.Option(min=1)] = 300,
) -> None:
    """Measure cycles and print each as a JSON line."""
    configure_logging(verbose=False)

    def tell(line: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    asyncio.run(measure(resources, cycles, tell))


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        Exit code.
    """
    try:
        app(standalone_mode=False)
    except VppError as error:
        sys.stderr.write(f"vpp cycle: {error}\n")
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
