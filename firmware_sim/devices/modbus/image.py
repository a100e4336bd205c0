"""The registers of one simulated unit, and how requests for them are answered. Pure."""

import enum
import struct
from collections.abc import Callable, Iterable
from typing import Final

READ_MAX: Final = 125
WRITE_MAX: Final = 123
_EXCEPTION: Final = 0x80
_READ_INPUT: Final = 4
_FIXED_BYTES: Final = 5
"""Function, address, and a count or value: what every request here begins with."""


class Refusal(enum.IntEnum):
    """Exception codes of the specification that devices here use."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4
    BUSY = 6
    NO_TARGET = 11


class Registers:
    """Holding and input registers, as far as there are any.

    Attributes
    ----------
    holding, input : dict of int to int
        Value by 0-based address; what is missing is refused.
    writable : set of int
        Holding registers that may be written.
    single_writes : bool
        One register a write (FC6), nothing else.
    """

    def __init__(self) -> None:
        self.holding: dict[int, int] = {}
        self.input: dict[int, int] = {}
        self.writable: set[int] = set()
        self.single_writes = False

    def put(self, address: int, data: bytes, *, space: str = "holding") -> None:
        """Set registers from bytes, high byte first."""
        bank = self.input if space == "input" else self.holding
        for index in range(0, len(data), 2):
            bank[address + index // 2] = int.from_bytes(data[index : index + 2], "big")

    def get(self, address: int, count: int, *, space: str = "holding") -> bytes:
        """Return registers as bytes; KeyError if one is not there."""
        bank = self.input if space == "input" else self.holding
        return b"".join(bank[at].to_bytes(2, "big") for at in range(address, address + count))

    def drop(self, addresses: Iterable[int]) -> None:
        """Have these holding registers no longer."""
        for address in addresses:
            self.holding.pop(address, None)


Writer = Callable[[int, bytes], Refusal | None]
"""Takes the first address and the registers of a write; says why it refuses, or None."""


def serve(pdu: bytes, registers: Registers, write: Writer) -> bytes:
    """Answer one request.

    Parameters
    ----------
    pdu : bytes
        Function code and data, not empty.
    registers : Registers
        What is there.
    write : callable
        Called with a write that is formally right and hits writable registers only.

    Notes
    -----
    MODBUS Application Protocol V1.1b3, 6.3, 6.4, 6.6 and 6.12; anything else is exception 1.
    """
    function = pdu[0]
    handler = {3: _read, 4: _read, 6: _write_one, 16: _write_many}.get(function)
    if handler is None or (handler is _write_many and registers.single_writes):
        return refusal(function, Refusal.FUNCTION)
    answer = handler(pdu, registers, write)
    return refusal(function, answer) if isinstance(answer, Refusal) else answer


def refusal(function: int, code: Refusal) -> bytes:
    """Exception response."""
    return bytes((function | _EXCEPTION, code))


def is_write(pdu: bytes) -> bool:
    """Whether a request would change something."""
    return pdu[0] in {5, 6, 15, 16, 22, 23}


def pretence(pdu: bytes) -> bytes:
    """Answer as if a write had been done."""
    return pdu[:5]


def _read(pdu: bytes, registers: Registers, write: Writer) -> bytes | Refusal:
    del write
    if len(pdu) != _FIXED_BYTES:
        return Refusal.VALUE
    address, count = struct.unpack(">HH", pdu[1:])
    if not 1 <= count <= READ_MAX:
        return Refusal.VALUE
    try:
        data = registers.get(address, count, space="input" if pdu[0] == _READ_INPUT else "holding")
    except KeyError:
        return Refusal.ADDRESS
    return bytes((pdu[0], len(data))) + data


def _write_one(pdu: bytes, registers: Registers, write: Writer) -> bytes | Refusal:
    if len(pdu) != _FIXED_BYTES:
        return Refusal.VALUE
    refused = _written(registers, write, address=int.from_bytes(pdu[1:3], "big"), data=pdu[3:])
    return pdu if refused is None else refused


def _write_many(pdu: bytes, registers: Registers, write: Writer) -> bytes | Refusal:
    if len(pdu) <= _FIXED_BYTES:
        return Refusal.VALUE
    address, count, size = struct.unpack(">HHB", pdu[1:6])
    if not 1 <= count <= WRITE_MAX or size != 2 * count or len(pdu) != 6 + size:
        return Refusal.VALUE
    refused = _written(registers, write, address=address, data=pdu[6:])
    return pdu[:5] if refused is None else refused


def _written(registers: Registers, write: Writer, *, address: int, data: bytes) -> Refusal | None:
    if not registers.writable.issuperset(range(address, address + len(data) // 2)):
        return Refusal.ADDRESS
    return write(address, data)
