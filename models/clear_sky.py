"""Where the sun stands, and what a clear sky gives: small, pure, good to a few per cent.

Not a weather model: the measured ratio to the clear sky carries clouds, tilt and dirt. Called by
the gateway and by the features of a site; needs only numpy.
"""

from datetime import UTC, datetime, timedelta

import numpy as np

from protocols.vocabulary.arrays import FloatArray

DAYS_PER_YEAR = 365.25
SECONDS_PER_DAY = 86_400.0
DEGREES_PER_HOUR = 15.0
HAURWITZ_W_PER_M2 = 1098.0
HAURWITZ_EXTINCTION = 0.057
STANDARD_W_PER_M2 = 1000.0
LOWEST_COSINE = 1e-3
"""Below this cosine of the zenith angle it is night."""


def cosine_of_zenith(
    start: datetime, step_s: float, count: int, *, latitude: float, longitude: float
) -> FloatArray:
    """Cosine of the sun's zenith angle at the middle of each step.

    Parameters
    ----------
    start : datetime
        Start of the first step, aware UTC.
    step_s, count : float, int
        Length in s and number of the steps.
    latitude, longitude : float
        Degrees, north and east positive.

    Returns
    -------
    FloatArray
        Shape (count,), -1..1; negative at night.

    Notes
    -----
    Fourier series of Spencer (1971) for declination and equation of time.
    """
    first = start.astimezone(UTC)
    year = datetime(first.year, 1, 1, tzinfo=UTC)
    offset_s = (first - year) / timedelta(seconds=1)
    seconds = offset_s + step_s * (np.arange(count) + 0.5)
    angle = 2.0 * np.pi * (seconds / SECONDS_PER_DAY) / DAYS_PER_YEAR
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2 * angle)
        + 0.000907 * np.sin(2 * angle)
        - 0.002697 * np.cos(3 * angle)
        + 0.00148 * np.sin(3 * angle)
    )
    equation_h = (24.0 / (2.0 * np.pi)) * (
        0.000075
        + 0.001868 * np.cos(angle)
        - 0.032077 * np.sin(angle)
        - 0.014615 * np.cos(2 * angle)
        - 0.040849 * np.sin(2 * angle)
    )
    solar_h = (seconds % SECONDS_PER_DAY) / 3600.0 + longitude / DEGREES_PER_HOUR + equation_h
    hour_angle = np.radians(DEGREES_PER_HOUR * (solar_h - 12.0))
    north = np.radians(latitude)
    height = np.sin(north) * np.sin(declination)
    return np.asarray(height + np.cos(north) * np.cos(declination) * np.cos(hour_angle))


def clear_irradiance(cosine: FloatArray) -> FloatArray:
    """Global horizontal irradiance under a clear sky.

    Parameters
    ----------
    cosine : FloatArray
        Cosine of the zenith angle.

    Returns
    -------
    FloatArray
        W/m², 0 at night.

    Notes
    -----
    Haurwitz (1945): 1098 cos z exp(-0.057 / cos z).
    """
    up = np.maximum(cosine, LOWEST_COSINE)
    value = HAURWITZ_W_PER_M2 * up * np.exp(-HAURWITZ_EXTINCTION / up)
    return np.where(cosine > LOWEST_COSINE, value, 0.0)


def clear_power(cosine: FloatArray, *, peak_w: float) -> FloatArray:
    """Power in W of a flat PV system of a rated peak under a clear sky."""
    return clear_irradiance(cosine) / STANDARD_W_PER_M2 * peak_w
