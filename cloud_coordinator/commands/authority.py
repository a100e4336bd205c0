"""``vpp authority``: wiring only. Makes, shows and rotates the authority, and serves enrolment.

Exit codes: 0, or 2 for bad input (one clear line).
"""

import asyncio
import json as json_module
import sys
from typing import Annotated, Final

import typer
from aiohttp import web

from cloud_coordinator.commands.opening_authority import (
    DATA,
    IDENTITY,
    DataOption,
    IdentityOption,
    PassphraseOption,
    opened,
    passphrase_of,
)
from cloud_coordinator.commands.recorded import RecordOption, recorded
from cloud_coordinator.commands.server_tls import ServerTls
from cloud_coordinator.gateway.authority.authority import (
    Authority,
    add_signing_key,
    make_authority,
    rotate_intermediate,
)
from cloud_coordinator.process import (
    SystemClock,
    configure_logging,
    listen,
    parse_address,
    stop_signal,
)
from cloud_coordinator.services.enrolment import Enrolling
from cloud_coordinator.store.commissioning import CommissioningFolder
from cloud_coordinator.web.enrolment import (
    EnrolmentOffer,
    create_enrolment_app,
)
from protocols.vocabulary.errors import VppError

EXIT_BAD_INPUT: Final = 2
NAMES: Final = ("localhost", "127.0.0.1")
STOP_S: Final = 2.0

NameOption = Annotated[
    list[str] | None, typer.Option("--name", help="More names of the server. サーバー名。")
]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def authority() -> None:
    """Certificates of gateways and of the coordinator (認証局)."""


@app.command(epilog="Example 例: vpp authority init --passphrase-file secret.txt")
def init(
    *,
    identity: IdentityOption = IDENTITY,
    passphrase_file: PassphraseOption = None,
    title: Annotated[str, typer.Option(help="Name of the authority. 名称。")] = "vpp",
    name: NameOption = None,
    data_dir: RecordOption = None,
) -> None:
    """Make the authority: root, intermediate, the coordinator's certificate (作成)."""
    passphrase = passphrase_of(passphrase_file)
    with recorded(data_dir, f"authority: init {identity}"):
        made = make_authority(
            identity,
            passphrase,
            name=title,
            names=[*NAMES, *(name or ())],
            at=SystemClock().now(),
        )
    _show(made)
    sys.stdout.write(
        f"move {made.files.root_key} to a safe: only `vpp authority rotate` needs it "
        "ルート鍵は別の場所に保管してください\n"
    )


@app.command(epilog="Example 例: vpp authority show --json")
def show(
    *,
    identity: IdentityOption = IDENTITY,
    passphrase_file: PassphraseOption = None,
    json: Annotated[bool, typer.Option("--json", help="JSON. JSON で出力。")] = False,
) -> None:
    """Show pin, periods and revoked serial numbers (表示)."""
    opened_authority = Authority.open(identity, passphrase_of(passphrase_file))
    _show(opened_authority, as_json=json)


@app.command(epilog="Example 例: vpp authority rotate --passphrase-file secret.txt")
def rotate(
    *,
    identity: IdentityOption = IDENTITY,
    passphrase_file: PassphraseOption = None,
    name: NameOption = None,
    data_dir: RecordOption = None,
) -> None:
    """Make a new intermediate, server certificate and signing key (更新)."""
    passphrase, now = passphrase_of(passphrase_file), SystemClock().now()
    with recorded(data_dir, f"authority: rotate {identity}"):
        rotated = rotate_intermediate(identity, passphrase, at=now)
        rotated.certify_server(names=[*NAMES, *(name or ())], at=now)
        key_id = add_signing_key(rotated.files)
    sys.stdout.write(f"signing key {key_id}; restart the coordinator 再起動してください\n")
    _show(rotated)


@app.command(epilog="Example 例: vpp authority renew --name coordinator.example.jp")
def renew(
    *,
    identity: IdentityOption = IDENTITY,
    passphrase_file: PassphraseOption = None,
    name: NameOption = None,
    data_dir: RecordOption = None,
) -> None:
    """Give the coordinator a new certificate; running programs show it within seconds (更新).

    Without --name for the names that it has. `vpp authority serve` does this by itself when a
    third of its life is left.
    """
    authority_open, now = (
        Authority.open(identity, passphrase_of(passphrase_file)),
        SystemClock().now(),
    )
    with recorded(data_dir, f"authority: renew {identity}"):
        if name:
            made = authority_open.certify_server(names=[*NAMES, *name], at=now)
        else:
            made = authority_open.renew_server(at=now)
    sys.stdout.write(f"until {made.not_valid_after_utc.isoformat()} 更新しました\n")


@app.command(epilog="Example 例: vpp authority serve --listen 0.0.0.0:8443 --broker mqtts://h:8883")
def serve(
    *,
    broker: Annotated[list[str], typer.Option(help="What gateways are told. ブローカー。")],
    listen_at: Annotated[
        str, typer.Option("--listen", help="Where gateways enrol. 待受アドレス。")
    ] = "127.0.0.1:8443",
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Let gateways enrol and renew, beside a running coordinator (登録サーバー).

    Also renews the coordinator's own certificate when a third of its life is left.
    """
    configure_logging(verbose=False)
    host, port = parse_address(listen_at)
    with opened(identity, data_dir, passphrase_file, who="service") as opened_both:
        authority_open, enrolling = opened_both
        offer = EnrolmentOffer(
            chain=authority_open.chain,
            coordinator_keys=authority_open.coordinator_keys,
            brokers=tuple(broker),
            records=CommissioningFolder(data_dir),
        )
        asyncio.run(_serve(enrolling, offer, authority_open, address=(host, port)))


async def _serve(
    enrolling: Enrolling,
    offer: EnrolmentOffer,
    authority_open: Authority,
    *,
    address: tuple[str, int],
) -> None:
    stop, clock = stop_signal(), SystemClock()
    listening = listen(*address)
    tls = ServerTls(authority_open)
    application = create_enrolment_app(enrolling, offer, clock=clock)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    keeping = asyncio.create_task(tls.keep(clock))
    try:
        await web.SockSite(runner, listening, ssl_context=tls.context).start()
        url = f"https://{address[0]}:{listening.getsockname()[1]}"
        sys.stdout.write(json_module.dumps({"event": "enrolment.ready", "url": url}) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        keeping.cancel()
        await runner.cleanup()
        listening.close()


def _show(authority_open: Authority, *, as_json: bool = False) -> None:
    intermediate, root = authority_open.chain
    facts = {
        "folder": str(authority_open.files.folder),
        "pin": authority_open.pin.hex(),
        "root_until": root.not_valid_after_utc.isoformat(),
        "intermediate_until": intermediate.not_valid_after_utc.isoformat(),
        "root_key_here": authority_open.files.root_key.is_file(),
        "revoked": dict(authority_open.revoked.serials()),
    }
    if as_json:
        sys.stdout.write(json_module.dumps(facts, indent=1) + "\n")
        return
    for key, value in facts.items():
        shown = len(value) if isinstance(value, dict) else value
        sys.stdout.write(f"{key:20} {shown}\n")


def main() -> int:
    """Run the command line.

    Returns
    -------
    int
        Exit code.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp authority") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp authority: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT
