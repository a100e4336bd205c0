"""Signed commissioning records that the coordinator does not have yet, and sending them.

A record waits as ``commissioning-*.json`` without a ``.sent`` file beside it. Called by
provisioning, and by the agent's own renewal task for what could not be sent then.
"""

from pathlib import Path
from typing import Final

from edge_agent.identity.enrol import coordinator_of
from edge_agent.identity.est import EstClient, OwnCertificate, RefusedError
from edge_agent.identity.files import (
    IdentityFiles,
    certificates_in,
    read_bounded,
    write_whole,
)
from protocols.vocabulary.errors import ConfigError, LinkError, RemoteProtocolError

NAME: Final = "commissioning-"
SENT: Final = ".sent"
RECORDS_MAX: Final = 16
"""Sent in one go, the oldest first."""


def unsent(data_dir: Path) -> list[Path]:
    """List records that wait."""
    waiting = sorted(data_dir.glob(f"{NAME}*.json"))
    return [path for path in waiting if not path.with_suffix(SENT).exists()][:RECORDS_MAX]


def send_records(data_dir: Path, files: IdentityFiles) -> str:
    """Send what waits.

    Returns
    -------
    str
        Why something still waits; empty if nothing does.
    """
    url = coordinator_of(files)
    waiting = unsent(data_dir)
    if not waiting:
        return ""
    if not url:
        return "nobody told this gateway where the coordinator enrols"
    try:
        client = EstClient(url)
        root = certificates_in(read_bounded(files.trust), str(files.trust))[0]
        own = OwnCertificate(certificate=files.certificate, key=files.key)
        for path in waiting:
            client.keep_record(root, own, path.read_bytes())
            write_whole(path.with_suffix(SENT), b"")
    except (RefusedError, LinkError, RemoteProtocolError, ConfigError) as error:
        return str(error)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
