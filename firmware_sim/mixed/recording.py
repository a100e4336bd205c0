"""The ground truth of one device: what it was told, and what it really did, as it happened.

Written line by line without a buffer, so that a device that is killed leaves all but its last
step. Lines: ``{"t","born"}`` when it came up, ``{"p":[[t,w],...]}`` powers since the last line,
``{"t","by","ask","low","high","shift"}`` each change of what it was told (``by``: ``request``
or ``itself``).
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.machine import Machine, MachineState

BY_REQUEST: Final = "request"
BY_ITSELF: Final = "itself"

_DECIMALS_S: Final = 4
_DECIMALS_W: Final = 3


class DeviceLog:
    """Writes a device's truth.

    Parameters
    ----------
    path : Path
        Appended to.
    now_s : callable
        Unix time in s.
    stepping : callable
        Whether time is passing just now; what changes then, the device did by itself.
    """

    def __init__(
        self, path: Path, now_s: Callable[[], float], stepping: Callable[[], bool]
    ) -> None:
        self._stream: IO[bytes] = path.open("ab", buffering=0)
        self._now_s = now_s
        self._stepping = stepping
        self._told: dict[str, float | None] = {
            "ask": None,
            "low": None,
            "high": None,
            "shift": None,
        }
        self._samples: list[tuple[float, float]] = []
        self._write({"t": self._time(now_s()), "born": True})

    def told(self, **changes: float | None) -> None:
        """Note what the device was told, if that is something new."""
        after = {**self._told, **changes}
        if after == self._told:
            return
        self._told = after
        by = BY_ITSELF if self._stepping() else BY_REQUEST
        self._write({"t": self._time(self._now_s()), "by": by, **after})

    def sample(self, at_s: float, power_w: float) -> None:
        """Note a power; it is written with :meth:`flush`."""
        self._samples.append((self._time(at_s), round(power_w, _DECIMALS_W)))

    def flush(self) -> None:
        """Write the powers noted since the last time."""
        if self._samples:
            self._write({"p": self._samples})
            self._samples = []

    def close(self) -> None:
        """Close the file."""
        self.flush()
        self._stream.close()

    def _write(self, line: dict[str, object]) -> None:
        self._stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    @staticmethod
    def _time(at_s: float) -> float:
        return round(at_s, _DECIMALS_S)


class RecordedMachine:
    """A machine whose orders are written down.

    Parameters
    ----------
    machine : Machine
        The physics.
    log : DeviceLog
        Where to.
    """

    def __init__(self, machine: Machine, log: DeviceLog) -> None:
        self._machine = machine
        self._log = log

    def ask(self, power_w: float | None) -> None:
        """Order a power, or None for the machine's own default."""
        self._machine.ask(power_w)
        self._log.told(ask=power_w)

    def limit(self, *, power_w_min: float, power_w_max: float) -> None:
        """Bound what it does from now on."""
        self._machine.limit(power_w_min=power_w_min, power_w_max=power_w_max)
        state = self._machine.state()
        low = power_w_min if math.isfinite(power_w_min) else None
        high = power_w_max if math.isfinite(power_w_max) else None
        self._log.told(
            low=None if low is None or low <= state.power_w_min else low,
            high=None if high is None or high >= state.power_w_max else high,
        )

    def shift(self, kelvin: float) -> None:
        """Move the comfort temperature of a climate machine; others have none."""
        move = getattr(self._machine, "shift", None)
        if move is not None:
            move(kelvin)
            self._log.told(shift=kelvin or None)

    def advance(self, span: Span) -> Reading:
        """Let time pass."""
        return self._machine.advance(span)

    def state(self) -> MachineState:
        """Tell what it would tell."""
        return self._machine.state()

    def restart(self) -> None:
        """Lose orders and limits."""
        self._machine.restart()
        self._log.told(ask=None, low=None, high=None, shift=None)
