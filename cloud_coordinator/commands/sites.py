"""``vpp sites``: wiring only. Lets sites enrol, lists, revokes and replaces them.

Exit codes: 0, or 2 for bad input (one clear line).
"""

import json as json_module
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.commands.opening_authority import (
    DATA,
    IDENTITY,
    DataOption,
    IdentityOption,
    PassphraseOption,
    opened,
)
from cloud_coordinator.commands.site_bundles import EPILOG as BUNDLES_EPILOG
from cloud_coordinator.commands.site_bundles import SiteFacts, answer, bundles, request_in
from cloud_coordinator.commands.site_records import EPILOG as RECORDS_EPILOG
from cloud_coordinator.commands.site_records import records
from protocols.identity.codes import EnrolmentCode
from protocols.vocabulary.errors import VppError
from protocols.vocabulary.identifiers import SiteId, ZoneId, checked_name

EXIT_BAD_INPUT: Final = 2
HOURS: Final = 24
HOURS_MAX: Final = 24 * 14

SiteArgument = Annotated[str, typer.Argument(metavar="SITE", help="Its id. 拠点ID。")]
HoursOption = Annotated[
    int, typer.Option(min=1, max=HOURS_MAX, help="How long the code holds. 有効時間。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON. JSON で出力。")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def sites() -> None:
    """Sites that may enrol (拠点の登録)."""


@app.command(epilog="Example 例: vpp sites add site-7 --zone tokyo")
def add(  # noqa: PLR0913  one parameter per command line option
    site: SiteArgument,
    *,
    zone: Annotated[str, typer.Option(help="Whose signal it hears. ゾーン。")],
    hours: HoursOption = HOURS,
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Add a site and print its one-time code (拠点を追加し、ワンタイムコードを表示)."""
    site_id = SiteId(checked_name(site, "site id"))
    zone_id = ZoneId(checked_name(zone, "zone id"))
    with opened(identity, data_dir, passphrase_file) as (_, enrolling):
        code = enrolling.add(site_id, zone_id, life=timedelta(hours=hours))
    _print_code(site, code, hours=hours, as_json=json)


@app.command(epilog="Example 例: vpp sites replace site-7")
def replace(  # noqa: PLR0913  one parameter per command line option
    site: SiteArgument,
    *,
    hours: HoursOption = HOURS,
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Cut a gateway off and print the code for the one in its place (ゲートウェイ交換)."""
    with opened(identity, data_dir, passphrase_file) as (_, enrolling):
        code = enrolling.replace(SiteId(site), life=timedelta(hours=hours))
    _print_code(site, code, hours=hours, as_json=json)


@app.command(epilog="Example 例: vpp sites revoke site-7 --reason stolen")
def revoke(
    site: SiteArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why. 理由。")],
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Refuse every certificate of a site from now on (失効)."""
    with opened(identity, data_dir, passphrase_file) as (_, enrolling):
        serials = enrolling.revoke(SiteId(site), reason=reason)
    sys.stdout.write(f"{site}: revoked {len(serials)} certificates 失効しました\n")


@app.command("list", epilog="Example 例: vpp sites list --json")
def list_sites(
    *,
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """List the sites and their newest certificates (一覧)."""
    with opened(identity, data_dir, passphrase_file) as (authority, enrolling):
        found = [
            {
                "site": one.site_id,
                "zone": one.zone,
                "state": one.state.value,
                "attempts_left": one.attempts_left,
                "serial": issued[-1].serial if issued else "",
                "until": issued[-1].expires_at.isoformat() if issued else "",
                "revoked": bool(issued) and authority.revoked.is_revoked(issued[-1].serial),
            }
            for one, issued in enrolling.sites()
        ]
    if json:
        sys.stdout.write(json_module.dumps(found, indent=1) + "\n")
        return
    for line in found:
        sys.stdout.write("  ".join(str(value) for value in line.values()) + "\n")


@app.command(
    epilog="Example 例: vpp sites bundle site-7 --folder /media/usb --broker mqtts://h:8883"
)
def bundle(  # noqa: PLR0913  one parameter per command line option
    site: SiteArgument,
    *,
    folder: Annotated[Path, typer.Option(help="On the stick. USBメモリのフォルダー。")],
    broker: Annotated[list[str], typer.Option(help="What it is told. ブローカー。")],
    coordinator: Annotated[
        str, typer.Option(help="Where it renews, https://host:8443. 更新先。")
    ] = "",
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Answer the request that a gateway wrote on a stick (USBメモリでの登録).

    First `edge-agent provision --bundle FOLDER` on the gateway, then this, then that again.
    """
    with opened(identity, data_dir, passphrase_file) as (authority, enrolling):
        zones = {one.site_id: one.zone for one, _ in enrolling.sites()}
        site_id = SiteId(site)
        made = enrolling.certify(site_id, request_in(folder))
        facts = SiteFacts(
            site_id=site_id,
            zone=zones[site_id],
            brokers=tuple(broker),
            coordinator=coordinator,
        )
        answer(folder, facts, made, authority=authority)
    sys.stdout.write(f"{folder}: pin {authority.pin.hex()} 登録情報を書き込みました\n")


app.command("bundles", epilog=BUNDLES_EPILOG)(bundles)
app.command("records", epilog=RECORDS_EPILOG)(records)


def _print_code(site: str, code: EnrolmentCode, *, hours: int, as_json: bool) -> None:
    if as_json:
        facts = {"site": site, "code": code.text(), "hours": hours}
        sys.stdout.write(json_module.dumps(facts) + "\n")
        return
    sys.stdout.write(
        f"{code.text()}\n{site}: works once, within {hours} h 一度だけ有効\n"
        "edge-agent provision --coordinator https://HOST:8443 --code CODE\n"
    )


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp sites") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp sites: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT
