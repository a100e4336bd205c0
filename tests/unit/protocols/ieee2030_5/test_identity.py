"""Worked examples of who a device is."""

import pytest

from protocols.ieee2030_5.identity import (
    lfdi_of_certificate,
    mrid,
    pin_on_wire,
    sfdi_of_lfdi,
    with_check_digit,
)
from protocols.vocabulary.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("lfdi", "number", "sfdi"),
    [
        ("3E4F45AB31EDFE5B67E343E5E4562E31984E23E5", 16_726_121_139, 167_261_211_391),
        ("0F3078CFDDAEE28DC20B95635DC116CC2A6D877F", 4_077_358_333, 40_773_583_337),
    ],
)
def test_sfdi_worked(lfdi: str, number: int, sfdi: int) -> None:
    """If it fails, a utility knows our device under another number than we do."""
    assert with_check_digit(number) == sfdi
    assert sfdi_of_lfdi(lfdi) == sfdi


def test_lfdi_is_of_the_certificate_in_der() -> None:
    """If it fails, a server that knows our certificate does not know us."""
    # SHA-256 of "abc", FIPS 180-4, appendix
    assert lfdi_of_certificate(b"abc") == "BA7816BF8F01CFEA414140DE5DAE2223B00361A3"


def test_pin_worked() -> None:
    """If it fails, an installer's PIN never matches the registration."""
    assert pin_on_wire(11_111) == 111_115
    assert pin_on_wire(0) == 0
    with pytest.raises(LocalProtocolError):
        pin_on_wire(100_000)


def test_mrid_worked() -> None:
    """If it fails, two makers could give two things the same name."""
    assert mrid(bytes(12), enterprise_number=123_456) == "0" * 24 + "0001E240"


def test_text_that_is_no_lfdi() -> None:
    """If it fails, a typing error in a configuration stops a gateway with a stack trace."""
    with pytest.raises(LocalProtocolError):
        sfdi_of_lfdi("not an LFDI")
