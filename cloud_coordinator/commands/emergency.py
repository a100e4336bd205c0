"""``vpp emergency``: people take control of the fleet, stop it, and give it back."""

import sys
from typing import Annotated, Any, Final

import typer

from cloud_coordinator.commands.api_client import (
    URL,
    AsOption,
    CaOption,
    JsonOption,
    KeyFileOption,
    ReasonOption,
    Server,
    UrlOption,
    act,
    say,
)
from protocols.vocabulary.errors import VppError

EXIT_BAD_INPUT: Final = 2
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def emergency() -> None:
    """Take control of the fleet, stop it, give it back.

    緊急介入: 全停止(二人確認)、人への移行、再開。
    """


@app.command(
    epilog="Example 例: vpp emergency stop --reason fire; vpp emergency stop --site site-001"
)
def stop(  # noqa: PLR0913  one parameter per command line option
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    reason: ReasonOption = "",
    site: Annotated[str, typer.Option(help="Only this site, at once. 一拠点のみ即時。")] = "",
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask to stop the whole fleet (a second person confirms), or stop one site at once.

    全停止を要求します(120秒以内に別の人が確認)。--site で一拠点を即時停止。
    """
    server = Server(url=url, key_file=key_file, ca=ca)
    said = reason or "not given"
    if site:
        body = {"site_id": site, "reason": said}
        _show(act(server, "emergency/site-stop", body=body, by=by, reason=reason), as_json=as_json)
    else:
        _show(
            act(server, "emergency/stop", body={"reason": said}, by=by, reason=reason),
            as_json=as_json,
        )


@app.command(epilog="Example 例: vpp emergency confirm --as sato")
def confirm(
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Confirm the stop as a second, different person.

    二人目として全停止を確認します。
    """
    server = Server(url=url, key_file=key_file, ca=ca)
    _show(act(server, "emergency/confirm", body={}, by=by), as_json=as_json)


@app.command("take", epilog="Example 例: vpp emergency take --reason 'price spike'")
def take(  # noqa: PLR0913  one parameter per command line option
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    reason: ReasonOption = "",
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take control from the machine; sites hold what they were last told.

    自動制御を止め、人が制御を引き取ります。
    """
    server = Server(url=url, key_file=key_file, ca=ca)
    body = {"reason": reason or "not given"}
    _show(act(server, "emergency/hand-over", body=body, by=by, reason=reason), as_json=as_json)


@app.command(epilog="Example 例: vpp emergency status --json")
def status(
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show who is in charge, how a stop goes, and the situation.

    制御権限・停止の進み・状況報告を表示します。
    """
    server = Server(url=url, key_file=key_file, ca=ca)
    found = {
        **act(server, "emergency", by=by),
        "situation": act(server, "emergency/situation", by=by),
    }
    _show(found, as_json=as_json)


@app.command(epilog="Example 例: vpp emergency resume --check cause --check people")
def resume(  # noqa: PLR0913  one parameter per command line option
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    check: Annotated[
        list[str] | None, typer.Option(help="Tick this point first; repeat. 確認した項目。")
    ] = None,
    site: Annotated[str, typer.Option(help="Only this site. 一拠点のみ。")] = "",
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tick points of the check list, and give control back once all are ticked.

    再開チェックを記入し、全項目がそろえば自動制御へ戻します。
    """
    server = Server(url=url, key_file=key_file, ca=ca)
    if site:
        body = {"site_id": site, "reason": "resumed"}
        _show(act(server, "emergency/site-release", body=body, by=by), as_json=as_json)
        return
    for point in check or ():
        act(server, "emergency/check", body={"point": point}, by=by)
    _show(act(server, "emergency/resume", body={}, by=by), as_json=as_json)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    lines = [f"control 制御: {found['control']}  {found['reason']} {' '.join(found['by'])}"]
    if found["asked_by"]:
        lines.append(
            f"{found['asked_by']} asks to stop; a second person until {found['asked_until']}"
        )
    if found["control"] != "automatic":
        lines += [
            f"  [{'x' if one['ticked_by'] else ' '}] {one['point']:7} "
            f"{one['text']} {one['text_ja']}"
            for one in found["check_list"]
        ]
    if found["sites_told"]:
        lines.append(
            f"told {found['sites_told']}, safe {found['sites_safe']}, not heard "
            f"{found['sites_unheard']}, last safe after {found['last_safe_after_s']} s"
        )
        lines += [f"  waiting: {name}" for name in found["waiting"]]
        lines += [f"  call by telephone 電話連絡: {name}" for name in found["without_command"]]
    if situation := found.get("situation"):
        lines.append(
            f"links {situation['sites_by_link']}, at stake {situation['at_stake_jpy']} JPY"
        )
        lines += [
            f"  {one['obligation_id']}: {one['command_w']:.0f} of {one['award_w']:.0f} W, "
            f"measured {one['measured_w']}, {one['at_stake_jpy']} JPY until {one['ends_at']}"
            for one in situation["awards"]
        ]
    say(found, lines, as_json=as_json)


def main() -> int:
    """Run ``vpp emergency``.

    Returns
    -------
    int
        Exit code: 0, 2 for bad input or a refusal.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp emergency") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp emergency: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
