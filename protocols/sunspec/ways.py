"""The ways to command a SunSpec device, each over one control model's registers. Pure.

The active power setpoint and the power limit of model 704, the limit of model 123 and the
storage rates of model 124. Each works on registers as last read (its *block*), so that scale
factors are those in force.
"""

import math
from typing import Final

from protocols.sunspec.controls import Control, Lasting, Ratings, Way, Write
from protocols.sunspec.points import Block, encode
from protocols.vocabulary.errors import LocalProtocolError

_ON: Final = 1
_WATTS: Final = 1
_CHARGE_LIMITED: Final = 1
_DISCHARGE_LIMITED: Final = 2
_EXACT: Final = _CHARGE_LIMITED | _DISCHARGE_LIMITED
_PERCENT: Final = 100.0
_APART: Final = 0.05
"""Rates that leave more than this share between them leave a range, not a power."""
_UINT16_SECONDS_MAX: Final = 0xFFFE
_UINT32_SECONDS_MAX: Final = 0xFFFF_FFFE


class ActivePowerSetpoint:
    """WSet of model 704, with WSetRvrtTms.

    Notes
    -----
    WSetEna, WSetMod and WSet leave in one write: 22 to 25.
    """

    model_id = 704
    first, last = 22, 56
    reverts = True

    def has_timer(self, block: Block) -> bool:
        """WSetRvrtTms is there."""
        return block.implemented("WSetRvrtTms")

    def control(
        self, block: Block, ratings: Ratings, *, power_w: float, lasting: Lasting
    ) -> Control:
        """Reversion, then enable, mode and watts."""
        del ratings
        watts = _encoded(block, "WSet", power_w)
        timer_s = lasting.timer_s(_UINT32_SECONDS_MAX) if self.has_timer(block) else 0
        return Control(
            arming=self._arming(block, lasting, timer_s),
            setting=(Write(22, _u16(_ON) + _u16(_WATTS) + watts),),
            power_w=_decoded(block, "WSet", watts),
            timer_s=timer_s,
        )

    def release(self) -> Control:
        """WSetEna = 0."""
        return Control(arming=(), setting=(Write(22, _u16(0)),), power_w=None, timer_s=0)

    def is_released(self, block: Block) -> bool:
        """WSetEna reads 0."""
        return block.number("WSetEna") == 0

    def timer_s(self, block: Block) -> float | None:
        """WSetRvrtTms."""
        return block.number("WSetRvrtTms")

    def set_w(self, block: Block, ratings: Ratings) -> float | None:
        """Watts or percent, as WSetMod says."""
        if block.number("WSetEna") != _ON:
            return None
        if block.number("WSetMod") == _WATTS:
            return block.number("WSet")
        percent = block.number("WSetPct")
        if percent is None:
            return None
        return percent / _PERCENT * (ratings.discharge_w if percent > 0.0 else ratings.charge_w)

    def _arming(self, block: Block, lasting: Lasting, timer_s: int) -> tuple[Write, ...]:
        if not self.has_timer(block):
            return ()
        writes = []
        if lasting.reversion_w is not None:
            writes.append(Write(26, _encoded(block, "WSetRvrt", lasting.reversion_w)))
        enabled = _u16(0 if lasting.reversion_w is None else _ON)
        if block.implemented("WSetEnaRvrt"):
            writes.append(Write(30, enabled + timer_s.to_bytes(4, "big")))
        else:
            writes.append(Write(31, timer_s.to_bytes(4, "big")))
        return tuple(writes)


