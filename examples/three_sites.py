"""Find the one multiplier at which three sites together give what is asked.

Curves do not fall, so their sum does not either, and there is one lowest price that reaches a
power. What the sites cannot reach is said as a shortfall, never hidden.

Prints::

    5000 W are reached at 15.00 JPY/kWh
      site-001 gives 1500 W
      site-002 gives 3500 W
      site-003 gives 0 W
    20000 W are short of 8000 W, even at 40.00 JPY/kWh
"""

from datetime import UTC, datetime, timedelta

from cloud_coordinator.allocation.curves import aggregate, curve_table
from cloud_coordinator.allocation.dispatch import dispatch
from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve, share

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
HALF_HOUR = Interval(start=START, end=START + timedelta(minutes=30))


def curve(name: str, dearest: float, power_w: float, *, cheapest: float = 0.0) -> OfferCurve:
    """Make a curve from nothing at the cheapest price to everything at the dearest."""
    return OfferCurve(
        site_id=SiteId(name),
        service=Service.SECONDARY_1,
        version=1,
        multipliers=column([cheapest, dearest]),
        power_w=column([0.0, power_w]),
        interval=HALF_HOUR,
    )


def main() -> None:
    """Call 5 kW, then more than there is."""
    curves = [
        curve("site-001", 40.0, 4000.0),
        curve("site-002", 14.0, 3500.0, cheapest=0.0),
        curve("site-003", 40.0, 4500.0, cheapest=30.0),
    ]
    total = aggregate(curve_table(curves))
    call = dispatch(total, 5000.0)
    print(f"{call.reached_w:.0f} W are reached at {call.multiplier:.2f} JPY/kWh")
    for one in curves:
        owed_w = share(one, {Service.SECONDARY_1: call.multiplier})
        print(f"  {one.site_id} gives {owed_w:.0f} W")
    most = dispatch(total, 20_000.0)
    print(f"20000 W are short of {most.shortfall_w:.0f} W, even at {most.multiplier:.2f} JPY/kWh")


if __name__ == "__main__":
    main()
