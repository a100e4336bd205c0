"""Live telemetry of many gateways as MQTT packets, written by column into one block of bytes.

A packet is what :func:`protocols.link.wire.encode` would make of the row, wrapped as an MQTT
3.1.1 PUBLISH with QoS 0; integers are written at full width, which msgpack allows. Packets are
aligned at their ends, so that everything that changes has one place. Pure; called by
:mod:`firmware_sim.fleet.gateways`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from protocols.link.messages import RESOURCE_COLUMNS, SITE_COLUMNS
from protocols.link.topics import TopicKind, Topics
from protocols.link.wire import VERSION
from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.identifiers import JournalId, SiteId

PUBLISH: Final = 0x30
_FIELDS: Final = 7
_ARRAY, _UINT32, _BIN8, _BIN16, _STR8 = 0x90, 0xCE, 0xC4, 0xC5, 0xD9
_SEVEN_BITS, _MORE = 0x7F, 0x80


def publish_packet(topic: str, payload: bytes) -> bytes:
    """MQTT PUBLISH with QoS 0."""
    name = topic.encode("ascii")
    body = len(name).to_bytes(2, "big") + name + payload
    return bytes([PUBLISH]) + remaining_length(len(body)) + body


def remaining_length(length: int) -> bytes:
    """Length of the rest of a packet, seven bits a byte (MQTT 3.1.1, 2.2.3)."""
    digits = bytearray()
    while True:
        length, digit = length >> 7, length & _SEVEN_BITS
        digits.append(digit | (_MORE if length else 0))
        if not length:
            return bytes(digits)


class TelemetryFrames:
    """The packets of one live row of each gateway.

    Parameters
    ----------
    sites, journals : sequence of SiteId, of JournalId
        n gateways; every journal id has the same length, below 256.
    resources : int
        m resources of each.
    """

    def __init__(
        self, sites: Sequence[SiteId], journals: Sequence[JournalId], *, resources: int
    ) -> None:
        columns = len(SITE_COLUMNS) + len(RESOURCE_COLUMNS) * resources
        block = columns * 4
        tail = 5 + 5 + 10 + 10 + 3 + block
        heads = [_head(site, journal, tail) for site, journal in zip(sites, journals, strict=True)]
        longest = max(len(head) for head in heads)
        self._bytes = np.zeros((len(heads), longest + tail), dtype=np.uint8)
        self._begin = [longest - len(head) for head in heads]
        for row, head in enumerate(heads):
            self._bytes[row, self._begin[row] : longest] = np.frombuffer(head, np.uint8)
        marks = iter((longest, longest + 5, longest + 10, longest + 20, longest + 30))
        for mark, code in zip(marks, (_UINT32, _UINT32, _BIN8, _BIN8, _BIN16), strict=True):
            self._bytes[:, mark] = code
        self._sequence = slice(longest + 1, longest + 5)
        self._layout = slice(longest + 6, longest + 10)
        self._bytes[:, [longest + 11, longest + 21]] = 8
        self._time = slice(longest + 12, longest + 20)
        self._signal = slice(longest + 22, longest + 30)
        self._bytes[:, longest + 31 : longest + 33] = np.frombuffer(block.to_bytes(2, "big"), "u1")
        self._values = slice(longest + 33, longest + 33 + block)
        self._width = longest + tail
        self._view = memoryview(self._bytes.reshape(-1).data)

    def write(
        self,
        rows: slice,
        *,
        sequence: int,
        time_s: int,
        signal_ids: IntArray,
        values: npt.NDArray[np.float32],
    ) -> None:
        """Write the changing parts of some gateways' packets.

        Parameters
        ----------
        rows : slice
            Which.
        sequence, time_s : int
            Of the row, the same for all; the layout has version 1.
        signal_ids : IntArray
            Shape (k,).
        values : ndarray of float32
            Shape (k, 6 + 4 m).
        """
        block = self._bytes[rows]
        block[:, self._sequence] = np.frombuffer(sequence.to_bytes(4, "big"), np.uint8)
        block[:, self._layout] = np.frombuffer((1).to_bytes(4, "big"), np.uint8)
        block[:, self._time] = np.frombuffer(time_s.to_bytes(8, "little"), np.uint8)
        block[:, self._signal] = signal_ids.astype("<i8").view(np.uint8).reshape(-1, 8)
        block[:, self._values] = np.ascontiguousarray(values, dtype="<f4").view(np.uint8)

    def packet(self, row: int) -> memoryview:
        """Bytes of one gateway's packet, valid until it is written again."""
        first = row * self._width
        return self._view[first + self._begin[row] : first + self._width]


def _head(site: SiteId, journal: JournalId, tail: int) -> bytes:
    """Everything before the first sequence."""
    name = Topics(site).topic(TopicKind.TELEMETRY).encode("ascii")
    text = journal.encode("ascii")
    payload = bytes([_ARRAY | _FIELDS, VERSION, _STR8, len(text)]) + text
    length = 2 + len(name) + len(payload) + tail
    return (
        bytes([PUBLISH]) + remaining_length(length) + len(name).to_bytes(2, "big") + name + payload
    )
