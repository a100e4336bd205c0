"""A device on uecho, whose property maps are wrong, is found, read and driven by our driver."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocols.echonet_lite.property_map import decode_property_map
from protocols.vocabulary.errors import RemoteProtocolError
from tests.conformance.peers.conftest import Process, Village

pytestmark = [
    pytest.mark.peer("uecho"),
    pytest.mark.peer("namespaces"),
]

SCRIPT = Path(__file__).with_name("uecho_battery.py")


@dataclass
class Run:
    """What our driver said, and what the device was told."""

    records: list[dict[str, object]]
    device: Process

    def one(self, event: str) -> dict[str, object]:
        return next(record for record in self.records if record["event"] == event)

    def outcomes(self) -> dict[str, tuple[object, object]]:
        return {
            str(record["step"]): (record["state"], record["read_back_w"])
            for record in self.records
            if record["event"] == "outcome"
        }

    def points(self, name: str) -> list[object]:
        readings = [r["values"] for r in self.records if r["event"] == "readings"]
        return [values.get(f"battery-1.{name}") for values in readings if isinstance(values, dict)]

    def map(self, name: str) -> bytes:
        (ready,) = (record for record in self.device.records if record["event"] == "ready")
        return bytes.fromhex(str(ready[name]))


@pytest.fixture
def meet(
    village: Village, peer: Callable[[str], str], drive: Callable[[str, str], list[str]]
) -> Callable[[str], Run]:
    """Let our driver meet a battery of a kind."""
    python = peer("uecho")

    def run(kind: str) -> Run:
        gateway, address = village.house("gw"), village.house("battery")
        device = village.start("battery", [python, str(SCRIPT), kind])
        device.wait_for("ready")
        driver = village.start("gw", drive(gateway, address))
        driver.wait_for("end", 60.0)
        device.finish()
        return Run(driver.records, device)

    return run


def test_a_device_with_wrong_maps_is_found_read_driven_and_given_back(
    meet: Callable[[str], Run],
) -> None:
    """If it fails, a battery on a stack that miscounts its own map cannot be used."""
    run = meet("plain")
    with pytest.raises(RemoteProtocolError, match="says 16"):
        decode_property_map(run.map("get_map"))
    assert run.one("found")["devices"] == [["10.99.61.2", "027D01", "battery-1"]]
    resource = run.one("resource")
    assert (resource["power_w_min"], resource["power_w_max"]) == (-3_000.0, 2_500.0)
    assert "takes-setpoint" in str(resource["capabilities"])
    assert run.outcomes() == {
        "-1500": ("done", -1_500.0),
        "2000": ("done", 2_000.0),
        "0": ("done", 0.0),
        "release": ("done", None),
    }
    assert run.points("power_w") == [0.0, -1_500.0, 2_000.0, 0.0, 0.0]
    sets = [record for record in run.device.records if record["event"] == "set"]
    assert all(record["taken"] for record in sets)
    assert (sets[-1]["epc"], sets[-1]["data"]) == ("DA", "46")


def test_a_refusal_that_says_seti_is_a_refusal(meet: Callable[[str], Run]) -> None:
    """If it fails, a battery that answers 50 where 51 is due is waited for in vain each second."""
    run = meet("refuses")
    assert run.outcomes()["-1500"][0] == "refused"
    assert run.outcomes()["release"][0] in {"done", "refused"}
    assert run.points("power_w") == [0.0] * 5
