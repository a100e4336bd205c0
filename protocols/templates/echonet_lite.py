"""The ECHONET Lite part of a template: class and what a product's property maps hold."""

from dataclasses import dataclass
from typing import ClassVar, Final

from protocols.templates.table import Table

REMOTE_NEEDED: Final = "remote-needed"
"""Refuses every Set until remote control through a public network was announced (93 = 42)."""
REVERSE_FLOW_BANNED: Final = "reverse-flow-banned"
"""Says DB = 02: discharges no more than the house takes."""
FEW_PER_FRAME: Final = "few-per-frame"
"""Answers no more than ``get_batch`` properties of a frame, the rest come back without value."""
QUIRKS: Final = frozenset({REMOTE_NEEDED, REVERSE_FLOW_BANNED, FEW_PER_FRAME})

_EPC_MIN: Final = 0x80
_EPC_MAX: Final = 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class EchonetWire:
    """One ECHONET Lite object.

    Attributes
    ----------
    class_code : int
        Such as 0x027D.
    readable, settable : frozenset of int
        EPCs of the product's Get and Set maps, beside those of the super class that every
        device must have.
    get_batch, set_batch : int
        Properties it takes in one frame.
    """

    protocol: ClassVar[str] = "echonet-lite"
    class_code: int
    readable: frozenset[int]
    settable: frozenset[int]
    get_batch: int
    set_batch: int


def echonet_wire(table: Table) -> EchonetWire:
    """Parse ``[wire]``; EPCs are written as text such as ``"EB"``."""
    return EchonetWire(
        class_code=_code(table, "class", table.text("class")),
        readable=_epcs(table, "readable", table.listed("readable", str)),
        settable=_epcs(table, "settable", table.listed("settable", str, ())),
        get_batch=table.integer("get_batch", 24, low=1, high=255),
        set_batch=table.integer("set_batch", 8, low=1, high=255),
    )


def _epcs(table: Table, key: str, texts: tuple[str, ...]) -> frozenset[int]:
    epcs = frozenset(_code(table, key, text) for text in texts)
    if len(epcs) != len(texts) or not all(_EPC_MIN <= epc <= _EPC_MAX for epc in epcs):
        raise table.refuse(key, "holds an EPC twice, or one that is not 80 to FF")
    return epcs


def _code(table: Table, key: str, text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise table.refuse(key, f"{text!r} is not hexadecimal") from None
