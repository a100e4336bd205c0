"""Modbus/TCP requests as bytes, for whoever must send them without a client. Pure.

Notes
-----
MODBUS Messaging on TCP/IP Implementation Guide V1.0b; MODBUS Application Protocol V1.1b3.
"""

import struct
from typing import Final

READ_HOLDING: Final = 3
READ_INPUT: Final = 4
WRITE_ONE: Final = 6
WRITE_MULTIPLE: Final = 16
READ_MAX: Final = 125
"""Most registers of one answer."""
WRITE_MAX: Final = 123
"""Most registers of one write."""


def read_request(unit: int, function: int, *, address: int, count: int) -> bytes:
    """Whole request for registers; the transaction number is 0, the sender's to set."""
    return _framed(unit, struct.pack(">BHH", function, address, count))


def write_request(unit: int, *, address: int, data: bytes, single: bool = False) -> bytes:
    """Whole request that writes registers by FC16, or one by FC6 if ``single``."""
    if single:
        return _framed(unit, struct.pack(">BH", WRITE_ONE, address) + data)
    count = len(data) // 2
    return _framed(unit, struct.pack(">BHHB", WRITE_MULTIPLE, address, count, len(data)) + data)


def _framed(unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", 0, 0, len(pdu) + 1, unit) + pdu
