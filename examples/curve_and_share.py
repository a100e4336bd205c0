"""What a site owes: a promised curve, and the price that calls it.

A site commits power as a function of a multiplier in JPY/kWh. One number for a whole zone then
tells each site its own power, and anybody can compute it again afterwards.

Prints::

    at  0 JPY/kWh the site owes -2000 W
    at  5 JPY/kWh the site owes -2000 W
    at 10 JPY/kWh the site owes     0 W
    at 20 JPY/kWh the site owes  1500 W
    at 90 JPY/kWh the site owes  3000 W
    without a call it owes 0 W
"""

from datetime import UTC, datetime, timedelta

from protocols.vocabulary.arrays import column
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import OfferCurve, share

START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)


def main() -> None:
    """Ask one curve at several prices."""
    curve = OfferCurve(
        site_id=SiteId("site-001"),
        service=Service.SECONDARY_1,
        version=1,
        # Cheap energy is charged, dear energy is given; outside the points nothing more comes.
        multipliers=column([5.0, 10.0, 30.0]),
        power_w=column([-2000.0, 0.0, 3000.0]),  # relative to the baseline, + toward the grid
        interval=Interval(start=START, end=START + timedelta(minutes=30)),
    )
    for price in (0.0, 5.0, 10.0, 20.0, 90.0):
        owed_w = share(curve, {Service.SECONDARY_1: price})
        print(f"at {price:2.0f} JPY/kWh the site owes {owed_w:5.0f} W")
    print(f"without a call it owes {share(curve, {}):.0f} W")


if __name__ == "__main__":
    main()
