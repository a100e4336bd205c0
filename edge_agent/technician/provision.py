"""``edge-agent provision``, ``commission`` and ``identity``: a box becomes a site.

Each step is skipped if it is done, so a provisioning that was stopped is simply run again.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from edge_agent.config.loader import load_config
from edge_agent.config.site import SiteConfig
from edge_agent.identity.enrol import (
    SiteFacts,
    coordinator_of,
    enrol,
    own_certificate,
    renew,
    renewal_due,
)
from edge_agent.identity.est import EstClient
from edge_agent.identity.files import IdentityFiles
from edge_agent.identity.stick import take_answer, write_request
from edge_agent.identity.unsent import send_records
from edge_agent.technician.commissioning import HOLD_S, CommissioningTerms, commission
from edge_agent.technician.link_trial import TrialTimes
from edge_agent.technician.plain import json_text
from edge_agent.technician.proposal import (
    CONTRACT_KW,
    PV_KW,
    SiteWishes,
    has_pv,
    look_around,
    own_address,
    propose,
)
from edge_agent.technician.record_keeping import keep_record
from edge_agent.technician.site_file import write_proposal, write_site_file
from protocols.identity.codes import parse_code
from protocols.identity.names import PIN_BYTES, serial_text
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.intervals import Clock

EXIT_NOT_WELL: Final = 1
FOLDER: Final = "identity"
CODE_VARIABLE: Final = "VPP_ENROLMENT_CODE"
CUT_S: Final = 12.0
_CONFIG: Final = Path("site.toml")
_SAID: Final = {
    "keys": "keys made on this gateway 鍵を作成",
    "coordinator": "coordinator recognised by its pin 相手を確認",
    "certificate": "certificate received 証明書を受領",
    "site": "site known 拠点情報を受領",
    "found": "devices found 機器を発見",
    "file": "site file written 設定を保存",
    "devices": "devices read, driven, released 機器試験完了",
    "link": "link cut and back 通信断試験完了",
    "record": "record signed and kept 竣工記録を保存",
    "sent": "record at the coordinator 竣工記録を送信",
}

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The site's TOML file. サイト設定ファイル。")
]
CoordinatorOption = Annotated[
    str | None, typer.Option("--coordinator", help="https://host:8443 コーディネーター。")
]
CutOption = Annotated[
    float, typer.Option(min=0.0, max=120.0, help="Link cut, s; 0: none. 通信断(秒)。")
]
HoldOption = Annotated[
    float, typer.Option(min=0.0, max=60.0, help="Each device driven, s. 機器試験(秒)。")
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
    contract_kw: Annotated[
        float | None, typer.Option(min=0.5, max=10_000.0, help="Most import. 契約電力(kW)。")
    ] = None,
    export_kw: Annotated[
        float, typer.Option(min=0.0, max=10_000.0, help="Most export. 逆潮流上限(kW)。")
    ] = 0.0,
    pv_kw: Annotated[
        float | None, typer.Option(min=0.1, max=10_000.0, help="Rated PV. 太陽光定格(kW)。")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Our own, toward the devices. 機器側アドレス。")
    ] = None,
    group: Annotated[str, typer.Option(help="ECHONET group. マルチキャスト。")] = "224.0.23.0",
    test: Annotated[bool, typer.Option(help="Test devices and link. 竣工試験。")] = True,
    hold_s: HoldOption = HOLD_S,
    cut_s: CutOption = CUT_S,
) -> None:
    """Enrol this gateway as its site, find and test its devices (登録と竣工試験).

    Without a site file one is written for the ECHONET devices that answer; what nobody says is
    safe: nothing is exported.
    """
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
    if config.is_file():
        site = write_site_file(config, facts, folder=FOLDER)
    else:
        toward = urlsplit(coordinator or "").hostname or group
        wishes = SiteWishes(
            contract_kw=_asked("contract 契約 kW", contract_kw, CONTRACT_KW),
            export_kw=export_kw,
            address=address or own_address(toward),
            group=group,
        )
        site = _proposed(config, facts, wishes, pv_kw=pv_kw, clock=_clock(context))
    _tell("file")
    if test:
        link = None if bundle is not None or not cut_s else TrialTimes(cut_s=cut_s)
        _commission(config, site, files, clock=_clock(context), hold_s=hold_s, link=link)


def commission_command(
    context: typer.Context,
    config: ConfigOption = _CONFIG,
    *,
    hold_s: HoldOption = HOLD_S,
    cut_s: CutOption = CUT_S,
) -> None:
    """Test devices and link again, keep and send the record; the agent must not run (竣工試験)."""
    site = load_config(config)
    link = TrialTimes(cut_s=cut_s) if cut_s else None
    _commission(config, site, _files(config), clock=_clock(context), hold_s=hold_s, link=link)


def _asked(what: str, given: float | None, safe: float) -> float:
    """Return what was given, else what a person at the terminal says, else what is safe."""
    if given is not None:
        return given
    if not sys.stdin.isatty():
        return safe
    return float(typer.prompt(what, default=safe, type=float))


def _proposed(
    config: Path, facts: SiteFacts, wishes: SiteWishes, *, pv_kw: float | None, clock: Clock
) -> SiteConfig:
    """Look for devices and write a site file for them."""
    found = look_around(wishes, facts, clock, data_dir=config.parent / "data")
    if has_pv(found):
        wishes = replace(wishes, pv_kw=_asked("PV 太陽光 kW", pv_kw, PV_KW))
    proposal = propose(found, wishes, facts)
    _tell("found")
    for name in proposal.device_ids:
        sys.stdout.write(f"  {name}\n")
    for one in proposal.left_out:
        sys.stdout.write(f"  left out 除外: {one}\n")
    sys.stdout.write(
        f"  limits 制限: import 受電 {wishes.contract_kw:g} kW, export 逆潮流 "
        f"{wishes.export_kw:g} kW; change them in {config}\n"
    )
    return write_proposal(config, proposal.text, facts, folder=FOLDER)


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


def _commission(  # noqa: PLR0913 - what a test needs
    config: Path,
    site: SiteConfig,
    files: IdentityFiles,
    *,
    clock: Clock,
    hold_s: float,
    link: TrialTimes | None,
) -> None:
    serial = serial_text(own_certificate(files).serial_number)
    terms = CommissioningTerms(serial=serial, hold_s=hold_s, link=link)
    record = commission(config, site, clock, terms=terms, tell=_tell)
    page = keep_record(record, site.data_dir, files)
    _tell("record")
    for line in record.devices:
        sys.stdout.write(f"  {'ok' if line.ok else 'NOT ok'} {line.device_id}: {line.driven}\n")
    if record.link is not None:
        sys.stdout.write(f"  {'ok' if record.link.ok else 'NOT ok: ' + record.link.cause} link\n")
    for one in record.not_tested:
        sys.stdout.write(f"  not tested 未試験: {one}\n")
    cause = send_records(site.data_dir, files)
    if cause:
        sys.stdout.write(f"  kept here, the agent sends it later 後で送信: {cause}\n")
    else:
        _tell("sent")
    sys.stdout.write(f"{'passed 合格' if record.ok else 'NOT passed 不合格'}: {page}\n")
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
    files = _files(config)
    certificate = own_certificate(files)
    facts = {
        "subject": certificate.subject.rfc4514_string(),
        "serial": serial_text(certificate.serial_number),
        "from": certificate.not_valid_before_utc.isoformat(),
        "until": certificate.not_valid_after_utc.isoformat(),
        "renewal_due": renewal_due(certificate, at=_clock(context).now()),
        "coordinator": coordinator_of(files),
    }
    if json:
        sys.stdout.write(f"{json_text(facts)}\n")
        return
    for key, value in facts.items():
        sys.stdout.write(f"{key:11} {value}\n")


@app.command("renew", epilog="Example 例: edge-agent identity renew --coordinator https://h:8443")
def renew_command(
    context: typer.Context, coordinator: CoordinatorOption = None, config: ConfigOption = _CONFIG
) -> None:
    """Get the next certificate now, for a new key (証明書の更新).

    The running agent does it by itself when a third of the life is left.
    """
    files = _files(config)
    url = coordinator or coordinator_of(files)
    if not url:
        raise ConfigError("--coordinator: is missing, and nobody told this gateway")
    made = renew(files, EstClient(url), at=_clock(context).now())
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
