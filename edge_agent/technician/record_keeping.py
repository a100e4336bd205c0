"""Keeps a commissioning record on the gateway: signed JSON, and a page to print."""

import json
from pathlib import Path

from edge_agent.identity.files import IdentityFiles, own_signing_key, write_whole
from edge_agent.identity.unsent import NAME
from edge_agent.technician.commissioning import CommissioningRecord
from edge_agent.technician.commissioning_page import page_of
from edge_agent.technician.plain import json_text
from protocols.identity.records import signed_record


def keep_record(record: CommissioningRecord, data_dir: Path, files: IdentityFiles) -> Path:
    """Sign a record with the gateway's key and write both files.

    Returns
    -------
    Path
        The page.
    """
    document = signed_record(json.loads(json_text(record)), own_signing_key(files.signing_key))
    name = f"{NAME}{record.started_at:%Y%m%dT%H%M%SZ}"
    page = data_dir / f"{name}.html"
    signature = str(json.loads(document)["signature"])
    write_whole(page, page_of(record, signature=signature).encode())
    write_whole(data_dir / f"{name}.json", document)
    return page
