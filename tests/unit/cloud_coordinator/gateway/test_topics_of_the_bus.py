"""The bus's topics: what cannot travel on every broker is refused before it is sent."""

import pytest

from cloud_coordinator.gateway.bus import check_pattern, check_topic
from cloud_coordinator.gateway.connect import connect_bus
from cloud_coordinator.gateway.nats_bus import subject_of, topic_of
from protocols.vocabulary.errors import ConfigError, LinkError, LocalProtocolError


@pytest.mark.parametrize(
    "topic", ["", "v1//tel", "/v1", "v1/", "a.b/c", "a/>", "a/*", "a b", "v1/+/x", "v1/#"]
)
def test_a_topic_that_no_broker_or_only_one_takes_is_refused(topic: str) -> None:
    """A message would arrive on mosquitto and vanish on NATS, or reach another site."""
    with pytest.raises(LocalProtocolError):
        check_topic(topic)


@pytest.mark.parametrize("pattern", ["a+/b", "a/#/b", "a#", "a.b/#", "a//#", "*/x", ">"])
def test_a_pattern_that_brokers_read_differently_is_refused(pattern: str) -> None:
    """The coordinator would listen to nothing on one of the two engines."""
    with pytest.raises(LocalProtocolError):
        check_pattern(pattern)


def test_patterns_become_subjects_and_back() -> None:
    """The coordinator would subscribe to the wrong subjects and hear no site."""
    assert subject_of("v1/+/+/up/#") == "v1.*.*.up.>"
    assert subject_of("v1/z/tokyo/sig") == "v1.z.tokyo.sig"
    assert topic_of("v1.7.site-1.up.tel") == "v1/7/site-1/up/tel"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:4222",
        "http://127.0.0.1",
        "nats://",
        "mqtt://h:port",
        "nats://h:1/x",
        "nats://h:1?q",
    ],
)
def test_an_address_that_means_nothing_is_one_clear_line(url: str) -> None:
    """An operator's typing error would end in a traceback or a silent wrong broker."""
    import asyncio

    with pytest.raises(ConfigError, match="use nats://host:port or mqtt://host:port"):
        asyncio.run(connect_bus(url))


@pytest.mark.parametrize("scheme", ["nats", "mqtt"])
def test_a_broker_that_is_not_there_is_named_within_two_seconds(scheme: str) -> None:
    """The coordinator would hang at start without saying which broker it waits for."""
    import asyncio

    with pytest.raises(LinkError, match=f"{scheme}://127.0.0.1:9"):
        asyncio.run(connect_bus(f"{scheme}://127.0.0.1:9"))
