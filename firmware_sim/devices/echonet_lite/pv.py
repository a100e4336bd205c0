"""Household photovoltaics, class 0279, over the inverter physics.

Without an output limit (its default after start and restart: A0 = 100 %, A1 = the rating) it
generates what the sky offers. The lower one of A0 (% of the rating) and A1 (W) applies.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from firmware_sim.devices.contract import Reading, Span
from firmware_sim.devices.echonet_lite.edt import clock_values, unsigned
from firmware_sim.devices.echonet_lite.modes import number
from firmware_sim.physics.pv import PvParameters, PvState, step_pv

_CONTROLLED = 0x41
_NOT_CONTROLLED = 0x44
_NON_FIT = 0x42
_SELF_CONSUMPTION = 0x41
_FULL_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PvSettings:
    """What controllers have set: the two limits and the kind of contract."""

    limit_w: float
    limit_percent: int = _FULL_PERCENT
    contract: int = _NON_FIT


class PvDevice:
    """A PV inverter a controller can limit.

    Parameters
    ----------
    parameters : PvParameters
        The inverter.
    sky_w : callable
        Power the modules offer, W, at a time of the simulated world in s.
    world_s : float
        Time of the simulated world at the start, s.
    reverse_flow_allowed : bool
        For the grid connection state (D0); the inverter itself does not look at the meter.
    """

    settable = frozenset({0x81, 0xA0, 0xA1, 0xC1})
    hidden: frozenset[int] = frozenset()

    def __init__(
        self,
        parameters: PvParameters,
        sky_w: Callable[[float], float],
        *,
        world_s: float,
        reverse_flow_allowed: bool,
    ) -> None:
        self._parameters = parameters
        self._sky_w = sky_w
        self._reverse_flow_allowed = reverse_flow_allowed
        self._settings = PvSettings(limit_w=parameters.power_w_rated)
        offered_w = max(0.0, sky_w(world_s))
        self.state = PvState(
            limit_w=parameters.power_w_rated,
            available_w=offered_w,
            power_w=min(offered_w, parameters.power_w_rated),
        )

    def restart(self) -> None:
        """Lose the output limits."""
        self._settings = PvSettings(limit_w=self._parameters.power_w_rated)

    def advance(self, span: Span) -> Reading:
        """Generate what the sky offers and the limit lets through."""
        limited_w = self._limit()
        self.state = step_pv(
            self._parameters,
            self.state,
            available_w=self._sky_w(span.world_s[1]),
            limit_w=span.drift.of(limited_w) if self._is_limited() else limited_w,
            duration_s=span.duration_s,
        )
        return Reading(power_w=self.state.power_w, mean_w=self.state.mean_w)

    def set_property(self, epc: int, edt: bytes) -> bool:
        """Take a limit, see :class:`firmware_sim.devices.echonet_lite.appliance.Appliance`."""
        value, settings = number(edt), self._settings
        changes = {
            0x81: settings,
            0xA0: replace(settings, limit_percent=value),
            0xA1: replace(settings, limit_w=float(value)),
            0xC1: replace(settings, contract=value),
        }
        self._settings = changes.get(epc, settings)
        return epc in changes

    def values(self, wall_s: float) -> dict[int, bytes]:
        """EDT of the class's properties."""
        curtailed = self.state.available_w - self.state.power_w > 1.0
        rated = unsigned(self._parameters.power_w_rated, 2)
        return {
            **clock_values(wall_s),
            0xA0: bytes((self._settings.limit_percent,)),
            0xA1: unsigned(self._settings.limit_w, 2),
            0xC1: bytes((self._settings.contract,)),
            0xC2: bytes((_SELF_CONSUMPTION,)),
            0xC3: rated,
            0xD0: b"\x00" if self._reverse_flow_allowed else b"\x02",
            0xD1: bytes((_CONTROLLED if curtailed else _NOT_CONTROLLED,)),
            0xE0: unsigned(self.state.power_w, 2),
            0xE1: unsigned(self.state.energy_wh_generated, 4),
            0xE3: unsigned(self.state.energy_wh_generated, 4),
            0xE8: rated,
        }

    @property
    def asked_w(self) -> float | None:
        """Output limit in force, W; None without one."""
        return self._limit() if self._is_limited() else None

    def _is_limited(self) -> bool:
        """Whether an output limit below the rating is set."""
        return self._limit() < self._parameters.power_w_rated

    def _limit(self) -> float:
        """Output limit in force, W."""
        rated_w = self._parameters.power_w_rated
        share_w = self._settings.limit_percent / _FULL_PERCENT * rated_w
        return min(self._settings.limit_w, share_w, rated_w)
