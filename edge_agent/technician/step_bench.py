"""Drives devices one after the other through small steps, for the step test of primary reserve.

For a site whose agent does not run. Every power is a short lease that is renewed while it is
held; a device is given back when its steps are done, when it or the meter falls silent, when
a limit at the meter is passed, and when the technician stops the command. Should the command
die, the watchdog gives it back. Powers in W, generator frame.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from edge_agent.config.site import SiteConfig
from edge_agent.control.limits import Limit, contract_import, export_limit
from edge_agent.control.step_plan import (
    Standing,
    Step,
    broken_limit,
    length_s,
    no_room,
    room_of,
    steps_for,
)
from edge_agent.control.step_test import BEFORE_S, MOVED_RATIO
from edge_agent.cycle.framing import bindings_of
from edge_agent.drivers.port import Driver, FastReader, WriteOutcome, WriteState
from edge_agent.points.table import (
    FREQUENCY_HZ,
    POWER_W,
    POWER_W_MAX,
    POWER_W_MIN,
    SOC,
    point_id,
    points_of,
)
from edge_agent.technician.ear import Heard, listen
from edge_agent.technician.step_run import DeviceRun, StepProgress, StepTerms
from protocols.vocabulary.errors import ConfigError, VppError
from protocols.vocabulary.identifiers import PointId, ResourceId
from protocols.vocabulary.intervals import Clock
from protocols.vocabulary.resource import Capability, Resource
from protocols.vocabulary.setpoint import Setpoint

FAST_S: Final = 0.1
"""Time between two reads of the device under test and of the frequency, where it allows it."""
METER_S: Final = 1.0
LOOK_S: Final = 0.2
LEASE_S: Final = 15.0
RENEW_S: Final = 5.0
"""Leases of a test, and how often they are renewed while a step is held."""
WRITE_S: Final = 10.0
"""Longest wait for a device to confirm a step."""
LOST_S: Final = 5.0
"""A device under test, or the meter, may be without a good power for so long."""
RELEASE_TRIES: Final = 3
RELEASE_PAUSE_S: Final = 2.0
READ_S: Final = 2.0
ROUNDS: Final = 2
REST_S: Final = 60.0
"""Longest wait for a device to come to rest before its first step."""
SURVEY_S: Final = 1.5
SOURCES_MAX: Final = 8
"""Most points whose frequency is compared."""


class BenchDriver(Driver, FastReader, Protocol):
    """Devices that can also be read out of turn."""


class _StopError(VppError):
    """A device's steps end here; the text says why."""


