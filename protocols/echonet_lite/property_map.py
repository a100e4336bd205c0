"""Property maps (EPC 9D, 9E, 9F): which properties a device announces, sets and gets.

Devices are known that send wrong maps, so the count is checked against the content; a driver
that gets an error here probes the EPCs it needs directly.
"""

from collections.abc import Collection
from typing import Final

from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

EPC_MIN: Final = 0x80
EPC_MAX: Final = 0xFF
_FORMAT_2_COUNT_MIN: Final = 16
_FORMAT_2_BYTES: Final = 17
_ROWS: Final = 16
_BITS: Final = 8


def encode_property_map(epcs: Collection[int]) -> bytes:
    """Encode a set of EPCs, format 1 below 16 of them, else format 2.

    Parameters
    ----------
    epcs : collection of int
        0x80..0xFF, in any order; duplicates count once.

    Raises
    ------
    LocalProtocolError
        If an EPC is outside 0x80..0xFF.

    Notes
    -----
    ECHONET Lite Appendix, annex 1 (property map description format).
    """
    unique = sorted(set(epcs))
    if unique and not EPC_MIN <= unique[0] <= unique[-1] <= EPC_MAX:
        raise LocalProtocolError("a property map holds EPCs 80..FF only")
    if len(unique) < _FORMAT_2_COUNT_MIN:
        return bytes((len(unique), *unique))
    rows = bytearray(_ROWS)
    for epc in unique:
        rows[epc & 0x0F] |= 1 << ((epc >> 4) - _BITS)
    return bytes((len(unique), *rows))


def decode_property_map(edt: bytes) -> frozenset[int]:
    """Decode a property map of either format.

    Parameters
    ----------
    edt : bytes
        1..17 bytes: the count, then a list (count < 16) or a bit map (count >= 16).

    Raises
    ------
    RemoteProtocolError
        If the length is wrong, an EPC is below 0x80 or twice there, or the count disagrees
        with the content: then nothing in the map can be trusted.
    """
    if not edt:
        raise RemoteProtocolError("empty property map")
    count = edt[0]
    if count < _FORMAT_2_COUNT_MIN:
        return _decode_list(edt)
    if len(edt) != _FORMAT_2_BYTES:
        raise RemoteProtocolError(f"property map of {count} EPCs in {len(edt)} bytes")
    epcs = frozenset(
        (bit + _BITS) << 4 | row
        for row in range(_ROWS)
        for bit in range(_BITS)
        if edt[1 + row] >> bit & 1
    )
    if len(epcs) != count:
        raise RemoteProtocolError(f"property map says {count} EPCs and holds {len(epcs)}")
    return epcs


def _decode_list(edt: bytes) -> frozenset[int]:
    """Decode format 1: a count below 16 and that many EPCs."""
    count, listed = edt[0], edt[1:]
    epcs = frozenset(listed)
    if len(listed) != count or len(epcs) != count:
        raise RemoteProtocolError(
            f"property map says {count} EPCs and holds {len(epcs)} in {len(listed)} bytes"
        )
    if epcs and min(epcs) < EPC_MIN:
        raise RemoteProtocolError(f"property map holds EPC {min(epcs):02X}")
    return epcs
