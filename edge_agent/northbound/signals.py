"""The data file of signals: what each mode and signal means, parsed strictly.

The file of the package speaks for every site; a site's own file replaces entries of the same
origin and mode, since national profiles are not all public. Used by meaning, printed by
``edge-agent signals``.
"""

import enum
import functools
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from edge_agent.northbound.port import Origin
from protocols.templates.table import Table, choice
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.obligation import Authority, RelativeTo

FILE: Final = "signals.toml"
LEVELS_MAX: Final = 16
PERCENT: Final = 100.0


class Becomes(enum.Enum):
    """What an order becomes at the site."""

    LIMIT = "limit"
    OBLIGATION = "obligation"
    TARIFF = "tariff"


class OrderScope(enum.Enum):
    """What a limit from an order bounds; the words of the data file."""

    METER = "meter"
    DER = "der"
    GENERATION = "generation"
    CONSUMPTION = "consumption"
    EACH_DER = "each-der"
    EACH_LOAD = "each-load"


class Side(enum.Enum):
    """Which side of the power is bound."""

    UPPER = "upper"
    LOWER = "lower"
    BOTH = "both"


class Unit(enum.Enum):
    """What the number of an order is."""

    WATT = "w"
    RATIO = "ratio"
    LEVEL = "level"
    OFF = "off"
    PRICE = "jpy-per-kwh"
    NUMBER = "number"


class Reference(enum.Enum):
    """What a ratio or a level is a part of."""

    MAX_W = "max-w"
    MAX_CHARGE_W = "max-charge-w"
    CONTRACT_IMPORT_W = "contract-import-w"
    RATING = "rating"


class Pricing(enum.Enum):
    """How a price signal moves the site's own tariff."""

    PRICE = "price"
    RELATIVE = "relative"
    MULTIPLIER = "multiplier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One supported mode or signal; the fields are explained in the data file.

    Attributes
    ----------
    origin, mode, title, title_ja, note
        Which it is, and words for people.
    becomes, authority, family
        What it becomes, its place in the order of authority, what it excludes.
    unit, values
        What the number is, and its least and greatest value.
    is_load_frame : bool
        Whether + means consumption.
    scope, side, of, of_negative, levels
        Of a limit; ``scope`` and ``side`` are None for the others.
    relative_to : RelativeTo or None
        Of an obligation.
    pricing : Pricing or None
        Of a tariff.
    takes_targets : bool
        Whether an event may name resources.
    """

    origin: Origin
    mode: str
    title: str
    title_ja: str
    note: str
    becomes: Becomes
    authority: Authority
    family: str
    unit: Unit
    values: tuple[float, float]
    is_load_frame: bool = False
    scope: OrderScope | None = None
    side: Side | None = None
    of: Reference | None = None
    of_negative: Reference | None = None
    levels: tuple[float, ...] = ()
    relative_to: RelativeTo | None = None
    pricing: Pricing | None = None
    takes_targets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """A mode that is known and refused, and why."""

    origin: Origin
    mode: str
    why: str
    why_ja: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The whole mapping, by origin and mode, in the order of the file."""

    supported: Mapping[tuple[Origin, str], Signal]
    unsupported: Mapping[tuple[Origin, str], Unsupported]

    def modes(self, origin: Origin) -> tuple[str, ...]:
        """Modes of a language that are supported."""
        return tuple(mode for of, mode in self.supported if of is origin)

    def replaced_by(self, own: "Signals") -> "Signals":
        """Return this mapping with a site's own entries in the place of the package's."""
        theirs = {*own.supported, *own.unsupported}
        supported = {k: v for k, v in self.supported.items() if k not in theirs}
        unsupported = {k: v for k, v in self.unsupported.items() if k not in theirs}
        return Signals(
            supported=MappingProxyType({**supported, **own.supported}),
            unsupported=MappingProxyType({**unsupported, **own.unsupported}),
        )


_Word = TypeVar("_Word", bound=enum.Enum)


def parse_signals(text: str, name: str) -> Signals:
    """Parse a file of signals.

    Parameters
    ----------
    text : str
        TOML.
    name : str
        Of the file, for messages.

    Raises
    ------
    ConfigError
        ``<file>.<table>.<key>: <cause>`` for the first thing that is wrong.
    """
    try:
        document = Table(tomllib.loads(text), name)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not TOML: {error}") from None
    supported: dict[tuple[Origin, str], Signal] = {}
    unsupported: dict[tuple[Origin, str], Unsupported] = {}
    for table in document.tables("signals"):
        signal = _signal(table)
        if (signal.origin, signal.mode) in supported:
            raise table.refuse("mode", f"{signal.mode!r} is there twice")
        supported[signal.origin, signal.mode] = signal
    for table in document.tables("unsupported"):
        for refused in _unsupported(table):
            if {(refused.origin, refused.mode)} & {*supported, *unsupported}:
                raise table.refuse("modes", f"{refused.mode!r} is there twice")
            unsupported[refused.origin, refused.mode] = refused
    document.end()
    return Signals(supported=MappingProxyType(supported), unsupported=MappingProxyType(unsupported))


