"""The live step test on physics, in virtual time: what it records, and what ends it early."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge_agent.control.step_test import RULES, StepReport, judge
from edge_agent.technician.primary_record import read_recording
from edge_agent.technician.step_bench import StepBench
from edge_agent.technician.step_file import recording_text
from edge_agent.technician.step_run import StepProgress, StepTerms
from protocols.vocabulary.errors import ConfigError

SEED = RULES[2]


class _World:
    """A site under test, and what may go wrong with it at a time."""

    def __init__(self, kit: Any, *, batteries: dict[str, Any], export_w: float = 20_000.0) -> None:
        self.kit = kit
        self.config = kit.config(len(batteries), export_w)
        self.batteries = batteries
        self.bench: Any = None
        self.site: Any = None
        self.told: list[StepProgress] = []

    def walk(
        self,
        *names: str,
        hold_s: float = 11.0,
        share: float = 0.2,
        at_s: float = 1e9,
        silent: tuple[str, ...] = (),
        happens: Callable[[Any], None] = lambda _site: None,
    ) -> list[Any]:
        """Test the devices; ``happens`` to the site at a time."""

        async def work() -> None:
            clock = self.kit.clock()
            kind = _heard(self.kit)
            self.site = kind(self.config, clock, lambda _: 50.0, self.batteries, load_w=-1000.0)
            self.site.silent = silent
            terms = StepTerms(share=share, hold_s=hold_s)
            self.bench = StepBench(
                self.config, self.site, clock, terms=terms, watch=self.told.append
            )
            tasks = [asyncio.create_task(self.site.run())]
            tasks.append(asyncio.create_task(self._later(at_s, happens)))
            try:
                await self.bench.test(names)
            finally:
                for task in tasks:
                    task.cancel()

        self.kit.run_virtual(work)
        runs: list[Any] = self.bench.runs
        return runs

    async def _later(self, at_s: float, happens: Callable[[Any], None]) -> None:
        await asyncio.sleep(at_s)
        happens(self.site)

    def report(self, folder: Path) -> StepReport:
        bench, path = self.bench, folder / "live.csv"
        text = recording_text(
            bench.runs, bench.heard, source=bench.source, started_at=bench.started_at
        )
        path.write_text(text, encoding="utf-8")
        return judge(read_recording(path), SEED)


def _heard(kit: Any) -> Any:
    """Kind of site that tells each device's power out of turn, unless it is silent."""

    class Site(kit.physical):  # type: ignore[misc] # the kit's classes are known at run time
        silent: tuple[str, ...] = ()

        async def read(self, deadline_s: float) -> list[Any]:
            found = await super().read(deadline_s)
            return [one for one in found if one[0].partition(".")[0] not in self.silent]

        async def read_fast(self, resource_id: Any) -> list[Any]:
            name = self.name(resource_id)
            await asyncio.sleep(self.answer_s)
            if name in self.silent:
                return []
            if name == "meter":
                return [self.reading("meter.power_w", self.meter_w())]
            found = [self.reading(f"{name}.power_w", self.batteries[name].state.power_w)]
            return [*found, self.reading(f"{name}.frequency_hz", 50.0)]

    return Site


@pytest.fixture
def two(kit: Any) -> _World:
    """Make a site of a quick battery and one that needs a minute."""
    slow = kit.battery(ramp_w_per_s=25.0)
    return _World(kit, batteries={"battery-1": kit.battery(), "battery-2": slow})


def test_devices_are_tested_one_after_the_other_and_judged_together(
    two: _World, tmp_path: Path
) -> None:
    """If it fails, a site is sold with a device that no test has seen follow, or two that fight."""
    runs = two.walk(share=0.1)
    assert [run.stopped for run in runs] == ["", ""]
    assert all(run.given_back for run in runs)
    first, second = runs
    assert first.ended_s <= second.told[0][0]
    assert two.site.released == ["site-001/battery-1", "site-001/battery-2"]
    report = two.report(tmp_path)
    verdicts = {one.names: one for one in report.combinations}
    assert verdicts["battery-1",].qualifies, verdicts["battery-1",].reasons
    assert verdicts["battery-1",].available_w == pytest.approx(500.0, rel=0.03)
    assert not verdicts["battery-2",].qualifies
    assert not verdicts["battery-1", "battery-2"].qualifies
    both = verdicts["battery-1", "battery-2"]
    asked = [step.asked_w for step in both.steps]
    assert asked == pytest.approx([1000.0, -1000.0, -1000.0, 1000.0])
    assert report.best is not None
    assert report.best.names == ("battery-1",)
    assert report.frequency_s == pytest.approx(0.1, abs=0.03)


def test_every_power_is_a_short_lease_within_the_limits(two: _World) -> None:
    """If it fails, a test that dies leaves a battery at full power, or trips the main breaker."""
    two.walk("battery-1", share=1.0)
    writes = two.site.writes
    assert max(abs(one.power_w) for one in writes) <= 5000.0
    assert all((one.valid_until - one.valid_from).total_seconds() <= 15.0 for one in writes)
    times = [one.valid_from for one in writes]
    gaps = [(b - a).total_seconds() for a, b in pairwise(times)]
    assert max(gaps) <= 6.0


def test_the_export_limit_bounds_the_step(kit: Any) -> None:
    """If it fails, a technician's test sends power into a grid that forbids it."""
    world = _World(kit, batteries={"battery-1": kit.battery()}, export_w=0.0)
    (run,) = world.walk(share=0.5)
    assert run.stopped == ""
    assert max(power_w for _, power_w in run.told) == pytest.approx(900.0, abs=2.0)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda site: setattr(site, "silent", ("battery-1",)), "battery-1 was not heard for 5 s"),
        (lambda site: setattr(site, "silent", ("meter",)), "the meter was not heard for 5 s"),
        (lambda site: setattr(site, "load_w", -25_000.0), "beyond contract-import"),
        (lambda site: setattr(site.batteries["battery-1"], "deaf", True), "timeout"),
    ],
)
def test_what_goes_wrong_ends_the_test_and_gives_the_device_back(
    kit: Any, happens: Callable[[Any], None], said: str
) -> None:
    """If it fails, a device goes on at our power while nobody sees it, or against a limit."""
    world = _World(kit, batteries={"battery-1": kit.battery()})
    (run,) = world.walk(hold_s=60.0, at_s=20.0, happens=happens)
    assert said in run.stopped
    assert run.ended_s < 40.0
    assert world.site.released == ["site-001/battery-1"]


def test_a_device_that_is_stopped_by_hand_is_given_back(kit: Any) -> None:
    """If it fails, Ctrl-C leaves a battery discharging."""
    world = _World(kit, batteries={"battery-1": kit.battery()})

    def stop(_site: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.walk(hold_s=60.0, at_s=20.0, happens=stop)
    assert world.site.released == ["site-001/battery-1"]


def test_a_device_that_takes_no_setpoint_is_left_alone(kit: Any) -> None:
    """If it fails, a test writes to the meter."""
    world = _World(kit, batteries={"battery-1": kit.battery()})
    (run,) = world.walk("meter")
    assert run.stopped == "does not answer"
    assert not world.site.writes


def test_without_the_meter_nothing_moves(kit: Any) -> None:
    """If it fails, devices are moved while nobody watches the contract."""
    world = _World(kit, batteries={"battery-1": kit.battery()})
    with pytest.raises(ConfigError, match="the meter tells no power"):
        world.walk(silent=("meter",))
    assert not world.site.writes
