"""Low-voltage smart meter, class 0288: the site's sum, its counters and half-hour readings.

Counters run in the unit that E1 says (a real meter: 0.1 kWh). E7 has the specification's
sign: + buys. Half-hour readings (EA, EB) are taken by the meter's own clock, Japanese time.
"""

from collections import deque
from dataclasses import dataclass

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.edt import (
    clock_values,
    date_bytes,
    local_time,
    rolling,
    signed,
    unsigned,
)
from firmware_sim.devices.echonet_lite.modes import number
from firmware_sim.physics.meter import MeterState, step_meter

UNITS_WH = {1000.0: 0x00, 100.0: 0x01, 10.0: 0x02, 1.0: 0x03}
"""Counter units in Wh and the code each has in E1."""

_SLOT_S = 1800
_MINUTE_S = 60
_SLOTS_PER_DAY = 48
_DAYS_KEPT = 3
_DAYS_MAX = 99
_DIGITS = 8
_COUNT_BYTES = 4
_MODULUS = 10**_DIGITS
_NO_READING = b"\xff\xff\xff\xfe"
_VOLTAGE_V = 200.0
_TWO_WIRES = b"\x7f\xfe"
_DAY_S = 86_400
_DAY_OF_HISTORY = 0xE5
_JST_S = 9 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Counters at a full minute or half hour, Wh; ``wall_s`` is Unix time in s."""

    wall_s: float
    imported_wh: float
    exported_wh: float


class MeterDevice:
    """The meter a controller reads. The site puts its state in with :meth:`show`.

    Parameters
    ----------
    unit_wh : float
        Unit of the counters, one of :data:`UNITS_WH`.
    start : MeterState
        What the counters stand at.
    """

    settable = frozenset({0x81, 0xE5})
    hidden: frozenset[int] = frozenset()

    def __init__(self, unit_wh: float, start: MeterState) -> None:
        self._unit_wh = unit_wh
        self._day = 0
        self._halves: deque[Stand] = deque(maxlen=_SLOTS_PER_DAY * _DAYS_KEPT)
        self._minute: Stand | None = None
        self._wall_s = 0.0
        self._histories = (b"", b"")
        self.state = start
        self._write_history()

    def restart(self) -> None:
        """Lose the day asked for; counters are kept, as by law."""
        self._day = 0
        self._write_history()

    def show(self, state: MeterState, wall_s: float) -> None:
        """Take the site's sum; at a half hour the counters are written down."""
        self.state = state
        self._wall_s = wall_s
        minute = self._stand(wall_s, _MINUTE_S)
        if self._minute is None or minute.wall_s > self._minute.wall_s:
            self._minute = minute
        half = self._stand(wall_s, _SLOT_S)
        if not self._halves or half.wall_s > self._halves[-1].wall_s:
            self._halves.append(half)
            self._write_history()

    def _stand(self, wall_s: float, slot_s: int) -> Stand:
        """Counters of now under the time of the slot that has just begun."""
        return Stand(
            wall_s=float(int(wall_s) // slot_s * slot_s),
            imported_wh=self.state.energy_wh_imported,
            exported_wh=self.state.energy_wh_exported,
        )

    @property
    def asked_w(self) -> float | None:
        """Nothing can be asked of a meter."""
        return None

    def advance(self, span: Span) -> Reading:
        """Return the truth; where nobody shows the sum, it is made of what the span tells."""
        if self._wall_s < span.end_s:
            summed = step_meter(
                self.state,
                powers_w=(span.others_w,),
                means_w=(0.5 * (self.state.power_w + span.others_w),),
                duration_s=span.duration_s,
            )
            self.show(summed, span.end_s)
        return Reading(power_w=self.state.power_w, mean_w=self.state.mean_w)

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take the day of the history."""
        if epc == _DAY_OF_HISTORY:
            if number(edt) > _DAYS_MAX:
                return False
            self._day = number(edt)
            self._write_history()
        return epc in self.settable

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        imported, exported = self.state.energy_wh_imported, self.state.energy_wh_exported
        amperes = signed(-10.0 * self.state.power_w / _VOLTAGE_V, 2)
        half = self._halves[-1] if self._halves else None
        return {
            **clock_values(wall_s),
            0xD0: self._minute_reading(wall_s),
            0xD3: unsigned(1, 4),
            0xD7: bytes((_DIGITS,)),
            0xE0: self._count(imported),
            0xE1: bytes((UNITS_WH[self._unit_wh],)),
            0xE2: self._histories[0],
            0xE3: self._count(exported),
            0xE4: self._histories[1],
            0xE5: bytes((self._day,)),
            0xE7: signed(-self.state.power_w, 4),
            0xE8: amperes + _TWO_WIRES,
            0xEA: self._reading(half, wall_s, exported=False),
            0xEB: self._reading(half, wall_s, exported=True),
        }

    def _count(self, energy_wh: float) -> bytes:
        """Drum of a counter."""
        return rolling(energy_wh / self._unit_wh, 4, modulus=_MODULUS)

    def _reading(self, half: Stand | None, wall_s: float, *, exported: bool) -> bytes:
        """Date, time and counter of a half hour."""
        local = local_time(half.wall_s if half else wall_s // _SLOT_S * _SLOT_S)
        stamp = date_bytes(local) + bytes((local.hour, local.minute, local.second))
        if half is None:
            return stamp + _NO_READING
        return stamp + self._count(half.exported_wh if exported else half.imported_wh)

    def _minute_reading(self, wall_s: float) -> bytes:
        """Date, time and both counters of a full minute."""
        bought = self._reading(self._minute, wall_s, exported=False)
        sold = self._reading(self._minute, wall_s, exported=True)
        return bought + sold[-_COUNT_BYTES:]

    def _write_history(self) -> None:
        """Encode both histories anew: the half hour or the day asked for has changed."""
        self._histories = (self._history(exported=False), self._history(exported=True))

    def _history(self, *, exported: bool) -> bytes:
        """48 half-hour counters of the day that E5 chose, 0 = today."""
        today = (int(self._wall_s) + _JST_S) // _DAY_S
        midnight_s = (today - self._day) * _DAY_S - _JST_S
        known = {half.wall_s: half for half in self._halves}
        parts = [self._day.to_bytes(2, "big")]
        for slot in range(_SLOTS_PER_DAY):
            half = known.get(float(midnight_s + slot * _SLOT_S))
            wh = None if half is None else (half.exported_wh if exported else half.imported_wh)
            parts.append(_NO_READING if wh is None else self._count(wh))
        return b"".join(parts)
