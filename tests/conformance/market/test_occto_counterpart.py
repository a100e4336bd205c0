"""Plans filed with OCCTO over mutual TLS, judged, contradicted, lost and asked for."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cloud_coordinator.gateway.exchanges.line import open_line
from cloud_coordinator.gateway.exchanges.occto import (
    OcctoConnector,
    OcctoSettings,
    credentials,
)
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.trading import OutcomeUnknownError
from firmware_sim.counterparts.command import mutual_context
from firmware_sim.counterparts.ledger import Ledger
from firmware_sim.counterparts.mischief import Fault, Mischief
from firmware_sim.counterparts.occto import Account, OcctoCounterpart
from protocols.occto.package import FileName
from protocols.occto.plan import SLOTS, Plan, PlanKind, Series, section
from tests.conformance.market.venues import DAY, LATE_S, MEMBERSHIP, Hand, Kept, served
from tests.pki import Pki

SETTINGS = OcctoSettings(user="vpp", password="right", patience=MEMBERSHIP.patience)
IN_TIME = datetime.fromisoformat("2026-03-31T12:00:00+09:00")
SAME_DAY = datetime.fromisoformat("2026-04-01T09:00:00+09:00")


def flat(code: str, kwh: int) -> Series:
    """Say the same energy in every slot."""
    return Series(code=code, energy_kwh=(kwh,) * SLOTS)


def plan(*, group: str = "BG001", generated: int = 100, sold: int = 100, to: str = "JEPX") -> Plan:
    """Plan generation and sales."""
    return Plan(
        kind=PlanKind.GENERATION,
        information_code="0152",
        sender="61293",
        receiver="99999",
        day=DAY,
        group=group,
        body=section([flat("KEITO1", generated)]),
        sales=section([flat(to, sold)]),
        procurement=section([]),
    )


def name(sequence: int = 0, *, code: str = "0152") -> FileName:
    """Name a file of Tokyo."""
    return FileName(plan_code=code, day=DAY, sequence=sequence, company="61293", area=3)


def file(  # noqa: PLR0917  who, when, what goes wrong, and what is done
    path: Path,
    clock: Hand,
    mischief: Mischief,
    deed: Callable[[OcctoConnector], Awaitable[None]],
    *,
    settings: OcctoSettings = SETTINGS,
    with_certificate: bool = True,
) -> None:
    """File plans at an OCCTO that is open."""
    pki = Pki(path / "pki")
    server, ours = pki.server("127.0.0.1"), pki.device("us")
    context = mutual_context(server.certificate, server.key, authorities=pki.authorities)
    client = ssl.create_default_context(cafile=str(pki.authorities))
    if with_certificate:
        client.load_cert_chain(ours.certificate, ours.key)

    async def run() -> None:
        made = OcctoCounterpart(
            Ledger(None), clock, account=Account(user="vpp", password="right"), mischief=mischief
        )
        async with (
            served(made.application(), context) as port,
            open_line(
                f"https://127.0.0.1:{port}",
                context=client,
                headers=credentials(settings),
                timeout_s=0.4,
            ) as line,
        ):
            store = Kept(path / "r.db").open()
            await deed(OcctoConnector(line, store, clock, settings=settings))

    asyncio.run(run())


@pytest.mark.parametrize("fault", [None, *(f for f in Fault if f is not Fault.REPLAY)])
def test_a_plan_is_taken_once_whatever_happens_on_the_way(
    fault: Fault | None, tmp_path: Path
) -> None:
    """If it fails, the plan that settles imbalance would be missing, or not the one we think."""
    mischief = Mischief([fault] if fault else [], late_s=LATE_S)

    async def deed(occto: OcctoConnector) -> None:
        verdict = await occto.file(plan(), name())
        assert verdict.taken
        assert verdict.plan_id == "W6_0152_20260401_00_61293_3.xml"
        assert await occto.file(plan(), name()) == verdict
        with pytest.raises(ConflictError):
            await occto.file(plan(generated=90, sold=90), name())
        assert (await occto.file(plan(generated=90, sold=90), name(1))).taken

    file(tmp_path, Hand(IN_TIME), mischief, deed)


def test_contradictions_are_answered_with_slot_and_code(tmp_path: Path) -> None:
    """If it fails, a plan that is not in force would look filed, and the day be imbalance."""

    async def deed(occto: OcctoConnector) -> None:
        verdict = await occto.file(plan(sold=99), name(0))
        assert not verdict.taken
        assert {(one.code, one.slot) for one in verdict.findings} == {
            ("E202", slot) for slot in range(1, SLOTS + 1)
        }
        whole = plan()
        wrong = replace(whole.body, totals_kwh=(101, *whole.body.totals_kwh[1:]))
        verdict = await occto.file(replace(whole, body=wrong), name(1))
        assert [(one.code, one.slot) for one in verdict.findings] == [("E201", 1)]
        assert (await occto.file(plan(to="BG002"), name(2))).taken
        bought = replace(
            plan(group="BG002", generated=10, sold=100),
            procurement=section([flat("BG001", 90)]),
        )
        verdict = await occto.file(bought, name(3))
        assert {one.code for one in verdict.findings} == {"E203"}
        assert "100 kWh" in verdict.findings[0].text
        assert "90 kWh" in verdict.findings[0].text

    file(tmp_path, Hand(IN_TIME), Mischief(), deed)


def test_gates_of_both_plans(tmp_path: Path) -> None:
    """If it fails, a late plan would be taken for filed in time."""
    clock = Hand(IN_TIME)

    async def deed(occto: OcctoConnector) -> None:
        assert (await occto.file(plan(), name())).taken
        clock.at = IN_TIME.replace(second=1)
        late = await occto.file(plan(generated=1, sold=1), name(1))
        assert [one.code for one in late.findings] == ["E101"]
        clock.at = SAME_DAY
        energies = [100] * 20 + [50] * 28
        changed = Series(code="KEITO1", energy_kwh=tuple(energies))
        sold = Series(code="JEPX", energy_kwh=tuple(energies))
        today = replace(plan(), body=section([changed]), sales=section([sold]))
        verdict = await occto.file(today, name(2, code="0153"))
        assert verdict.submitted_at == "20260401090000"
        assert verdict.taken, "slot 21 begins at 10:00 and closes after 09:00:00"
        clock.at = SAME_DAY.replace(hour=10)
        verdict = await occto.file(plan(), name(3, code="0153"))
        assert {(one.code, one.slot) for one in verdict.findings} == {
            ("E103", 21),
            ("E103", 22),
        }

    file(tmp_path, clock, Mischief(), deed)


def test_password_and_certificate_are_both_asked_for(tmp_path: Path) -> None:
    """If it fails, anybody who finds the address could file plans in our name."""

    async def refused(occto: OcctoConnector) -> None:
        with pytest.raises(RejectedError, match="1001"):
            await occto.file(plan(), name())

    async def silent(occto: OcctoConnector) -> None:
        with pytest.raises(OutcomeUnknownError):
            await occto.file(plan(), name())

    wrong = replace(SETTINGS, password="wrong")
    file(tmp_path / "a", Hand(IN_TIME), Mischief(), refused, settings=wrong)
    file(tmp_path / "b", Hand(IN_TIME), Mischief(), silent, with_certificate=False)
