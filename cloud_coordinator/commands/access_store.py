"""What `vpp users`, `vpp keys` and `vpp audit` share: the registry, who acts, and the trail."""

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.access.permissions import Role
from cloud_coordinator.commands.recorded import REGISTRY, shell_deed
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.accounts import Accounts
from cloud_coordinator.services.auditing import Deed, Trail
from cloud_coordinator.store.registry import Registry
from protocols.vocabulary.errors import ConfigError, VppError

EXIT_BAD_INPUT: Final = 2
DATA: Final = Path("coordinator-data")
DataOption = Annotated[
    Path, typer.Option("--data-dir", help="Data of the coordinator. データの保存先。")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON. JSONで出力。")]
RoleOption = Annotated[
    list[str], typer.Option("--role", help=f"Of {', '.join(Role)}; may be repeated. 役割。")
]
ScopeOption = Annotated[
    str, typer.Option(help="* or area:NAME,site:NAME. 範囲（エリア・サイト）。")
]
ReasonOption = Annotated[str, typer.Option(help="Why; goes into the audit trail. 理由。")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The use cases of a command, over an opened registry."""

    registry: Registry
    accounts: Accounts
    trail: Trail

    def deed(self, what: str, why: str) -> Deed:
        """Describe what the person at this terminal does."""
        return shell_deed(what, why)


@contextmanager
def office(
    data_dir: Path, draw: Callable[[int], bytes], *, is_new: bool = False
) -> Iterator[Office]:
    """Open a coordinator's registry, which may be in use.

    Parameters
    ----------
    data_dir : Path
        Of the coordinator.
    draw : callable
        Returns that many random bytes.
    is_new : bool
        Whether a registry is made where there is none.

    Raises
    ------
    ConfigError
        If there is none and none is to be made.
    """
    path = data_dir / REGISTRY
    if not is_new and not path.exists():
        raise ConfigError(f"--data-dir {data_dir}: holds no {REGISTRY}")
    registry, clock = Registry.open(path), SystemClock()
    try:
        yield Office(
            registry=registry,
            accounts=Accounts(registry.identities, clock, draw=draw),
            trail=Trail(registry.audit, clock),
        )
    finally:
        registry.close()


def roles_of(names: list[str]) -> frozenset[Role]:
    """Read roles by name.

    Raises
    ------
    ConfigError
        If one is not known.
    """
    known = {one.value for one in Role}
    for name in names:
        if name not in known:
            raise ConfigError(f"--role {name}: use one of {', '.join(Role)}")
    return frozenset(map(Role, names))


def read_password() -> str:
    """Ask for a new password twice, or read one line where nobody types; never an argument."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password パスワード: ")
    if getpass.getpass("again もう一度: ") != first:
        raise ConfigError("password: the two are not the same")
    return first


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def run(app: typer.Typer, verb: str) -> int:
    """Run a verb: 0, 1 for what it found wrong, 2 for bad input told in one line."""
    try:
        return int(app(standalone_mode=False, prog_name=f"vpp {verb}") or 0)
    except typer.TyperException as error:
        message = error.format_message()
    except VppError as error:
        message = str(error)
    sys.stderr.write(f"vpp {verb}: {' '.join(message.split())}\n")
    return EXIT_BAD_INPUT
