"""Photovoltaics: what the sun would give, and what the inverter lets through.

Generator frame, so power is >= 0. The irradiance model knows clouds from a seed; a measured
course may stand in for it.
"""

from dataclasses import dataclass

from firmware_sim.physics.noise import smooth
from firmware_sim.physics.ramp import SECONDS_PER_HOUR, clip, ramp_toward
from firmware_sim.physics.sun import clear_sky_w_per_m2, sine_of_elevation

_SLOW_S = 240.0
_FAST_S = 45.0
_EDGE = 0.15
_STANDARD_W_PER_M2 = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """Place, module area and weather.

    Attributes
    ----------
    peak_w : float
        Power under 1000 W/m2, > 0.
    latitude, longitude : float
        Degrees, north and east positive.
    seed : int
        Which clouds pass.
    cloudiness : float
        Share of the sky, 0 (clear) to 1 (overcast).
    cloud_depth : float
        Share of the power that a full cloud takes, 0..1.
    performance : float
        Losses of heat, angle and conversion, 0..1.
    """

    peak_w: float
    latitude: float = 35.68
    longitude: float = 139.77
    seed: int = 0
    cloudiness: float = 0.3
    cloud_depth: float = 0.7
    performance: float = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class PvParameters:
    """The inverter.

    Attributes
    ----------
    power_w_rated : float
        AC rating, > 0.
    ramp_w_per_s : float
        Rate at which an output limit is approached, > 0.
    """

    power_w_rated: float
    ramp_w_per_s: float = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PvState:
    """Power at the end of the last step, its mean, the limit in effect, and counters.

    ``energy_wh_available`` = ``energy_wh_generated`` + ``energy_wh_curtailed``. Before the
    first step ``available_w`` is zero.
    """

    limit_w: float
    available_w: float = 0.0
    power_w: float = 0.0
    mean_w: float = 0.0
    energy_wh_available: float = 0.0
    energy_wh_generated: float = 0.0
    energy_wh_curtailed: float = 0.0


def cloud_factor(sky: Sky, time_s: float) -> float:
    """Share of the clear-sky power that comes through the clouds, 0..1."""
    pattern = 0.7 * smooth(sky.seed, time_s / _SLOW_S) + 0.3 * smooth(
        sky.seed + 1, time_s / _FAST_S
    )
    cover = clip((pattern - (1.0 - sky.cloudiness)) / _EDGE + 0.5, 0.0, 1.0)
    return 1.0 - sky.cloud_depth * cover


def sky_power_w(sky: Sky, time_s: float) -> float:
    """Power the modules offer at a Unix time in s, W."""
    sine = sine_of_elevation(time_s, latitude=sky.latitude, longitude=sky.longitude)
    clear_w = sky.peak_w * sky.performance * clear_sky_w_per_m2(sine) / _STANDARD_W_PER_M2
    return clear_w * cloud_factor(sky, time_s)


def step_pv(
    parameters: PvParameters,
    state: PvState,
    *,
    available_w: float,
    limit_w: float,
    duration_s: float,
) -> PvState:
    """Advance the inverter.

    Parameters
    ----------
    parameters : PvParameters
        The inverter.
    state : PvState
        At the start of the step.
    available_w : float
        What the modules offer at the end of the step, >= 0 W.
    limit_w : float
        Output limit ordered from outside, >= 0 W; the rating applies as well.
    duration_s : float
        > 0 s, short against the clouds: powers are taken as straight lines.

    Returns
    -------
    PvState
        At the end of the step.
    """
    ordered_w = clip(limit_w, 0.0, parameters.power_w_rated)
    end_limit_w, _ = ramp_toward(
        state.limit_w, ordered_w, ramp_w_per_s=parameters.ramp_w_per_s, duration_s=duration_s
    )
    offered_w = max(0.0, available_w)
    power_w = min(offered_w, end_limit_w)
    mean_w = 0.5 * (state.power_w + power_w)
    hours = duration_s / SECONDS_PER_HOUR
    offered_wh = 0.5 * (state.available_w + offered_w) * hours
    return PvState(
        limit_w=end_limit_w,
        available_w=offered_w,
        power_w=power_w,
        mean_w=mean_w,
        energy_wh_available=state.energy_wh_available + offered_wh,
        energy_wh_generated=state.energy_wh_generated + mean_w * hours,
        energy_wh_curtailed=state.energy_wh_curtailed + offered_wh - mean_w * hours,
    )
