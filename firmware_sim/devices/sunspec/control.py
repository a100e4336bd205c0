"""What a SunSpec device does when its control registers are written, and when time passes.

Reversion timers start with every write that leaves a function enabled and end as the
specification says: the function is disabled, or goes on with its reversion value where that
is enabled. Works on the registers themselves; the machine is told afterwards.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from firmware_sim.devices.machine import Machine
from firmware_sim.devices.sunspec.values import Plate

_ON: Final = 1.0
_PERCENT: Final = 100.0
_CHARGE, _DISCHARGE = 1, 2
_NARROW: Final = 0.05


class Cells(Protocol):
    """Points of one device's registers."""

    def number(self, model_id: int, name: str) -> float | None:
        """Value of a point; None if it is not implemented."""

    def put(self, model_id: int, name: str, value: float) -> None:
        """Set a point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function with a reversion timer.

    Attributes
    ----------
    model_id : int
        Where it stands.
    enable, value, seconds : str
        Points that switch it on, set it and time it.
    reverts : tuple of str
        Points of the reversion's enable, reversion value and remaining time, where there are.
    """

    model_id: int
    enable: str
    value: str
    seconds: str
    reverts: tuple[str, str, str] | None


FUNCTIONS: Final = (
    Function(
        model_id=704,
        enable="WSetEna",
        value="WSet",
        seconds="WSetRvrtTms",
        reverts=("WSetEnaRvrt", "WSetRvrt", "WSetRvrtRem"),
    ),
    Function(
        model_id=704,
        enable="WMaxLimPctEna",
        value="WMaxLimPct",
        seconds="WMaxLimPctRvrtTms",
        reverts=("WMaxLimPctEnaRvrt", "WMaxLimPctRvrt", "WMaxLimPctRvrtRem"),
    ),
    Function(
        model_id=123,
        enable="WMaxLim_Ena",
        value="WMaxLimPct",
        seconds="WMaxLimPct_RvrtTms",
        reverts=None,
    ),
    Function(
        model_id=124,
        enable="StorCtl_Mod",
        value="OutWRte",
        seconds="InOutWRte_RvrtTms",
        reverts=None,
    ),
)

STARTING: Final[dict[int, dict[str, float]]] = {
    123: {
        **dict.fromkeys(("Conn_WinTms", "Conn_RvrtTms", "WMaxLimPct_RvrtTms", "WMaxLim_Ena"), 0.0),
        **{"Conn": 1.0, "WMaxLimPct": 100.0, "OutPFSet_Ena": 0.0, "VArPct_Ena": 0.0},
    },
    124: {
        **dict.fromkeys(("StorCtl_Mod", "InOutWRte_RvrtTms"), 0.0),
        **dict.fromkeys(("OutWRte", "InWRte"), 100.0),
    },
    704: {
        **dict.fromkeys(("WMaxLimPctEna", "WMaxLimPctEnaRvrt", "WMaxLimPctRvrtTms"), 0.0),
        **dict.fromkeys(("WMaxLimPct", "WMaxLimPctRvrt"), 100.0),
        **dict.fromkeys(("WSetEna", "WSetEnaRvrt", "WSetRvrtTms", "WSet", "WSetRvrt"), 0.0),
        **dict.fromkeys(("WSetPct", "WSetPctRvrt", "WSetRvrtRem", "WMaxLimPctRvrtRem"), 0.0),
        **{"WSetMod": 1.0, "PFWInjEna": 0.0, "PFWAbsEna": 0.0, "VarSetEna": 0.0},
    },
}
"""Settings after power comes back."""
TIMERS: Final = frozenset({(f.model_id, f.seconds) for f in FUNCTIONS})


