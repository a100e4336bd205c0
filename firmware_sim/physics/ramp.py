"""A power that moves toward a target at a bounded rate, integrated exactly."""

SECONDS_PER_HOUR = 3600.0


def clip(value: float, low: float, high: float) -> float:
    """Bound a value, in the unit of the value."""
    return min(max(value, low), high)


def ramp_toward(
    power_w: float, target_w: float, *, ramp_w_per_s: float, duration_s: float
) -> tuple[float, float]:
    """Move a power toward a target.

    Parameters
    ----------
    power_w, target_w : float
        W, any frame, the same for both.
    ramp_w_per_s : float
        Greatest rate, > 0.
    duration_s : float
        Length of the step in s, > 0.

    Returns
    -------
    tuple of float
        Power at the end of the step and its mean over the step, W.
    """
    change_w = target_w - power_w
    reach_s = abs(change_w) / ramp_w_per_s
    if reach_s >= duration_s:
        step_w = ramp_w_per_s * duration_s * (1.0 if change_w > 0.0 else -1.0)
        return power_w + step_w, power_w + 0.5 * step_w
    mean_w = target_w - 0.5 * change_w * (reach_s / duration_s)
    return target_w, mean_w
