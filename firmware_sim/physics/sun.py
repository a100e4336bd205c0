"""Where the sun stands and what falls on the ground without clouds."""

import math

_DAY_S = 86_400.0
_YEAR_DAYS = 365.2425
_TILT_RAD = math.radians(23.44)
_EQUINOX_DAY = 79.3
"""Days from 1 January to the March equinox, mean of the leap cycle."""


def sine_of_elevation(time_s: float, *, latitude: float, longitude: float) -> float:
    """Sine of the sun's elevation; below zero at night.

    Parameters
    ----------
    time_s : float
        Unix time in s.
    latitude, longitude : float
        Degrees, north and east positive.

    Notes
    -----
    Mean orbit with the equation of time; within about one degree, enough for a profile.
    """
    day = (time_s / _DAY_S) % _YEAR_DAYS
    season = 2.0 * math.pi * (day - _EQUINOX_DAY) / _YEAR_DAYS
    declination = math.asin(math.sin(_TILT_RAD) * math.sin(season))
    equation_min = 9.87 * math.sin(2.0 * season) - 7.67 * math.sin(season + math.radians(78.7))
    solar_s = time_s + longitude * 240.0 + equation_min * 60.0
    hour_angle = 2.0 * math.pi * ((solar_s / _DAY_S) % 1.0 - 0.5)
    phi = math.radians(latitude)
    return math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(
        hour_angle
    )


def clear_sky_w_per_m2(sine: float) -> float:
    """Global irradiance on the level under a clear sky, W/m2.

    Parameters
    ----------
    sine : float
        Sine of the sun's elevation.

    Notes
    -----
    Haurwitz, Insolation in relation to cloudiness and cloud density, 1945.
    """
    return 1098.0 * sine * math.exp(-0.057 / sine) if sine > 0.0 else 0.0
