"""The gateway's own server: the pure role, its records, and the devices that may call.

Only configured devices get past the handshake; whoever else shows a certificate of the same
authorities is noted as a stranger, so that a technician finds it. What a request changed is on
the disk before it is answered.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import structlog

from edge_agent.drivers.ieee2030_5.client import Client
from edge_agent.drivers.port import FoundDevice
from edge_agent.transports.role_keeper import RoleKeeper
from protocols.ieee2030_5.identity import lfdi_of_certificate
from protocols.ieee2030_5.server.events import listed_until
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.state import Control, Device, Program
from protocols.sansio.http import HttpReply, HttpRequest
from protocols.sansio.records import Change
from protocols.vocabulary.errors import StoreError
from protocols.vocabulary.intervals import Clock

PRIMACY: Final = 0
"""Of a device's own program: no other program of the gateway is stronger."""
KEPT_S: Final = 60
"""How long a control is kept after it has left its list, for late responses."""
STARTED: Final = 2
"""Status of a Response: the device follows the control."""
STRANGERS_MAX: Final = 32
"""Strangers that are remembered; the oldest makes room."""
_OK: Final = 200

Result = TypeVar("Result")
log = structlog.get_logger(__name__)


class ServerDesk:
    """The server and its clients.

    Parameters
    ----------
    keeper : RoleKeeper
        The role with its records.
    clients : mapping of str to Client
        The configured ones, by LFDI.
    clock : Clock
        Time.
    """

    def __init__(
        self, keeper: RoleKeeper[Server], clients: Mapping[str, Client], clock: Clock
    ) -> None:
        self._keeper = keeper
        self._clients = clients
        self._clock = clock
        self._strangers: OrderedDict[str, FoundDevice] = OrderedDict()

    @property
    def role(self) -> Server:
        """The server, to look at."""
        return self._keeper.role

    def now(self) -> int:
        """Unix time, whole s."""
        return int(self._clock.now().timestamp())

    async def act(self, action: Callable[[Server, int], Result]) -> Result:
        """Do something as the server's operator, durably.

        Raises
        ------
        StoreError
            If the disk refuses; nothing was done then.
        LocalProtocolError
            If the action asks for something impossible.
        """
        now = self.now()

        def both(role: Server) -> tuple[Result, Sequence[Change]]:
            result = action(role, now)
            return result, role.changes()

        return await self._keeper.do(both)

    # --- callers -------------------------------------------------------------------------

    def admits(self, certificate: bytes) -> bool:
        """Whether a certificate (DER) of our authorities may call."""
        lfdi = lfdi_of_certificate(certificate)
        if lfdi in self._clients:
            return True
        if self._strangers.pop(lfdi, None) is None:
            log.info("device.stranger", protocol="ieee2030.5", identity=lfdi)
        self._strangers[lfdi] = FoundDevice(
            address="",
            unit=lfdi,
            identity=lfdi,
            device_id="",
            about="IEEE 2030.5 client, not configured",
        )
        while len(self._strangers) > STRANGERS_MAX:
            self._strangers.popitem(last=False)
        return False

    @property
    def strangers(self) -> tuple[FoundDevice, ...]:
        """Devices that called and are not configured."""
        return tuple(self._strangers.values())

    async def answer(self, request: HttpRequest, address: str) -> HttpReply:
        """Answer a device."""
        now = self.now()
        client = None if request.peer is None else self._clients.get(request.peer.lfdi)
        if client is None:
            return HttpReply(status=403)

        def both(role: Server) -> tuple[tuple[HttpReply, str], Sequence[Change]]:
            outcome = role.answer(request, now)
            return (outcome.reply, outcome.refused), outcome.changes

        try:
            reply, refused = await self._keeper.do(both)
        except StoreError:
            return HttpReply(status=503, headers=(("Retry-After", "5"),))
        if refused:
            log.warning(
                "device_request.refused",
                resource_id=client.resource_id,
                method=request.method,
                path=request.path[:120],
                status=reply.status,
                cause=refused[:200],
            )
        if request.method == "GET" and reply.status == _OK:
            self.note_read(client, request.path)
        client.hear(address)
        return reply

    def note_read(self, client: Client, path: str) -> None:
        """Take note that a client knows what is at an address of its own program."""
        program = self.program_of(client)
        if program is not None and path in {default_path(program), controls_path(program)}:
            client.note_read(path)

    def client_of(self, number: int) -> Client | None:
        """Client that made a subscription."""
        subscriber = self.role.state.subscribers.get(number)
        return None if subscriber is None else self._clients.get(subscriber.owner)

    # --- one device ----------------------------------------------------------------------

    def device_of(self, client: Client) -> Device | None:
        """Its EndDevice."""
        return self.role.devices.find(client.lfdi)

    def program_of(self, client: Client) -> Program | None:
        """Its own program; None until it is registered."""
        device, state = self.device_of(client), self.role.state
        for number in () if device is None else device.assignments:
            assignment = state.assignments.get(number)
            for which in () if assignment is None else assignment.programs:
                return state.programs.get(which)
        return None

    def open_controls(self, client: Client) -> tuple[Control, ...]:
        """Its controls that are in force, the newest last."""
        program, now = self.program_of(client), self.now()
        if program is None:
            return ()
        found = [
            control
            for control in self.role.state.controls.where("program", program.number)
            if is_open(control, now)
        ]
        return tuple(sorted(found, key=lambda control: control.number))

    def answers(self, control: Control) -> frozenset[int]:
        """Statuses with which its device has answered a control."""
        said = self.role.state.answers.where("subject", control.resource.mrid)
        return frozenset(answer.status for answer in said)


def default_path(program: Program) -> str:
    """Address of a program's default control."""
    return f"/derp/{program.number}/dderc"


def controls_path(program: Program) -> str:
    """Address of a program's controls."""
    return f"/derp/{program.number}/derc"


def ends_at(control: Control) -> int:
    """When a control ends by itself, s since 1970."""
    interval = control.resource.interval
    return interval.start + interval.duration


def is_open(control: Control, now: int) -> bool:
    """Whether a control is neither cancelled nor superseded nor over."""
    ended = control.cancelled_at is not None or control.superseded_at is not None
    return not ended and ends_at(control) > now


def tidy(role: Server, program: Program, now: int) -> None:
    """Forget controls that are long over: a device is told something new many times an hour."""
    for control in role.state.controls.where("program", program.number):
        if now < listed_until(control) + KEPT_S:
            continue
        for answer in role.state.answers.where("subject", control.resource.mrid):
            role.state.answers.drop(answer.number)
        role.state.controls.drop(control.number)
