"""Asks each ECHONET device once whether it is there: a Get of its operation status (EPC 80).

For a site whose agent does not run; a running agent's own readings say more. Devices on other
protocols are asked with ``edge-agent devices probe``.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_agent.config.site import SiteConfig
from protocols.echonet_lite.frame import Eoj, Esv, Frame, Property, decode_frame, encode_frame
from protocols.vocabulary.errors import RemoteProtocolError

OPERATION_STATUS: Final = 0x80
DATAGRAMS_MAX: Final = 10_000
TIMEOUT_S: Final = 2.0
"""Where the configuration names none."""
_CONTROLLER: Final = Eoj(0x05, 0xFF, 0x01)
_DATAGRAM_BYTES: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Whether a device answered, and what."""

    device_id: str
    ok: bool
    detail: str


def port_fault(config: SiteConfig) -> str:
    """Say why the gateway's port cannot be had; empty if it can."""
    echonet = config.echonet
    if echonet is None:
        return ""
    where = f"UDP {echonet.address}:{echonet.port}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        try:
            endpoint.bind((echonet.address, echonet.port))
        except OSError as error:
            return f"{where}: {error.strerror}"
    return ""


def reach(config: SiteConfig, monotonic_ns: Callable[[], int]) -> tuple[Reached, ...]:
    """Ask every ECHONET device, all at once, and wait for the configured time-out.

    Parameters
    ----------
    config : SiteConfig
        The site.
    monotonic_ns : callable
        Monotonic time.

    Raises
    ------
    OSError
        If the gateway's port cannot be had.
    """
    echonet, devices = config.echonet, config.devices_of("echonet-lite")
    if echonet is None:
        return ()
    answers: dict[tuple[str, Eoj], str] = {}
    timeout_s = echonet.timeout_s or TIMEOUT_S
    deadline_ns = monotonic_ns() + round(timeout_s * 1e9)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind((echonet.address, echonet.port))
        for number, device in enumerate(devices, start=1):
            request = Frame(
                tid=number,
                seoj=_CONTROLLER,
                deoj=Eoj.parse(device.eoj),
                esv=Esv.GET,
                properties=(Property(OPERATION_STATUS),),
            )
            endpoint.sendto(encode_frame(request), (device.address, echonet.port))
        for _ in range(DATAGRAMS_MAX):
            left_s = (deadline_ns - monotonic_ns()) / 1e9
            if left_s <= 0.0 or len(answers) == len(devices):
                break
            endpoint.settimeout(left_s)
            try:
                data, (address, _port) = endpoint.recvfrom(_DATAGRAM_BYTES)
                frame = decode_frame(data)
            except TimeoutError:
                break
            except RemoteProtocolError:
                continue
            if frame.esv in {Esv.GET_RES, Esv.GET_SNA}:
                refused = frame.esv is Esv.GET_SNA
                answers[address, frame.seoj] = "answers, but refused" if refused else "answers"
    return tuple(
        _reached(
            device.device_id,
            answers.get((device.address, Eoj.parse(device.eoj))),
            f"no answer from {device.address} within {timeout_s:g} s",
        )
        for device in devices
    )


def _reached(device_id: str, answer: str | None, silence: str) -> Reached:
    return Reached(device_id=device_id, ok=answer is not None, detail=answer or silence)
