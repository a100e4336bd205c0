"""Finding a device's models: where the chain begins, and the walk along it. Pure.

:class:`ChainWalk` says which registers it wants next and is given them, or told that the
device refuses; whoever moves the bytes does so. A chain that is broken (no end marker, a
length that leads nowhere, a loop) ends the walk with what was found and a line that says so.
"""

import itertools
from dataclasses import dataclass
from typing import Final

from protocols.sunspec.models import HEADER, layout_for_length

BASES: Final = (40_000, 0, 50_000)
"""Where a chain may begin, in the order they are tried."""
MARKER: Final = b"SunS"
END_ID: Final = 0xFFFF
MODELS_MAX: Final = 64
"""Longest chain that is walked; more is taken as a chain that never ends."""
_LAST_ADDRESS: Final = 0xFFFF
_COMMON: Final = 1


@dataclass(frozen=True, slots=True)
class Span:
    """Registers to be read: 0-based wire address and how many."""

    address: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One model of a device's chain.

    Attributes
    ----------
    model_id : int
        Number of the model.
    address : int
        Of its ID register.
    length : int
        As the device states it, without ID and length.
    """

    model_id: int
    address: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What was found.

    Attributes
    ----------
    base : int or None
        Register of "SunS"; None if the device has none.
    places : tuple of Place
        In the chain's order, models that are not understood too.
    trouble : str
        What is wrong with the chain; empty if nothing.
    """

    base: int | None
    places: tuple[Place, ...]
    trouble: str

    def find(self, model_id: int) -> Place | None:
        """Place of a model, the first if there are several."""
        return next((place for place in self.places if place.model_id == model_id), None)


class ChainWalk:
    """One walk along a chain.

    Parameters
    ----------
    bases : tuple of int
        Where to look for the beginning.
    """

    def __init__(self, bases: tuple[int, ...] = BASES) -> None:
        self._bases = list(bases)
        self._base: int | None = None
        self._places: list[Place] = []
        self._address = 0
        self._trouble = ""
        self._ended = False

    def wants(self) -> Span | None:
        """Say which registers are needed next; None when the walk has ended."""
        if self._ended:
            return None
        if self._base is None:
            return Span(self._bases[0], HEADER)
        return Span(self._address, HEADER)

    def take(self, data: bytes) -> None:
        """Take the registers that were wanted."""
        if len(data) != 2 * HEADER:
            self._end(f"{len(data)} bytes came where {2 * HEADER} were asked")
        elif self._base is None:
            if data == MARKER:
                self._base = self._bases[0]
                self._address = self._base + HEADER
            else:
                self._next_base()
        else:
            self._step(int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big"))

    def refused(self, cause: str) -> None:
        """Take note that the device does not give the registers."""
        if self._base is None:
            self._next_base()
        else:
            self._end(f"no end marker: register {self._address} is refused ({cause})")

    def chain(self) -> Chain:
        """Tell what was found until now."""
        return Chain(base=self._base, places=tuple(self._places), trouble=self._trouble)

    def _next_base(self) -> None:
        self._bases.pop(0)
        if not self._bases:
            self._end('no "SunS" at any base address')

    def _step(self, model_id: int, length: int) -> None:
        """Take one model's ID and length."""
        if model_id == END_ID and length == 0:
            self._end("" if self._places else "the chain is empty")
            return
        following = self._address + HEADER + length
        if trouble := self._wrong(model_id, length, following):
            self._end(trouble)
            return
        self._places.append(Place(model_id=model_id, address=self._address, length=length))
        self._address = following

    def _wrong(self, model_id: int, length: int, following: int) -> str:
        """Say why the walk cannot go on over a model; empty if it can."""
        here = f"model {model_id} at {self._address}"
        if not self._places and model_id != _COMMON:
            return f"{here}: the first model is not the common one"
        if model_id in {0, END_ID} or length == 0:
            return f"{here}: length {length} leads nowhere"
        if following + 1 > _LAST_ADDRESS:
            return f"{here}: length {length} leads beyond the last register"
        if len(self._places) >= MODELS_MAX:
            return f"more than {MODELS_MAX} models"
        layout = layout_for_length(model_id, length)
        if layout is not None and length < layout.length - _slack(model_id):
            return f"{here}: length {length} is less than the {layout.length} it needs"
        return ""

    def _end(self, trouble: str) -> None:
        """End the walk; of a chain without a proper end only the regular part is believed.

        A length that lies leads into the middle of something else, where anything may look
        like a model. Until the first model that is unknown or longer than defined the walk
        cannot have strayed.
        """
        self._ended = True
        self._trouble = trouble
        if trouble:
            self._places = list(itertools.takewhile(_regular, self._places))


def _regular(place: Place) -> bool:
    layout = layout_for_length(place.model_id, place.length)
    return layout is not None and 0 <= layout.length - place.length <= _slack(place.model_id)


def _slack(model_id: int) -> int:
    """Allow model 1 one register less: it had 65 before it was padded."""
    return 1 if model_id == _COMMON else 0
