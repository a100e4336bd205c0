"""``vpp sites records``: commissioning records as gateways signed them; checked, listed."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography import x509

from cloud_coordinator.commands.opening_authority import DATA, DataOption
from cloud_coordinator.store.commissioning import CommissioningFolder
from cloud_coordinator.store.database import open_database
from cloud_coordinator.store.enrolments import EnrolmentRegistry
from protocols.identity.names import receipt_key_of
from protocols.identity.records import read_record
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.identifiers import SiteId, checked_name

EPILOG: Final = "Example 例: vpp sites records site-7 --json"
EXIT_NOT_WELL: Final = 1


def records(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Its id. 拠点ID。")],
    *,
    data_dir: DataOption = DATA,
    json: Annotated[bool, typer.Option("--json", help="JSON. JSON で出力。")] = False,
) -> None:
    """List a site's commissioning records and check who signed them (竣工記録)."""
    site_id = SiteId(checked_name(site, "site id"))
    database = open_database(data_dir / "registry.sqlite3")
    try:
        keys = {
            receipt_key_of(x509.load_der_x509_certificate(one.certificate)): one.serial
            for one in EnrolmentRegistry(database).certificates(site_id)
        }
    finally:
        database.close()
    found = [_judged(path, keys) for path, _ in CommissioningFolder(data_dir).of(site_id)]
    if json:
        sys.stdout.write(json_module.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for one in [] if json else found:
        sys.stdout.write("  ".join(str(value) for value in one.values()) + "\n")
    if not all(one["genuine"] for one in found):
        raise typer.Exit(EXIT_NOT_WELL)


def _judged(path: Path, keys: dict[bytes, str]) -> dict[str, object]:
    """Say what a record is, and whether one of the site's gateways signed it."""
    document = path.read_bytes()
    cause = "no certificate of this site has its key"
    for key in keys:
        try:
            record = read_record(document, key)
        except RemoteProtocolError as error:
            cause = str(error)
            continue
        word = "passed 合格" if record.get("ok") else "NOT passed 不合格"
        began = str(record.get("started_at"))
        return {"file": str(path), "genuine": True, "at": began, "result": word}
    return {"file": str(path), "genuine": False, "at": "", "result": cause}
