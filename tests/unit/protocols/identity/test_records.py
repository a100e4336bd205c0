"""Records that a gateway signs."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.identity.records import RECORD_BYTES_MAX, read_record, signed_record
from protocols.vocabulary.errors import RemoteProtocolError

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
RECORD = {"site_id": "site-1", "devices": [{"power_w": -550.25, "name": "蓄電池"}], "ok": True}


def test_a_record_is_read_back_however_it_was_written() -> None:
    """If it fails, a genuine record is called a forgery because of its blanks."""
    document = signed_record(RECORD, KEY)
    assert read_record(document, PUBLIC) == RECORD
    again = json.dumps(json.loads(document), sort_keys=True, indent=7).encode()
    assert read_record(again, PUBLIC) == RECORD


@pytest.mark.parametrize(
    "data",
    [
        signed_record(RECORD, KEY).replace(b"-550.25", b"-551.25"),
        signed_record(RECORD, KEY).replace(b"true", b"false"),
        signed_record(RECORD, Ed25519PrivateKey.generate()),
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"record": {}, "key": 1, "signature": 2}',
        b'{"record": {}, "key": "%s", "signature": "zz"}' % PUBLIC.hex().encode(),
        b" " * (RECORD_BYTES_MAX + 1),
    ],
)
def test_a_changed_or_foreign_record_is_refused(data: bytes) -> None:
    """If it fails, an installation that failed is made one that passed."""
    with pytest.raises(RemoteProtocolError, match="record: "):
        read_record(data, PUBLIC)
