"""``vpp override``: a resource in an operator's hand, for some minutes."""

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


ResourceArgument = Annotated[str, typer.Argument(help="<site>/<device>. リソースID。")]


@app.callback()
def override() -> None:
    """Hold a resource at a power for some minutes.

    リソースを期限付きで手動固定します。
    """


@app.command(
    "set", epilog="Example 例: vpp override set site-001/battery --power-w -1500 --minutes 10"
)
def set_command(  # noqa: PLR0913 - one parameter per command line option
    resource: ResourceArgument,
    *,
    power_w: Annotated[float, typer.Option(help="W, + toward the grid. 電力W。")],
    minutes: Annotated[float, typer.Option(min=0.1, max=240.0, help="How long. 分。")] = 15.0,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    by: AsOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Hold a resource at a power.

    リソースを指定電力に固定します。
    """
    body: dict[str, Any] = {"resource_id": resource, "power_w": power_w, "minutes": minutes}
    found = act(
        Server(url=url, key_file=key_file, ca=ca), "overrides", body=body, by=by, reason=reason
    )
    say(found, [f"{resource}: {power_w:.0f} W for {minutes:.0f} min was sent"], as_json=as_json)


@app.command("release", epilog="Example 例: vpp override release site-001/battery")
def release(  # noqa: PLR0913  one parameter per command line option
    resource: ResourceArgument,
    *,
    url: UrlOption = URL,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    by: AsOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give a resource back to automatic control.

    リソースを自動制御へ戻します。
    """
    found = act(
        Server(url=url, key_file=key_file, ca=ca),
        "overrides",
        body={"resource_id": resource},
        by=by,
        reason=reason,
    )
    say(found, [f"{resource}: the release was sent"], as_json=as_json)


def main() -> int:
    """Run ``vpp override``.

    Returns
    -------
    int
        Exit code: 0, 2 for bad input or a refusal.
    """
    try:
        return int(app(standalone_mode=False, prog_name="vpp override") or 0)
    except typer.TyperException as error:
        return _bad_input(error.format_message())
    except VppError as error:
        return _bad_input(str(error))


def _bad_input(message: str) -> int:
    sys.stderr.write(f"vpp override: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
