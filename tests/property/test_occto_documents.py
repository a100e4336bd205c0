"""Plans, packages and verdicts: what is written is read, and rubbish is refused whole."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.occto.package import FileName, file_name, pack, unpack
from protocols.occto.plan import SLOTS, Plan, PlanKind, Series, read_plan, section, write_plan
from protocols.occto.verdict import Finding, Verdict, read_verdict, write_verdict
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError

CODES = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=20)
ENERGY = st.lists(st.integers(0, 99_999), min_size=SLOTS, max_size=SLOTS).map(tuple)
SERIES = st.builds(Series, code=CODES, energy_kwh=ENERGY)
PARTS = st.lists(SERIES, max_size=2, unique_by=lambda one: one.code).map(section)


def a_plan(kind: PlanKind) -> Plan:
    flat = Series(code="KEITO1", energy_kwh=tuple(range(SLOTS)))
    return Plan(
        kind=kind,
        information_code="0152",
        sender="61293",
        receiver="99999",
        day=date(2026, 4, 1),
        group="BG001",
        body=section([flat]),
        sales=section([flat]),
        procurement=section([]),
    )


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(PlanKind), SERIES, PARTS, PARTS, CODES)
def test_a_written_plan_is_read_back(  # noqa: PLR0917
    kind: PlanKind, body: Series, sales: object, bought: object, group: str
) -> None:
    """If it fails, what OCCTO has in force is not what we planned."""
    plan = Plan(
        kind=kind,
        information_code="0152",
        sender="61293",
        receiver="99999",
        day=date(2026, 4, 1),
        group=group,
        body=section([body]),
        sales=sales,  # type: ignore[arg-type]  # a Section
        procurement=bought,  # type: ignore[arg-type]  # a Section
        header={"JPC03": "x"},
    )
    name, document = unpack(pack("a.xml", write_plan(plan)))
    assert name == "a.xml"
    assert read_plan(document) == plan


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PlanKind), st.integers(0, 40_000), st.binary(max_size=6), st.integers(0, 9))
def test_a_damaged_plan_is_refused_or_still_a_plan(  # noqa: PLR0917
    kind: PlanKind, at: int, put: bytes, drop: int
) -> None:
    """If it fails, one bad byte would stop the plan system or leave 47 slots."""
    data = write_plan(a_plan(kind))
    at %= len(data)
    try:
        found = read_plan(data[:at] + put + data[at + drop :])
    except RemoteProtocolError:
        return
    sections = (found.body, found.sales, found.procurement)
    assert all(len(one.totals_kwh) == SLOTS for one in sections)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_a_damaged_package_is_refused(rubbish: bytes, at: int, whole: object) -> None:
    """If it fails, a broken or hostile package would end the connector."""
    good = pack("a.xml", b"<SBD-MSG/>")
    data = rubbish if whole else good[: at % len(good)] + rubbish + good[at % len(good) :]
    try:
        name, document = unpack(data)
    except RemoteProtocolError:
        return
    assert name.endswith(".xml")
    with pytest.raises(RemoteProtocolError):
        read_plan(document)


def test_hostile_documents_are_refused() -> None:
    """If it fails, a stranger's document could read files or fill the memory."""
    entity = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><SBD-MSG>&a;</SBD-MSG>'
    bomb = pack("a.xml", b"0" * 9_000_000)
    for read, data in ((read_plan, entity), (read_verdict, entity), (unpack, bomb)):
        with pytest.raises(RemoteProtocolError):
            read(data)
    with pytest.raises(LocalProtocolError):
        write_plan(a_plan(PlanKind.DEMAND).__class__(**{
            **{f: getattr(a_plan(PlanKind.DEMAND), f) for f in Plan.__slots__}, "group": "b g"
        }))  # fmt: skip


def test_a_slot_that_is_missing_or_twice_is_refused() -> None:
    """If it fails, a half hour would be planned twice and another not at all."""
    data = write_plan(a_plan(PlanKind.GENERATION))
    for old, new in (
        (b"<JP06219>48</JP06219>", b"<JP06219>47</JP06219>"),
        (b"JP06363", b"JP06364"),
    ):
        with pytest.raises(RemoteProtocolError):
            read_plan(data.replace(old, new, 1))


def test_names_of_files_and_verdicts() -> None:
    """If it fails, OCCTO would not know whose plan of which day a file is."""
    name = FileName(plan_code="0152", day=date(2019, 6, 11), sequence=0, company="61293", area=3)
    assert file_name(name) == "W6_0152_20190611_00_61293_3.xml"
    for template in ("{other}.xml", "{day", "../{day}.xml"):
        with pytest.raises(LocalProtocolError):
            file_name(name, template=template)
    verdict = Verdict(
        plan_id="a.xml",
        submitted_at="20260331120000",
        taken=False,
        findings=(Finding(code="E202", slot=48, text="計画"),),
    )
    assert read_verdict(write_verdict(verdict)) == verdict
    lie = write_verdict(verdict).replace(b"<STAT>9<", b"<STAT>1<")
    with pytest.raises(RemoteProtocolError):
        read_verdict(lie)