class ActivePowerLimit:
    """WMaxLimPct of model 704: a limit of generation in percent of the rating."""

    model_id = 704
    first, last = 14, 54
    reverts = True

    def has_timer(self, block: Block) -> bool:
        """WMaxLimPctRvrtTms is there."""
        return block.implemented("WMaxLimPctRvrtTms")

    def control(
        self, block: Block, ratings: Ratings, *, power_w: float, lasting: Lasting
    ) -> Control:
        """Reversion, then enable and percentage."""
        percent = _limit(block, ratings, power_w)
        timer_s = lasting.timer_s(_UINT32_SECONDS_MAX) if self.has_timer(block) else 0
        return Control(
            arming=self._arming(block, ratings, lasting, timer_s=timer_s),
            setting=(Write(14, _u16(_ON) + percent),),
            power_w=_watts(block, ratings, percent),
            timer_s=timer_s,
        )

    def release(self) -> Control:
        """WMaxLimPctEna = 0."""
        return Control(arming=(), setting=(Write(14, _u16(0)),), power_w=None, timer_s=0)

    def is_released(self, block: Block) -> bool:
        """WMaxLimPctEna reads 0."""
        return block.number("WMaxLimPctEna") == 0

    def timer_s(self, block: Block) -> float | None:
        """WMaxLimPctRvrtTms."""
        return block.number("WMaxLimPctRvrtTms")

    def set_w(self, block: Block, ratings: Ratings) -> float | None:
        """Limit in force."""
        if block.number("WMaxLimPctEna") != _ON:
            return None
        percent = block.number("WMaxLimPct")
        return None if percent is None else percent / _PERCENT * ratings.discharge_w

    def _arming(
        self, block: Block, ratings: Ratings, lasting: Lasting, *, timer_s: int
    ) -> tuple[Write, ...]:
        if not self.has_timer(block):
            return ()
        writes = []
        if lasting.reversion_w is not None:
            writes.append(Write(16, _limit(block, ratings, lasting.reversion_w)))
        enabled = _u16(0 if lasting.reversion_w is None else _ON)
        if block.implemented("WMaxLimPctEnaRvrt"):
            writes.append(Write(17, enabled + timer_s.to_bytes(4, "big")))
        else:
            writes.append(Write(18, timer_s.to_bytes(4, "big")))
        return tuple(writes)


class ImmediateLimit:
    """WMaxLimPct of model 123, for inverters before the 700 models."""

    model_id = 123
    first, last = 5, 23
    reverts = False

    def has_timer(self, block: Block) -> bool:
        """WMaxLimPct_RvrtTms is there."""
        return block.implemented("WMaxLimPct_RvrtTms")

    def control(
        self, block: Block, ratings: Ratings, *, power_w: float, lasting: Lasting
    ) -> Control:
        """Reversion time, percentage, enable, each in a write of its own."""
        percent = _limit(block, ratings, power_w)
        timed = self.has_timer(block)
        timer_s = lasting.timer_s(_UINT16_SECONDS_MAX) if timed else 0
        return Control(
            arming=(Write(7, _u16(timer_s)),) if timed else (),
            setting=(Write(5, percent), Write(9, _u16(_ON))),
            power_w=_watts(block, ratings, percent),
            timer_s=timer_s,
        )

    def release(self) -> Control:
        """WMaxLim_Ena = 0."""
        return Control(arming=(), setting=(Write(9, _u16(0)),), power_w=None, timer_s=0)

    def is_released(self, block: Block) -> bool:
        """WMaxLim_Ena reads 0."""
        return block.number("WMaxLim_Ena") == 0

    def timer_s(self, block: Block) -> float | None:
        """WMaxLimPct_RvrtTms."""
        return block.number("WMaxLimPct_RvrtTms")

    def set_w(self, block: Block, ratings: Ratings) -> float | None:
        """Limit in force."""
        if block.number("WMaxLim_Ena") != _ON:
            return None
        percent = block.number("WMaxLimPct")
        return None if percent is None else percent / _PERCENT * ratings.discharge_w


