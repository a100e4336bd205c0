"""``vpp keys``: API keys of programs. A key is shown once, when it is made."""

import json
import secrets
import sys
from typing import Annotated

import typer

from cloud_coordinator.access.scope import parse_scope
from cloud_coordinator.access.secrets_kept import ApiKey
from cloud_coordinator.commands.access_store import (
    DATA,
    DataOption,
    JsonOption,
    ReasonOption,
    RoleOption,
    ScopeOption,
    office,
    roles_of,
    run,
    say,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def keys() -> None:
    """Create, list and revoke API keys.

    APIキーの管理。
    """


@app.command(epilog="Example 例: vpp keys create dispatch-bot --role operator --days 90")
def create(  # noqa: PLR0913  one parameter per command line option
    *,
    label: Annotated[str, typer.Argument(help="What it is for. 用途。")],
    role: RoleOption,
    scope: ScopeOption = "*",
    days: Annotated[int, typer.Option(min=1, max=366, help="Until it expires. 有効日数。")] = 90,
    person: Annotated[
        str, typer.Option(help="Whose key; a program's own without. 利用者のキー。")
    ] = "",
    reason: ReasonOption = "",
    data_dir: DataOption = DATA,
) -> None:
    """キーの作成。Make a key and print it once; to rotate, make a new one and revoke the old."""
    roles, where = roles_of(role), parse_scope(scope)
    with (
        office(data_dir, secrets.token_bytes) as desk,
        desk.trail.act(desk.deed(f"change keys: create {label}", reason)),
    ):
        key, text = desk.accounts.create_key(
            label, roles=roles, scope=where, days=days, person=person
        )
    sys.stderr.write(f"{_line(key)}\nkeep it now, it is not shown again 再表示できません:\n")
    say(text)


@app.command("list", epilog="Example 例: vpp keys list --json")
def list_keys(*, data_dir: DataOption = DATA, as_json: JsonOption = False) -> None:
    """キー一覧。List keys, without their secrets."""
    with office(data_dir, secrets.token_bytes) as desk:
        found = desk.accounts.keys()
    for key in found:
        fields = {
            "key_id": key.key_id,
            "label": key.label,
            "roles": sorted(key.roles),
            "scope": key.scope.text(),
            "expires_at": key.expires_at.isoformat(),
            "active": key.active,
            "person": key.person,
        }
        say(json.dumps(fields, ensure_ascii=False) if as_json else _line(key))


@app.command(epilog="Example 例: vpp keys revoke 1f2e3d4c5b6a")
def revoke(
    *,
    key_id: Annotated[str, typer.Argument(help="As listed. キーID。")],
    reason: ReasonOption = "",
    data_dir: DataOption = DATA,
) -> None:
    """キーの失効。Revoke a key at once."""
    with (
        office(data_dir, secrets.token_bytes) as desk,
        desk.trail.act(desk.deed(f"change keys: revoke {key_id}", reason)),
    ):
        say(_line(desk.accounts.revoke_key(key_id)))


def _line(key: ApiKey) -> str:
    state = "active" if key.active else "revoked"
    roles = ",".join(sorted(key.roles))
    return (
        f"{key.key_id} {key.label:20} {roles:24} {key.scope.text():24} {key.expires_at:%F} "
        f"{state} {key.person}".rstrip()
    )


def main() -> int:
    """Run ``vpp keys``; returns the exit code."""
    return run(app, "keys")


if __name__ == "__main__":
    sys.exit(main())
