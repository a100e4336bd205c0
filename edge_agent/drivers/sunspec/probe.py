"""Asking one address who is there, without being configured for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge_agent.config.addresses import TcpUnit
from edge_agent.drivers.frames import FrameTap
from edge_agent.drivers.sunspec.line import ModbusLine
from edge_agent.drivers.sunspec.register_map import text_of
from edge_agent.drivers.sunspec.unit import Unit
from protocols.sunspec.chain import ChainWalk, Span
from protocols.sunspec.modbus import READ_HOLDING, READ_INPUT
from protocols.sunspec.models import layout_of
from protocols.sunspec.points import Block
from protocols.templates.modbus import ModbusWire
from protocols.vocabulary.errors import DeviceRefusedError, RemoteProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """Who answered."""

    identity: str
    about: str


Probe = Callable[[TcpUnit, Unit | None, float], Awaitable[Probed]]
"""Asks a place, as a unit of ours would be asked (None: as SunSpec), with patience in s."""


def probing(tap: FrameTap) -> Probe:
    """Make what asks; each question has a connection of its own.

    It raises DeviceError or RemoteProtocolError where nobody answers as such a device.
    """

    async def probe(place: TcpUnit, unit: Unit | None, patience_s: float) -> Probed:
        line = ModbusLine(place, timeout_s=patience_s, tap=tap)
        wire = None if unit is None else unit.template.wire
        try:
            if isinstance(wire, ModbusWire):
                return await _plain(line, place.unit, wire, patience_s=patience_s)
            return await _sunspec(line, place.unit, patience_s)
        finally:
            await line.close()

    return probe


async def _sunspec(line: ModbusLine, unit: int, patience_s: float) -> Probed:
    """Identity by the common model."""
    walk = ChainWalk()
    while not walk.chain().places and (span := walk.wants()) is not None:
        try:
            walk.take(await line.read(unit, span, function=READ_HOLDING, patience_s=patience_s))
        except DeviceRefusedError as error:
            walk.refused(str(error))
    layout = layout_of(1)
    if not walk.chain().places or layout is None:
        raise RemoteProtocolError(walk.chain().trouble)
    address = walk.chain().places[0].address
    span = Span(address, layout.size - 1)
    data = await line.read(unit, span, function=READ_HOLDING, patience_s=patience_s)
    block = Block(layout=layout, start=0, data=data)
    texts = [block.value(name).text for name in ("Mn", "Md", "SN")]
    identity = "/".join(texts) if texts[-1] else ""
    return Probed(identity=identity, about=" ".join(texts[:2]).strip())


async def _plain(line: ModbusLine, unit: int, wire: ModbusWire, *, patience_s: float) -> Probed:
    """Identity by the registers of a template."""
    texts = []
    for register in wire.identity:
        function = READ_INPUT if register.space == "input" else READ_HOLDING
        span = Span(register.address, register.size)
        data = await line.read(unit, span, function=function, patience_s=patience_s)
        texts.append(text_of(register, data))
    return Probed(identity="/".join(text for text in texts if text), about="")
