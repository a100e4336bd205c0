"""Telling a device something over registers, and judging what it did.

The rules that keep a control action honest: what ends it goes first, an answer to a write
only means "received", silence means nothing at all, and nothing is repeated before the device
has been asked. What counts is what the registers say when they are read again.
"""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.drivers.field_device import Carried
from edge_agent.drivers.port import WriteState
from protocols.sunspec.controls import Write
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceTimeoutError,
    RemoteProtocolError,
)

SETTLE_S: Final = 0.3
"""Pause before a setting that reads back differently is read once more."""


class _Sent(enum.Enum):
    """How sending went."""

    TAKEN = "taken"
    REFUSED = "refused"
    SILENT = "silent"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """What can be done with the device, by its orders.

    Attributes
    ----------
    write : callable
        Sends one write; raises as :class:`edge_agent.drivers.sunspec.line.Line`.
    look : callable
        Reads the registers of the setting again; raises in the same way.
    agrees : callable
        Whether what was read last is what was told.
    armed : callable
        Whether the device's timer reads as it was set.
    found : callable
        What was read last, for people.
    """

    write: Callable[[Write], Awaitable[None]]
    look: Callable[[], Awaitable[None]]
    agrees: Callable[[], bool]
    armed: Callable[[], bool]
    found: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is to be told.

    Attributes
    ----------
    arming, setting : sequence of Write
        First what ends it, then what it is.
    proving : bool
        The timer has not shown yet that it exists: read it before anything is enabled.
    detail : str
        For people.
    """

    arming: Sequence[Write]
    setting: Sequence[Write]
    proving: bool
    detail: str


async def tell(telling: Telling, dialog: Dialog, superseded: Callable[[], bool]) -> Carried:
    """Send in order, read back, judge.

    Parameters
    ----------
    telling : Telling
        What.
    dialog : Dialog
        To whom.
    superseded : callable
        Whether a newer wish waits; then nothing more is sent.
    """
    sent, refusal = await _send(telling.arming, dialog, superseded)
    if sent is _Sent.TAKEN and telling.proving and telling.arming:
        if not await _looked(dialog):
            return _carried(WriteState.TIMEOUT, telling, "no answer on reading its timer")
        if not dialog.armed():
            found = dialog.found()
            return _carried(WriteState.REFUSED, telling, f"its timer was not set: {found}")
    if sent is _Sent.TAKEN:
        sent, refusal = await _send(telling.setting, dialog, superseded)
    if sent is _Sent.SUPERSEDED:
        return _carried(WriteState.SUPERSEDED, telling, "a newer setpoint came")
    return await _judge(telling, dialog, sent, refusal=refusal)


async def _send(
    writes: Sequence[Write], dialog: Dialog, superseded: Callable[[], bool]
) -> tuple[_Sent, str]:
    for write in writes:
        if superseded():
            return _Sent.SUPERSEDED, ""
        try:
            await dialog.write(write)
        except DeviceRefusedError as error:
            return _Sent.REFUSED, f"register +{write.offset}: {error}"
        except (DeviceTimeoutError, RemoteProtocolError) as error:
            return _Sent.SILENT, str(error)
    return _Sent.TAKEN, ""


async def _judge(telling: Telling, dialog: Dialog, sent: _Sent, *, refusal: str) -> Carried:
    looked = await _looked(dialog)
    if looked and dialog.agrees():
        notes = {
            _Sent.TAKEN: "",
            _Sent.REFUSED: f"refused ({refusal}), yet reads back as set",
            _Sent.SILENT: "answer lost, reads back as set",
        }
        return _carried(WriteState.DONE, telling, notes[sent])
    if sent is _Sent.REFUSED:
        return _carried(WriteState.REFUSED, telling, refusal)
    if not looked:
        silent = sent is _Sent.SILENT
        state = WriteState.TIMEOUT if silent else WriteState.UNCONFIRMED
        return _carried(state, telling, "no answer on reading back")
    if sent is _Sent.TAKEN:
        await asyncio.sleep(SETTLE_S)
        if await _looked(dialog) and dialog.agrees():
            return _carried(WriteState.DONE, telling, "")
    return _carried(WriteState.UNCONFIRMED, telling, f"reads back {dialog.found()}")


async def _looked(dialog: Dialog) -> bool:
    try:
        await dialog.look()
    except (DeviceTimeoutError, DeviceRefusedError, RemoteProtocolError):
        return False
    return True


def _carried(state: WriteState, telling: Telling, note: str) -> Carried:
    detail = f"{telling.detail}: {note}" if note else telling.detail
    return Carried(state=state, detail=detail)
