"""The agent's heartbeat: 24 bytes in a file, written each cycle, looked at by the watchdog.

A counter and not a time stamp: the watchdog sees that it moves and measures the silence on
its own monotonic clock, so no step of the wall clock ever looks like a dead agent. The page
cache outlives ``kill -9``; nothing is synced, for the watchdog lives on the same machine.
"""

import enum
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEARTBEAT_FILE: Final = "heartbeat"
_RECORD: Final = struct.Struct(">4sIQQ")
_MAGIC: Final = b"VPHB"


class AgentState(enum.IntEnum):
    """What the agent says of itself."""

    RUNNING = 1
    STOPPED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One look at the heartbeat.

    Attributes
    ----------
    state : AgentState
        STOPPED is the mark of a clean stop.
    counter : int
        Moves with each beat.
    pid : int
        Process that wrote it.
    """

    state: AgentState
    counter: int
    pid: int


class Heartbeat:
    """The agent's side. One system call a beat.

    Parameters
    ----------
    state_dir : Path
        Folder shared with the watchdog; made if it is missing.
    """

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        path = state_dir / HEARTBEAT_FILE
        before = read_beat(state_dir)
        self._counter = 0 if before is None else before.counter
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.beat()

    def beat(self) -> None:
        """Say that the agent lives. Call it once a cycle, from the cycle itself."""
        self._write(AgentState.RUNNING)

    def stop(self) -> None:
        """Leave the mark of a clean stop; the watchdog releases what is still held and ends."""
        self._write(AgentState.STOPPED)
        os.close(self._descriptor)

    def _write(self, state: AgentState) -> None:
        self._counter += 1
        record = _RECORD.pack(_MAGIC, state, self._counter, os.getpid())
        os.pwrite(self._descriptor, record, 0)


def read_beat(state_dir: Path) -> Beat | None:
    """Look at the heartbeat; None if there is none or it is not ours."""
    try:
        data = (state_dir / HEARTBEAT_FILE).read_bytes()
    except OSError:
        return None
    if len(data) != _RECORD.size:
        return None
    magic, state, counter, pid = _RECORD.unpack(data)
    if magic != _MAGIC or state not in set(AgentState):
        return None
    return Beat(state=AgentState(state), counter=counter, pid=pid)
