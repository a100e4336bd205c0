"""Yearly file of a grid company: hourly demand of its area and nothing else. Pure.

An UPDATE line may stand before the header. Rows follow each other hour by hour from the start
of a day; the file ends where its publisher stopped writing.
"""

from typing import Final

from cloud_coordinator.gateway.exchanges import fields
from cloud_coordinator.gateway.exchanges.fields import Reading
from cloud_coordinator.gateway.exchanges.files import PublishedFile, shown
from cloud_coordinator.gateway.exchanges.power_usage import DEMAND, HOUR_S, value
from cloud_coordinator.gateway.exchanges.whereabouts import PUBLISHERS, grid_area
from cloud_coordinator.services.publications import Publication, Stage

_COLUMN: Final = "実績(万kW)"
_COLUMNS: Final = 3
_HEADER_WITHIN: Final = 3
"""The header stands among so many first lines that say something."""


def is_hourly(file: PublishedFile, *, first: str) -> bool:
    """Whether the header is ``first``, TIME and the demand."""
    return _header_line(file, first) is not None


def read_hourly(
    file: PublishedFile, told: str | None, *, first: str, name: str, known: str | None
) -> Publication:
    """Read a yearly file.

    Parameters
    ----------
    file : PublishedFile
        With such a header.
    told : str or None
        Area, if a person or connector said it.
    first : str
        First column of the header: DATE, or DATA with one publisher.
    name : str
        Of the layout.
    known : str or None
        Area of the one company known to use this header.

    Raises
    ------
    ImportRefusedError
        If a row is malformed, twice there or left out.
    """
    at = _header_line(file, first)
    assert at is not None, "recognised before"
    area = grid_area(file, told, known=known)
    before = [line for line in range(1, at) if file.lines[line - 1].strip(", ")]
    published_at = fields.update_moment(file, before[0]) if before else None
    starts: list[int] = []
    readings: list[Reading] = []
    for line in range(at + 1, len(file.lines) + 1):
        if not file.lines[line - 1].strip(", "):
            continue
        texts = file.fields(line, columns=_COLUMNS)
        minute = fields.minute(file, line, texts[1])
        start_s = fields.seconds(fields.day(file, line, texts[0]), minute)
        if starts and start_s != starts[-1] + HOUR_S:
            cause = (
                "is there twice" if start_s in starts[-48:] else "does not follow the row before"
            )
            raise file.refusal(line, f"{texts[0]} {texts[1]} {cause}")
        if not starts and minute:
            raise file.refusal(line, f"begins at {texts[1]}, not with a day")
        starts.append(start_s)
        readings.append(value(file, line, texts[2], column=DEMAND))
    if not starts:
        raise file.refusal(len(file.lines), f"has no row below {shown(file.lines[at - 1])}")
    return Publication(
        layout=name,
        publisher=PUBLISHERS[area],
        stage=Stage.FINAL,
        published_at=published_at,
        series=(
            fields.series(DEMAND.kind, area, step_s=HOUR_S, start_s=starts, readings=readings),
        ),
    )


def _header_line(file: PublishedFile, first: str) -> int | None:
    told = 0
    for line, text in enumerate(file.lines, start=1):
        if fields.header(text)[:_COLUMNS] == (first, "TIME", _COLUMN):
            return line if not any(fields.header(text)[_COLUMNS:]) else None
        told += bool(text.strip(", "))
        if told == _HEADER_WITHIN:
            return None
    return None