class StepBench:
    """One live test.

    Parameters
    ----------
    config : SiteConfig
        The site.
    driver : BenchDriver
        Running.
    clock : Clock
        Time.
    terms : StepTerms
        How.
    watch : callable
        Told how far it is.

    Attributes
    ----------
    started_at : datetime
        Aware UTC; the times of everything else count from it.
    runs : list of DeviceRun
        So far, also after a test that was stopped.
    source : str
        Device whose frequency is recorded; empty if none measures it.
    heard : Heard
        What the devices said.
    """

    def __init__(
        self,
        config: SiteConfig,
        driver: BenchDriver,
        clock: Clock,
        *,
        terms: StepTerms,
        watch: Callable[[StepProgress], None],
    ) -> None:
        self._config = config
        self._driver = driver
        self._clock = clock
        self._terms = terms
        self._watch = watch
        self._limits: tuple[Limit, ...] = (
            contract_import(config.limits.contract_import_w),
            export_limit(config.limits.export_limit_w),
        )
        self._sequence = 0
        self.started_at: datetime = clock.now()
        self.heard = Heard(clock, {spec.point_id: spec for spec in points_of(config)})
        self.runs: list[DeviceRun] = []
        self.source = ""

    async def test(self, wanted: Sequence[str]) -> None:
        """Test the named devices, or every one that takes a setpoint.

        Raises
        ------
        ConfigError
            If there is no such device, or the meter does not answer.
        """
        self._tell("", "looking for devices", None)
        await self._driver.discover()
        for _ in range(ROUNDS):
            for point, measurement in await self._driver.read(READ_S):
                self.heard.take(point, measurement)
        if self.heard.value(self._meter) is None:
            raise ConfigError(
                f"{self._config.meter.device_id}: the meter tells no power, "
                "and without it no limit can be kept"
            )
        names = tuple(wanted) or self._candidates()
        if not names:
            raise ConfigError("no device that answers takes a setpoint")
        await self._survey()
        for name in names:
            run = DeviceRun(device_id=name)
            self.runs.append(run)
            await self._run(run)
            if not run.given_back:
                break

    @property
    def _meter(self) -> PointId:
        return point_id(self._config.meter.device_id, POWER_W)

    def _candidates(self) -> tuple[str, ...]:
        bindings = bindings_of(self._config, self._driver.resources())
        able = {
            one.resource.resource_id
            for one in bindings
            if Capability.TAKES_SETPOINT in one.resource.capabilities
        }
        return tuple(
            device.device_id
            for device in self._config.devices
            if self._config.resource_id(device.device_id) in able
        )

    async def _survey(self) -> None:
        """Find the device that tells the frequency most often."""
        able = {
            resource.resource_id
            for resource in self._driver.resources()
            if Capability.MEASURES_FREQUENCY in resource.capabilities
        }
        names = [
            device.device_id
            for device in self._config.devices
            if self._config.resource_id(device.device_id) in able
        ][:SOURCES_MAX]
        self._tell("", "looking for the frequency", None)
        ears = [asyncio.create_task(self._listen(name, FAST_S)) for name in names]
        await asyncio.sleep(SURVEY_S if names else 0.0)
        for ear in ears:
            ear.cancel()
        await asyncio.gather(*ears, return_exceptions=True)
        counts = {name: len(self.heard.series(point_id(name, FREQUENCY_HZ))) for name in names}
        best = max(names, key=lambda name: counts[name], default="")
        self.source = best if best and counts[best] else ""

    async def _listen(self, device_id: str, period_s: float) -> None:
        resource_id = self._config.resource_id(device_id)
        await listen(self._driver, resource_id, self.heard, period_s=period_s)

    # --- one device ----------------------------------------------------------------------

    async def _run(self, run: DeviceRun) -> None:
        """Move one device, and give it back whatever happens."""
        periods = {self._config.meter.device_id: METER_S, run.device_id: FAST_S}
        if self.source:
            periods[self.source] = FAST_S
        resource_id = self._config.resource_id(run.device_id)
        try:
            async with asyncio.TaskGroup() as group:
                ears = [group.create_task(self._listen(*each)) for each in periods.items()]
                await self._move(run)
                for ear in ears:
                    ear.cancel()
        except* _StopError as stop:
            run.stopped = str(stop.exceptions[0])
        finally:
            run.ended_s = self.heard.now_s()
            if run.told:
                self._tell(run.device_id, "giving it back", run)
                run.released = await self._release(resource_id)

    async def _release(self, resource_id: ResourceId) -> WriteOutcome:
        """Give a device back; what does not confirm it in the end is left to the watchdog."""
        outcome = await self._driver.release(resource_id)
        for _ in range(RELEASE_TRIES - 1):
            if outcome.state is WriteState.DONE:
                break
            await asyncio.sleep(RELEASE_PAUSE_S)
            outcome = await self._driver.release(resource_id)
        return outcome

    async def _move(self, run: DeviceRun) -> None:
        """Plan a device's steps from how it stands, and make them under guard."""
        resource = self._resource(run.device_id)
        run.steps = await self._plan(resource, run.device_id)
        guard = asyncio.create_task(self._guard(run))
        steps = asyncio.create_task(self._make(run, resource))
        try:
            await asyncio.wait({guard, steps}, return_when=asyncio.FIRST_COMPLETED)
            if guard.done():
                guard.result()
            steps.result()
        finally:
            guard.cancel()
            steps.cancel()
            await asyncio.gather(guard, steps, return_exceptions=True)

    def _resource(self, device_id: str) -> Resource:
        resource_id = self._config.resource_id(device_id)
        found = {one.resource_id: one for one in self._driver.resources()}
        resource = found.get(resource_id)
        if resource is None or Capability.READS_POWER not in resource.capabilities:
            raise _StopError("does not answer")
        if Capability.TAKES_SETPOINT not in resource.capabilities:
            raise _StopError("takes no setpoint")
        return resource

    async def _plan(self, resource: Resource, device_id: str) -> tuple[Step, ...]:
        """Wait for fresh powers and plan by them."""
        power = point_id(device_id, POWER_W)
        patient_s = self.heard.now_s() + LOST_S
        while None in (self.heard.value(power), self.heard.value(self._meter)):
            if self.heard.now_s() > patient_s:
                raise _StopError("no good power of it and of the meter")
            await asyncio.sleep(LOOK_S)
        power_w, meter_w = self.heard.value(power), self.heard.value(self._meter)
        assert power_w is not None, "just looked at"
        assert meter_w is not None, "just looked at"
        if broken := broken_limit(self._limits, meter_w):
            raise _StopError(broken)
        standing = Standing(
            power_w=power_w,
            meter_w=meter_w,
            low_w=self.heard.value(point_id(device_id, POWER_W_MIN)),
            high_w=self.heard.value(point_id(device_id, POWER_W_MAX)),
            soc=self.heard.value(point_id(device_id, SOC)),
        )
        terms = self._terms
        room = room_of(resource, standing, self._limits, test_s=length_s(terms.hold_s))
        steps = steps_for(resource, room, share=terms.share, hold_s=terms.hold_s)
        if not steps:
            raise _StopError(no_room(room))
        return steps

    async def _make(self, run: DeviceRun, resource: Resource) -> None:
        """Let a device come to rest at its base, then make its steps."""
        base, *steps = run.steps
        run.told.append((self.heard.now_s(), base.power_w))
        await self._hold(run, resource, base)
        patient_s = self.heard.now_s() + REST_S
        while not self._rests(run):
            if self.heard.now_s() > patient_s:
                raise _StopError(f"does not come to rest at {base.power_w:+,.0f} W")
            await self._hold(run, resource, replace(base, hold_s=METER_S))
        for step in steps:
            run.told.append((self.heard.now_s(), step.power_w))
            await self._hold(run, resource, step)

    async def _hold(self, run: DeviceRun, resource: Resource, step: Step) -> None:
        """Hold a power for its time, counted from when the device is told."""
        until_s = self.heard.now_s() + step.hold_s
        while (left_s := until_s - self.heard.now_s()) > 0.0:
            await self._lease(resource, step)
            self._tell(run.device_id, step.name, run)
            left_s = min(until_s - self.heard.now_s(), RENEW_S)
            await asyncio.sleep(max(left_s, 0.0))

    def _rests(self, run: DeviceRun) -> bool:
        """Whether a device's power was told lately and has not moved."""
        from_s = self.heard.now_s() - BEFORE_S
        series = self.heard.series(point_id(run.device_id, POWER_W))
        values = [power_w for time_s, power_w in series if time_s >= from_s]
        step_w = max(step.power_w for step in run.steps) - run.steps[0].power_w
        return len(values) > 1 and max(values) - min(values) <= MOVED_RATIO * step_w

    async def _lease(self, resource: Resource, step: Step) -> None:
        """Lease a step's power for a short time; the device must confirm it."""
        self._sequence += 1
        now = self._clock.now()
        setpoint = Setpoint(
            resource_id=resource.resource_id,
            power_w=step.power_w,
            valid_from=now,
            valid_until=now + timedelta(seconds=LEASE_S),
            reason="step test",
            cycle=0,
            sequence=self._sequence,
        )
        try:
            async with asyncio.timeout(WRITE_S):
                outcome = await self._driver.write(setpoint)
        except TimeoutError:
            raise _StopError(
                f"did not confirm {step.power_w:+,.0f} W within {WRITE_S:g} s"
            ) from None
        if outcome.state is not WriteState.DONE:
            raise _StopError(f"{step.power_w:+,.0f} W {outcome.state.value}: {outcome.detail}")

    async def _guard(self, run: DeviceRun) -> None:
        """Stop the steps when the device or the meter is not heard, or a limit is passed."""
        power, good_s = point_id(run.device_id, POWER_W), dict.fromkeys((0, 1), self.heard.now_s())
        while True:
            await asyncio.sleep(LOOK_S)
            self._tell(run.device_id, "", run)
            values = (self.heard.value(power), self.heard.value(self._meter))
            for which, value in enumerate(values):
                if value is not None:
                    good_s[which] = self.heard.now_s()
                elif self.heard.now_s() - good_s[which] > LOST_S:
                    name = run.device_id if which == 0 else "the meter"
                    raise _StopError(f"{name} was not heard for {LOST_S:g} s")
            if values[1] is not None and (broken := broken_limit(self._limits, values[1])):
                raise _StopError(broken)

    def _tell(self, device_id: str, step: str, run: DeviceRun | None) -> None:
        began_s = run.told[0][0] if run is not None and run.told else self.heard.now_s()
        self._watch(
            StepProgress(
                device_id=device_id,
                step=step,
                done_s=self.heard.now_s() - began_s,
                length_s=length_s(self._terms.hold_s),
                power_w=self.heard.value(point_id(device_id, POWER_W)) if device_id else None,
            )
        )
