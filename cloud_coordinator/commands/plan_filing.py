"""``vpp exchange plan``: a plan of generation and sales, filed with OCCTO. Wiring only."""

import asyncio
import csv
import ssl
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.commands.recorded import trail_of, who_acts
from cloud_coordinator.gateway.exchanges.line import open_line
from cloud_coordinator.gateway.exchanges.occto import OcctoConnector, OcctoSettings, credentials
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.errors import ConflictError, RejectedError
from cloud_coordinator.services.recorded_submissions import RecordedSubmissions
from cloud_coordinator.services.trading import OutcomeUnknownError, SubmissionStore
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.submissions import SubmissionTable
from protocols.occto.package import FileName
from protocols.occto.plan import SLOTS, Plan, PlanKind, Section, Series, section
from protocols.occto.verdict import Verdict
from protocols.vocabulary.errors import ConfigError, LocalProtocolError, StoreError

EXIT_REFUSED: Final = 1
EXIT_BAD_INPUT: Final = 2
_COLUMNS: Final = ["section", "code", "slot", "kwh"]
_SECTIONS: Final = ("generation", "sales", "procurement")
_EPILOG: Final = (
    "Example 例: vpp exchange plan --url https://127.0.0.1:8103 --day 2026-04-01 --rows plan.csv "
    "--group BG001 --company 61293 --area 3 --user vpp --password-file password "
    "--certificate us.pem --key us.key --authorities ca.pem --database vpp.db"
)


def add_plan(app: typer.Typer) -> None:
    """Add ``plan`` to ``vpp exchange``."""
    app.command(epilog=_EPILOG)(plan)


def plan(  # noqa: PLR0913  one parameter per command line option
    *,
    url: Annotated[str, typer.Option(help="Of OCCTO. 接続先。")],
    day: Annotated[str, typer.Option(help="Of delivery, YYYY-MM-DD. 受渡日。")],
    rows: Annotated[Path, typer.Option(help=f"CSV: {','.join(_COLUMNS)}. 計画。")],
    group: Annotated[str, typer.Option(help="Balancing group. BGコード。")],
    company: Annotated[str, typer.Option(help="Our code. 事業者コード。")],
    area: Annotated[int, typer.Option(min=1, max=10, help="1 to 10. エリア。")],
    user: Annotated[str, typer.Option(help="User. 利用者。")],
    password_file: Annotated[Path, typer.Option(help="Password. パスワード。")],
    certificate: Annotated[Path, typer.Option(help="PEM. 証明書。")],
    key: Annotated[Path, typer.Option(help="PEM. 秘密鍵。")],
    authorities: Annotated[Path, typer.Option(help="PEM. 認証局。")],
    database: Annotated[str, typer.Option(help="What was sent. データベース。")],
    plan_code: Annotated[str, typer.Option(help="Kind of plan. 計画種別。")] = "0152",
    sequence: Annotated[int, typer.Option(min=0, max=99, help="Of a revision. 版。")] = 0,
    receiver: Annotated[str, typer.Option(help="Code of OCCTO. 宛先。")] = "99999",
) -> None:
    """File a plan of generation and sales.

    発電販売計画を提出します。
    """
    try:
        chosen = date.fromisoformat(day)
        parts = _read(rows)
        made = Plan(
            kind=PlanKind.GENERATION,
            information_code=plan_code,
            sender=company,
            receiver=receiver,
            day=chosen,
            group=group,
            body=parts["generation"],
            sales=parts["sales"],
            procurement=parts["procurement"],
        )
        name = FileName(
            plan_code=plan_code, day=chosen, sequence=sequence, company=company, area=area
        )
        secret = password_file.read_text(encoding="utf-8").strip()
        context = ssl.create_default_context(cafile=str(authorities))
        context.load_cert_chain(certificate, key)
        settings = OcctoSettings(user=user, password=secret)
        place = database if "://" in database else Path(database)
        opened = open_database(place)
        store = RecordedSubmissions(SubmissionTable(opened), trail_of(opened), who=who_acts())
        verdict = asyncio.run(_file(made, name, url=url, settings=settings, at=(store, context)))
    except (ConfigError, StoreError, LocalProtocolError, OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_BAD_INPUT) from error
    except (RejectedError, ConflictError, OutcomeUnknownError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    for finding in verdict.findings:
        typer.echo(f"slot {finding.slot}: {finding.code}: {finding.text}")
    if not verdict.taken:
        raise typer.Exit(EXIT_REFUSED)
    typer.echo(f"{verdict.plan_id}: taken 受付済")


async def _file(
    plan: Plan,
    name: FileName,
    *,
    url: str,
    settings: OcctoSettings,
    at: tuple[SubmissionStore, ssl.SSLContext],
) -> Verdict:
    """File it over a connection of its own."""
    store, context = at
    async with open_line(url, context=context, headers=credentials(settings)) as line:
        occto = OcctoConnector(line, store, SystemClock(), settings=settings)
        return await occto.file(plan, name)


def _read(path: Path) -> dict[str, Section]:
    """Read the sections of a plan; a slot that is not written is 0 kWh."""
    found: dict[str, dict[str, list[int]]] = {name: defaultdict(_nothing) for name in _SECTIONS}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _COLUMNS:
            raise ConfigError(f"{path}:1: the header is not {','.join(_COLUMNS)}")
        for row in reader:
            where = f"{path}:{reader.line_num}"
            texts = [row[name] or "" for name in ("slot", "kwh")]
            if row["section"] not in found or not all(text.isdecimal() for text in texts):
                raise ConfigError(f"{where}: is no {', '.join(_SECTIONS)} with slot and kWh")
            slot = int(texts[0])
            if not 1 <= slot <= SLOTS:
                raise ConfigError(f"{where}: slot {slot} is not in 1..{SLOTS}")
            found[row["section"]][row["code"]][slot - 1] = int(texts[1])
    return {
        name: section([Series(code=code, energy_kwh=tuple(kwh)) for code, kwh in parts.items()])
        for name, parts in found.items()
    }


def _nothing() -> list[int]:
    return [0] * SLOTS
