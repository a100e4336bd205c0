"""Truth against journal: every kind of lie is found, and the truth is not called one."""

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.devices.contract import Span
from firmware_sim.devices.machines import machine_of
from firmware_sim.mixed.compare import Comparison, compare
from firmware_sim.mixed.recording import DeviceLog, RecordedMachine
from firmware_sim.mixed.truth import read_device, read_journal
from protocols.templates.catalogue import template_of

NAME = "sunspec-01"
TEMPLATE = template_of("sunspec-battery-704")
T0 = 1_800_000_000.0


class World:
    """A device that writes its truth, and a journal beside it."""

    def __init__(self, folder: Path) -> None:
        self.now_s = T0
        self.stepping = False
        self.folder = folder
        self.lines: list[dict[str, Any]] = [{"max_age_s": {f"{NAME}.power_w": 3.0}}]
        self.be_born()

    def be_born(self) -> None:
        """Begin a life."""
        self.log = DeviceLog(
            self.folder / f"{NAME}.jsonl", lambda: self.now_s, lambda: self.stepping
        )
        self.machine = RecordedMachine(machine_of(TEMPLATE, seed=1), self.log)

    def live(self, seconds: float) -> float:
        """Let time pass; return the power at the end."""
        power_w = 0.0
        for _ in range(round(seconds * 5)):
            span = Span(start_s=self.now_s, end_s=self.now_s + 0.2, others_w=-300.0)
            self.stepping = True
            power_w = self.machine.advance(span).power_w
            self.stepping = False
            self.now_s += 0.2
            self.log.sample(self.now_s, power_w)
            self.log.flush()
        return power_w

    def order(self, power_w: float, *, journaled_w: float | None = None, done: bool = True) -> None:
        """Order a power; the journal has it, or another."""
        sequence = len(self.lines)
        written_w = power_w if journaled_w is None else journaled_w
        setpoint = {
            "resource_id": f"s/{NAME}",
            "power_w": written_w,
            "from_s": self.now_s - 0.1,
            "until_s": self.now_s + 15.0,
            "sequence": sequence,
        }
        self.lines.append(self.cycle(setpoints=[setpoint]))
        self.machine.ask(power_w)
        self.live(2.0)
        if done:
            self.lines.append(
                {
                    "outcome": "done",
                    "resource_id": f"s/{NAME}",
                    "sequence": sequence,
                    "at_s": self.now_s,
                    "detail": "",
                }
            )

    def cycle(self, **more: Any) -> dict[str, Any]:
        """One cycle of the journal."""
        return {"cycle": 1, "at_s": self.now_s, "points": {}, "setpoints": [], **more}

    def image(self, power_w: float, *, measured_s: float, quality: str = "GOOD") -> None:
        """Journal a cycle that holds this power."""
        points = {f"{NAME}.power_w": [power_w, quality, measured_s]}
        self.lines.append(self.cycle(points=points))

    def judged(self) -> Comparison:
        """Compare."""
        self.log.close()
        path = self.folder / "journal.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        truths = {NAME: read_device(self.folder / f"{NAME}.jsonl")}
        return compare(truths, read_journal(path), {NAME: TEMPLATE})[NAME]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Give a device with a journal."""
    return World(tmp_path)


def test_a_truthful_journal_fits(world: World) -> None:
    """If it fails, the run over all protocols cries wolf."""
    world.live(2.0)
    world.order(-1000.0)
    power_w = world.live(5.0)
    world.image(power_w, measured_s=world.now_s)
    world.image(power_w, measured_s=world.now_s)
    world.machine.ask(None)
    world.live(3.0)
    result = world.judged()
    assert result.ok, result.findings
    assert (result.applied, result.done, result.released, result.good) == (1, 1, 1, 1)


def test_a_setpoint_that_the_journal_has_not_is_found(world: World) -> None:
    """If it fails, a device can be driven past the journal and nobody sees it."""
    world.order(-1000.0, journaled_w=-2000.0, done=False)
    world.machine.ask(1500.0)
    world.live(1.0)
    result = world.judged()
    assert (result.applied, result.unmatched, result.ok) == (2, 2, False)
    assert "-1000 W" in result.findings[0]


def test_an_order_that_outlives_its_lease_is_found(world: World) -> None:
    """If it fails, a device is left at its last order when the gateway dies, and nobody sees."""
    world.order(-1000.0)
    world.live(40.0)
    result = world.judged()
    assert result.held_over == 1
    assert 20.0 < result.held_s_max < 40.0
    assert not result.ok


def test_a_write_told_as_done_that_was_not_is_found(world: World) -> None:
    """If it fails, an acknowledgement without an effect counts as a setpoint."""
    sequence = len(world.lines)
    world.order(-1000.0)
    world.live(10.0)
    world.machine.ask(None)
    world.live(10.0)
    late = {
        "resource_id": f"s/{NAME}",
        "power_w": 800.0,
        "from_s": world.now_s,
        "until_s": world.now_s + 15.0,
        "sequence": sequence + 10,
    }
    world.lines.append(world.cycle(setpoints=[late]))
    told = {"outcome": "done", "resource_id": f"s/{NAME}", "sequence": sequence + 10}
    world.lines.append({**told, "at_s": world.now_s + 1.0, "detail": ""})
    result = world.judged()
    assert (result.done, result.done_wrongly) == (2, 1)


def test_a_power_the_device_never_had_is_found(world: World) -> None:
    """If it fails, another device's answer counts as good."""
    world.order(-1000.0)
    world.live(5.0)
    world.image(2500.0, measured_s=world.now_s)
    result = world.judged()
    assert (result.good, result.good_wrong) == (1, 1)


def test_a_power_that_is_not_called_good_is_no_lie(world: World) -> None:
    """If it fails, an honest STALE is held against the agent."""
    world.live(5.0)
    world.image(2500.0, measured_s=world.now_s - 60.0, quality="STALE")
    assert world.judged().good == 0


def test_a_dead_devices_power_called_good_is_found(world: World) -> None:
    """If it fails, a gateway that repeats a dead device's last number passes."""
    power_w = world.live(3.0)
    died_s = world.now_s
    world.now_s += 10.0
    world.image(power_w, measured_s=world.now_s)
    world.now_s += 2.0
    world.be_born()
    world.live(2.0)
    world.image(0.0, measured_s=died_s)
    result = world.judged()
    assert result.good_dead == 1
    assert result.good_stale == 1
    assert not result.ok


def test_a_device_that_falls_back_by_itself_needs_no_setpoint(world: World) -> None:
    """If it fails, a device's own timer is held against the agent."""
    world.order(-1000.0)
    world.stepping = True
    world.machine.ask(None)
    world.stepping = False
    world.live(1.0)
    result = world.judged()
    assert result.ok, result.findings
    assert result.reverted == 1


def test_a_limit_at_the_rating_is_no_limit_and_a_lower_one_is_a_setpoint(world: World) -> None:
    """If it fails, bounds that a device was given are never compared."""
    world.machine.limit(power_w_min=-1e9, power_w_max=1e9)
    world.live(1.0)
    world.machine.limit(power_w_min=-500.0, power_w_max=1e9)
    world.live(1.0)
    result = world.judged()
    assert (result.applied, result.unmatched) == (1, 1)


def test_a_torn_last_line_is_left_out(world: World) -> None:
    """If it fails, a device that was killed in the middle of a line stops the comparison."""
    world.live(1.0)
    world.log.close()
    path = world.folder / f"{NAME}.jsonl"
    whole = len(read_device(path).times_s)
    path.write_bytes(path.read_bytes() + b'{"p":[[18000')
    assert len(read_device(path).times_s) == whole
