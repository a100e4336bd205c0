"""What a client has learned of its server, and which of it survives a restart.

Programs with their default control and curves are kept, for they hold while the server cannot
be reached; links are not, for they are looked up again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.ieee2030_5.client.clock import ServerClock
from protocols.ieee2030_5.resources.der import DER, DefaultDERControl, DERCurve
from protocols.ieee2030_5.resources.devices import DeviceCapability, EndDevice
from protocols.ieee2030_5.xml import decode, encode
from protocols.sansio.records import Change
from protocols.vocabulary.errors import ProtocolError

_PROGRAM = "program/"
_CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProgram:
    """A program of the server.

    Attributes
    ----------
    mrid : str
        Its name.
    primacy : int
        The lower wins.
    description : str
        For people.
    default : DefaultDERControl or None
        What holds while no event does.
    default_since_s : float
        When the default was seen first, server's time.
    curves : tuple of DERCurve
        That its controls name.
    """

    mrid: str
    primacy: int
    description: str = ""
    default: DefaultDERControl | None = None
    default_since_s: float = 0.0
    curves: tuple[DERCurve, ...] = ()

    def curves_by_href(self) -> dict[str, DERCurve]:
        """Curves by address."""
        return {curve.href: curve for curve in self.curves if curve.href is not None}


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known now.

    Attributes
    ----------
    now_s : float
        Our time of the last answer or call.
    clock : ServerClock
        Of the server.
    clock_heard : bool
        Whether the server was ever asked for it.
    capability : DeviceCapability or None
        The first page.
    device : EndDevice or None
        We ourselves, as the server sees us.
    pin_agrees : bool
        Whether the registration's PIN is ours, or was not compared.
    lists : dict
        By address of a program list: its programs' names; None until it was read.
    programs : dict
        By name.
    ders : tuple of DER
        Ours on the server.
    subscribable : dict
        Address of a resource that may be subscribed to, and the errand that reads it.
    """

    now_s: float = 0.0
    clock: ServerClock = field(default_factory=ServerClock)
    clock_heard: bool = False
    capability: DeviceCapability | None = None
    device: EndDevice | None = None
    pin_agrees: bool = True
    lists: dict[str, frozenset[str] | None] = field(default_factory=dict)
    programs: dict[str, KnownProgram] = field(default_factory=dict)
    ders: tuple[DER, ...] = ()
    subscribable: dict[str, str] = field(default_factory=dict)
    _changed: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def server_s(self) -> float:
        """Server's time now."""
        return self.clock.server_s(self.now_s)

    def set_clock(self, clock: ServerClock) -> None:
        """Take another offset."""
        if clock != self.clock or not self.clock_heard:
            self.clock, self.clock_heard = clock, True
            self.keep(_CLOCK, json.dumps(clock.offset_s).encode())

    def set_program(self, program: KnownProgram) -> None:
        """Take what is known of a program."""
        if self.programs.get(program.mrid) != program:
            self.programs[program.mrid] = program
            self.keep(_PROGRAM + program.mrid, _program_record(program))

    def drop_program(self, mrid: str) -> None:
        """Forget a program that is no longer ours."""
        if self.programs.pop(mrid, None) is not None:
            self.keep(_PROGRAM + mrid, None)

    def keep(self, key: str, value: bytes | None) -> None:
        """Have a record kept."""
        self._changed[key] = value

    def changes(self) -> tuple[Change, ...]:
        """Take what has to be kept since the last call."""
        changed, self._changed = self._changed, {}
        return tuple(Change(key=key, value=value) for key, value in changed.items())


def known_from(records: Mapping[str, bytes]) -> Known:
    """Recall what was known before a restart; a record that cannot be read is left out."""
    known = Known()
    for key, value in records.items():
        try:
            if key == _CLOCK:
                known.clock = ServerClock(offset_s=float(json.loads(value)))
                known.clock_heard = True
            elif key.startswith(_PROGRAM):
                program = _program_of(value)
                known.programs[program.mrid] = program
        except (ValueError, KeyError, TypeError, ProtocolError):
            continue
    return known


def _program_record(program: KnownProgram) -> bytes:
    default = program.default
    return json.dumps(
        {
            "mrid": program.mrid,
            "primacy": program.primacy,
            "description": program.description,
            "default": None if default is None else encode(default).decode(),
            "default_since_s": program.default_since_s,
            "curves": [encode(curve).decode() for curve in program.curves],
        }
    ).encode()


def _program_of(record: bytes) -> KnownProgram:
    read = json.loads(record)
    default = read["default"]
    return KnownProgram(
        mrid=str(read["mrid"]),
        primacy=int(read["primacy"]),
        description=str(read["description"]),
        default=None if default is None else decode(default.encode(), DefaultDERControl),
        default_since_s=float(read["default_since_s"]),
        curves=tuple(decode(curve.encode(), DERCurve) for curve in read["curves"]),
    )
