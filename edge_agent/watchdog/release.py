"""Send the release frames and read the devices back, with one plain socket.

Called by the watchdog's loop when the agent is silent. The frames are the recipe's; only the
transaction ids are the watchdog's own, so that answers can be told from those the agent was
waiting for.
"""

import enum
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.recipe import Recipe
from protocols.echonet_lite.frame import Esv, Frame, decode_frame
from protocols.vocabulary.errors import RemoteProtocolError

BUDGET_S: Final = 10.0
"""Longest time for one release of all devices."""
ROUND_S: Final = 1.0
"""Time for the answers of one round before the devices still missing are asked again."""
SPACING_S: Final = 0.3
"""Longest wait for a device to acknowledge one frame before the next frame goes out."""
_DATAGRAM_BYTES: Final = 2048
_TID_FIRST: Final = 0xF000
_TID_LAST: Final = 0xFFFF
_TID_AT: Final = slice(2, 4)


class ReleaseState(enum.Enum):
    """How the release of one device ended."""

    RELEASED = "released"
    DIFFERENT = "different"
    REFUSED = "refused"
    SILENT = "silent"
    HANDED_BACK = "handed-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """What became of one device; ``detail`` is for people."""

    leased: LeasedDevice
    state: ReleaseState
    detail: str


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


class Releaser:
    """One release of everything in a recipe.

    Parameters
    ----------
    wire : ReleaseSocket
        Where frames go and come.
    monotonic_s : callable
        Monotonic time in s.
    silent : callable
        Whether the agent is still silent; when it is back, the rest is its business again.
    """

    def __init__(
        self,
        wire: ReleaseSocket,
        *,
        monotonic_s: Callable[[], float],
        silent: Callable[[], bool],
    ) -> None:
        self._wire = wire
        self._now = monotonic_s
        self._silent = silent
        self._states: dict[int, tuple[ReleaseState, str]] = {}

    def release(self, recipe: Recipe, *, budget_s: float = BUDGET_S) -> list[ReleaseResult]:
        """Send, read back, and repeat for those missing until the budget is spent.

        Repeating is safe here, unlike for a setpoint: giving a device back twice moves no
        more energy than doing it once.
        """
        devices = recipe.devices
        self._states = dict.fromkeys(range(len(devices)), (ReleaseState.SILENT, "no answer"))
        deadline = self._now() + budget_s
        while self._now() < deadline and self._silent():
            missing = self._unreleased()
            if not missing:
                break
            self._round(devices, missing, deadline)
        back = not self._silent()
        return [self._result(leased, i, handed_back=back) for i, leased in enumerate(devices)]

    def _unreleased(self) -> list[int]:
        return [i for i, (state, _) in self._states.items() if state is not ReleaseState.RELEASED]

    def _round(
        self, devices: tuple[LeasedDevice, ...], missing: list[int], deadline: float
    ) -> None:
        steps = max(len(devices[i].frames) for i in missing)
        for step in range(steps):
            pending = {
                self._wire.send(devices[i].frames[step], devices[i]): i
                for i in missing
                if step < len(devices[i].frames)
            }
            self._collect(devices, pending, min(deadline, self._now() + SPACING_S))
        pending = {self._wire.send(devices[i].check_frame, devices[i]): i for i in missing}
        end = min(deadline, self._now() + ROUND_S)
        self._collect(devices, pending, end)
        while self._now() < end and self._silent() and self._unreleased():
            self._wire.receive(min(end - self._now(), 0.1))  # a device is not to be hammered

    def _collect(
        self, devices: tuple[LeasedDevice, ...], pending: dict[int, int], end: float
    ) -> None:
        while pending and self._now() < end and self._silent():
            received = self._wire.receive(min(end - self._now(), 0.1))
            if received is None:
                continue
            frame, source = received
            index = pending.get(frame.tid)
            if index is None or devices[index].address != source:
                continue
            self._judge(devices[index], index, frame)
            del pending[frame.tid]

    def _judge(self, leased: LeasedDevice, index: int, frame: Frame) -> None:
        if frame.esv in {Esv.SET_C_SNA, Esv.SET_I_SNA, Esv.GET_SNA}:
            refused = " ".join(f"{entry.epc:02X}" for entry in frame.properties)
            self._states[index] = (ReleaseState.REFUSED, f"{frame.esv.name} for {refused}")
        elif frame.esv is Esv.GET_RES:
            found = {bytes((p.epc, len(p.edt))) + p.edt for p in frame.properties}
            if set(_split(leased.expected)) <= found:
                self._states[index] = (ReleaseState.RELEASED, leased.restores)
            else:
                read = " ".join(sorted(entry.hex() for entry in found))
                self._states[index] = (ReleaseState.DIFFERENT, f"read back {read}")

    def _result(self, leased: LeasedDevice, index: int, *, handed_back: bool) -> ReleaseResult:
        state, detail = self._states[index]
        if handed_back and state is not ReleaseState.RELEASED:
            state, detail = ReleaseState.HANDED_BACK, "the agent is back"
        return ReleaseResult(leased=leased, state=state, detail=detail)


def _split(properties: bytes) -> list[bytes]:
    """Cut a row of EPC, PDC, EDT into single properties."""
    found, offset = [], 0
    while offset + 2 <= len(properties):
        end = offset + 2 + properties[offset + 1]
        found.append(properties[offset:end])
        offset = end
    return found
