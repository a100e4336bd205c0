"""What is forecast a day ahead: the quantities, their areas, and the builder of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.day_ahead.balancing import BALANCING_PLACES, balancing_features
from models.day_ahead.context import Context
from models.day_ahead.demand import demand_features
from models.day_ahead.frame import DayFeatures
from models.day_ahead.history import Series
from models.day_ahead.places import AREAS, PRICE_AREAS, PV_AREAS
from models.day_ahead.price import price_features
from models.day_ahead.pv import pv_features


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A quantity that one model forecasts for all areas.

    Attributes
    ----------
    name : str
        File name of its model.
    series : Series
        Column with the truth.
    places : tuple of str
        Areas, or products and areas, with data.
    build : callable
        Makes the inputs of a place.
    shown : str
        Place whose scores are shown beside those of all.
    needs : frozenset of Series
        Columns that the builder looks at.
    least_truth : float
        Days with less of the truth than this part are left out.
    """

    name: str
    series: Series
    places: tuple[str, ...]
    build: Callable[[Context, str], DayFeatures]
    needs: frozenset[Series]
    shown: str = "tokyo"
    least_truth: float = 0.5


_GRID: Final = frozenset(
    {
        Series.DEMAND,
        Series.PV,
        Series.TEMPERATURE,
        Series.DEW_POINT,
        Series.PRESSURE,
        Series.IRRADIANCE,
        Series.WIND,
        Series.RAIN,
    }
)
_SPOT: Final = frozenset({Series.SPOT, Series.SELL_BIDS, Series.BUY_BIDS})

TARGETS: Final = (
    Target(name="demand", series=Series.DEMAND, places=AREAS, build=demand_features, needs=_GRID),
    Target(name="pv", series=Series.PV, places=PV_AREAS, build=pv_features, needs=_GRID),
    Target(
        name="price",
        series=Series.SPOT,
        places=PRICE_AREAS,
        build=price_features,
        needs=_GRID | _SPOT,
    ),
    Target(
        name="balancing",
        series=Series.BALANCING,
        places=BALANCING_PLACES,
        build=balancing_features,
        needs=frozenset({Series.PV, Series.SPOT, Series.BALANCING}),
        shown="tertiary2 tokyo",
        least_truth=0.1,
    ),
)
