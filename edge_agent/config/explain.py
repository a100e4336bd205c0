"""Turns a validation error into one line: key and cause, in the words of the file.

Called by the loader. Unknown keys are told first, since a misspelt key is also a missing one.
"""

import difflib
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "kw": ("w", "in W (10 kW = 10000)"),
    "mw": ("w", "in W (1 MW = 1000000)"),
    "kwh": ("wh", "in Wh (10 kWh = 10000)"),
    "a": ("w", "in W (60 A at 100 V = 6000)"),
    "ms": ("s", "in s (500 ms = 0.5)"),
    "min": ("s", "in s (1 min = 60)"),
    "h": ("s", "in s (1 h = 3600)"),
    "days": ("s", "in s (1 day = 86400)"),
    "mb": ("bytes", "in bytes (1 MB = 1000000)"),
    "gb": ("bytes", "in bytes (1 GB = 1000000000)"),
    "yen": ("jpy", "in JPY"),
    "kwp": ("w", "in W (5 kWp = 5000)"),
    "pct": ("", "as a share 0..1 (10 % = 0.1)"),
    "percent": ("", "as a share 0..1 (10 % = 0.1)"),
}
_TYPES: Final[Mapping[str, str]] = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text in quotes",
    "list_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
}

_SHOWN_MAX: Final = 40


def first_problem(error: ValidationError, root: type[BaseModel]) -> str:
    """Explain the first problem of a file.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    root : type of BaseModel
        The model of the whole file, to know the keys that exist.

    Returns
    -------
    str
        ``<key>: <cause>``, one line, with the number of further problems.
    """
    details = error.errors(include_url=False)
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    further = len(details) - 1
    line = f"{_key(details[0])}: {_cause(details[0], root)}"
    return f"{line} (and {further} more)" if further else line


def _key(detail: ErrorDetails) -> str:
    key = ""
    for part in detail["loc"]:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += f".{part}" if key else part
    return key or "file"


def _cause(detail: ErrorDetails, root: type[BaseModel]) -> str:
    kind, location = detail["type"], detail["loc"]
    name = str(location[-1]) if location else ""
    shown = _shown(detail["input"])
    cause = f"{detail['msg']} (found {shown})"
    if kind == "extra_forbidden":
        cause = _unknown(name, _known_keys(root, location[:-1]), location)
    elif kind == "missing":
        cause = "is missing"
    elif kind in _TYPES:
        cause = f"must be {_TYPES[kind]}, not {shown}"
    elif kind in _BOUNDS:
        field, words = _BOUNDS[kind]
        bound = detail.get("ctx", {}).get(field, 0)
        cause = f"{shown} is out of range: {words} {bound:g}{_unit_hint(name)}"
    elif kind == "literal_error":
        cause = _not_one_of(detail)
    elif kind == "finite_number":
        cause = "must be a finite number"
    return cause


def _unit_hint(name: str) -> str:
    if name in {"contract_import_w", "export_limit_w", "peak_w"}:
        return "; the unit is W (10 kW = 10000)"
    if name.startswith("power_w"):
        return "; the unit is W (10 kW = 10000), + toward the grid, - from it"
    if name.startswith(("soc_", "efficiency_")):
        return "; it is a share 0..1 (10 % = 0.1)"
    return "; the unit is s" if "_s" in name else ""


def _not_one_of(detail: ErrorDetails) -> str:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(detail["input"]), words, n=1)
    guess = f", did you mean {near[0]!r}" if near else ""
    return f"{_shown(detail['input'])} is not known{guess}; one of {', '.join(words)}"


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."


def _unknown(name: str, known: list[str], location: tuple[int | str, ...]) -> str:
    for key in known:
        unit = _other_unit(name, key)
        if unit:
            return f"unknown key; write {key} {unit}"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"unknown key; did you mean {near[0]!r}?"
    place = "here" if len(location) > 1 else "at the top of the file"
    return f"unknown key {place}; known: {', '.join(sorted(known))}"


def _other_unit(name: str, key: str) -> str:
    parts = name.split("_")
    for index, part in enumerate(parts):
        ours, words = _UNITS.get(part.lower(), ("", ""))
        if not words:
            continue
        replaced = [*parts[:index], *([ours] if ours else []), *parts[index + 1 :]]
        if "_".join(replaced) == key:
            return words
    return ""


def _known_keys(root: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    model = root
    for part in location:
        if isinstance(part, int):
            continue
        model = _model_of(model, part) or model
    return list(model.model_fields)


def _model_of(model: type[BaseModel], field: str) -> type[BaseModel] | None:
    annotation = model.model_fields[field].annotation
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
