"""Areas of the general transmission companies and weather stations: order, place, neighbours."""

from typing import Final, NamedTuple


class Place(NamedTuple):
    """Degrees, north and east positive."""

    latitude: float
    longitude: float


AREAS: Final = (
    "hokkaido",
    "tohoku",
    "tokyo",
    "chubu",
    "hokuriku",
    "kansai",
    "chugoku",
    "shikoku",
    "kyushu",
    "okinawa",
)
"""Order of the area columns of every model."""
PV_AREAS: Final = ("hokkaido", "tokyo", "chubu", "hokuriku", "kansai", "kyushu", "okinawa")
PRICE_AREAS: Final = AREAS[:-1]
STATIONS: Final = ("sapporo", "sendai", "tokyo", "nagoya", "kanazawa")
SYSTEM: Final = "system"
"""Place of the system price, and of what is measured of the whole exchange."""

STATION_OF: Final = {
    "hokkaido": "sapporo",
    "tohoku": "sendai",
    "tokyo": "tokyo",
    "chubu": "nagoya",
    "hokuriku": "kanazawa",
}
"""Station that stands for an area; the others take the nearest there is."""
NEAREST_STATION: Final = "nagoya"

PV_PLACE: Final = {
    "hokkaido": Place(42.8, 141.8),
    "tohoku": Place(38.4, 140.6),
    "tokyo": Place(36.2, 139.9),
    "chubu": Place(35.0, 137.2),
    "hokuriku": Place(36.5, 136.7),
    "kansai": Place(34.7, 135.2),
    "chugoku": Place(34.6, 133.2),
    "shikoku": Place(33.9, 133.6),
    "kyushu": Place(32.5, 130.8),
    "okinawa": Place(26.4, 127.8),
}
"""Middle of an area's PV, by eye from where its plants stand."""
STATION_PLACE: Final = {
    "sapporo": Place(43.06, 141.33),
    "sendai": Place(38.26, 140.90),
    "tokyo": Place(35.69, 139.75),
    "nagoya": Place(35.17, 136.97),
    "kanazawa": Place(36.59, 136.63),
}


def station_of(area: str) -> str:
    """Weather station that stands for an area."""
    return STATION_OF.get(area, NEAREST_STATION)
