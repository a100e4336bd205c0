"""Opens authority and registry for the commands about identity; wiring only."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from cloud_coordinator.commands.recorded import shell_deed, trail_of
from cloud_coordinator.gateway.authority.authority import Authority
from cloud_coordinator.gateway.authority.files import read_bounded
from cloud_coordinator.process import SystemClock
from cloud_coordinator.services.enrolment import Enrolling
from cloud_coordinator.services.recorded_enrolment import RecordedEnrolments, RecordedRevoking
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
    identity: Path, data_dir: Path, passphrase_file: Path | None, *, who: str = ""
) -> Iterator[tuple[Authority, Enrolling]]:
    """Open both, also beside a running coordinator; what is done is in the audit trail.

    Parameters
    ----------
    identity, data_dir, passphrase_file
        As a person named them.
    who : str
        Who acts; empty for the account of this shell.
    """
    authority = Authority.open(identity, passphrase_of(passphrase_file))
    database = open_database(data_dir / "registry.sqlite3")
    trail, deed = trail_of(database), shell_deed("")
    if who:
        deed = replace(deed, who=who)
    try:
        yield (
            authority,
            Enrolling(
                RecordedEnrolments(EnrolmentRegistry(database), trail, deed),
                authority,
                revoked=RecordedRevoking(authority.revoked, trail, deed),
                clock=SystemClock(),
                draw=secrets.token_bytes,
            ),
        )
    finally:
        database.close()
