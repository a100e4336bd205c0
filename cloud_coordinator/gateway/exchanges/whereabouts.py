"""Whose file it is, where the file itself does not say it. Pure.

Most files of the grid companies name neither company nor area. Asked in this order: a person
or connector who told; the name of the file; the name of its folder; the header, where only
one company is known to use it. A name that contradicts the header is refused, not believed.
"""

import re
from collections.abc import Mapping
from typing import Final

from cloud_coordinator.gateway.exchanges.files import PublishedFile

PUBLISHERS: Final[Mapping[str, str]] = {
    "hokkaido": "Hokkaido Electric Power Network",
    "tohoku": "Tohoku Electric Power Network",
    "tokyo": "TEPCO Power Grid",
    "chubu": "Chubu Electric Power Grid",
    "hokuriku": "Hokuriku Electric Power Transmission & Distribution",
    "kansai": "Kansai Transmission and Distribution",
    "chugoku": "Chugoku Electric Power Transmission & Distribution",
    "shikoku": "Shikoku Electric Power Transmission & Distribution",
    "kyushu": "Kyushu Electric Power Transmission & Distribution",
    "okinawa": "Okinawa Electric Power",
}
"""Grid companies by area."""
STATIONS: Final = (
    "sapporo", "sendai", "tokyo", "nagoya", "kanazawa", "niigata", "osaka", "hiroshima",
    "takamatsu", "fukuoka", "naha",
)  # fmt: skip
"""Stations of the weather service by name: those of the areas and their neighbours."""
_BY_WORD: Final = {
    "tepco": "tokyo", "hepco": "hokkaido", "rikuden": "hokuriku", "kepco": "kansai",
    "energia": "chugoku", "yonden": "shikoku", "kyuden": "kyushu", "okiden": "okinawa",
}  # fmt: skip
_BY_NUMBER: Final = tuple(PUBLISHERS)
_WORDS: Final = re.compile(r"[a-z]+")
_NUMBERED: Final = re.compile(r"eria_jukyu_\d{6}_(\d{2})(?!\d)")


def grid_area(file: PublishedFile, told: str | None, *, known: str | None = None) -> str:
    """Find the area of a grid company's file.

    Parameters
    ----------
    file : PublishedFile
        The file.
    told : str or None
        What a person or a connector said; is believed.
    known : str or None
        Area of the one company known to use this header.

    Raises
    ------
    ImportRefusedError
        If nobody says it, it is no area, or name and header contradict each other.
    """
    if told is not None:
        if told not in PUBLISHERS:
            raise file.refusal(0, f"area {told!r} is not one of {', '.join(PUBLISHERS)}")
        return told
    named = _named(file.origin.source)
    if named is None and known is None:
        raise file.refusal(0, "says not of which area it is; give it with --area")
    if named is not None and known is not None and named != known:
        raise file.refusal(0, f"is named {named}, its header is of {known}; give it with --area")
    return named or known or ""


def station(file: PublishedFile, told: str | None) -> str:
    """Find the weather station of a file: told, or in the name of the file or its folder.

    Raises
    ------
    ImportRefusedError
        If nobody says it, or it is no station we know.
    """
    if told is not None:
        if told not in STATIONS:
            raise file.refusal(0, f"station {told!r} is not one of {', '.join(STATIONS)}")
        return told
    for part in _parts(file.origin.source):
        for word in _WORDS.findall(part):
            if word in STATIONS:
                return str(word)
    raise file.refusal(0, "says not of which station it is; give it with --area")


def _named(source: str) -> str | None:
    for part in _parts(source):
        numbered = _NUMBERED.search(part)
        if numbered and 1 <= int(numbered[1]) <= len(_BY_NUMBER):
            return _BY_NUMBER[int(numbered[1]) - 1]
        for word in _WORDS.findall(part):
            if word in PUBLISHERS or word in _BY_WORD:
                return _BY_WORD.get(word, str(word))
    return None


def _parts(source: str) -> list[str]:
    """Name of the file, then of its folder."""
    return [part.lower() for part in reversed(source.split("/")[-2:])]
