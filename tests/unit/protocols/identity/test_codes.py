"""One-time codes: what an installer types is what the coordinator printed."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.identity.codes import SECRET_BYTES, EnrolmentCode, parse_code
from protocols.identity.names import PIN_BYTES
from protocols.identity.requests import make_request, read_request
from protocols.vocabulary.errors import ConfigError, RemoteProtocolError

CODES = st.builds(
    EnrolmentCode,
    ticket=st.integers(0, 65535),
    secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
    pin=st.binary(min_size=PIN_BYTES, max_size=PIN_BYTES),
)


@given(CODES)
def test_code_survives_being_typed(code: EnrolmentCode) -> None:
    """If it fails, an installer cannot enrol with the code that was printed."""
    assert parse_code(code.text()) == code
    assert parse_code("  " + code.text().upper().replace("-", ", ") + "\n") == code


@given(CODES, st.data())
@settings(max_examples=50)
def test_exchanged_words_are_seen(code: EnrolmentCode, data: st.DataObject) -> None:
    """If it fails, a mistyped code burns one of the few attempts."""
    words = code.text().split("-")
    at = data.draw(st.integers(0, len(words) - 2))
    if words[at] == words[at + 1]:
        return
    words[at], words[at + 1] = words[at + 1], words[at]
    with pytest.raises(ConfigError, match="mistyped"):
        parse_code("-".join(words))


@given(st.text(max_size=250))
def test_garbage_is_one_clear_line(text: str) -> None:
    """If it fails, a slip of the fingers shows a stack trace, or the secret."""
    with pytest.raises(ConfigError) as refused:
        parse_code(text)
    assert str(refused.value).startswith("code: ")


def test_secret_is_not_shown() -> None:
    """If it fails, a log line gives a code away."""
    assert "secret" not in repr(EnrolmentCode(ticket=1, secret=b"s" * 6, pin=b"p" * 10))


@given(st.binary(max_size=5000))
def test_garbage_is_no_request(data: bytes) -> None:
    """If it fails, anybody can crash the authority with random bytes."""
    with pytest.raises(RemoteProtocolError):
        read_request(data)


GOOD = make_request(
    ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate(), name="gateway"
)


def test_each_flipped_bit_is_refused_or_harmless() -> None:
    """If it fails, a damaged request crashes the authority, or gets another key certified."""
    meant = read_request(GOOD)
    for at in range(len(GOOD)):
        body = bytearray(GOOD)
        body[at] ^= 1 << (at % 8)
        try:
            taken = read_request(bytes(body))
        except RemoteProtocolError:
            continue
        assert (taken.site_id, taken.key_bytes()) == (meant.site_id, meant.key_bytes())
