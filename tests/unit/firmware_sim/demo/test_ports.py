"""Ports that are taken are seen before a program fails on them."""

import os
import socket
from collections.abc import Iterator

import pytest

from firmware_sim.demo.ports import (
    BROKER_PORTS,
    ECHONET_PORTS,
    HOST,
    broker_port,
    echonet_port,
    page_port,
    tcp_is_free,
)
from protocols.vocabulary.errors import ConfigError

NET = f"127.{90 + os.getpid() % 100}.7"


@pytest.fixture
def taken() -> Iterator[int]:
    """Port that another program listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_a_taken_port_that_was_asked_for_is_one_line(taken: int) -> None:
    """A person could be sent to another program's page, or read a traceback."""
    with pytest.raises(ConfigError) as caught:
        page_port(taken, 8080)
    assert str(caught.value) == f"--port {taken}: is taken on {HOST} by another program"


def test_a_taken_port_that_nobody_asked_for_is_gone_round(taken: int) -> None:
    """The demo could fail because something else uses port 8080."""
    found = page_port(None, taken)
    assert found != taken
    assert tcp_is_free(found)


def test_a_free_port_is_taken_as_asked() -> None:
    """The page could appear elsewhere than where it was asked for."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free = probe.getsockname()[1]
    assert page_port(free, 1) == free
    assert page_port(None, free) == free


def test_the_brokers_port_is_free_and_in_its_range() -> None:
    """A killed broker could find its port taken by a client when it comes back."""
    found = broker_port()
    assert found in BROKER_PORTS
    assert tcp_is_free(found)


def test_a_port_is_free_only_if_every_address_has_it() -> None:
    """Two runs on one machine could read each other's devices."""
    addresses = [f"{NET}.{host}" for host in (11, 12, 13)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind((addresses[2], ECHONET_PORTS.start))
        assert echonet_port(addresses[:2]) == ECHONET_PORTS.start
        assert echonet_port(addresses) == ECHONET_PORTS.start + 1
    assert echonet_port(addresses) == ECHONET_PORTS.start
