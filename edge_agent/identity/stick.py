"""Enrolment by a folder that is carried to the coordinator and back, where there is no network.

The key stays on the gateway; only its request travels. Whoever brings the folder back must
have the pin from another source (the code), else the folder could be anybody's.
"""

import base64
import json
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from edge_agent.identity.enrol import NAMELESS, SiteFacts, keep_chain, keep_facts
from edge_agent.identity.files import (
    IdentityFiles,
    certificates_in,
    own_signing_key,
    own_tls_key,
    read_bounded,
    write_whole,
)
from protocols.identity.names import pin_of
from protocols.identity.requests import make_request
from protocols.vocabulary.errors import RemoteProtocolError


def write_request(files: IdentityFiles, folder: Path) -> None:
    """Make the keys, and write the request for them into the folder.

    Raises
    ------
    ConfigError
        If something cannot be written.
    """
    key, signing = own_tls_key(files.key), own_signing_key(files.signing_key)
    request = make_request(key, signing, name=NAMELESS)
    write_whole(folder / "request.csr", base64.encodebytes(request))


def take_answer(files: IdentityFiles, folder: Path, *, pin: bytes) -> SiteFacts:
    """Take what the coordinator wrote into the folder.

    Raises
    ------
    ConfigError
        If a file is missing or unreadable.
    RemoteProtocolError
        If it is not from the coordinator of the pin, or for another gateway.
    """
    root = certificates_in(read_bounded(folder / "trust.pem"), "trust.pem")[0]
    if pin_of(root) != pin:
        raise RemoteProtocolError(f"{folder}: its authority does not have the pin")
    chain = certificates_in(read_bounded(folder / "site.pem"), "site.pem")
    _check_chain([*chain, root])
    try:
        facts = json.loads(read_bounded(folder / "site.json"))
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise RemoteProtocolError(f"{folder / 'site.json'}: is not a record")
    keep_chain(files, chain, own_tls_key(files.key))
    write_whole(files.trust, read_bounded(folder / "trust.pem"))
    return keep_facts(files, facts)


def _check_chain(chain: list[x509.Certificate]) -> None:
    """Check that each certificate was signed by the next."""
    for child, parent in pairwise(chain):
        try:
            child.verify_directly_issued_by(parent)
        except (ValueError, TypeError, InvalidSignature):
            raise RemoteProtocolError("site.pem: was not issued by this authority") from None
