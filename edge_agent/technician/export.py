"""The journal as JSON lines, for programs that compare it with something else.

One line per cycle with what was known and what was told, one per write that ended. The first
line says whose journal it is and how old each point's value may be.
"""

import json
from collections.abc import Iterator
from datetime import datetime

import msgpack

from edge_agent.config.site import SiteConfig
from edge_agent.control.records import moment_of
from edge_agent.cycle.record import CYCLE_KIND, OUTCOME_KIND
from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.points.table import points_of
from edge_agent.technician.history import History, Tick
from protocols.vocabulary.setpoint import JournalEntry, Setpoint


def journal_lines(config: SiteConfig, reader: JournalReader) -> Iterator[str]:
    """Give the lines of a journal, oldest first.

    Parameters
    ----------
    config : SiteConfig
        For the points' greatest ages.
    reader : JournalReader
        The journal; a running agent may be writing it.

    Raises
    ------
    JournalError
        If an entry cannot be opened.
    """
    history = History(reader)
    yield _line(
        {
            "site_id": reader.meta.site_id,
            "journal_id": reader.meta.journal_id,
            "max_age_s": {spec.point_id: spec.max_age_s for spec in points_of(config)},
        }
    )
    first, last = reader.bounds(JournalStream.TICK)
    for entry in reader.scan(JournalStream.TICK, first, last):
        if entry.kind == CYCLE_KIND:
            yield _line(_cycle(history.tick(entry)))
        elif entry.kind == OUTCOME_KIND:
            yield _line(_outcome(entry))


def _cycle(tick: Tick) -> dict[str, object]:
    """Tell what a cycle knew and told; times are Unix seconds."""
    decision = tick.decision
    return {
        "cycle": decision.cycle,
        "at_s": _unix_s(tick.inputs.now),
        "mode": decision.mode.name,
        "reason": decision.reason,
        "points": {
            point: [entry.value, entry.quality.name, _unix_s(entry.measured_at)]
            for point, entry in tick.inputs.image.points.items()
        },
        "setpoints": [_setpoint(one) for one in decision.setpoints],
        "releases": [one.resource_id for one in decision.releases],
    }


def _setpoint(setpoint: Setpoint) -> dict[str, object]:
    return {
        "resource_id": setpoint.resource_id,
        "power_w": setpoint.power_w,
        "from_s": _unix_s(setpoint.valid_from),
        "until_s": _unix_s(setpoint.valid_until),
        "sequence": setpoint.sequence,
    }


def _outcome(entry: JournalEntry) -> dict[str, object]:
    """How a write ended."""
    parts = msgpack.unpackb(entry.payload)
    resource_id, sequence, state, read_back_w, detail, finished_us = parts
    return {
        "outcome": state,
        "resource_id": resource_id,
        "sequence": sequence,
        "read_back_w": read_back_w,
        "detail": detail,
        "at_s": _unix_s(moment_of(finished_us)),
    }


def _unix_s(moment: datetime) -> float:
    return round(moment.timestamp(), 6)


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
