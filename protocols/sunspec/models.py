"""Where each point of a SunSpec model stands: definitions as they ship with pysunspec2. Pure.

Only what the definitions say; values are read in :mod:`protocols.sunspec.points`. Offsets
count registers from the model's own ID (0) and length (1), as the specification does.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import Final

from sunspec2.mb import point_type_info

MODELS: Final = frozenset(
    {1, 101, 102, 103, 111, 112, 113, 120, 121, 122, 123, 124}
    | {201, 202, 203, 204, 211, 212, 213, 214}
    | {701, 702, 703, 704, 713, 714, 802}
)
"""Models that are understood; any other is walked over."""
HEADER: Final = 2
"""Registers of a model's ID and length, which the length does not count."""
_DEFINITIONS: Final = resources.files("sunspec2").joinpath("models/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a model.

    Attributes
    ----------
    name : str
        The specification's; points of a group below carry its name: ``"Prt.1.DCW"``.
    kind : str
        SunSpec type, ``"int16"``.
    offset, size : int
        Registers.
    scale : str or int
        Name of its scale factor point, or the factor itself; 0 without one.
    writable : bool
        Access RW.
    """

    name: str
    kind: str
    offset: int
    size: int
    scale: str | int
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The points of one model.

    Attributes
    ----------
    model_id : int
        Number of the model.
    size : int
        Registers with ID and length.
    points : mapping of str to Point
        In the order of their registers.
    """

    model_id: int
    size: int
    points: Mapping[str, Point]

    @property
    def length(self) -> int:
        """What the model's L says."""
        return self.size - HEADER


@functools.cache
def layout_of(model_id: int, groups: int = 0) -> Layout | None:
    """Layout of a model, None for one that is not understood.

    Parameters
    ----------
    model_id : int
        Number of the model.
    groups : int
        How often its repeating group is there, for the models that have one (714).
    """
    if model_id not in MODELS:
        return None
    text = _DEFINITIONS.joinpath(f"model_{model_id}.json").read_text(encoding="utf-8")
    top = json.loads(text)["group"]
    points = list(_placed(top["points"], 0))
    for group in top.get("groups", ()):
        name, repeats = group["name"], "count" in group
        for index in range(1, groups + 1) if repeats else (0,):
            start = points[-1].offset + points[-1].size
            prefix = f"{name}.{index}." if repeats else f"{name}."
            points.extend(_placed(group["points"], start, prefix))
    return Layout(
        model_id=model_id,
        size=points[-1].offset + points[-1].size,
        points=MappingProxyType({point.name: point for point in _local_scales(points)}),
    )


def layout_for_length(model_id: int, length: int) -> Layout | None:
    """Layout of a model as a device has it, from the length the device states.

    A repeating group is taken as often as it fits whole. A length beyond the definition
    changes nothing: what is more than defined is not ours to read.
    """
    plain, once = layout_of(model_id), layout_of(model_id, 1)
    if plain is None or once is None or once.size == plain.size:
        return plain
    fitting = (length - plain.length) // (once.size - plain.size)
    return layout_of(model_id, min(max(fitting, 0), 64))


def _placed(definitions: Iterable[dict[str, object]], start: int, prefix: str = "") -> list[Point]:
    points: list[Point] = []
    offset = start
    for definition in definitions:
        kind = str(definition["type"])
        size = point_type_info[kind].len or int(str(definition["size"]))
        scale = definition.get("sf", 0)
        points.append(
            Point(
                name=f"{prefix}{definition['name']}",
                kind=kind,
                offset=offset,
                size=size,
                scale=scale if isinstance(scale, int) else str(scale),
                writable=definition.get("access") == "RW",
            )
        )
        offset += size
    return points


def _local_scales(points: list[Point]) -> list[Point]:
    """Let a group's point use its own group's scale factor where the group has one."""
    names = {point.name for point in points}
    found: list[Point] = []
    for point in points:
        own = f"{point.name.rpartition('.')[0]}.{point.scale}"
        local = isinstance(point.scale, str) and own in names
        found.append(replace(point, scale=own) if local else point)
    return found
