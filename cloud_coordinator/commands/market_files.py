"""Files that ``vpp market`` reads: loads of a customer, and statements. Strict, line by line."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from cloud_coordinator.market.standing import Failure
from protocols.vocabulary.arrays import FloatArray
from protocols.vocabulary.calendar import SLOTS_A_DAY
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import ObligationId
from protocols.vocabulary.obligation import Service

_HEADER: Final = ["day", "slot", "kw"]
_BYTES_MAX: Final = 50_000_000


def read_loads(path: Path) -> Mapping[date, FloatArray]:
    """Read half-hourly loads: CSV with ``day,slot,kw``, consumption positive.

    Returns
    -------
    mapping of date to FloatArray
        48 means per day, W; NaN where the file has no row.

    Raises
    ------
    ConfigError
        Naming file, line and cause; nothing is taken then.
    """
    reader = csv.reader(io.StringIO(_text(path)))
    if next(reader, []) != _HEADER:
        raise ConfigError(f"{path}:1: the header is not {','.join(_HEADER)}")
    found: dict[date, FloatArray] = {}
    for row in reader:
        where = f"{path}:{reader.line_num}"
        try:
            text, number, power = row
            day, slot, kw = date.fromisoformat(text), int(number), float(power)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
        if not 1 <= slot <= SLOTS_A_DAY or not math.isfinite(kw):
            raise ConfigError(f"{where}: slot is not 1 to 48, or kw is not a number")
        loads = found.setdefault(day, np.full(SLOTS_A_DAY, np.nan))
        if not math.isnan(loads[slot - 1]):
            raise ConfigError(f"{where}: slot {slot} of {day} is there twice")
        loads[slot - 1] = kw * 1e3
    return found


def read_failures(paths: Sequence[Path]) -> tuple[Service, tuple[Failure, ...]]:
    """Read statements as the API gives them; return the product and what failed.

    Raises
    ------
    ConfigError
        If a file is no statement, or they are not all of one product.
    """
    services: set[Service] = set()
    failures: list[Failure] = []
    for path in paths:
        try:
            statement = json.loads(_text(path))
            services.add(Service(statement["service"]))
            start = datetime.fromisoformat(statement["start"])
            failed = [slot for slot in statement["slots"] if slot["performance"] == "failed"]
            abnormal = any(slot["abnormal"] is True for slot in failed)
            name = ObligationId(str(statement["obligation_id"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path}: is no statement: {error!r}") from error
        if start.utcoffset() != timedelta(0):
            raise ConfigError(f"{path}: start is not in UTC")
        if failed:
            failures.append(Failure(obligation_id=name, at=start, abnormal=abnormal))
    if len(services) != 1:
        raise ConfigError("statements: not all of one product")
    return services.pop(), tuple(failures)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise ConfigError(f"{path}: is larger than {_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
