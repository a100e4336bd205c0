"""All devices of a site: one driver over the families of its protocols.

``cycle`` calls it through :class:`edge_agent.drivers.port.Driver`. Families are read at the
same time under one deadline, a write goes to the family that has the device, and a family that
fails is let go of, waited for and opened again while the others go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from edge_agent.config.site import SiteConfig
from edge_agent.drivers.border import Failure, attempt, outcome, told
from edge_agent.drivers.family import DeviceFamily, FamilyPorts
from edge_agent.drivers.outcomes import not_carried_out
from edge_agent.drivers.port import FoundDevice, Reading, WriteOutcome, WriteState
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.resource import Resource
from protocols.vocabulary.setpoint import Setpoint

REOPEN_S: Final = 1.0
REOPEN_S_MAX: Final = 60.0
"""Pauses before a family that failed is opened again; doubled each time."""
STEADY_S: Final = 60.0
"""A family that has run this long begins with the shortest pause again."""
CLOSE_S: Final = 10.0
"""Longest wait for a family to give everything back and close."""
GRACE_S: Final = 0.1
"""What a family may take beyond the deadline to hand over what it has."""
_NS_PER_S: Final = 1_000_000_000

_Given = TypeVar("_Given")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyOpening:
    """How a family comes to be.

    Attributes
    ----------
    name : str
        For people.
    protocols : frozenset of str
        Devices with these are its own.
    open : callable
        ``open_family`` of its room; gives None if the site has no such device.
    """

    name: str
    protocols: frozenset[str]
    open: Callable[[SiteConfig, FamilyPorts], Awaitable[DeviceFamily | None]]


@dataclass(slots=True, kw_only=True)
class _Slot:
    """A family's place: the family while it works, and what made it fail."""

    opening: FamilyOpening
    family: DeviceFamily | None = None
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    error: BaseException | None = None

    def note(self, error: BaseException) -> None:
        """Take note that a call into the family raised; it is opened anew."""
        self.error = error
        self.failed.set()


