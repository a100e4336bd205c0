"""A battery through a day: charged from the sun at noon, given back in the evening.

The physics of the simulator are pure steps: parameters, state, a wish and a duration in, the
next state out. Energy is never lost from the account, only to losses that are counted.

Prints::

    00:00   50 %
    06:00   49 %
    12:00   82 %
    18:00   78 %
    24:00    0 %
    taken 5498 Wh, given 9398 Wh, lost 1101 Wh, stored -5000 Wh
"""

import math

from firmware_sim.physics.battery import BatteryParameters, BatteryState, soc, step_battery

BATTERY = BatteryParameters(
    energy_wh_capacity=10_000.0, power_w_charge_max=3000.0, power_w_discharge_max=3000.0
)
STEP_S = 60.0
HOURS, SUNNY, DEAR = 24, range(9, 15), range(17, 23)


def wish_w(hour: int) -> float:
    """Ask for a power by the hour, + toward the grid: charge at noon, give in the evening."""
    if hour in SUNNY:
        return -1200.0
    if hour in DEAR:
        return 2000.0  # more than it has: it tapers off when it is nearly empty
    return 0.0


def main() -> None:
    """Let a day pass in minutes."""
    begin = state = BatteryState(energy_wh=5000.0)
    for minute in range(HOURS * 60 + 1):
        if minute % 360 == 0:
            print(f"{minute // 60:02d}:00  {soc(BATTERY, state):4.0%}".replace("%", " %"))
        if minute < HOURS * 60:
            state = step_battery(BATTERY, state, request_w=wish_w(minute // 60), duration_s=STEP_S)
    taken, given = state.energy_wh_charged, state.energy_wh_discharged
    stored = state.energy_wh - begin.energy_wh
    lost = state.energy_wh_lost
    assert math.isclose(taken, given + lost + stored, abs_tol=1e-3), "energy is accounted for"
    print(f"taken {taken:.0f} Wh, given {given:.0f} Wh, lost {lost:.0f} Wh, stored {stored:.0f} Wh")


if __name__ == "__main__":
    main()
