"""Reads a scenario file. What is wrong is said in one line: file, key and cause."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from firmware_sim.scenario import schema
from firmware_sim.scenario.schema import (
    CLASS_OF_KIND,
    TEMPLATED,
    Device,
    Meter,
    Scenario,
    SiteModel,
    Templated,
)
from protocols.vocabulary.errors import ConfigError

METER = "meter"
"""A site has one; further ones, from templates, only show the same."""
FILE_BYTES_MAX = 256 * 1024 * 1024


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises
    ------
    ConfigError
        One line that names the file, the key and the cause.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_cause(error)}") from None
    return parse_scenario(text, origin=str(path))


def parse_scenario(text: str, *, origin: str) -> Scenario:
    """Read a scenario from JSON text.

    Parameters
    ----------
    text : str
        JSON.
    origin : str
        The file's name, for the error.

    Raises
    ------
    ConfigError
        One line that names the file, the key and the cause.
    """
    try:
        scenario = Scenario.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {first_cause(error)}") from None
    for key, cause in _contradictions(scenario):
        raise ConfigError(f"{origin}: {key}: {cause}")
    return scenario


def _cause(error: OSError | UnicodeDecodeError) -> str:
    """Short reason of a failed read."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8 text"


def first_cause(error: ValidationError) -> str:
    """First finding as ``key: cause``."""
    details = error.errors(include_url=False)[0]
    more = error.error_count() - 1
    key, cause = _key(details["loc"]), _wording(details)
    tail = f" (and {more} more)" if more else ""
    return f"{key}: {cause}{tail}" if key else f"{cause}{tail}"


def _key(location: Iterable[int | str]) -> str:
    """Location as a person writes it; the tags of alternatives are left out."""
    key = ""
    previous: int | str = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
        elif not _is_tag(part, previous):
            key += f".{part}" if key else part
        previous = part
    return key


def _is_tag(part: str, previous: int | str) -> bool:
    """Whether a part names an alternative and not a key."""
    if isinstance(previous, int):
        return part in CLASS_OF_KIND or part == TEMPLATED
    return previous in {"load", "course"} and part in {"household", "measured", "sky"}


def _wording(details: ErrorDetails) -> str:
    """Cause in plain words."""
    kind, message = details["type"], details["msg"]
    if kind == "extra_forbidden":
        unknown = str(details["loc"][-1])
        near = difflib.get_close_matches(unknown, _known_keys(), n=1, cutoff=0.5)
        return "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "json_invalid":
        return message
    if kind == "union_tag_not_found":
        return "needs a 'kind' or a 'template'"
    given = str(details["input"])[:60]
    return f"{message[0].lower()}{message[1:]}, not {given}"


def _known_keys() -> list[str]:
    """Every key of every model of the schema."""
    models = (
        entry
        for entry in vars(schema).values()
        if isinstance(entry, type) and issubclass(entry, BaseModel)
    )
    return sorted({name for model in models for name in model.model_fields})


def _contradictions(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Find what no single key shows: ids, addresses, classes, meters, ratings, faults."""
    yield from _twice(
        ((f"sites[{i}].site_id", site.site_id) for i, site in enumerate(scenario.sites)),
        "two sites have the id",
    )
    yield from _twice(
        (
            (f"sites[{i}].devices[{j}].address", seat)
            for i, site in enumerate(scenario.sites)
            for j, device in enumerate(site.devices)
            for seat in _seat(device)
        ),
        "two devices have the address",
    )
    for i, site in enumerate(scenario.sites):
        yield from _site_contradictions(f"sites[{i}]", site)
    known = {f"{site.site_id}/{device.id}" for site in scenario.sites for device in site.devices}
    for i, event in enumerate(scenario.faults):
        if event.device not in known:
            yield f"faults[{i}].device", f"no device {event.device!r} (use site/device)"


def _site_contradictions(key: str, site: SiteModel) -> Iterator[tuple[str, str]]:
    """Contradictions within a site."""
    yield from _twice(
        ((f"{key}.devices[{j}].id", device.id) for j, device in enumerate(site.devices)),
        "two devices have the id",
    )
    meters = sum(device.kind == METER for device in site.devices)
    if meters == 0 or sum(isinstance(device, Meter) for device in site.devices) > 1:
        yield f"{key}.devices", f"a site has exactly one meter, this one has {meters}"
    for j, device in enumerate(site.devices):
        if isinstance(device, Templated):
            continue
        expected = CLASS_OF_KIND[device.kind]
        if not device.eoj.startswith(expected) or device.eoj.endswith("00"):
            cause = f"a {device.kind} is of class {expected}, instance 01..7F, not {device.eoj}"
            yield f"{key}.devices[{j}].eoj", cause


def _seat(device: Device) -> Iterator[str]:
    """Where a device listens, as nobody else may; a charger listens nowhere."""
    if not isinstance(device, Templated) or device.protocol == "echonet-lite":
        yield device.address
    elif device.protocol != "ocpp":
        yield f"{device.address}:{device.port} unit {device.unit}"


def _twice(entries: Iterable[tuple[str, str]], cause: str) -> Iterator[tuple[str, str]]:
    """Second use of a value that may be used once."""
    seen: set[str] = set()
    for key, value in entries:
        if value in seen:
            yield key, f"{cause} {value!r}"
        seen.add(value)
