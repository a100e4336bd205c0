"""Joining the broker: the one that is named, or one that is started here and stopped again."""

import contextlib

from cloud_coordinator.gateway.broker import EmbeddedBroker
from cloud_coordinator.gateway.broker_config import BrokerSettings
from cloud_coordinator.gateway.bus import Bus
from cloud_coordinator.gateway.connect import connect_bus
from protocols.vocabulary.intervals import Clock


async def join_bus(
    url: str | None,
    settings: BrokerSettings,
    clock: Clock,
    *,
    closing: contextlib.AsyncExitStack,
) -> tuple[Bus, EmbeddedBroker | None]:
    """Connect to a broker, started here unless another one is named.

    Parameters
    ----------
    url : str or None
        The other one.
    settings : BrokerSettings
        Of our own.
    clock : Clock
        Of our own.
    closing : AsyncExitStack
        Given what must be closed.
    """
    broker = None
    if url is None:
        broker = EmbeddedBroker(settings, clock)
        await broker.ensure()
        closing.push_async_callback(broker.stop)
        url = broker.url
    bus = await connect_bus(url)
    closing.push_async_callback(bus.close)
    return bus, broker
