"""One IEEE 2030.5 server of the coordinator: opened, run, and spoken to by its programs.

What a program gives: addresses, certificates, a book of records, a clock, chance. What it gets:
clients served, notifications sent, and a few typed ways to command devices and to hear them.
"""

import math
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from cloud_coordinator.gateway.ieee2030_5.admin import Admin, procedures_of
from cloud_coordinator.gateway.ieee2030_5.desk import Desk
from cloud_coordinator.gateway.ieee2030_5.ledger import Ledger
from cloud_coordinator.gateway.ieee2030_5.notifier import Notifier
from cloud_coordinator.gateway.ieee2030_5.sockets import Sockets
from cloud_coordinator.gateway.role_keeper import RoleKeeper
from cloud_coordinator.gateway.tls import TlsFiles, client_context, server_context
from protocols.ieee2030_5.server.desk_devices import MeterValue
from protocols.ieee2030_5.server.desk_programs import ControlOrder
from protocols.ieee2030_5.server.server import Server
from protocols.ieee2030_5.server.settings import ServerSettings
from protocols.ieee2030_5.server.state import Answer, Control
from protocols.sansio.records import Change, RecordBook
from protocols.vocabulary.errors import LocalProtocolError, StoreError

OWN_PRIMACY: Final = 1
"""Of the program that commands a single device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What an operator decides.

    Attributes
    ----------
    host, port : str, int
        Where clients connect; 0 takes a free port.
    tls : TlsFiles
        Certificates.
    server : ServerSettings
        Rates and extension.
    admin_host, admin_port : str, int or None
        Where instructions are taken; None for nowhere.
    admin_token : str
        What they have to carry; "" for nothing, on this machine only.
    """

    host: str
    port: int
    tls: TlsFiles
    server: ServerSettings
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    admin_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What is drawn outside.

    Attributes
    ----------
    seed : bytes
        16 octets; a new server keeps them, an old one has its own.
    draw : callable
        Draws from 0..1.
    """

    seed: bytes
    draw: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Ports that were taken."""

    port: int
    admin_port: int | None


class Ieee2030_5Service:  # noqa: N801 - the standard's name
    """A server.

    Parameters
    ----------
    options : ServiceOptions
        From the command line.
    book : RecordBook
        Where its records are.
    clock : callable
        s since 1970.
    chance : Chance
        For its mRIDs and for pauses.
    log : TextIO or None
        Where the JSON lines go.

    Raises
    ------
    ConfigError
        If a certificate is wrong.
    StoreError
        If the records cannot be read.
    """

    def __init__(
        self,
        options: ServiceOptions,
        book: RecordBook,
        *,
        clock: Callable[[], float],
        chance: Chance,
        log: TextIO | None = None,
    ) -> None:
        self._options = options
        self._context: ssl.SSLContext = server_context(options.tls)
        self._ledger = Ledger(log, clock=clock)

        def make(records: Mapping[str, bytes]) -> Server:
            try:
                return Server(records, settings=options.server, drawn=chance.seed)
            except LocalProtocolError as error:
                raise StoreError(str(error)) from error

        self._desk = Desk(RoleKeeper(book, make, told=self._stored), clock=clock)
        self._sockets = Sockets(self._desk)
        self._notifier = Notifier(self._desk, client_context(options.tls), draw=chance.draw)
        self._admin = Admin(
            self._desk,
            procedures_of(book.load()),
            token=options.admin_token,
            told=self._notifier.told,
        )

    def _stored(self, role: Server, changes: Sequence[Change]) -> None:
        self._ledger.stored(role, changes)
        self._notifier.stir()

    async def open(self) -> Where:
        """Listen.

        Raises
        ------
        ConfigError
            If an address cannot be had.
        """
        options = self._options
        port = await self._sockets.open(self._context, options.host, options.port)
        admin_port = None
        if options.admin_port is not None:
            admin_port = await self._admin.open(options.admin_host, options.admin_port)
        return Where(port=port, admin_port=admin_port)

    async def run(self) -> None:
        """Send notifications for ever."""
        await self._notifier.run()

    async def close(self) -> None:
        """End all connections and wait for what is being stored."""
        await self._admin.close()
        await self._sockets.close()
        await self._desk.close()

    async def admit(self, lfdi: str, pin: int | None) -> None:
        """Let a certificate in and register its own device with a program, unless that is known.

        The program is there from the start, for a client looks for programs rarely.

        Parameters
        ----------
        lfdi : str
            Of certificate and device.
        pin : int or None
            As on the wire, with its check digit.

        Raises
        ------
        LocalProtocolError
            If the LFDI is none, or another certificate speaks for the device.
        StoreError
            If it could not be made durable.
        """

        def act(role: Server, now: int) -> None:
            role.devices.grant(lfdi, granted=True)
            device = role.devices.register(lfdi, owner=lfdi, now=now, pin=pin)
            role.programs.own_program(device, primacy=OWN_PRIMACY)

        await self._desk.do(act)

    async def issue(self, lfdi: str, order: ControlOrder, *, primacy: int = OWN_PRIMACY) -> str:
        """Command a device; returns the control's mRID.

        Parameters
        ----------
        lfdi : str
            Of a registered device.
        order : ControlOrder
            What and when.
        primacy : int
            Of the program it goes to; the lower one wins.

        Raises
        ------
        LocalProtocolError
            If the device is not registered, or the order is impossible.
        StoreError
            If it could not be made durable; then there is no such control.
        """

        def act(role: Server, now: int) -> str:
            device = role.devices.find(lfdi)
            if device is None:
                raise LocalProtocolError(f"device {lfdi} is not registered")
            program = role.programs.own_program(device, primacy=primacy)
            return role.programs.issue(program, order, now=now).resource.mrid

        return await self._desk.do(act)

    async def cancel(self, mrid: str) -> None:
        """Cancel a control.

        Raises
        ------
        LocalProtocolError
            If there is none of that mRID.
        StoreError
            If it could not be made durable.
        """

        def act(role: Server, now: int) -> None:
            found = role.state.controls.where("mrid", mrid)
            if not found:
                raise LocalProtocolError(f"no control {mrid}")
            role.programs.cancel(found[0], now=now)

        await self._desk.do(act)

    def responses(self, mrid: str) -> Sequence[Answer]:
        """List what devices have said to a control, in the order they said it."""
        return self._desk.role.state.answers.where("subject", mrid)

    def values(self, lfdi: str) -> Sequence[MeterValue]:
        """Latest values of a device's quantities, in the device's own signs."""
        return tuple(self._desk.role.devices.values(lfdi))

    def controls(self, description: str) -> tuple[Control, ...]:
        """List the controls that were issued with a description, in order."""
        controls = self._desk.role.state.controls.all()
        return tuple(one for one in controls if one.resource.description == description)

    def silent_s(self, lfdi: str) -> float:
        """Time since a device's certificate last called, s."""
        device = self._desk.role.devices.find(lfdi)
        return math.inf if device is None else self._desk.silent_s(device.owner)
