"""The ECHONET Lite frame: bytes to :class:`Frame` and back.

What it is: EHD, TID, SEOJ, DEOJ, ESV and the property blocks of format 1 (EHD2 0x81). What it
is not: it knows neither the meaning of a property (:mod:`protocols.echonet_lite.properties`)
nor who may ask for it (:mod:`protocols.echonet_lite.node`). Called by drivers, simulated
devices and the watchdog.
"""

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

PORT: Final = 3610
"""UDP port of every node: the destination of all we send."""

MULTICAST_IPV4: Final = "224.0.23.0"

FRAME_BYTES_MAX: Final = 65_507
"""Largest UDP payload over IPv4; a longer frame cannot have come in one datagram."""

PROPERTIES_MAX: Final = 255
EDT_BYTES_MAX: Final = 255
TID_MAX: Final = 0xFFFF

_EHD1: Final = 0x10
_EHD2_FORMAT_1: Final = 0x81
_EHD2_FORMAT_2: Final = 0x82
_HEADER: Final = struct.Struct(">BBH3s3sB")
_EOJ_BYTES: Final = 3
_BYTE_MAX: Final = 0xFF


class Esv(enum.IntEnum):
    """Service codes, by the specification's names.

    Notes
    -----
    ECHONET Lite Specification 1.13, part II, 3.2.5.
    """

    SET_I_SNA = 0x50
    SET_C_SNA = 0x51
    GET_SNA = 0x52
    INF_SNA = 0x53
    SET_GET_SNA = 0x5E
    SET_I = 0x60
    SET_C = 0x61
    GET = 0x62
    INF_REQ = 0x63
    SET_GET = 0x6E
    SET_RES = 0x71
    GET_RES = 0x72
    INF = 0x73
    INFC = 0x74
    INFC_RES = 0x7A
    SET_GET_RES = 0x7E

    @property
    def has_second_block(self) -> bool:
        """Whether a frame of this service carries a Set block and then a Get block."""
        return self in _TWO_BLOCKS

    @property
    def is_request(self) -> bool:
        """Whether the receiver has to act as a server: 60..63, 6E and INFC."""
        return self in _REQUESTS

    @property
    def is_refusal(self) -> bool:
        """Whether it says "not (fully) done", whatever its PDCs say: 50..53, 5E."""
        return self in _REFUSALS


_TWO_BLOCKS: Final = frozenset({Esv.SET_GET, Esv.SET_GET_RES, Esv.SET_GET_SNA})
_REQUESTS: Final = frozenset({Esv.SET_I, Esv.SET_C, Esv.GET, Esv.INF_REQ, Esv.SET_GET, Esv.INFC})
_REFUSALS: Final = frozenset(
    {Esv.SET_I_SNA, Esv.SET_C_SNA, Esv.GET_SNA, Esv.INF_SNA, Esv.SET_GET_SNA}
)
_ESV_BY_CODE: Final = {int(esv): esv for esv in Esv}


@dataclass(frozen=True, slots=True, order=True)
class Eoj:
    """ECHONET object: class group, class and instance.

    Attributes
    ----------
    group, code : int
        Class group and class code, 0..255 each.
    instance : int
        1..127; 0 addresses every instance of the class.
    """

    group: int
    code: int
    instance: int

    @property
    def class_code(self) -> int:
        """Group and class as one number, for example 0x027D."""
        return self.group << 8 | self.code

    def encode(self) -> bytes:
        """Three bytes as on the wire.

        Raises
        ------
        LocalProtocolError
            If a part does not fit in its byte.
        """
        try:
            return bytes((self.group, self.code, self.instance))
        except ValueError:
            raise LocalProtocolError(f"{self!r} does not fit in 3 bytes") from None

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an object from exactly 3 bytes.

        Raises
        ------
        RemoteProtocolError
            If there are not 3 bytes.
        """
        if len(data) != _EOJ_BYTES:
            raise RemoteProtocolError(f"an EOJ has 3 bytes, got {len(data)}")
        return cls(data[0], data[1], data[2])

    @classmethod
    def of(cls, class_code: int, instance: int) -> Self:
        """Object of a class such as 0x027D and an instance."""
        return cls(class_code >> 8, class_code & _BYTE_MAX, instance)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an object from six hexadecimal digits such as ``"027D01"``.

        Raises
        ------
        LocalProtocolError
            If the text is anything else.
        """
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = b""
        if len(data) != _EOJ_BYTES or len(text) != 2 * _EOJ_BYTES:
            raise LocalProtocolError(f"EOJ {text!r}: use six hexadecimal digits such as 027D01")
        return cls(data[0], data[1], data[2])

    def __str__(self) -> str:
        """Six hexadecimal digits."""
        return f"{self.group:02X}{self.code:02X}{self.instance:02X}"


NODE_PROFILE: Final = Eoj(0x0E, 0xF0, 0x01)
CONTROLLER: Final = Eoj(0x05, 0xFF, 0x01)


