"""What the loop waits for between two cycles."""

import asyncio
import enum


class Woken(enum.Enum):
    """Why a wait ended."""

    SLOT = "slot"
    SIGNAL = "signal"
    STOP = "stop"


async def wait_for_slot(stop: asyncio.Event, signal: asyncio.Event, wait_s: float) -> Woken:
    """Wait for the next slot, unless a stop or a dispatch signal comes first.

    Parameters
    ----------
    stop, signal : asyncio.Event
        Set by the program's end, and by the inbox.
    wait_s : float
        Time to the slot, s.
    """
    waiting = [asyncio.create_task(event.wait()) for event in (stop, signal)]
    try:
        await asyncio.wait(waiting, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    if stop.is_set():
        return Woken.STOP
    return Woken.SIGNAL if signal.is_set() else Woken.SLOT
