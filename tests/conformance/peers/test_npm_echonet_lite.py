"""An independent device (npm echonet-lite) is found, read and driven by our driver."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.conformance.peers.conftest import Process, Village

pytestmark = [
    pytest.mark.peer("echonet-lite"),
    pytest.mark.peer("namespaces"),
]


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

    def detail(self, step: str) -> str:
        return next(str(r["detail"]) for r in self.records if r.get("step") == step)

    def powers(self) -> list[object]:
        readings = [r["values"] for r in self.records if r["event"] == "readings"]
        return [values.get("battery-1.power_w") for values in readings if isinstance(values, dict)]


@pytest.fixture
def meet(
    village: Village,
    battery_js: Callable[[str], list[str]],
    drive: Callable[[str, str], list[str]],
) -> Callable[[str], Run]:
    """Let our driver meet a battery of a kind."""

    def run(kind: str) -> Run:
        gateway, address = village.house("gw"), village.house("battery")
        device = village.start("battery", battery_js(kind))
        device.wait_for("ready")
        if kind == "plain":
            village.house("stranger")
            village.start("stranger", battery_js(kind)).wait_for("ready")
        driver = village.start("gw", drive(gateway, address))
        driver.wait_for("end", 60.0)
        device.finish()
        return Run(driver.records, device)

    return run


def test_plain_device_is_found_read_driven_and_given_back(meet: Callable[[str], Run]) -> None:
    """Our driver would only work with our own simulator."""
    run = meet("plain")
    assert run.one("found")["devices"] == [
        ["10.99.61.2", "027D01", "battery-1"],
        ["10.99.61.3", "027D01", ""],  # known by the group only: nobody told us its address
    ]
    resource = run.one("resource")
    assert (resource["power_w_min"], resource["power_w_max"]) == (-3_000.0, 2_500.0)
    assert "takes-setpoint" in str(resource["capabilities"])
    assert run.outcomes() == {
        "-1500": ("done", -1_500.0),
        "2000": ("done", 2_000.0),
        "0": ("done", 0.0),
        "release": ("done", None),
    }
    assert run.powers() == [0.0, -1_500.0, 2_000.0, 0.0, 0.0]
    sets = [record["details"] for record in run.device.records if record["event"] == "set"]
    assert len(sets) == 4, "one frame per write"
    assert sets[0] == {"c1": "03", "aa": "0000000a", "eb": "000005dc", "da": "42"}
    assert sets[-1] == {"da": "46"}


def test_refusal_by_sna_is_refused_and_names_the_property(meet: Callable[[str], Run]) -> None:
    """A battery that refuses would be counted as delivering."""
    run = meet("refuses")
    assert run.outcomes()["-1500"][0] == "refused"
    assert "SNA for DA" in run.detail("-1500")
    assert run.powers() == [0.0] * 5


def test_refusal_that_is_cut_off_is_not_done(meet: Callable[[str], Run]) -> None:
    """The package cuts a refused number short: that answer would be taken for a yes."""
    run = meet("refuses-power")
    assert run.outcomes()["-1500"][0] in {"refused", "unconfirmed", "timeout"}
    assert run.outcomes()["release"][0] == "done"


def test_wrong_property_map_is_probed(meet: Callable[[str], Run]) -> None:
    """A device whose map loses every EPC from C0 on (such a stack exists) could not be used."""
    run = meet("wrong-map")
    assert "takes-setpoint" in str(run.one("resource")["capabilities"])
    assert run.outcomes()["-1500"] == ("done", -1_500.0)
    assert run.outcomes()["2000"] == ("done", 2_000.0)
    assert run.outcomes()["release"][0] == "done"
    assert run.powers() == [0.0, -1_500.0, 2_000.0, 0.0, 0.0]
