"""Releasing over ECHONET Lite: one socket for all devices, as their standard wants it.

The frames are the recipe's; only the transaction ids are the watchdog's own, so that answers
can be told from those the agent was waiting for.
"""

import select
import socket
from collections.abc import Sequence
from typing import Final

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.errand import NO_ANSWER, ROUND_S, Errand, ReleaseState, Verdict
from protocols.echonet_lite.frame import Esv, Frame, decode_frame
from protocols.vocabulary.errors import RemoteProtocolError

SPACING_S: Final = 0.3
"""Longest wait for a device to acknowledge one frame before the next frame goes out."""
_DATAGRAM_BYTES: Final = 2048
_TID_FIRST: Final = 0xF000
_TID_LAST: Final = 0xFFFF
_TID_AT: Final = slice(2, 4)


class ReleaseSocket:
    """Datagrams from the gateway's address; from its port too, if the agent has let go of it.

    Parameters
    ----------
    address, port : str, int
        The gateway's.
    """

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.0)
        self._tid = _TID_FIRST
        self.bound = _bind(self._socket, address, port)

    def send(self, frame: bytes, leased: LeasedDevice) -> int:
        """Send one frame under a transaction id of our own; return that id."""
        self._tid = _TID_FIRST if self._tid >= _TID_LAST else self._tid + 1
        data = bytearray(frame)
        data[_TID_AT] = self._tid.to_bytes(2, "big")
        try:
            self._socket.sendto(data, (leased.address, leased.port))
        except OSError:
            return self._tid  # as good as lost: the round comes again
        return self._tid

    def receive(self, timeout_s: float) -> tuple[Frame, str] | None:
        """Wait for the next frame and its source address; None when the time is up."""
        ready, _, _ = select.select([self._socket], [], [], max(timeout_s, 0.0))
        if not ready:
            return None
        try:
            data, source = self._socket.recvfrom(_DATAGRAM_BYTES)
            return decode_frame(data), source[0]
        except (OSError, RemoteProtocolError):
            return None

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()


def _bind(bound: socket.socket, address: str, port: int) -> str:
    """Bind to the gateway's port, else to any port of its address, else leave it unbound."""
    for candidate in (port, 0):
        try:
            bound.bind((address, candidate))
        except OSError:
            continue
        return "gateway port" if candidate else "ephemeral port"
    return "unbound"


class EchonetReleaser:
    """One release of devices on ECHONET Lite.

    Parameters
    ----------
    wire : ReleaseSocket
        Where frames go and come.
    errand : Errand
        Time left.
    """

    def __init__(self, wire: ReleaseSocket, errand: Errand) -> None:
        self._wire = wire
        self._errand = errand
        self._verdicts: dict[int, Verdict] = {}

    def release(self, devices: Sequence[LeasedDevice]) -> list[Verdict]:
        """Send, read back, and repeat for those missing until the time is up.

        Repeating is safe here, unlike for a setpoint: giving a device back twice moves no
        more energy than doing it once.
        """
        self._verdicts = dict.fromkeys(range(len(devices)), NO_ANSWER)
        while self._errand.goes_on():
            missing = self._unreleased()
            if not missing:
                break
            self._round(devices, missing)
        return [self._verdicts[index] for index in range(len(devices))]

    def _unreleased(self) -> list[int]:
        return [i for i, (state, _) in self._verdicts.items() if state is not ReleaseState.RELEASED]

    def _round(self, devices: Sequence[LeasedDevice], missing: list[int]) -> None:
        steps = max(len(devices[i].frames) for i in missing)
        for step in range(steps):
            pending = {
                self._wire.send(devices[i].frames[step], devices[i]): i
                for i in missing
                if step < len(devices[i].frames)
            }
            self._collect(devices, pending, self._end(SPACING_S))
        pending = {self._wire.send(devices[i].check_frame, devices[i]): i for i in missing}
        end = self._end(ROUND_S)
        self._collect(devices, pending, end)
        while self._goes_on(end) and self._unreleased():
            self._wire.receive(min(end - self._errand.monotonic_s(), 0.1))  # not to hammer it

    def _end(self, most_s: float) -> float:
        return self._errand.monotonic_s() + self._errand.left_s(most_s)

    def _goes_on(self, end: float) -> bool:
        return self._errand.monotonic_s() < end and self._errand.silent()

    def _collect(
        self, devices: Sequence[LeasedDevice], pending: dict[int, int], end: float
    ) -> None:
        while pending and self._goes_on(end):
            received = self._wire.receive(min(end - self._errand.monotonic_s(), 0.1))
            if received is None:
                continue
            frame, source = received
            index = pending.get(frame.tid)
            if index is None or devices[index].address != source:
                continue
            verdict = _judged(devices[index], frame)
            if verdict is not None:
                self._verdicts[index] = verdict
            del pending[frame.tid]


def _judged(leased: LeasedDevice, frame: Frame) -> Verdict | None:
    """Judge an answer; None if it says nothing about the release."""
    if frame.esv in {Esv.SET_C_SNA, Esv.SET_I_SNA, Esv.GET_SNA}:
        refused = " ".join(f"{entry.epc:02X}" for entry in frame.properties)
        return ReleaseState.REFUSED, f"{frame.esv.name} for {refused}"
    if frame.esv is not Esv.GET_RES:
        return None
    found = {bytes((p.epc, len(p.edt))) + p.edt for p in frame.properties}
    if set(_split(leased.expected)) <= found:
        return ReleaseState.RELEASED, leased.restores
    read = " ".join(sorted(entry.hex() for entry in found))
    return ReleaseState.DIFFERENT, f"read back {read}"


def _split(properties: bytes) -> list[bytes]:
    """Cut a row of EPC, PDC, EDT into single properties."""
    found, offset = [], 0
    while offset + 2 <= len(properties):
        end = offset + 2 + properties[offset + 1]
        found.append(properties[offset:end])
        offset = end
    return found
