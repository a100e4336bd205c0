"""``vpp alerts``: what the watch over the fleet has found, and who has seen it."""

import sys
from typing import Annotated, Any, Final

import typer

from cloud_coordinator.commands.api_client import (
    URL,
    AsOption,
    CaOption,
    JsonOption,
    KeyFileOption,
    Server,
    UrlOption,
    act,
    say,
)
from protocols.vocabulary.errors import VppError

EXIT_BAD_INPUT: Final = 2
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def alerts() -> None:
    """Show alerts of attacks and faults.

    不正・異常の警報を表示・確認します。
    """


@app.command("list", epilog="Example 例: vpp alerts list --all --json")
def list_command(  # noqa: PLR0913  one parameter per command line option
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Cleared too. 解除済みも。")] = False,
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the alerts that stand, the worst first.

    発生中の警報を重大な順に表示します。
    """
    state = "all" if everything else "standing"
    found = act(Server(url=url, key_file=key_file, ca=ca), f"alerts?state={state}", by=by)
    lines = [_line(one) for one in found["items"]]
    say(found, lines or ["no alert stands 警報はありません"], as_json=as_json)


@app.command("ack", epilog="Example 例: vpp alerts ack frozen-value/site-001/battery/1784680000")
def acknowledge(  # noqa: PLR0913  one parameter per command line option
    alert_id: Annotated[str, typer.Argument(help="As the list names it. 警報ID。")],
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    by: AsOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say that you have seen an alert; it stands until its cause is gone.

    Of resource-added and market-abnormal this is the approval that they wait for.

    警報を確認済みにします(原因が消えるまで発生中のままです)。resource-added と
    market-abnormal では承認になります。
    """
    found = act(
        Server(url=url, key_file=key_file, ca=ca),
        "alerts/acknowledge",
        body={"alert_id": alert_id},
        by=by,
    )
    say(found, [_line(found)], as_json=as_json)


def _line(one: dict[str, Any]) -> str:
    seen = f" seen by {one['seen_by']}" if one["seen_by"] else ""
    return (
        f"{one['severity']:8} {one['state']:8} {one['last_at']} x{one['count']:<6} "
        f"{one['alert_id']}: {one['evidence'][-1]}{seen}"
    )


def main() -> int:
    """Run ``vpp alerts``.

    Returns
    -------
    int
        Exit code: 0, 2 for bad input or a refusal.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp alerts") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp alerts: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
