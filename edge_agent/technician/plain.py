"""Turns the technician's records into JSON: what a program reads is what a person sees."""

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def to_json(value: object) -> Json:
    """Turn a record into JSON's own types: times ISO 8601 in UTC, no number as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> Json:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def json_text(value: object) -> str:
    """Return the JSON text of a record."""
    return json.dumps(to_json(value), ensure_ascii=False, indent=2)
