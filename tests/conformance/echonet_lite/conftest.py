"""A simulated battery node and a controller for the rules of the specification."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.echonet_lite.frame import CONTROLLER, Eoj, Esv, Frame, Property
from protocols.echonet_lite.node import (
    LocalNode,
    LocalObject,
    NodeIdentity,
    device_properties,
    local_property,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "echonet_lite"
BATTERY = 0x027D


class RefusingHandler:
    """Takes every Set but those of the EPCs in ``refused``; remembers what it took."""

    def __init__(self) -> None:
        self.refused: set[int] = set()
        self.taken: list[tuple[int, bytes]] = []

    def set_property(self, epc: int, edt: bytes) -> bool:
        if epc in self.refused:
            return False
        self.taken.append((epc, edt))
        return True


class Battery:
    """A node with two battery instances, the first of them with a handler."""

    def __init__(self) -> None:
        identity = NodeIdentity.of(b"test")
        self.handler = RefusingHandler()
        self.first = self._object(1, identity)
        self.second = self._object(2, identity)
        self.node = LocalNode([self.first, self.second], identity)

    def _object(self, instance: int, identity: NodeIdentity) -> LocalObject:
        rows = [
            *device_properties(BATTERY, identity, product="SIM"),
            local_property(BATTERY, 0xCF, "standby"),
            local_property(BATTERY, 0xD3, 0),
            local_property(BATTERY, 0xDA, "standby"),
            local_property(BATTERY, 0xE4, 50),
            local_property(BATTERY, 0xEB, 0),
            local_property(BATTERY, 0xA6, 90),
        ]
        return LocalObject(Eoj.of(BATTERY, instance), rows, self.handler)

    def ask(self, esv: Esv, *properties: Property, instance: int = 1) -> list[Frame]:
        """Answers to a request of the controller with TID 0x1234."""
        request = Frame(0x1234, CONTROLLER, Eoj.of(BATTERY, instance), esv, properties)
        return [answer.frame for answer in self.node.respond(request)]


@pytest.fixture
def battery() -> Battery:
    return Battery()


def rows(name: str) -> Iterator[dict[str, str]]:
    with (VECTORS / name).open(encoding="utf-8") as stream:
        yield from csv.DictReader(stream)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test one row of a vector file each: fixture names are the files' names."""
    for fixture in ("frames", "maps"):
        if fixture in metafunc.fixturenames:
            listed = list(rows(f"{fixture}.csv"))
            metafunc.parametrize(fixture, listed, ids=[row["name"] for row in listed])
