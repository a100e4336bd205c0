"""The canonical bytes under a signature and the seal on the wire, byte by byte."""

from hypothesis import given
from hypothesis import strategies as st

from protocols.identity.signing import (
    SEAL_BYTES,
    Opened,
    SealRefusal,
    Signer,
    Statement,
    Verifier,
    key_id_of,
    signing_bytes,
)

SIGNER = Signer(bytes(range(32)))
STATEMENT = Statement(
    kind="dn/ob", scope="one", sequence=7, epoch=3, not_before_ms=1_000, valid_until_ms=2_000
)
MESSAGE = bytes.fromhex("9301a161c0")
BYTES_HEX = (
    "7670702d7365616c2d3100"  # vpp-seal-1
    "05646e2f6f62" "036f6e65"  # kind, scope
    "0000000000000007" "0000000000000003" "00000000000003e8" "00000000000007d0"
    "9401a161c0"
)  # fmt: skip


def test_what_is_signed_never_changes() -> None:
    """If it fails, gateways in the field refuse every order of a newer coordinator."""
    assert signing_bytes(STATEMENT, bytes.fromhex("9401a161c0")).hex() == BYTES_HEX
    assert SIGNER.public.hex() == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    assert SIGNER.key_id == key_id_of(SIGNER.public) == "56475aa75463474c"
    sealed = SIGNER.seal(STATEMENT, MESSAGE)
    assert len(sealed) == len(MESSAGE) + SEAL_BYTES
    assert sealed[:5].hex() == "9401a161c0"
    assert sealed[5:15].hex() == "c47056475aa75463474c"
    assert sealed == SIGNER.seal(STATEMENT, MESSAGE), "Ed25519 draws nothing"


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_raises(noise: bytes) -> None:
    """If it fails, bytes on a topic stop a gateway."""
    verifier = Verifier([SIGNER.public])
    sealed = SIGNER.seal(STATEMENT, MESSAGE)
    for data in (noise, noise + sealed[len(MESSAGE) :]):
        if data != sealed:
            assert isinstance(verifier.open("dn/ob", "one", data), SealRefusal)


@given(st.integers(0, len(MESSAGE) + SEAL_BYTES - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    """If it fails, an order can be altered on its way."""
    verifier = Verifier([SIGNER.public])
    sealed = bytearray(SIGNER.seal(STATEMENT, MESSAGE))
    assert isinstance(verifier.open("dn/ob", "one", bytes(sealed)), Opened)
    sealed[place] ^= change
    assert isinstance(verifier.open("dn/ob", "one", bytes(sealed)), SealRefusal)
