"""Opens authority and registry for the commands about identity; wiring only."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.gateway.authority.authority import Authority
from cloud_coordinator.gateway.authority.files import read_bounded
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.enrolment import Enrolling
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.enrolments import EnrolmentRegistry
from protocols.vocabulary.errors import ConfigError

PASSPHRASE_VARIABLE: Final = "VPP_AUTHORITY_PASSPHRASE"  # noqa: S105  a name, no secret

IdentityOption = Annotated[
    Path, typer.Option("--identity", help="Folder of the authority. 認証局のフォルダー。")
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(help=f"File with the passphrase; else {PASSPHRASE_VARIABLE}. パスフレーズ。"),
]
DataOption = Annotated[
    Path, typer.Option("--data-dir", help="The coordinator's data. データの保存先。")
]
IDENTITY: Final = Path("coordinator-identity")
DATA: Final = Path("coordinator-data")


def passphrase_of(file: Path | None) -> bytes:
    """Read the passphrase; it is never an argument, which a process list would show.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if file is not None:
        return read_bounded(file).rstrip(b"\r\n")
    text = os.environ.get(PASSPHRASE_VARIABLE)
    if not text:
        raise ConfigError(f"passphrase: name --passphrase-file, or set {PASSPHRASE_VARIABLE}")
    return text.encode()


@contextlib.contextmanager
def opened(
    identity: Path, data_dir: Path, passphrase_file: Path | None
) -> Iterator[tuple[Authority, Enrolling]]:
    """Open both, also beside a running coordinator."""
    authority = Authority.open(identity, passphrase_of(passphrase_file))
    database = open_database(data_dir / "registry.sqlite3")
    try:
        yield (
            authority,
            Enrolling(
                EnrolmentRegistry(database),
                authority,
                revoked=authority.revoked,
                clock=SystemClock(),
                draw=secrets.token_bytes,
            ),
        )
    finally:
        database.close()
