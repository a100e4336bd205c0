"""Releasing over Modbus/TCP: one connection per address, one request at a time.

The frames are whole requests; the transaction id is set here and must come back. An exception
answer is a refusal, a register that reads differently is not released.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.errand import NO_ANSWER, ROUND_S, Errand, ReleaseState, Verdict
from protocols.vocabulary.errors import DeviceRefusedError

CONNECT_S: Final = 1.0
ANSWER_S: Final = 1.0
PAUSE_S: Final = 0.2
"""Before a device that did not do it is asked again."""
_HEADER_BYTES: Final = 7
_LENGTH_MIN: Final = 3
_LENGTH_MAX: Final = 254
_EXCEPTION: Final = 0x80
_TID_FIRST: Final = 0xF000
_TID_LAST: Final = 0xFFFF
_STRAYS_MAX: Final = 8
"""Answers to somebody else's requests that are passed over in one connection."""


@dataclass(slots=True)
class _Connection:
    """One TCP connection, the time left, and the number of its last request."""

    link: socket.socket
    errand: Errand
    tid: int = _TID_FIRST
    until_s: float = 0.0

    def ask(self, frame: bytes) -> bytes:
        """Send a request under a number of our own and return the answer's PDU.

        Raises
        ------
        OSError
            If there is no proper answer in time.
        DeviceRefusedError
            If the device answers with an exception.
        """
        self.tid = _TID_FIRST if self.tid >= _TID_LAST else self.tid + 1
        self.until_s = self.errand.monotonic_s() + self.errand.left_s(ANSWER_S)
        self.link.sendall(self.tid.to_bytes(2, "big") + frame[2:])
        unit, function = frame[6], frame[7]
        for _ in range(_STRAYS_MAX):
            header = self._take(_HEADER_BYTES)
            length = int.from_bytes(header[4:6], "big")
            if header[2:4] != b"\0\0" or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                raise ConnectionError("what comes back is not Modbus")
            pdu = self._take(length - 1)
            if int.from_bytes(header[:2], "big") != self.tid or header[6] != unit:
                continue
            if pdu[0] == function | _EXCEPTION:
                raise DeviceRefusedError(f"exception {pdu[1]} to function {function}")
            if pdu[0] == function:
                return pdu
        raise ConnectionError("only answers to other requests came back")

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            left_s = self.until_s - self.errand.monotonic_s()
            if left_s <= 0.0:
                raise TimeoutError("no answer in time")
            self.link.settimeout(left_s)
            part = self.link.recv(count - len(data))
            if not part:
                raise ConnectionError("the device closed the connection")
            data += part
        return data


def release_modbus(devices: Sequence[LeasedDevice], errand: Errand) -> list[Verdict]:
    """Release the devices behind one address; repeat for those missing until the time is up."""
    verdicts = [NO_ANSWER] * len(devices)
    while errand.goes_on():
        missing = [i for i, (state, _) in enumerate(verdicts) if state is not ReleaseState.RELEASED]
        if not missing:
            break
        began_s = errand.monotonic_s()
        _round(devices, missing, verdicts, errand=errand)
        settled = all(verdicts[i][0] is ReleaseState.RELEASED for i in missing)
        _rest(errand, began_s + ROUND_S if not settled else began_s)
    return verdicts


def _rest(errand: Errand, until_s: float) -> None:
    """Let a device be until its next round."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nothing:
        while errand.goes_on() and (left_s := until_s - errand.monotonic_s()) > 0.0:
            nothing.settimeout(min(left_s, PAUSE_S))
            try:
                nothing.recv(1)
            except OSError:
                continue


def _round(
    devices: Sequence[LeasedDevice],
    missing: Sequence[int],
    verdicts: list[Verdict],
    *,
    errand: Errand,
) -> None:
    first = devices[missing[0]]
    try:
        connect_s = max(errand.left_s(CONNECT_S), 0.05)
        with socket.create_connection((first.address, first.port), timeout=connect_s) as link:
            connection = _Connection(link, errand)
            for index in missing:
                verdicts[index] = _released(connection, devices[index])
    except OSError as error:
        for index in missing:
            if verdicts[index][0] is ReleaseState.SILENT:
                verdicts[index] = (ReleaseState.SILENT, str(error) or "no answer")


def _released(connection: _Connection, leased: LeasedDevice) -> Verdict:
    try:
        for frame in leased.frames:
            connection.ask(frame)
        if not leased.check_frame:
            return ReleaseState.RELEASED, leased.restores
        registers = connection.ask(leased.check_frame)[2:]
    except DeviceRefusedError as refusal:
        return ReleaseState.REFUSED, str(refusal)
    if registers == leased.expected:
        return ReleaseState.RELEASED, leased.restores
    return ReleaseState.DIFFERENT, f"read back {registers.hex()}"
