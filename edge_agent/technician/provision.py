"""``edge-agent provision`` and ``edge-agent identity``: a box becomes a site.

Each step is skipped if it is done, so a provisioning that was stopped is simply run again.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.identity.enrol import SiteFacts, enrol, own_certificate, renew, renewal_due
from edge_agent.identity.est import EstClient
from edge_agent.identity.files import IdentityFiles, write_whole
from edge_agent.identity.stick import take_answer, write_request
from edge_agent.technician.commissioning import commission, page_of
from edge_agent.technician.plain import json_text
from edge_agent.technician.site_file import write_site_file
from protocols.identity.codes import parse_code
from protocols.identity.names import PIN_BYTES, serial_text
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

EXIT_NOT_WELL: Final = 1
FOLDER: Final = "identity"
CODE_VARIABLE: Final = "VPP_ENROLMENT_CODE"
_CONFIG: Final = Path("site.toml")
_SAID: Final = {
    "keys": "keys made on this gateway 鍵を作成",
    "coordinator": "coordinator recognised by its pin 相手を確認",
    "certificate": "certificate received 証明書を受領",
    "site": "site known 拠点情報を受領",
    "file": "site file written 設定を保存",
    "record": "commissioning test done 竣工試験完了",
}

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
CoordinatorOption = Annotated[
    str, typer.Option("--coordinator", help="https://host:8443 コーディネーター。")
]

app = typer.Typer(help="Keys and certificate (鍵と証明書).", no_args_is_help=True)


def provision_command(  # noqa: PLR0913 - one parameter per option of the command line
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    coordinator: Annotated[str | None, typer.Option(help="https://host:8443 接続先。")] = None,
    code: Annotated[
        str | None, typer.Option(help=f"One-time code; else {CODE_VARIABLE} or asked. コード。")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder on a stick, without network. USBメモリ。")
    ] = None,
    pin: Annotated[str | None, typer.Option(help="With --bundle: the pin. ピン。")] = None,
    test: Annotated[bool, typer.Option(help="Test every device. 機器試験。")] = True,
) -> None:
    """Enrol this gateway as its site, and test its devices (登録と竣工試験)."""
    files = IdentityFiles(folder=config.parent / FOLDER)
    if (coordinator is None) == (bundle is None):
        raise ConfigError("name either --coordinator or --bundle")
    if bundle is not None:
        facts = _by_stick(files, bundle, pin)
        if facts is None:
            return
    else:
        assert coordinator is not None, "one of the two is there"
        words = code or os.environ.get(CODE_VARIABLE) or typer.prompt("code コード")
        facts = enrol(files, EstClient(coordinator), parse_code(words), tell=_tell)
    site = write_site_file(config, facts, folder=FOLDER)
    _tell("file")
    if test:
        _commission(site, _clock(context), files)


def _by_stick(files: IdentityFiles, folder: Path, pin: str | None) -> SiteFacts | None:
    """Write the request, or take the answer if there is one."""
    if not (folder / "site.pem").is_file():
        write_request(files, folder)
        _tell("keys")
        sys.stdout.write(f"carry {folder} to the coordinator: vpp sites bundle\n")
        return None
    try:
        wanted = bytes.fromhex(pin or "")
    except ValueError:
        wanted = b""
    if len(wanted) != PIN_BYTES:
        raise ConfigError(f"--pin: {2 * PIN_BYTES} hexadecimal digits, as `vpp authority show`")
    facts = take_answer(files, folder, pin=wanted)
    _tell("certificate")
    return facts


def _commission(site: SiteConfig, clock: Clock, files: IdentityFiles) -> None:
    serial = serial_text(own_certificate(files).serial_number)
    record = commission(site, clock, serial=serial)
    name = f"commissioning-{record.started_at:%Y%m%dT%H%M%SZ}"
    page = site.data_dir / f"{name}.html"
    write_whole(site.data_dir / f"{name}.json", json_text(record).encode())
    write_whole(page, page_of(record).encode())
    _tell("record")
    for line in record.devices:
        sys.stdout.write(f"  {'ok' if line.ok else 'NOT ok'} {line.device_id}: {line.driven}\n")
    sys.stdout.write(f"{page}\n")
    if not record.ok:
        raise typer.Exit(EXIT_NOT_WELL)


@app.command("show", epilog="Example 例: edge-agent identity show --json")
def show_command(
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON. JSON で出力。")] = False,
) -> None:
    """Show the certificate in force (証明書の表示)."""
    certificate = own_certificate(_files(config))
    facts = {
        "subject": certificate.subject.rfc4514_string(),
        "serial": serial_text(certificate.serial_number),
        "from": certificate.not_valid_before_utc.isoformat(),
        "until": certificate.not_valid_after_utc.isoformat(),
        "renewal_due": renewal_due(certificate, at=_clock(context).now()),
    }
    if json:
        sys.stdout.write(f"{json_text(facts)}\n")
        return
    for key, value in facts.items():
        sys.stdout.write(f"{key:8} {value}\n")


@app.command("renew", epilog="Example 例: edge-agent identity renew --coordinator https://h:8443")
def renew_command(
    context: typer.Context, coordinator: CoordinatorOption, config: ConfigOption = _CONFIG
) -> None:
    """Get the next certificate now, for a new key (証明書の更新)."""
    made = renew(_files(config), EstClient(coordinator), at=_clock(context).now())
    sys.stdout.write(f"until {made.not_valid_after_utc.isoformat()} 更新しました\n")


def _files(config: Path) -> IdentityFiles:
    folder = load_config(config).identity_dir
    if folder is None:
        raise ConfigError("identity: the site has none; `edge-agent provision` makes it")
    return IdentityFiles(folder=folder)


def _tell(step: str) -> None:
    sys.stdout.write(f"[x] {_SAID[step]}\n")
    sys.stdout.flush()


def _clock(context: typer.Context) -> Clock:
    clock: Clock | None = context.obj
    assert clock is not None, "run_app passes the clock in"
    return clock