class SiteDriver:
    """The driver of a site.

    Parameters
    ----------
    config : SiteConfig
        The site.
    ports : FamilyPorts
        What every family stands on.
    openings : sequence of FamilyOpening
        Families there could be; those without a device are left out.
    """

    def __init__(
        self, config: SiteConfig, ports: FamilyPorts, openings: Sequence[FamilyOpening]
    ) -> None:
        self._config = config
        self._ports = ports
        self._slots = [
            _Slot(opening=opening) for opening in openings if config.devices_of(*opening.protocols)
        ]
        self._owners = {
            config.resource_id(device.device_id): slot
            for slot in self._slots
            for device in config.devices_of(*slot.opening.protocols)
        }
        self._known: dict[ResourceId, Resource] = {}
        self._reversions: dict[ResourceId, float | None] = {}

    async def open(self) -> None:
        """Open every family once, before :meth:`run`.

        Raises
        ------
        ConfigError
            If something a person wrote or set up is wrong. Whatever else a family raises
            makes it one that failed: the others do their work.
        """
        for slot in self._slots:
            family = await outcome(slot.opening.open(self._config, self._ports))
            if not isinstance(family, Failure):
                slot.family = family
            elif isinstance(family.error, ConfigError):
                await self._close_all()
                raise family.error
            else:
                slot.note(family.error)

    async def run(self) -> None:
        """Serve the families until cancelled; each lets go of what it opened."""
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(self._supervise(slot), name=f"family {slot.opening.name}")

    async def discover(self) -> tuple[FoundDevice, ...]:
        """Look for devices now on every protocol, all at once."""
        found = await self._gather([self._discovered(slot) for slot in self._slots], None)
        return tuple(one for devices in found for one in devices)

    def resources(self) -> tuple[Resource, ...]:
        """One per device of which anything is known, in the configuration's order."""
        for slot in self._slots:
            family = slot.family
            if family is not None:
                known: tuple[Resource, ...] = attempt(family.resources, (), slot.note)
                self._known.update((resource.resource_id, resource) for resource in known)
        names = (self._config.resource_id(device.device_id) for device in self._config.devices)
        return tuple(self._known[name] for name in names if name in self._known)

    async def read(self, deadline_s: float) -> list[Reading]:
        """Ask all families at once; return what arrived since the last read."""
        found = await self._gather(
            [self._taken(slot, deadline_s) for slot in self._slots], deadline_s + GRACE_S
        )
        return [reading for readings in found for reading in readings]

    async def read_fast(self, resource_id: ResourceId) -> list[Reading]:
        """Ask one device out of turn; see :class:`edge_agent.drivers.port.FastReader`."""
        slot = self._owners.get(resource_id)
        if slot is None or slot.family is None:
            return []
        return list(await self._asked(slot, slot.family.read_fast(resource_id)))

    async def write(self, setpoint: Setpoint) -> WriteOutcome:
        """Lease a power to a device; see :class:`edge_agent.drivers.port.Writer`."""
        return await self._wish(setpoint.resource_id, setpoint)

    async def release(self, resource_id: ResourceId) -> WriteOutcome:
        """Give a device back to its default, or to what :meth:`revert_to` said."""
        return await self._wish(resource_id, None)

    def revert_to(self, resource_id: ResourceId, power_w: float | None) -> None:
        """Say what release means for a device; see :class:`edge_agent.drivers.port.Writer`."""
        self._reversions[resource_id] = power_w
        slot = self._owners.get(resource_id)
        if slot is not None and slot.family is not None:
            slot.family.revert_to(resource_id, power_w)

    # --- calls into a family -------------------------------------------------------------

    async def _gather(
        self, calls: Sequence[Coroutine[Any, Any, Sequence[_Given]]], timeout_s: float | None
    ) -> list[Sequence[_Given]]:
        """Await calls at once; those that are late are given up."""
        tasks = [asyncio.ensure_future(call) for call in calls]
        if not tasks:
            return []
        try:
            done, _ = await asyncio.wait(tasks, timeout=timeout_s)
        finally:
            for task in tasks:
                task.cancel()
        return [task.result() for task in tasks if task in done]

    async def _taken(self, slot: _Slot, deadline_s: float) -> Sequence[Reading]:
        family = slot.family
        return () if family is None else await self._asked(slot, family.read(deadline_s))

    async def _discovered(self, slot: _Slot) -> Sequence[FoundDevice]:
        family = slot.family
        return () if family is None else await self._asked(slot, family.discover())

    async def _asked(self, slot: _Slot, answer: Awaitable[Sequence[_Given]]) -> Sequence[_Given]:
        """Await a family's answer; one that fails has none."""
        found = await outcome(answer)
        if isinstance(found, Failure):
            slot.note(found.error)
            return ()
        return found

    async def _wish(self, resource_id: ResourceId, setpoint: Setpoint | None) -> WriteOutcome:
        slot = self._owners.get(resource_id)
        state, detail = WriteState.REFUSED, "no such device at this site"
        if slot is not None:
            state, detail = WriteState.TIMEOUT, f"{slot.opening.name} is being started again"
            family = slot.family
            if family is not None:
                wish = family.release(resource_id) if setpoint is None else family.write(setpoint)
                written = await outcome(wish)
                if not isinstance(written, Failure):
                    return written
                slot.note(written.error)
                state, detail = WriteState.UNCONFIRMED, told(written.error)
        at = self._ports.clock.now()
        return not_carried_out(resource_id, setpoint, state=state, detail=detail, at=at)

    # --- families that fail --------------------------------------------------------------

    async def _supervise(self, slot: _Slot) -> None:
        """Keep a family running; whatever it raises ends here."""
        pause_s = REOPEN_S
        while True:
            began_ns = self._ports.clock.monotonic_ns()
            error = await self._served(slot)
            slot.family, slot.error = None, None
            slot.failed.clear()
            if self._ports.clock.monotonic_ns() - began_ns > round(STEADY_S * _NS_PER_S):
                pause_s = REOPEN_S
            log.warning(
                "family.failed", family=slot.opening.name, cause=told(error), pause_s=pause_s
            )
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, REOPEN_S_MAX)
            await self._reopen(slot)

    async def _served(self, slot: _Slot) -> BaseException:
        """Run a family until it fails, let go of it, and return what it failed with."""
        family = slot.family
        if family is None or slot.error is not None:
            return slot.error or RuntimeError("it was not opened")
        running = asyncio.ensure_future(family.run())
        failing = asyncio.ensure_future(slot.failed.wait())
        try:
            await asyncio.wait({running, failing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failing.cancel()
            running.cancel()
            await asyncio.wait({running}, timeout=CLOSE_S)
        if slot.error is not None:
            return slot.error
        if not running.done() or running.cancelled():
            return RuntimeError("it was cancelled")
        return running.exception() or RuntimeError("it ended")

    async def _reopen(self, slot: _Slot) -> None:
        family = await outcome(slot.opening.open(self._config, self._ports))
        if isinstance(family, Failure):
            slot.note(family.error)
            return
        slot.family = family
        if slot.family is None:
            return
        for resource_id, power_w in self._reversions.items():
            slot.family.revert_to(resource_id, power_w)
        log.info("family.back", family=slot.opening.name)

    async def _close_all(self) -> None:
        for slot in self._slots:
            if slot.family is not None:
                await slot.family.close()