@functools.cache
def package_signals() -> Signals:
    """Return the mapping that comes with the package."""
    file = resources.files("edge_agent.northbound").joinpath(FILE)
    return parse_signals(file.read_text(encoding="utf-8"), FILE)


def site_signals(own: Path | None) -> Signals:
    """Return the mapping of a site: the package's, with its own file's entries if it has one.

    Raises
    ------
    ConfigError
        If the file cannot be read, or something in it is wrong.
    """
    if own is None:
        return package_signals()
    try:
        text = own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"openadr_ven.signals: {own.name}: cannot be read: {error}") from None
    try:
        return package_signals().replaced_by(parse_signals(text, own.name))
    except ConfigError as error:
        raise ConfigError(f"openadr_ven.signals: {error}") from None


def _signal(table: Table) -> Signal:
    becomes = _word(table, "becomes", Becomes)
    mode = table.text("mode")
    unit = _word(table, "unit", Unit)
    unbounded = math.inf
    signal = Signal(
        origin=_word(table, "origin", Origin),
        mode=mode,
        title=table.text("title"),
        title_ja=table.text("title_ja"),
        note=table.text("note", ""),
        becomes=becomes,
        authority=_authority(table),
        family=table.text("family", mode),
        unit=unit,
        values=(
            table.number("value_min", -unbounded, low=-unbounded, high=unbounded),
            table.number("value_max", unbounded, low=-unbounded, high=unbounded),
        ),
        is_load_frame=choice(table, "frame", ("generator", "load"), default="generator") == "load",
        scope=_word(table, "scope", OrderScope) if becomes is Becomes.LIMIT else None,
        side=_word(table, "side", Side) if becomes is Becomes.LIMIT else None,
        of=_word(table, "of", Reference) if unit in {Unit.RATIO, Unit.LEVEL} else None,
        of_negative=_word(table, "of_negative", Reference) if "of_negative" in table else None,
        levels=_levels(table) if unit is Unit.LEVEL else (),
        relative_to=_word(table, "relative_to", RelativeTo)
        if becomes is Becomes.OBLIGATION
        else None,
        pricing=_word(table, "tariff", Pricing) if becomes is Becomes.TARIFF else None,
        takes_targets=choice(table, "targets", ("refused", "each"), default="refused") == "each",
    )
    table.end()
    _check(table, signal)
    return signal


def _check(table: Table, signal: Signal) -> None:
    """Refuse combinations that would mean nothing, or nothing safe."""
    if signal.authority in {Authority.DEVICE_SAFETY, Authority.EMERGENCY_STOP}:
        raise table.refuse("authority", "an order cannot stand above the emergency stop")
    powers = {Unit.WATT, Unit.RATIO, Unit.LEVEL, Unit.OFF}
    if signal.becomes is Becomes.LIMIT and signal.unit not in powers:
        raise table.refuse("unit", f"{signal.unit.value!r} is no power to limit")
    if signal.becomes is Becomes.OBLIGATION and signal.unit is not Unit.WATT:
        raise table.refuse("unit", "an obligation is a power in w")
    if signal.becomes is Becomes.TARIFF and signal.unit not in {Unit.PRICE, Unit.NUMBER}:
        raise table.refuse("unit", f"{signal.unit.value!r} is no price")
    each = {OrderScope.EACH_DER, OrderScope.EACH_LOAD}
    if signal.of is Reference.RATING and signal.scope not in each:
        raise table.refuse("of", "a rating is that of each resource: scope each-der or each-load")
    gross = {OrderScope.GENERATION: Side.UPPER, OrderScope.CONSUMPTION: Side.LOWER}
    if signal.scope in gross and signal.side is not gross[signal.scope]:
        raise table.refuse("side", f"of scope {signal.scope.value} is {gross[signal.scope].value}")
    if signal.values[0] > signal.values[1]:
        raise table.refuse("value_min", "is above value_max")


def _authority(table: Table) -> Authority:
    words = {authority.name.lower().replace("_", "-"): authority for authority in Authority}
    return words[choice(table, "authority", tuple(words))]


def _levels(table: Table) -> tuple[float, ...]:
    percents = table.listed("levels", int)
    if not 0 < len(percents) <= LEVELS_MAX or not all(0 <= one <= PERCENT for one in percents):
        raise table.refuse("levels", f"are 1 to {LEVELS_MAX} percents, 0 to 100 each")
    return tuple(one / PERCENT for one in percents)


def _unsupported(table: Table) -> Iterator[Unsupported]:
    origin = _word(table, "origin", Origin)
    why, why_ja = table.text("why"), table.text("why_ja")
    modes = table.listed("modes", str)
    table.end()
    for mode in modes:
        yield Unsupported(origin=origin, mode=mode, why=why, why_ja=why_ja)


def _word(table: Table, key: str, words: type[_Word]) -> _Word:
    return words(choice(table, key, tuple(str(word.value) for word in words)))