class StorageRates:
    """Both rates of model 124 pressed together: as much as is wanted, no more and no less.

    Notes
    -----
    InWRte bounds charging, in percent of the charge rating; OutWRte bounds discharging. A
    negative bound forces the other direction.
    """

    model_id = 124
    first, last = 5, 25
    reverts = False

    def has_timer(self, block: Block) -> bool:
        """InOutWRte_RvrtTms is there."""
        return block.implemented("InOutWRte_RvrtTms")

    def control(
        self, block: Block, ratings: Ratings, *, power_w: float, lasting: Lasting
    ) -> Control:
        """Reversion time, rates in one write, then the mode that makes them count."""
        out_rate = _rate(block, "OutWRte", power_w, rating_w=ratings.discharge_w)
        in_rate = _rate(block, "InWRte", -power_w, rating_w=ratings.charge_w)
        timed = self.has_timer(block)
        timer_s = lasting.timer_s(_UINT16_SECONDS_MAX) if timed else 0
        return Control(
            arming=(Write(15, _u16(timer_s)),) if timed else (),
            setting=(Write(12, out_rate + in_rate), Write(5, _u16(_EXACT))),
            power_w=_rated(block, ratings, out_rate=out_rate, in_rate=in_rate),
            timer_s=timer_s,
        )

    def release(self) -> Control:
        """StorCtl_Mod = 0."""
        return Control(arming=(), setting=(Write(5, _u16(0)),), power_w=None, timer_s=0)

    def is_released(self, block: Block) -> bool:
        """StorCtl_Mod reads 0."""
        return block.number("StorCtl_Mod") == 0

    def timer_s(self, block: Block) -> float | None:
        """InOutWRte_RvrtTms."""
        return block.number("InOutWRte_RvrtTms")

    def set_w(self, block: Block, ratings: Ratings) -> float | None:
        """Power both rates leave; None unless both count."""
        if block.number("StorCtl_Mod") != _EXACT:
            return None
        return _rated(block, ratings, out_rate=block.raw("OutWRte"), in_rate=block.raw("InWRte"))


def way_of(command: str) -> Way | None:
    """Way of a template's command: ``"704"``, ``"704-limit"``, ``"123"``, ``"124"``."""
    ways: dict[str, Way] = {
        "704": ActivePowerSetpoint(),
        "704-limit": ActivePowerLimit(),
        "123": ImmediateLimit(),
        "124": StorageRates(),
    }
    return ways.get(command)


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _exponent(block: Block, name: str) -> int:
    exponent = block.scale_of(block.layout.points[name])
    if exponent is None:
        raise LocalProtocolError(f"the device states no scale factor for {name}")
    return exponent


def _encoded(block: Block, name: str, value: float) -> bytes:
    return encode(block.layout.points[name], value, _exponent(block, name))


def _decoded(block: Block, name: str, data: bytes) -> float:
    """Value that registers of a point would have with the scale factors of a block."""
    number = int.from_bytes(data, "big", signed=block.layout.points[name].kind.startswith("int"))
    return number * 10.0 ** _exponent(block, name)


def _limit(block: Block, ratings: Ratings, power_w: float) -> bytes:
    """Percentage that is no more than a power: a limit is rounded down."""
    if ratings.discharge_w <= 0.0:
        raise LocalProtocolError("the device states no rating that a percentage could be of")
    percent = min(max(power_w / ratings.discharge_w, 0.0), 1.0) * _PERCENT
    step = 10.0 ** _exponent(block, "WMaxLimPct")
    return _encoded(block, "WMaxLimPct", math.floor(percent / step + 1e-6) * step)


def _watts(block: Block, ratings: Ratings, percent: bytes) -> float:
    return _decoded(block, "WMaxLimPct", percent) / _PERCENT * ratings.discharge_w


def _rate(block: Block, name: str, power_w: float, *, rating_w: float) -> bytes:
    if rating_w <= 0.0:
        if power_w > 0.0:
            raise LocalProtocolError(f"the device states no rating that {name} could be of")
        return _encoded(block, name, 0.0)
    return _encoded(block, name, power_w / rating_w * _PERCENT)


def _rated(block: Block, ratings: Ratings, *, out_rate: bytes, in_rate: bytes) -> float | None:
    """Power that two rates leave; None if they leave a range or a value is missing."""
    if len(out_rate) != len(in_rate) or not out_rate:
        return None
    out_w = _decoded(block, "OutWRte", out_rate) / _PERCENT * ratings.discharge_w
    in_w = _decoded(block, "InWRte", in_rate) / _PERCENT * ratings.charge_w
    if ratings.charge_w > 0.0 and abs(out_w + in_w) > _APART * max(abs(out_w), abs(in_w), 1.0):
        return None
    return out_w if out_w >= in_w else -in_w
