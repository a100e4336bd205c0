"""The models of one SunSpec device as last read: its chain, and the registers in it.

What is asked each second are the registers that change, with their scale factors, in as few
reads as the device allows; models that hold ratings and counters are read whole, seldom.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent.drivers.sunspec.quantities import (
    CHARGE_RATINGS,
    FAST_SPANS,
    OUTPUT_RATINGS,
    STORAGE_RATINGS,
)
from edge_agent.drivers.sunspec.unit import Unit, merged
from protocols.sunspec.chain import BASES, Chain, ChainWalk, Place, Span
from protocols.sunspec.controls import Ratings, Way
from protocols.sunspec.models import HEADER, Layout, layout_for_length
from protocols.sunspec.points import Block
from protocols.sunspec.ways import way_of
from protocols.templates.sunspec import SunspecWire
from protocols.vocabulary.errors import (
    DeviceRefusedError,
    DeviceUnsupportedError,
    RemoteProtocolError,
)

GAP: Final = 24
"""Registers between two wanted ones that are read along rather than asked apart."""
SLOW_MODELS: Final = frozenset({120, 121, 122, 702, 802})
"""Read whole with the slow poll; their heads prove that the chain still is as it was."""
_COMMON: Final = 1
_STORAGE_CONTROL: Final = 124
_HEAD_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Held:
    """Registers of a model with when they arrived."""

    block: Block
    received_at: datetime


class Models:
    """Chain and registers of one device.

    Parameters
    ----------
    unit : Unit
        Where it is.

    Attributes
    ----------
    chain : Chain
        As walked last.
    held : dict of int to Held
        Registers by model; of a model that is polled fast only those that change.
    way : Way or None
        How it is commanded.
    timer_denied : bool
        Its reversion timer did not take what was written; it is not relied on again.
    """

    def __init__(self, unit: Unit) -> None:
        wire = unit.template.wire
        assert isinstance(wire, SunspecWire), "a SunSpec template"
        self.chain = Chain(base=None, places=(), trouble="")
        self.held: dict[int, Held] = {}
        self.way: Way | None = way_of(wire.command)
        self.timer_denied = False
        self._unit = unit
        self._wire = wire
        self._setting: Held | None = None

    async def walk(self) -> None:
        """Find the chain anew; everything read before is forgotten.

        Raises
        ------
        DeviceTimeoutError
            If nobody answers.
        RemoteProtocolError
            If there is no chain.
        """
        own = self._wire.base_address
        walk = ChainWalk((own, *(base for base in BASES if base != own)))
        while (span := walk.wants()) is not None:
            try:
                walk.take(await self._unit.read(span))
            except DeviceRefusedError as error:
                walk.refused(str(error))
        self.chain = walk.chain()
        self.held = {}
        self._setting = None
        if not self.chain.places:
            raise RemoteProtocolError(f"not a SunSpec device: {self.chain.trouble}")

    async def who(self) -> tuple[str, str]:
        """Identity (empty without a serial number), and maker and model."""
        place = self.chain.find(_COMMON)
        if place is None:
            raise RemoteProtocolError("the chain has no common model")
        block = await self._whole(place)
        texts = [block.value(name).text for name in ("Mn", "Md", "SN")]
        return "/".join(texts) if texts[-1] else "", " ".join(texts[:2]).strip()

    async def read_slow(self) -> frozenset[int]:
        """Read ratings and counters; tells which models.

        A model that the chain names and the device refuses is not there.
        """
        fresh = set()
        for place in self.chain.places:
            if place.model_id in SLOW_MODELS:
                try:
                    block = await self._whole(place)
                except DeviceRefusedError:
                    self.held.pop(place.model_id, None)
                    continue
                self.held[place.model_id] = Held(block, self._unit.clock.now())
                fresh.add(place.model_id)
        return frozenset(fresh)

    async def read_fast(self, wanted: Iterable[int]) -> frozenset[int]:
        """Read what changes of the models wanted, and what is set; tells which models."""
        spans = {
            model_id: Span(place.address + FAST_SPANS[model_id][0], _size(FAST_SPANS[model_id]))
            for model_id in wanted
            if model_id in FAST_SPANS and (place := self.chain.find(model_id)) is not None
        }
        setting = self._setting_span()
        every = [*spans.values(), *([] if setting is None else [setting])]
        most = self._wire.registers_per_read
        found = {
            span.address: await self._unit.read(span, most=most)
            for span in merged(every, gap=GAP, most=most)
        }
        received_at = self._unit.clock.now()
        for model_id, span in spans.items():
            first = FAST_SPANS[model_id][0]
            block = Block(layout=self._layout(model_id), start=first, data=_cut(found, span))
            self.held[model_id] = Held(block, received_at)
        if setting is not None:
            self._take_setting(_cut(found, setting), received_at)
        return frozenset(spans)

    async def look(self) -> None:
        """Read again what is set."""
        span = self._setting_span()
        if span is not None:
            data = await self._unit.read(span, most=self._wire.registers_per_read)
            self._take_setting(data, self._unit.clock.now())

    @property
    def setting(self) -> Held | None:
        """Registers that say what is set, as last read."""
        return self._setting

    def timed(self) -> bool:
        """Whether the device's own timer ends an order, as far as is known."""
        if self.way is None or self._setting is None or self.timer_denied:
            return False
        return self.way.has_timer(self._setting.block)

    def control_address(self) -> int:
        """Address of the model that is written; DeviceUnsupportedError without one."""
        place = None if self.way is None else self.chain.find(self.way.model_id)
        if place is None:
            raise DeviceUnsupportedError(f"no model to command it by, {self.told()}")
        return place.address

    def ratings(self) -> Ratings:
        """Say what the percentages of its control model are percentages of."""
        charge_w = self.first(CHARGE_RATINGS) or 0.0
        if self.way is not None and self.way.model_id == _STORAGE_CONTROL:
            discharge_w = self.first(STORAGE_RATINGS) or charge_w
        else:
            discharge_w = self.first(OUTPUT_RATINGS) or 0.0
        return Ratings(charge_w=charge_w, discharge_w=discharge_w)

    def first(self, points: Iterable[tuple[int, str]]) -> float | None:
        """First of some ratings that the device states, >= 0."""
        for model_id, name in points:
            held = self._setting if model_id == _STORAGE_CONTROL else self.held.get(model_id)
            if model_id == _STORAGE_CONTROL and held is None:
                held = self.held.get(model_id)
            value = None if held is None else held.block.number(name)
            if value is not None and math.isfinite(value) and value >= 0.0:
                return value
        return None

    def told(self) -> str:
        """Say for people which models there are."""
        return f"it has models {[place.model_id for place in self.chain.places]}"

    def _setting_span(self) -> Span | None:
        place = None if self.way is None else self.chain.find(self.way.model_id)
        if place is None or self.way is None:
            return None
        return Span(place.address + self.way.first, self.way.last - self.way.first + 1)

    def _take_setting(self, data: bytes, received_at: datetime) -> None:
        assert self.way is not None, "it is commanded"
        layout = self._layout(self.way.model_id)
        self._setting = Held(Block(layout=layout, start=self.way.first, data=data), received_at)

    async def _whole(self, place: Place) -> Block:
        """Read a whole model and check that it still stands there."""
        layout = self._layout(place.model_id)
        span = Span(place.address, min(layout.size, HEADER + place.length))
        data = await self._unit.read(span, most=self._wire.registers_per_read)
        head = place.model_id.to_bytes(2, "big") + place.length.to_bytes(2, "big")
        if data[:_HEAD_BYTES] != head:
            raise RemoteProtocolError(f"model {place.model_id} no longer is at {place.address}")
        return Block(layout=layout, start=0, data=data)

    def _layout(self, model_id: int) -> Layout:
        place = self.chain.find(model_id)
        assert place is not None, "a model of the chain"
        layout = layout_for_length(model_id, place.length)
        assert layout is not None, "a model that is understood"
        return layout


def _size(span: tuple[int, int]) -> int:
    return span[1] - span[0] + 1


def _cut(found: Mapping[int, bytes], span: Span) -> bytes:
    """Take the registers of a span from the read that holds them."""
    for address, data in found.items():
        begin = 2 * (span.address - address)
        if begin >= 0 and begin + 2 * span.count <= len(data):
            return data[begin : begin + 2 * span.count]
    raise AssertionError("a span that was asked was read")
