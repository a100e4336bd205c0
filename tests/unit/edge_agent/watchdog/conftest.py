"""Devices on real sockets that give themselves back: a Modbus register, a BACnet object."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

HOST = "127.8.9.11"


class ModbusUnit:
    """A register map behind a TCP port: FC 3, 6 and 16, one connection after the other."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self.registers: dict[int, int] = {40: 0, 41: 0}
        self.exception = 0
        self.deaf = False
        self.silent_for = 0
        self.stray = False
        self.in_parts = False
        self.units: set[int] = set()
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._thread.join(2.0)
        self._listener.close()

    def _serve(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                link, _ = self._listener.accept()
                with link, contextlib.suppress(OSError):
                    self._talk(link)

    def _talk(self, link: socket.socket) -> None:
        link.settimeout(0.5)
        while not self._ended:
            header = link.recv(7, socket.MSG_WAITALL)
            if len(header) < 7:
                return
            pdu = link.recv(int.from_bytes(header[4:6], "big") - 1, socket.MSG_WAITALL)
            self.units.add(header[6])
            if self.silent_for:
                self.silent_for -= 1
                continue
            answer = self._answer(pdu)
            if self.stray:
                stray = b"\x00\x01" + header[2:4]
                link.sendall(stray + (len(answer) + 1).to_bytes(2, "big") + header[6:] + answer)
            whole = header[:4] + (len(answer) + 1).to_bytes(2, "big") + header[6:] + answer
            if self.in_parts:
                link.sendall(whole[:5])
                whole = whole[5:]
            link.sendall(whole)

    def _answer(self, pdu: bytes) -> bytes:
        function, at = pdu[0], int.from_bytes(pdu[1:3], "big")
        if self.exception:
            return bytes((function | 0x80, self.exception))
        if function == 3:
            count = int.from_bytes(pdu[3:5], "big")
            data = b"".join(self.registers[at + i].to_bytes(2, "big") for i in range(count))
            return bytes((3, len(data))) + data
        if not self.deaf:
            values = pdu[3:5] if function == 6 else pdu[6:]
            for i in range(0, len(values), 2):
                self.registers[at + i // 2] = int.from_bytes(values[i : i + 2], "big")
        return pdu[:5]


class BacnetNode:
    """A device that acknowledges confirmed requests, or refuses them, or says nothing."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self.invokes: list[int] = []
        self.kind = 0x20
        self.silent_for = 0
        self.lies = False
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._thread.join(2.0)
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                data, source = self._socket.recvfrom(1500)
                if self.silent_for:
                    self.silent_for -= 1
                    continue
                invoke = data[8]
                self.requests.append(data[9:])
                self.invokes.append(invoke)
                if self.lies:
                    invoke = (invoke + 7) % 256
                answer = bytes((0x81, 0x0A, 0, 9, 1, 0, self.kind, invoke, 15))
                self._socket.sendto(answer, source)


@pytest.fixture
def modbus() -> Iterator[ModbusUnit]:
    """Serve a register map."""
    unit = ModbusUnit()
    yield unit
    unit.close()


@pytest.fixture
def bacnet() -> Iterator[BacnetNode]:
    """Serve a BACnet device."""
    node = BacnetNode()
    yield node
    node.close()
