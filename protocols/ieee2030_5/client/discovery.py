"""How the client finds out what it is to do: from the first page by links to controls.

Each method is the steps of one errand; it raises RemoteProtocolError if it failed, and what was
known stays. Which errands there are follows from what was found.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import cast

from protocols.ieee2030_5.client.events import EventEngine, Program
from protocols.ieee2030_5.client.fetch import Fetcher, RefusedError, Steps, local
from protocols.ieee2030_5.client.known import Known, KnownProgram
from protocols.ieee2030_5.client.modes import curve_links_of
from protocols.ieee2030_5.client.polls import Polls
from protocols.ieee2030_5.client.settings import ClientSettings
from protocols.ieee2030_5.identity import sfdi_of_lfdi
from protocols.ieee2030_5.resources.der import (
    DER,
    DefaultDERControl,
    DERControl,
    DERControlList,
    DERCurve,
    DERCurveList,
    DERList,
    DERProgram,
    DERProgramList,
)
from protocols.ieee2030_5.resources.devices import (
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Registration,
    Time,
)
from protocols.ieee2030_5.resources.elements import (
    DEFAULT_POLL_RATE_S,
    Link,
    Resource,
    SubscribableResource,
)
from protocols.vocabulary.errors import RemoteProtocolError

CAPABILITY, TIME, DEVICE, REGISTRATION = "capability", "time", "device", "registration"
ASSIGNMENTS, DERS, PROGRAMS = "assignments", "ders", "programs "
RANKS = {CAPABILITY: 1, TIME: 2, DEVICE: 3, REGISTRATION: 4, ASSIGNMENTS: 5, DERS: 7}
_PROGRAMS_RANK = 6
_LISTS_MAX = 32
_PROGRAMS_MAX = 64
_CURVES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Errands that read.

    Attributes
    ----------
    settings : ClientSettings
        Who we are.
    fetcher : Fetcher
        Makes requests.
    known : Known
        What is found.
    engine : EventEngine
        Is told of controls.
    polls : Polls
        Is told which errands there are.
    """

    settings: ClientSettings
    fetcher: Fetcher
    known: Known
    engine: EventEngine
    polls: Polls

    def steps_of(self, name: str) -> Steps[None]:
        """Return the steps of an errand."""
        if name.startswith(PROGRAMS):
            return self._programs(name.removeprefix(PROGRAMS))
        plain: dict[str, Callable[[], Steps[None]]] = {
            CAPABILITY: self._capability,
            TIME: self._time,
            DEVICE: self._device,
            REGISTRATION: self._registration,
            ASSIGNMENTS: self._assignments,
            DERS: self._ders,
        }
        return plain[name]()

    def _capability(self) -> Steps[None]:
        path = self.settings.device_capability
        found = yield from self.fetcher.get(path, DeviceCapability)
        self.known.capability = found
        self._want(CAPABILITY, found.poll_rate)
        self._want_link(TIME, found.time_link)
        self._want_link(DEVICE, found.end_device_list_link)
        if found.end_device_list_link is None and found.der_program_list_link is not None:
            self._follow_lists({found.der_program_list_link.href})

    def _time(self) -> Steps[None]:
        assert self.known.capability is not None
        assert self.known.capability.time_link is not None
        before_s = self.known.now_s
        found = yield from self.fetcher.get(self.known.capability.time_link.href, Time)
        clock = self.known.clock
        self.known.set_clock(clock.heard(found, sent_at_s=before_s, received_at_s=self.known.now_s))
        self._want(TIME, found.poll_rate)

    def _device(self) -> Steps[None]:
        """Find ourselves by LFDI; where we are not, register."""
        assert self.known.capability is not None
        assert self.known.capability.end_device_list_link is not None
        href = self.known.capability.end_device_list_link.href
        fetched = yield from self.fetcher.get_list(href, EndDeviceList)
        first = cast("EndDeviceList", fetched.first)
        devices = cast("tuple[EndDevice, ...]", fetched.items)
        own = next((device for device in devices if device.lfdi == self.settings.lfdi), None)
        if own is None:
            if not fetched.complete:
                raise RemoteProtocolError(f"GET {href}: incomplete, and we are not in it")
            if not self.settings.registers:
                raise RemoteProtocolError(f"GET {href}: the server does not know us")
            made = yield from self._registered(href)
            own = yield from self.fetcher.get(made, EndDevice)
        self.known.device = own
        self._want(DEVICE, first.poll_rate)
        self._want_link(REGISTRATION, own.registration_link)
        if own.registration_link is None or self.settings.pin is None:
            self.known.pin_agrees = True
            self._want_link(ASSIGNMENTS, own.function_set_assignments_list_link)
        self._want_link(DERS, own.der_list_link)

    def _registered(self, href: str) -> Steps[str]:
        device = EndDevice(
            lfdi=self.settings.lfdi,
            sfdi=sfdi_of_lfdi(self.settings.lfdi),
            device_category=self.settings.device_category,
            changed_time=int(self.known.server_s),
        )
        made = yield from self.fetcher.post(href, device, csipaus=self.settings.csipaus)
        if not made:
            raise RemoteProtocolError(f"POST {href}: no Location of the new EndDevice")
        return made

    def _registration(self) -> Steps[None]:
        """Compare the PIN; with another one nothing of this server is followed."""
        assert self.known.device is not None
        assert self.known.device.registration_link is not None
        href = self.known.device.registration_link.href
        found = yield from self.fetcher.get(href, Registration)
        self._want(REGISTRATION, found.poll_rate)
        self.known.pin_agrees = self.settings.pin in (None, found.pin)
        if not self.known.pin_agrees:
            self.polls.forget(ASSIGNMENTS)
            self._follow_lists(set())
            raise RemoteProtocolError(f"GET {href}: PIN of the registration is not ours")
        self._want_link(ASSIGNMENTS, self.known.device.function_set_assignments_list_link)

    def _assignments(self) -> Steps[None]:
        assert self.known.device is not None
        link = self.known.device.function_set_assignments_list_link
        assert link is not None
        fetched = yield from self.fetcher.get_list(link.href, FunctionSetAssignmentsList)
        first = cast("FunctionSetAssignmentsList", fetched.first)
        self._want(ASSIGNMENTS, first.poll_rate)
        self._note(first, link.href, ASSIGNMENTS)
        if not fetched.complete:
            raise RemoteProtocolError(f"GET {link.href}: fewer items than it says")
        assigned = cast("tuple[FunctionSetAssignments, ...]", fetched.items)
        links = {a.der_program_list_link.href for a in assigned if a.der_program_list_link}
        self._follow_lists(links)

    def _follow_lists(self, hrefs: set[str]) -> None:
        """Have exactly these program lists read."""
        for gone in set(self.known.lists) - hrefs:
            del self.known.lists[gone]
            self.polls.forget(PROGRAMS + gone)
        for href in sorted(hrefs)[:_LISTS_MAX]:
            if href not in self.known.lists:
                self.known.lists[href] = None
            if PROGRAMS + href not in self.polls.names():
                self._want(PROGRAMS + href, None)
        self._retire()

    def _programs(self, href: str) -> Steps[None]:
        """Read the programs of a list and all of their controls."""
        capability = self.known.capability
        if capability and capability.time_link and not self.known.clock_heard:
            raise RemoteProtocolError(f"GET {href}: not before the server's time is known")
        fetched = yield from self.fetcher.get_list(href, DERProgramList)
        first = cast("DERProgramList", fetched.first)
        self._want(PROGRAMS + href, first.poll_rate)
        self._note(first, href, PROGRAMS + href)
        programs = cast("tuple[DERProgram, ...]", fetched.items)
        failed: RemoteProtocolError | None = None
        for program in sorted(programs, key=lambda p: (p.primacy, p.mrid))[:_PROGRAMS_MAX]:
            try:
                yield from self._program(program, PROGRAMS + href)
            except RemoteProtocolError as error:
                failed = failed or error
        if fetched.complete and href in self.known.lists:
            self.known.lists[href] = frozenset(program.mrid for program in programs)
            self._retire()
        if failed is not None:
            raise failed

    def _program(self, program: DERProgram, name: str) -> Steps[None]:
        before = self.known.programs.get(program.mrid)
        known = before or KnownProgram(mrid=program.mrid, primacy=program.primacy)
        known = replace(known, primacy=program.primacy, description=program.description or "")
        curves = yield from self._curves(program, known)
        default = yield from self._default(program)
        if default != known.default:
            known = replace(known, default=default, default_since_s=self.known.server_s)
        controls: tuple[DERControl, ...] = ()
        complete = True
        if program.der_control_list_link is not None:
            href = program.der_control_list_link.href
            fetched = yield from self.fetcher.get_list(href, DERControlList)
            self._note(cast("SubscribableResource", fetched.first), href, name)
            controls = cast("tuple[DERControl, ...]", fetched.items)
            complete = fetched.complete
        bases = [control.der_control_base for control in controls]
        bases += [] if default is None else [default.der_control_base]
        wanted = {link for base in bases for link in curve_links_of(base)}
        for link in sorted(wanted - set(curves))[:_CURVES_MAX]:
            curves[link] = replace((yield from self.fetcher.get(link, DERCurve)), href=link)
        used = tuple(curves[link] for link in sorted(wanted) if link in curves)
        self.known.set_program(replace(known, curves=used))
        seen = Program(mrid=program.mrid, primacy=program.primacy)
        self.engine.see(seen, controls, self.known.server_s, complete=complete)

    def _curves(self, program: DERProgram, known: KnownProgram) -> Steps[dict[str, DERCurve]]:
        """Curves of a program by address."""
        if program.der_curve_list_link is None:
            return known.curves_by_href()
        href = program.der_curve_list_link.href
        fetched = yield from self.fetcher.get_list(href, DERCurveList)
        curves = cast("tuple[DERCurve, ...]", fetched.items)
        return {curve.href: curve for curve in curves if curve.href is not None}

    def _default(self, program: DERProgram) -> Steps[DefaultDERControl | None]:
        """Default control of a program; a link to nothing is no default."""
        link = program.default_der_control_link
        if link is None:
            return None
        try:
            return (yield from self.fetcher.get(link.href, DefaultDERControl))
        except RefusedError as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                return None
            raise

    def _retire(self) -> None:
        """Give up programs that are in no list any more, once every list was read."""
        if None in self.known.lists.values():
            return
        there = {mrid for names in self.known.lists.values() for mrid in names or ()}
        for gone in (set(self.known.programs) | self.engine.programs()) - there:
            known = self.known.programs.get(gone)
            seen = Program(mrid=gone, primacy=0 if known is None else known.primacy)
            self.engine.see(seen, (), self.known.server_s)
            self.known.drop_program(gone)

    def _ders(self) -> Steps[None]:
        assert self.known.device is not None
        assert self.known.device.der_list_link is not None
        fetched = yield from self.fetcher.get_list(self.known.device.der_list_link.href, DERList)
        self.known.ders = cast("tuple[DER, ...]", fetched.items)
        self._want(DERS, cast("DERList", fetched.first).poll_rate)

    def _want(self, name: str, poll_rate_s: int | None) -> None:
        rank = RANKS.get(name, _PROGRAMS_RANK)
        rate_s = float(DEFAULT_POLL_RATE_S if poll_rate_s is None else poll_rate_s)
        self.polls.want(name, rank=rank, rate_s=rate_s, now_s=self.known.now_s)

    def _want_link(self, name: str, link: Link | None) -> None:
        """Have an errand done while there is a link for it."""
        if link is None:
            self.polls.forget(name)
        elif name not in self.polls.names():
            self._want(name, None)

    def _note(self, resource: Resource, href: str, name: str) -> None:
        """Remember what may be subscribed to (1: without conditions, 3: either way)."""
        wanted = isinstance(resource, SubscribableResource) and resource.subscribable in (1, 3)
        path = local(self.fetcher.origin, "/", href).partition("?")[0]
        if wanted:
            self.known.subscribable[path] = name
        else:
            self.known.subscribable.pop(path, None)
