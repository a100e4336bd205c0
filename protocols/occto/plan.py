"""Plans for OCCTO as XML: written, and read from strangers.

The tree is the one of ``SBD-MSG/JPMGRP/JPTRM`` with numbered groups (``JPMnnnnn`` holds records
``JPMRnnnnn``). Energy is kWh per half hour, whole, never negative, as the document says it; signs
are in the section a value stands in. Totals are kept as they are written, so that whoever judges
a plan can find one that is wrong. No sockets, no clock: the connector and the counterpart use it.

Notes
-----
Paths and codes as read by public programs (japan-market 5); ``docs/spec-issues.md`` says which
are assumed. One company per demand plan.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from protocols.sansio.xml import XmlElement, XmlLimits, new_element, parse_xml, set_text, to_bytes
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

SLOTS: Final = 48
ENERGY_KWH_MAX: Final = 99_999_999
PARTS_MAX: Final = 500
CODE: Final = re.compile(r"[0-9A-Z]{1,20}")
_LIMITS: Final = XmlLimits(size_bytes=8_000_000, depth=16, tags=400_000)
_SLOT_TAG: Final = "JP06219"
_SHOWN: Final = 40


class PlanKind(enum.Enum):
    """What is planned: generation and sales (発販), or demand and procurement (需調)."""

    GENERATION = "generation"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Energy of 48 half hours of somebody.

    Attributes
    ----------
    code : str
        System code, company or partner, as the section asks.
    energy_kwh : tuple of int
        Slot 1 to 48, >= 0.
    """

    code: str
    energy_kwh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Parts with their totals as they are written.

    Attributes
    ----------
    parts : tuple of Series
        By code, each once.
    totals_kwh : tuple of int
        48 values.
    """

    parts: tuple[Series, ...]
    totals_kwh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan of one balancing group for one day.

    Attributes
    ----------
    kind : PlanKind
        Which document.
    information_code, sender, receiver : str
        ``JP00002``, ``JP06110``, ``JP06112``.
    day : date
        Of delivery, JST.
    group : str
        Code of the balancing group.
    body : Section
        Generation by system code, or demand by company.
    sales, procurement : Section
        By partner.
    header : mapping of str to str
        Elements of ``JPMGH``, as they are.
    """

    kind: PlanKind
    information_code: str
    sender: str
    receiver: str
    day: date
    group: str
    body: Section
    sales: Section
    procurement: Section
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Where a section with totals and parts stands: numbers of its groups, tags of its fields."""

    outer: int
    total: int
    part: int
    value: int
    code_tag: str
    value_tag: str


_UNITS: Final = _Table(
    outer=14, total=15, part=16, value=17, code_tag="JP06186", value_tag="JP06231"
)
_SALES: Final = _Table(
    outer=18, total=19, part=20, value=21, code_tag="JP06366", value_tag="JP06319"
)
_PROCUREMENT: Final = {
    PlanKind.GENERATION: _Table(
        outer=22, total=23, part=24, value=25, code_tag="JP06366", value_tag="JP06369"
    ),
    PlanKind.DEMAND: _Table(
        outer=14, total=15, part=16, value=17, code_tag="JP06366", value_tag="JP06369"
    ),
}
_MEMBER_PROCUREMENT: Final = _Table(
    outer=27, total=28, part=29, value=30, code_tag="JP06366", value_tag="JP06369"
)
_MEMBER_SALES: Final = _Table(
    outer=31, total=32, part=33, value=34, code_tag="JP06366", value_tag="JP06319"
)
_MEMBERS: Final = (
    (_PROCUREMENT[PlanKind.DEMAND], _MEMBER_PROCUREMENT),
    (_SALES, _MEMBER_SALES),
)
"""What a demand plan says of the whole, and again of its only company."""
_HEAD: Final = {
    PlanKind.GENERATION: ("JP00002", "JP06110", "JP06112", "JP06116"),
    PlanKind.DEMAND: ("JP00002", "JP06110", "JP06112", "JP06171"),
}


def section(parts: Sequence[Series]) -> Section:
    """Put parts in order and add up their totals.

    Raises
    ------
    LocalProtocolError
        If a code comes twice.
    """
    ordered = tuple(sorted(parts, key=lambda part: part.code))
    if len({part.code for part in ordered}) < len(ordered):
        raise LocalProtocolError("a code comes twice in one section of a plan")
    totals = tuple(sum(part.energy_kwh[slot] for part in ordered) for slot in range(SLOTS))
    return Section(parts=ordered, totals_kwh=totals)


def write_plan(plan: Plan) -> bytes:
    """Write the document, UTF-8.

    Raises
    ------
    LocalProtocolError
        If a code or an energy cannot stand in it.
    """
    _check(plan)
    root = new_element("SBD-MSG")
    group = new_element("JPMGRP", parent=root)
    header = new_element("JPMGH", parent=group)
    for tag, text in plan.header.items():
        _field(header, tag, text)
    body = new_element("JPTRM", parent=group)
    head = (plan.information_code, plan.sender, plan.receiver, plan.day.strftime("%Y%m%d"))
    for tag, text in zip(_HEAD[plan.kind], head, strict=True):
        _field(body, tag, text)
    if plan.kind is PlanKind.GENERATION:
        _write_generation(body, plan)
    else:
        _write_demand(body, plan)
    return to_bytes(root)


def read_plan(data: bytes) -> Plan:
    """Read a document.

    Raises
    ------
    RemoteProtocolError
        Naming the element, if it is not such a document or a value cannot be one.
    """
    root = parse_xml(data, limits=_LIMITS)
    if root.tag != "SBD-MSG":
        raise RemoteProtocolError(f"plan: the root is {root.tag[:_SHOWN]!r}, not 'SBD-MSG'")
    group = _one(root, "JPMGRP")
    header = {child.tag: child.text or "" for child in _one(group, "JPMGH")}
    body = _one(group, "JPTRM")
    demand = any(child.tag == "JP06360" for child in body)
    kind = PlanKind.DEMAND if demand else PlanKind.GENERATION
    information, sender, receiver, day = (_text(body, tag) for tag in _HEAD[kind])
    read = _read_demand if kind is PlanKind.DEMAND else _read_generation
    code, main = read(body)
    return Plan(
        kind=kind,
        information_code=information,
        sender=sender,
        receiver=receiver,
        day=_day(day),
        group=code,
        body=main,
        sales=_read_table(body, _SALES),
        procurement=_read_table(body, _PROCUREMENT[kind]),
        header=header,
    )


def _check(plan: Plan) -> None:
    for code in (plan.information_code, plan.sender, plan.receiver, plan.group):
        _check_code(code)
    if plan.kind is PlanKind.DEMAND and len(plan.body.parts) != 1:
        raise LocalProtocolError("a demand plan names one company")
    for content in (plan.body, plan.sales, plan.procurement):
        for part in content.parts:
            _check_code(part.code)
        for energy in (content.totals_kwh, *(part.energy_kwh for part in content.parts)):
            if len(energy) != SLOTS or not all(0 <= one <= ENERGY_KWH_MAX for one in energy):
                raise LocalProtocolError(
                    f"a plan has {SLOTS} energies of 0..{ENERGY_KWH_MAX} kWh per code"
                )


def _check_code(code: str) -> None:
    if not CODE.fullmatch(code):
        raise LocalProtocolError(f"plan: {code!r} is no code of capital letters and digits")


def _write_generation(body: XmlElement, plan: Plan) -> None:
    _values(_record(body, 12), (13, "JP06363"), plan.body.totals_kwh)
    group = _record(body, 14)
    _field(group, "JP06300", plan.group)
    _values(group, (15, "JP06307"), plan.body.totals_kwh)
    _parts(group, _UNITS, plan.body.parts)
    _write_table(body, _SALES, plan.sales)
    _write_table(body, _PROCUREMENT[plan.kind], plan.procurement)


def _write_demand(body: XmlElement, plan: Plan) -> None:
    _field(body, "JP06360", plan.group)
    _values(_record(body, 10), (11, "JP06376"), plan.body.totals_kwh)
    _write_table(body, _PROCUREMENT[plan.kind], plan.procurement)
    _write_table(body, _SALES, plan.sales)
    member = _record(body, 22)
    company = plan.body.parts[0]
    _field(member, "JP06316", company.code)
    _values(_record(member, 23), (24, "JP06376"), company.energy_kwh)
    _write_table(member, _MEMBER_PROCUREMENT, plan.procurement)
    _write_table(member, _MEMBER_SALES, plan.sales)


def _write_table(parent: XmlElement, table: _Table, content: Section) -> None:
    outer = _record(parent, table.outer)
    _values(outer, (table.total, table.value_tag), content.totals_kwh)
    _parts(outer, table, content.parts)


def _parts(parent: XmlElement, table: _Table, parts: Sequence[Series]) -> None:
    group = new_element(f"JPM{table.part:05}", parent=parent)
    for part in parts:
        record = new_element(f"JPMR{table.part:05}", parent=group)
        _field(record, table.code_tag, part.code)
        _values(record, (table.value, table.value_tag), part.energy_kwh)


def _record(parent: XmlElement, number: int) -> XmlElement:
    group = new_element(f"JPM{number:05}", parent=parent)
    return new_element(f"JPMR{number:05}", parent=group)


def _values(parent: XmlElement, place: tuple[int, str], energy_kwh: Sequence[int]) -> None:
    number, tag = place
    group = new_element(f"JPM{number:05}", parent=parent)
    for slot, energy in enumerate(energy_kwh, start=1):
        record = new_element(f"JPMR{number:05}", parent=group)
        _field(record, _SLOT_TAG, f"{slot:02}")
        _field(record, tag, str(energy))


def _field(parent: XmlElement, tag: str, text: str) -> None:
    set_text(new_element(tag, parent=parent), text)


def _read_generation(body: XmlElement) -> tuple[str, Section]:
    totals = _read_values(_only(body, 12), 13, "JP06363")
    group = _only(body, 14)
    sums = _read_values(group, 15, "JP06307")
    if sums != totals:
        raise RemoteProtocolError("plan: JPM00015 of the only group differs from JPM00013")
    parts = _read_parts(group, _UNITS)
    return _text(group, "JP06300"), Section(parts=parts, totals_kwh=totals)


def _read_demand(body: XmlElement) -> tuple[str, Section]:
    totals = _read_values(_only(body, 10), 11, "JP06376")
    member = _only(body, 22)
    company = Series(
        code=_text(member, "JP06316"),
        energy_kwh=_read_values(_only(member, 23), 24, "JP06376"),
    )
    for whole, own in (
        (_PROCUREMENT[PlanKind.DEMAND], _MEMBER_PROCUREMENT),
        (_SALES, _MEMBER_SALES),
    ):
        if _read_table(body, whole) != _read_table(member, own):
            raise RemoteProtocolError(
                f"plan: JPM{own.outer:05} of the only company differs from JPM{whole.outer:05}"
            )
    return _text(body, "JP06360"), Section(parts=(company,), totals_kwh=totals)


def _read_table(parent: XmlElement, table: _Table) -> Section:
    outer = _only(parent, table.outer)
    return Section(
        parts=_read_parts(outer, table),
        totals_kwh=_read_values(outer, table.total, table.value_tag),
    )


def _read_parts(parent: XmlElement, table: _Table) -> tuple[Series, ...]:
    found: dict[str, Series] = {}
    for record in _records(parent, table.part):
        code = _text(record, table.code_tag)
        if code in found or len(found) >= PARTS_MAX:
            raise RemoteProtocolError(f"plan: {table.code_tag} {code!r} comes twice, or too many")
        energy = _read_values(record, table.value, table.value_tag)
        found[code] = Series(code=code, energy_kwh=energy)
    return tuple(found[code] for code in sorted(found))


def _read_values(parent: XmlElement, number: int, tag: str) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for record in _records(parent, number):
        slot = _integer(record, _SLOT_TAG, high=SLOTS)
        if slot in found or slot == 0:
            raise RemoteProtocolError(f"plan: slot {slot} in JPM{number:05} comes twice or is none")
        found[slot] = _integer(record, tag, high=ENERGY_KWH_MAX)
    if len(found) != SLOTS:
        raise RemoteProtocolError(f"plan: JPM{number:05} has {len(found)} slots, not {SLOTS}")
    return tuple(found[slot] for slot in range(1, SLOTS + 1))


def _only(parent: XmlElement, number: int) -> XmlElement:
    records = _records(parent, number)
    if len(records) != 1:
        raise RemoteProtocolError(f"plan: JPM{number:05} has {len(records)} records, not 1")
    return records[0]


def _records(parent: XmlElement, number: int) -> list[XmlElement]:
    group = _one(parent, f"JPM{number:05}")
    wanted = f"JPMR{number:05}"
    strange = next((child.tag for child in group if child.tag != wanted), None)
    if strange is not None:
        raise RemoteProtocolError(f"plan: {strange[:_SHOWN]!r} in {group.tag}, not {wanted!r}")
    return list(group)


def _one(parent: XmlElement, tag: str) -> XmlElement:
    found = [child for child in parent if child.tag == tag]
    if len(found) != 1:
        raise RemoteProtocolError(
            f"plan: {parent.tag[:_SHOWN]} (line {parent.sourceline}) has {len(found)} {tag}, not 1"
        )
    return found[0]


def _text(parent: XmlElement, tag: str) -> str:
    text = (_one(parent, tag).text or "").strip()
    if not CODE.fullmatch(text):
        raise RemoteProtocolError(f"plan: {tag} {text[:_SHOWN]!r} is no code")
    return text


def _integer(parent: XmlElement, tag: str, *, high: int) -> int:
    text = (_one(parent, tag).text or "").strip()
    if not re.fullmatch(r"[0-9]{1,8}", text) or int(text) > high:
        raise RemoteProtocolError(f"plan: {tag} {text[:_SHOWN]!r} is no number of 0..{high}")
    return int(text)


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise RemoteProtocolError(f"plan: {text[:_SHOWN]!r} is no day YYYYMMDD") from None
