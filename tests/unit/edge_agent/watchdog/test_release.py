"""Releasing over every wire with real sockets: seen at the device, not in our report."""

import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.bacnet_wire import apdu_offset
from edge_agent.watchdog.errand import ReleaseState
from edge_agent.watchdog.orphans import release_orphans
from edge_agent.watchdog.recipe import Recipe, ReleaseRecipe, load_recipe
from edge_agent.watchdog.release import Released, release_all
from protocols.vocabulary.identifiers import ResourceId
from tests.unit.edge_agent.watchdog.conftest import HOST, BacnetNode, ModbusUnit

INVERTER = LeasedDevice(
    resource_id=ResourceId("site-1/pv-1"),
    wire="modbus-tcp",
    address=HOST,
    port=0,
    frames=(
        bytes.fromhex("0000 0000 0006 07 06 0028 0001"),
        bytes.fromhex("0000 0000 0009 07 10 0029 0001 02 2710"),
    ),
    check_frame=bytes.fromhex("0000 0000 0006 07 03 0028 0002"),
    expected=bytes.fromhex("00012710"),
    restores="limit off, 100 %",
    valid_until=datetime(2026, 7, 22, 1, 0, tzinfo=UTC),
)
CHILLER = LeasedDevice(
    resource_id=ResourceId("site-1/hvac-1"),
    wire="bacnet-ip",
    address=HOST,
    port=0,
    frames=(
        bytes.fromhex("810a0011 0104 0205 00 0f 0c0080000a 1955 4900"),
        bytes.fromhex("810a0011 0104 0205 00 0f 0c0080000b 1955 4900"),
    ),
    check_frame=b"",
    expected=b"",
    restores="relinquished",
    valid_until=datetime(2026, 7, 22, 1, 0, tzinfo=UTC),
)
CHARGER = replace(
    CHILLER, resource_id=ResourceId("site-1/ev-1"), wire="none", address="", frames=()
)


class Now:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def released(*devices: LeasedDevice, budget_s: float = 4.0) -> Released:
    recipe = Recipe(gateway_address="", gateway_port=0, devices=devices)
    return release_all(recipe, monotonic_s=time.monotonic, silent=lambda: True, budget_s=budget_s)


def states(answer: Released) -> list[ReleaseState]:
    return [result.state for result in answer.results]


def test_modbus_device_is_released_and_read_back(modbus: ModbusUnit) -> None:
    """If it fails, an inverter stays curtailed, or forced, after the gateway's agent died."""
    answer = released(replace(INVERTER, port=modbus.port))
    assert states(answer) == [ReleaseState.RELEASED]
    assert modbus.registers == {40: 1, 41: 10_000}
    assert modbus.units == {7}
    assert (answer.unconfirmed, answer.sent_from) == (0, "")


@pytest.mark.parametrize("fault", ["stray", "in_parts", "silent_for"])
def test_answers_to_others_and_answers_in_parts_do_no_harm(modbus: ModbusUnit, fault: str) -> None:
    """If it fails, a late answer is taken for ours, and a device is called free that is not."""
    setattr(modbus, fault, 1)
    assert states(released(replace(INVERTER, port=modbus.port))) == [ReleaseState.RELEASED]
    assert modbus.registers == {40: 1, 41: 10_000}


def test_modbus_device_that_does_not_do_it_is_not_called_released(modbus: ModbusUnit) -> None:
    """If it fails, the report says that a device is free while it goes on forced."""
    leased = replace(INVERTER, port=modbus.port)
    modbus.deaf = True
    (result,) = released(leased, budget_s=0.5).results
    assert (result.state, result.detail) == (ReleaseState.DIFFERENT, "read back 00000000")
    modbus.deaf, modbus.exception = False, 4
    answer = released(leased, budget_s=0.5)
    assert states(answer) == [ReleaseState.REFUSED]
    assert "exception 4" in answer.results[0].detail
    assert answer.unconfirmed == 1


def test_dead_modbus_address_does_not_hold_up_the_others(modbus: ModbusUnit) -> None:
    """If it fails, one device without power keeps every other one forced."""
    with socket.create_server((HOST, 0)) as hole:
        dead = replace(INVERTER, resource_id=ResourceId("site-1/pv-2"), port=hole.getsockname()[1])
        began_s = time.monotonic()
        answer = released(dead, replace(INVERTER, port=modbus.port), CHARGER, budget_s=1.0)
    assert states(answer) == [
        ReleaseState.SILENT,
        ReleaseState.RELEASED,
        ReleaseState.BY_ITSELF,
    ]
    assert answer.unconfirmed == 1
    assert time.monotonic() - began_s < 4.0


def test_bacnet_device_is_sent_each_request_until_it_acknowledges(bacnet: BacnetNode) -> None:
    """If it fails, our priority stays in a chiller's array and the building cannot move it."""
    bacnet.silent_for = 1
    assert states(released(replace(CHILLER, port=bacnet.port))) == [ReleaseState.RELEASED]
    assert bacnet.requests == [frame[9:] for frame in CHILLER.frames]
    assert len(set(bacnet.invokes)) == 2, "each request has its own id"


@pytest.mark.parametrize(("kind", "word"), [(0x50, "error"), (0x60, "reject"), (0x70, "abort")])
def test_bacnet_refusal_is_told_as_one(bacnet: BacnetNode, kind: int, word: str) -> None:
    """If it fails, the report calls a device free that answered it will not."""
    bacnet.kind = kind
    (result,) = released(replace(CHILLER, port=bacnet.port), budget_s=0.5).results
    assert (result.state, result.detail) == (ReleaseState.REFUSED, word)


def test_bacnet_acknowledgement_of_another_request_is_none_of_ours(bacnet: BacnetNode) -> None:
    """If it fails, somebody else's answer frees a device on paper only."""
    bacnet.lies = True
    answer = released(replace(CHILLER, port=bacnet.port), budget_s=0.5)
    assert states(answer) == [ReleaseState.SILENT]


def test_invoke_id_is_found_behind_any_header() -> None:
    """If it fails, a routed request gets its number written into an address."""
    plain = bytes.fromhex("810a000c 0104 0205000f00")
    routed = bytes.fromhex("810a0015 012c 00010103 0002 06010203040506 ff 0205000f")
    assert plain[apdu_offset(plain) :][:1] == b"\x02"
    assert routed[apdu_offset(routed) :][:4] == b"\x02\x05\x00\x0f"
    for cut in range(len(routed)):
        offset = apdu_offset(routed[:cut])
        assert offset is None or offset < cut
    assert apdu_offset(b"\x10\x81" + plain) is None


def test_device_that_left_the_configuration_is_released_before_the_start(
    tmp_path: Path, modbus: ModbusUnit
) -> None:
    """If it fails, a device removed from the file while it was forced is never given back."""
    book = ReleaseRecipe(tmp_path, gateway_address="", gateway_port=0)
    book.hold(replace(INVERTER, port=modbus.port))
    book.hold(CHARGER)
    with structlog.testing.capture_logs() as logged:
        release_orphans(book, {CHARGER.resource_id}, Now())
    assert modbus.registers == {40: 1, 41: 10_000}
    assert [(entry["event"], entry["state"]) for entry in logged] == [
        ("lease.orphaned", "released")
    ]
    recipe = load_recipe(tmp_path)
    assert recipe is not None
    assert [leased.resource_id for leased in recipe.devices] == [CHARGER.resource_id]
    with structlog.testing.capture_logs() as logged:
        release_orphans(book, {CHARGER.resource_id}, Now())
    assert logged == []
