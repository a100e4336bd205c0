"""``vpp sites bundles``: answers the requests of many gateways at once; wiring only.

For a bench where gateways are prepared before they are carried out, and for the demo. One
folder below the given one for each site, named like it, holding what
``edge-agent provision --bundle`` wrote. The keys stay where they were made.
"""

import base64
import binascii
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cloud_coordinator.commands.opening_authority import (
    DATA,
    IDENTITY,
    DataOption,
    IdentityOption,
    PassphraseOption,
    opened,
)
from cloud_coordinator.gateway.authority.authority import Authority
from cloud_coordinator.gateway.authority.files import read_bounded, write_whole
from protocols.identity.requests import SiteRequest, read_request
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId, ZoneId, checked_name

REQUEST: Final = "request.csr"
BUNDLES_MAX: Final = 10_000
EPILOG: Final = "Example 例: vpp sites bundles /media/usb --zone tokyo --broker mqtts://h:8883"


def bundles(  # noqa: PLR0913  one parameter per command line option
    folder: Annotated[Path, typer.Argument(help="One folder below it for each site. フォルダー。")],
    *,
    zone: Annotated[str, typer.Option(help="Of sites that are new. ゾーン。")],
    broker: Annotated[list[str], typer.Option(help="What they are told. ブローカー。")],
    identity: IdentityOption = IDENTITY,
    data_dir: DataOption = DATA,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Add the sites of many folders and answer their requests (一括登録)."""
    zone_id = ZoneId(checked_name(zone, "zone id"))
    found = sorted(path.parent for path in folder.glob(f"*/{REQUEST}"))
    if not found or len(found) > BUNDLES_MAX:
        raise ConfigError(f"{folder}: holds {len(found)} requests, use 1 to {BUNDLES_MAX}")
    for one in found:
        checked_name(one.name, "site id")
    with opened(identity, data_dir, passphrase_file) as (authority, enrolling):
        zones = {site.site_id: site.zone for site, _ in enrolling.sites()}
        for one in found:
            site_id = SiteId(one.name)
            made = enrolling.certify(site_id, request_in(one), zone=zone_id)
            facts = SiteFacts(
                site_id=site_id, zone=zones.get(site_id, zone_id), brokers=tuple(broker)
            )
            answer(one, facts, made, authority=authority)
    sys.stdout.write(f"{folder}: {len(found)} sites, pin {authority.pin.hex()} 登録しました\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What a gateway is told beside its certificate: site, zone, brokers, where it renews."""

    site_id: SiteId
    zone: ZoneId
    brokers: tuple[str, ...]
    coordinator: str = ""


def answer(folder: Path, facts: SiteFacts, made: x509.Certificate, *, authority: Authority) -> None:
    """Write certificate, trust and facts beside a request.

    Raises
    ------
    ConfigError
        If something cannot be written.
    """
    chain = [made, authority.chain[0]]
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    write_whole(folder / "site.pem", pem)
    write_whole(folder / "trust.pem", authority.root.public_bytes(Encoding.PEM))
    told = {**asdict(facts), "coordinator_keys": json.loads(authority.coordinator_keys())}
    write_whole(folder / "site.json", json.dumps(told, indent=1).encode())


def request_in(folder: Path) -> SiteRequest:
    """Read the request in a folder.

    Raises
    ------
    ConfigError, RemoteProtocolError
        If there is none, or it is not one.
    """
    path = folder / REQUEST
    try:
        return read_request(base64.b64decode(b"".join(read_bounded(path).split()), validate=True))
    except (binascii.Error, ValueError):
        raise ConfigError(f"{path}: is not base64") from None
