"""The SunSpec part of a template: the model chain and how the device is commanded."""

from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.templates.table import Table, choice

SUNSPEC_QUIRKS: Final = frozenset(
    {"common-65", "foreign-model", "long-models", "no-end-marker", "no-timer", "scale-moves"}
)
"""common-65: model 1 has 65 registers. foreign-model: a maker's own model is in the chain.
long-models: models are longer than defined. no-end-marker: the chain ends in an exception.
no-timer: reversion times are not implemented. scale-moves: W_SF changes with the power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SunspecWire:
    """A device with SunSpec models over Modbus.

    Attributes
    ----------
    models : tuple of int
        Model ids of its chain in order, without the end marker.
    base_address : int
        0-based register of "SunS": 40000, 0 or 50000.
    unit_id : int
        Modbus unit id.
    command : str
        How a power is set: ``"704"`` (WSet with reversion timer), ``"704-limit"``
        (WMaxLimPct), ``"123"`` (limit), ``"124"`` (storage rates), or ``"none"``.
    scale_factors : dict of str to int
        Scale factor points as the device has them, ``"701.W_SF"`` to -10..10.
    registers_per_read : int
        Most registers it gives in one answer.
    positive : str
        What + means at its meter models: ``"import"`` or ``"export"``.
    """

    protocol: ClassVar[str] = "sunspec"
    models: tuple[int, ...]
    base_address: int
    unit_id: int
    command: str
    scale_factors: dict[str, int]
    registers_per_read: int
    positive: str


def sunspec_wire(table: Table) -> SunspecWire:
    """Parse ``[wire]``."""
    scales = table.table("scale_factors")
    return SunspecWire(
        models=table.listed("models", int),
        base_address=table.integer("base_address", 40000, high=65535),
        unit_id=table.integer("unit_id", 1, high=247),
        command=choice(table, "command", ("704", "704-limit", "123", "124", "none")),
        scale_factors={name: round(value) for name, value in scales.numbers().items()},
        registers_per_read=table.integer("registers_per_read", 125, low=4, high=125),
        positive=choice(table, "positive", ("import", "export"), default="import"),
    )
