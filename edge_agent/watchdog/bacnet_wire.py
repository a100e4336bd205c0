"""Releasing over BACnet/IP: confirmed requests whose acknowledgement is all that can be had.

The frames are whole datagrams; the invoke id is set here, where the APDU has it, and must
come back.
"""

import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.lease_book import LeasedDevice
from edge_agent.watchdog.errand import NO_ANSWER, ROUND_S, Errand, ReleaseState, Verdict

_DATAGRAM_BYTES: Final = 1500
_BVLC_BYTES: Final = 4
_FORWARDED: Final = 0x04
_FORWARDED_BYTES: Final = 10
_DESTINATION: Final = 0x20
_SOURCE: Final = 0x08
_CONFIRMED: Final = 0
_ACKS: Final = frozenset({2, 3})
_REFUSALS: Final = {5: "error", 6: "reject", 7: "abort"}
_INVOKE_AT: Final = 2
"""Offset of the invoke id in a confirmed request's APDU; in every answer it is 1."""


def apdu_offset(datagram: bytes) -> int | None:
    """Find where the APDU begins behind BVLC and NPDU; None if this is no BACnet/IP."""
    if len(datagram) < _BVLC_BYTES + 2 or datagram[0] != 0x81:  # noqa: PLR2004 - BACnet/IP
        return None
    at = _FORWARDED_BYTES if datagram[1] == _FORWARDED else _BVLC_BYTES
    if len(datagram) < at + 2:
        return None
    control = datagram[at + 1]
    at += 2
    for present in (_DESTINATION, _SOURCE):
        if control & present:
            if len(datagram) < at + 3:
                return None
            at += 3 + datagram[at + 2]
    at += 1 if control & _DESTINATION else 0  # the hop count
    return at if at < len(datagram) else None


def release_bacnet(devices: Sequence[LeasedDevice], errand: Errand) -> list[Verdict]:
    """Send each device's requests in turn, and again to those that did not acknowledge."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        errands = [_Errands(leased) for leased in devices]
        release = _Release(wire, errand, errands)
        while errand.goes_on() and release.send():
            release.collect()
    return [one.verdict for one in errands]


@dataclass(slots=True)
class _Errands:
    """What one device is still to acknowledge."""

    leased: LeasedDevice
    done: int = 0
    verdict: Verdict = NO_ANSWER

    def next_frame(self) -> bytes | None:
        """Request to send next; None when all are acknowledged."""
        return self.leased.frames[self.done] if self.done < len(self.leased.frames) else None

    def acknowledged(self) -> None:
        """Go on to the next request."""
        self.done += 1
        if self.done == len(self.leased.frames):
            self.verdict = (ReleaseState.RELEASED, f"{self.leased.restores} (acknowledged)")


class _Release:
    """Rounds of requests and answers over one socket."""

    def __init__(self, wire: socket.socket, errand: Errand, devices: Sequence[_Errands]) -> None:
        self._wire = wire
        self._errand = errand
        self._devices = devices
        self._pending: dict[int, _Errands] = {}
        self._invoke = 0

    def send(self) -> bool:
        """Send the next request to everyone who owes an answer; False if nobody does."""
        self._pending = {}
        for one in self._devices:
            frame = one.next_frame()
            if frame is not None:
                self._invoke = (self._invoke + 1) % 256
                self._pending[self._invoke] = one
                self._send_one(frame, one.leased)
        return bool(self._pending)

    def _send_one(self, frame: bytes, leased: LeasedDevice) -> None:
        at = apdu_offset(frame)
        if at is None or frame[at] >> 4 != _CONFIRMED:
            return  # nothing that can be acknowledged: it stays unanswered, and is told so
        data = bytearray(frame)
        data[at + _INVOKE_AT] = self._invoke
        try:
            self._wire.sendto(data, (leased.address, leased.port))
        except OSError:
            return  # as good as lost: the round comes again

    def collect(self) -> None:
        """Take answers for a round's time; go on at once when all were acknowledged."""
        end_s = self._errand.monotonic_s() + self._errand.left_s(ROUND_S)
        refused = False
        while self._errand.silent() and (left_s := end_s - self._errand.monotonic_s()) > 0.0:
            if not self._pending and not refused:
                return
            ready, _, _ = select.select([self._wire], [], [], min(left_s, 0.1))
            answer = _received(self._wire) if ready else None
            if answer is None:
                continue
            kind, invoke, source = answer
            one = self._pending.get(invoke)
            if one is None or one.leased.address != source:
                continue
            del self._pending[invoke]
            if kind in _ACKS:
                one.acknowledged()
            else:
                refused = True
                one.verdict = (ReleaseState.REFUSED, _REFUSALS[kind])


def _received(wire: socket.socket) -> tuple[int, int, str] | None:
    """Receive an answer's kind, invoke id and source; None for anything else."""
    try:
        data, source = wire.recvfrom(_DATAGRAM_BYTES)
    except OSError:
        return None
    at = apdu_offset(data)
    if at is None or at + 1 >= len(data):
        return None
    kind = data[at] >> 4
    if kind not in _ACKS and kind not in _REFUSALS:
        return None
    return kind, data[at + 1], str(source[0])
