"""Who a device is in IEEE 2030.5: LFDI, SFDI, PIN and mRID from octets and numbers.

The identity is a digest of the certificate in DER: not of its PEM text, not of the public key
and not of the digest's own hexadecimal text.
"""

import hashlib

from protocols.vocabulary.errors import LocalProtocolError

_LFDI_OCTETS = 20
_SFDI_BITS = 36
_MRID_OCTETS = 16
_PEN_OCTETS = 4
_PIN_MAX = 99_999


def lfdi_of_certificate(certificate: bytes) -> str:
    """Long-form device identifier of a certificate.

    Parameters
    ----------
    certificate : bytes
        In DER.

    Returns
    -------
    str
        40 upper-case hexadecimal digits.

    Notes
    -----
    IEEE 2030.5-2018, 6.3.4: the leftmost 160 bits of the SHA-256.
    """
    return hashlib.sha256(certificate).digest()[:_LFDI_OCTETS].hex().upper()


def sfdi_of_lfdi(lfdi: str) -> int:
    """Short-form device identifier of a long one.

    Parameters
    ----------
    lfdi : str
        At least nine hexadecimal digits.

    Returns
    -------
    int
        The leftmost 36 bits as a decimal number with a check digit behind it.

    Raises
    ------
    LocalProtocolError
        If it is not hexadecimal.

    Notes
    -----
    IEEE 2030.5-2018, 6.3.3.
    """
    try:
        return with_check_digit(int(lfdi[: _SFDI_BITS // 4], 16))
    except ValueError as error:
        raise LocalProtocolError(f"LFDI {lfdi!r} is not hexadecimal") from error


def with_check_digit(number: int) -> int:
    """Append the digit that makes the sum of the digits a multiple of ten."""
    return number * 10 + -_digit_sum(number) % 10


def pin_on_wire(pin: int) -> int:
    """PIN as the element ``pIN`` carries it: five digits and their check digit.

    Parameters
    ----------
    pin : int
        0..99999, as it is printed on the device.

    Raises
    ------
    LocalProtocolError
        If it has more than five digits.
    """
    if not 0 <= pin <= _PIN_MAX:
        raise LocalProtocolError(f"PIN {pin} has more than five digits")
    return with_check_digit(pin)


def mrid(octets: bytes, *, enterprise_number: int) -> str:
    """Make an identifier for all places and times.

    Parameters
    ----------
    octets : bytes
        Twelve drawn octets.
    enterprise_number : int
        IANA private enterprise number (PEN) of who makes the identifier.

    Returns
    -------
    str
        32 upper-case hexadecimal digits, of which the last eight are the PEN.

    Notes
    -----
    IEEE 2030.5-2018, type mRIDType.
    """
    assert len(octets) == _MRID_OCTETS - _PEN_OCTETS
    return (octets + enterprise_number.to_bytes(_PEN_OCTETS, "big")).hex().upper()


def _digit_sum(number: int) -> int:
    return sum(int(digit) for digit in str(number))
