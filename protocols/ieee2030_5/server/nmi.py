"""National Metering Identifier: whether a CSIP-AUS connection point's name can be one."""

import re
from typing import Final

_SHAPE: Final = re.compile(r"[A-HJ-NP-Z0-9]{10}[0-9]?")
_LENGTH: Final = 10


def is_nmi(text: str) -> bool:
    """Whether a text is an identifier of ten characters, with or without its check digit.

    Notes
    -----
    AEMO, National Metering Identifier procedure: letters O and I are not used; the check digit
    is a Luhn sum over the characters' codes, the last one doubled first.
    """
    if not _SHAPE.fullmatch(text):
        return False
    return len(text) == _LENGTH or int(text[_LENGTH]) == check_digit(text[:_LENGTH])


def check_digit(characters: str) -> int:
    """Check digit of the ten characters."""
    total = 0
    for position, character in enumerate(reversed(characters)):
        code = ord(character) * (2 if position % 2 == 0 else 1)
        total += sum(int(digit) for digit in str(code))
    return -total % 10
