"""``vpp users``: the persons of a coordinator. A password is asked for, never an argument."""

import json
import secrets
import sys
from typing import Annotated

import typer

from cloud_coordinator.access.scope import parse_scope
from cloud_coordinator.access.secrets_kept import User
from cloud_coordinator.commands.access_store import (
    DATA,
    DataOption,
    JsonOption,
    ReasonOption,
    RoleOption,
    ScopeOption,
    office,
    read_password,
    roles_of,
    run,
    say,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
NameArgument = Annotated[str, typer.Argument(help="Log-in name. ユーザー名。")]


@app.callback()
def users() -> None:
    """Add, list and disable persons, and give roles.

    利用者の管理。
    """


@app.command(epilog="Example 例: vpp users add hana --role operator --scope area:tokyo")
def add(
    *,
    name: NameArgument,
    role: RoleOption,
    scope: ScopeOption = "*",
    reason: ReasonOption = "",
    data_dir: DataOption = DATA,
) -> None:
    """利用者の追加。Add a person; the password is asked for, or read from standard input."""
    roles, where = roles_of(role), parse_scope(scope)
    with office(data_dir, secrets.token_bytes, is_new=True) as desk:
        password = read_password()
        with desk.trail.act(desk.deed(f"change users: add {name}", reason)):
            user = desk.accounts.add_user(name, password, roles=roles, scope=where)
    say(_line(user))


@app.command("list", epilog="Example 例: vpp users list --json")
def list_users(*, data_dir: DataOption = DATA, as_json: JsonOption = False) -> None:
    """利用者一覧。List persons with roles and scope."""
    with office(data_dir, secrets.token_bytes) as desk:
        found = desk.accounts.users()
    for user in found:
        fields = {
            "name": user.name,
            "roles": sorted(user.roles),
            "scope": user.scope.text(),
            "active": user.active,
        }
        say(json.dumps(fields, ensure_ascii=False) if as_json else _line(user))


@app.command(epilog="Example 例: vpp users disable hana --reason 'left the company'")
def disable(*, name: NameArgument, reason: ReasonOption = "", data_dir: DataOption = DATA) -> None:
    """利用者の無効化。Disable a person; all sessions end at once."""
    with (
        office(data_dir, secrets.token_bytes) as desk,
        desk.trail.act(desk.deed(f"change users: disable {name}", reason)),
    ):
        say(_line(desk.accounts.disable_user(name)))


@app.command(epilog="Example 例: vpp users role hana --role auditor")
def role(
    *,
    name: NameArgument,
    role: RoleOption,
    scope: ScopeOption = "",
    reason: ReasonOption = "",
    data_dir: DataOption = DATA,
) -> None:
    """役割の変更。Give a person other roles, and another scope if one is named."""
    roles, where = roles_of(role), parse_scope(scope) if scope else None
    what = f"change users: role {name} {','.join(sorted(roles))} {scope}".rstrip()
    with office(data_dir, secrets.token_bytes) as desk, desk.trail.act(desk.deed(what, reason)):
        say(_line(desk.accounts.set_roles(name, roles, where)))


def _line(user: User) -> str:
    state = "active" if user.active else "disabled"
    return f"{user.name:20} {','.join(sorted(user.roles)):32} {user.scope.text():32} {state}"


def main() -> int:
    """Run ``vpp users``; returns the exit code."""
    return run(app, "users")


if __name__ == "__main__":
    sys.exit(main())
