"""The one-time code an installer types: ten short words that can be read over a telephone.

``ticket`` (one word) finds the enrolment, ``secret`` (three) proves it, ``pin`` (five) lets the
gateway recognise the coordinator before it says the secret, and the last word finds typing
errors. A word is five letters, consonants and vowels in turn, and carries 16 bits.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from protocols.identity.names import PIN_BYTES
from protocols.vocabulary.errors import ConfigError

SECRET_BYTES: Final = 6
"""48 bits, and only a few attempts at each code."""
TICKET_BYTES: Final = 2
TEXT_CHARACTERS_MAX: Final = 200

_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"
_SHIFTS: Final = (12, 10, 6, 4, 0)
_WORD_BYTES: Final = 2
_CHECK_BYTES: Final = 2
_WORDS: Final = (TICKET_BYTES + SECRET_BYTES + PIN_BYTES + _CHECK_BYTES) // _WORD_BYTES
_SPLIT: Final = re.compile(r"[\s,._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCode:
    """A code as data.

    Attributes
    ----------
    ticket : int
        Which enrolment, 0..65535; not secret.
    secret : bytes
        What proves the right to enrol; never shown by ``repr``.
    pin : bytes
        Of the authority (:func:`protocols.identity.names.pin_of`).
    """

    ticket: int
    secret: bytes = field(repr=False)
    pin: bytes

    def text(self) -> str:
        """Words with hyphens between."""
        body = self.ticket.to_bytes(TICKET_BYTES, "big") + self.secret + self.pin
        whole = body + _check(body)
        pairs = (whole[at : at + _WORD_BYTES] for at in range(0, len(whole), _WORD_BYTES))
        return "-".join(_word(int.from_bytes(pair, "big")) for pair in pairs)


def parse_code(text: str) -> EnrolmentCode:
    """Read a code as a person typed it: any case, hyphens, spaces or commas between.

    Raises
    ------
    ConfigError
        If it cannot be one; the message never repeats what was typed.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ConfigError(f"code: is longer than {TEXT_CHARACTERS_MAX} characters")
    words = [word for word in _SPLIT.split(text.strip().lower()) if word]
    if len(words) != _WORDS:
        raise ConfigError(f"code: has {len(words)} words, expected {_WORDS}")
    whole = b"".join(_value(word, place) for place, word in enumerate(words, start=1))
    body, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
    if _check(body) != check:
        raise ConfigError("code: a word is mistyped or two are exchanged; compare it again")
    secret_end = TICKET_BYTES + SECRET_BYTES
    return EnrolmentCode(
        ticket=int.from_bytes(body[:TICKET_BYTES], "big"),
        secret=body[TICKET_BYTES:secret_end],
        pin=body[secret_end:],
    )


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"vpp enrolment code 1" + body).digest()[:_CHECK_BYTES]


def _word(value: int) -> str:
    letters = []
    for place, shift in enumerate(_SHIFTS):
        alphabet = _VOWELS if place % 2 else _CONSONANTS
        letters.append(alphabet[(value >> shift) & (len(alphabet) - 1)])
    return "".join(letters)


def _value(word: str, place: int) -> bytes:
    value = 0
    if len(word) != len(_SHIFTS):
        raise ConfigError(f"code: word {place} has {len(word)} letters, expected {len(_SHIFTS)}")
    for at, letter in enumerate(word):
        alphabet = _VOWELS if at % 2 else _CONSONANTS
        found = alphabet.find(letter)
        if found < 0:
            raise ConfigError(f"code: letter {at + 1} of word {place} cannot be there")
        value |= found << _SHIFTS[at]
    return value.to_bytes(_WORD_BYTES, "big")