@dataclass(frozen=True, slots=True)
class Property:
    """One EPC with its data; ``edt`` is empty (PDC 0) in requests and refusals."""

    epc: int
    edt: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of format 1.

    Attributes
    ----------
    tid : int
        Transaction, 0..65535.
    seoj, deoj : Eoj
        Source and destination object.
    esv : Esv
        Service.
    properties : tuple of Property
        The block, or the Set block of SetGet; 1..255 entries.
    second : tuple of Property
        The Get block of SetGet and its answers, 1..255; empty for every other service.

    Notes
    -----
    A node without SetGet answers 5E with both counts 0, the only frame without properties.
    """

    tid: int
    seoj: Eoj
    deoj: Eoj
    esv: Esv
    properties: tuple[Property, ...]
    second: tuple[Property, ...] = ()


def decode_frame(data: bytes) -> Frame:
    """Decode one datagram.

    Parameters
    ----------
    data : bytes
        The whole datagram.

    Returns
    -------
    Frame
        Every byte of the datagram is accounted for.

    Raises
    ------
    RemoteProtocolError
        Not format 1, unknown service, no property, truncated or longer than its counts say.

    Notes
    -----
    ECHONET Lite Specification 1.13, part II, 3.2. EHD2 0x82 (free format) is refused.
    """
    if not _HEADER.size < len(data) <= FRAME_BYTES_MAX:
        raise RemoteProtocolError(f"a frame cannot have {len(data)} bytes")
    ehd1, ehd2, tid, seoj, deoj, service = _HEADER.unpack_from(data)
    if ehd1 != _EHD1 or ehd2 != _EHD2_FORMAT_1:
        kind = "free format" if (ehd1, ehd2) == (_EHD1, _EHD2_FORMAT_2) else "no ECHONET Lite"
        raise RemoteProtocolError(f"EHD {ehd1:02X}{ehd2:02X}: {kind}")
    esv = _ESV_BY_CODE.get(service)
    if esv is None:
        raise RemoteProtocolError(f"unknown ESV {service:02X}")
    least = 0 if esv is Esv.SET_GET_SNA else 1
    properties, offset = _decode_block(data, _HEADER.size, least)
    second: tuple[Property, ...] = ()
    if esv in _TWO_BLOCKS:
        second, offset = _decode_block(data, offset, least)
    if offset != len(data):
        raise RemoteProtocolError(f"{len(data) - offset} bytes after the last property")
    return Frame(tid, Eoj(*seoj), Eoj(*deoj), esv, properties, second)


def _decode_block(data: bytes, offset: int, least: int) -> tuple[tuple[Property, ...], int]:
    """Read OPC, at least ``least``, and its properties; return them and the next offset."""
    end = len(data)
    if offset >= end:
        raise RemoteProtocolError("truncated before OPC")
    count = data[offset]
    if count < least:
        raise RemoteProtocolError("OPC is 0")
    offset += 1
    found: list[Property] = []
    for _ in range(count):
        if offset + 2 > end:
            raise RemoteProtocolError(f"truncated: OPC {count}, {len(found)} properties present")
        start = offset + 2
        stop = start + data[offset + 1]
        if stop > end:
            raise RemoteProtocolError(f"truncated in EPC {data[offset]:02X}")
        found.append(Property(data[offset], bytes(data[start:stop])))
        offset = stop
    return tuple(found), offset


def encode_frame(frame: Frame) -> bytes:
    """Encode a frame into one datagram.

    Raises
    ------
    LocalProtocolError
        If a field is out of range, a block is missing or not allowed for the service, or the
        result is longer than a datagram.
    """
    if not 0 <= frame.tid <= TID_MAX:
        raise LocalProtocolError(f"TID {frame.tid} is not 0..65535")
    two_blocks = frame.esv in _TWO_BLOCKS
    if frame.second and not two_blocks:
        raise LocalProtocolError(f"{frame.esv.name} has no second block")
    least = 0 if frame.esv is Esv.SET_GET_SNA else 1
    parts = [
        _HEADER.pack(
            _EHD1, _EHD2_FORMAT_1, frame.tid, frame.seoj.encode(), frame.deoj.encode(), frame.esv
        ),
        *_encode_block(frame.properties, least),
    ]
    if two_blocks:
        parts += _encode_block(frame.second, least)
    data = b"".join(parts)
    if len(data) > FRAME_BYTES_MAX:
        raise LocalProtocolError(f"{len(data)} bytes do not fit in a datagram")
    return data


def _encode_block(properties: Sequence[Property], least: int) -> list[bytes]:
    """Encode OPC and the properties."""
    if not least <= len(properties) <= PROPERTIES_MAX:
        raise LocalProtocolError(f"OPC {len(properties)} is not {least}..{PROPERTIES_MAX}")
    parts = [bytes((len(properties),))]
    for entry in properties:
        if not 0 <= entry.epc <= _BYTE_MAX or len(entry.edt) > EDT_BYTES_MAX:
            raise LocalProtocolError(f"EPC {entry.epc:X} with {len(entry.edt)} bytes does not fit")
        parts += (bytes((entry.epc, len(entry.edt))), entry.edt)
    return parts