def sane(cells: Cells, model_id: int) -> bool:
    """Whether a model's control registers hold what the device can take."""
    choices: dict[int, dict[str, set[float]]] = {
        123: {"WMaxLim_Ena": {0.0, 1.0}, "Conn": {0.0, 1.0}},
        124: {"StorCtl_Mod": {0.0, 1.0, 2.0, 3.0}, "ChaGriSet": {0.0, 1.0}},
        704: {name: {0.0, 1.0} for name in ("WSetEna", "WSetMod", "WMaxLimPctEna")},
    }
    for name, allowed in choices.get(model_id, {}).items():
        if cells.number(model_id, name) not in allowed:
            return False
    percent = cells.number(model_id, "WMaxLimPct") if model_id in {123, 704} else None
    return percent is None or 0.0 <= percent <= _PERCENT


class Timers:
    """Running reversion timers of one device.

    Parameters
    ----------
    cells : Cells
        Its registers.
    functions : tuple of Function
        Those it has.
    """

    def __init__(self, cells: Cells, functions: tuple[Function, ...]) -> None:
        self._cells = cells
        self._functions = functions
        self._left_s: dict[str, float] = {}

    def written(self, model_id: int) -> None:
        """Start anew the timers of a model that was written."""
        for function in self._functions:
            if function.model_id == model_id:
                seconds = self._cells.number(model_id, function.seconds) or 0.0
                if self._enabled(function) and seconds > 0.0:
                    self._left_s[function.enable] = seconds
                else:
                    self._left_s.pop(function.enable, None)
                self._tell(function)

    def advance(self, duration_s: float) -> bool:
        """Let time pass; True if a timer has ended."""
        ended = False
        for function in self._functions:
            if function.enable in self._left_s:
                self._left_s[function.enable] -= duration_s
                if self._left_s[function.enable] <= 0.0:
                    del self._left_s[function.enable]
                    self._revert(function)
                    ended = True
                self._tell(function)
        return ended

    def clear(self) -> None:
        """Stop all of them."""
        self._left_s.clear()

    def _enabled(self, function: Function) -> bool:
        return (self._cells.number(function.model_id, function.enable) or 0.0) > 0.0

    def _revert(self, function: Function) -> None:
        model_id, cells = function.model_id, self._cells
        if function.reverts is not None and cells.number(model_id, function.reverts[0]) == _ON:
            value = cells.number(model_id, function.reverts[1])
            if value is not None:
                cells.put(model_id, function.value, value)
                return
        cells.put(model_id, function.enable, 0.0)

    def _tell(self, function: Function) -> None:
        if function.reverts is not None:
            left_s = max(self._left_s.get(function.enable, 0.0), 0.0)
            self._cells.put(function.model_id, function.reverts[2], float(round(left_s)))


def command(cells: Cells, machine: Machine, plate: Plate) -> None:
    """Tell the machine what the control registers of all models say together."""
    low_w, high_w = -plate.charge_w, plate.discharge_w
    asked_w: float | None = None
    for model_id, enable in ((704, "WMaxLimPctEna"), (123, "WMaxLim_Ena")):
        percent = cells.number(model_id, "WMaxLimPct")
        if cells.number(model_id, enable) == _ON and percent is not None:
            high_w = min(high_w, percent / _PERCENT * plate.rating_w)
    mode = int(cells.number(124, "StorCtl_Mod") or 0.0)
    if mode & _CHARGE:
        low_w = -(cells.number(124, "InWRte") or 0.0) / _PERCENT * plate.charge_w
    if mode & _DISCHARGE:
        high_w = min(high_w, (cells.number(124, "OutWRte") or 0.0) / _PERCENT * plate.discharge_w)
    if low_w >= high_w - _NARROW * plate.rating_w * (mode != 0):
        asked_w = high_w
    if cells.number(704, "WSetEna") == _ON:
        asked_w = min(max(_setpoint_w(cells, plate), -plate.charge_w), high_w)
    machine.limit(power_w_min=min(low_w, 0.0), power_w_max=max(high_w, 0.0))
    machine.ask(asked_w)


def _setpoint_w(cells: Cells, plate: Plate) -> float:
    if cells.number(704, "WSetMod") == _ON:
        return cells.number(704, "WSet") or 0.0
    return (cells.number(704, "WSetPct") or 0.0) / _PERCENT * plate.rating_w
