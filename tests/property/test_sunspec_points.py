"""SunSpec registers for any value, any scale factor and any bytes."""

import math

from hypothesis import given
from hypothesis import strategies as st

from protocols.sunspec.chain import ChainWalk
from protocols.sunspec.models import MODELS, layout_of
from protocols.sunspec.points import Block, encode, unimplemented
from protocols.vocabulary.errors import LocalProtocolError

_LAYOUTS = {model_id: layout for model_id in MODELS if (layout := layout_of(model_id, 2))}
_NUMBERS = [
    (model_id, name)
    for model_id, layout in sorted(_LAYOUTS.items())
    for name, point in layout.points.items()
    if point.kind.startswith(("int", "uint", "float")) and name not in {"ID", "L"}
]


@given(
    where=st.sampled_from(_NUMBERS),
    value=st.floats(-1e9, 1e9),
    exponent=st.integers(-10, 10),
)
def test_what_is_written_reads_back(where: tuple[int, str], value: float, exponent: int) -> None:
    """If it fails, a device is told another power than we think, or read with another."""
    model_id, name = where
    layout = _LAYOUTS[model_id]
    point = layout.points[name]
    scaled = isinstance(point.scale, str)
    power = exponent if scaled else int(point.scale)
    try:
        data = encode(point, value, power)
    except LocalProtocolError:
        return
    registers = bytearray(b"".join(unimplemented(one) for one in layout.points.values()))
    registers[2 * point.offset : 2 * (point.offset + point.size)] = data
    if isinstance(point.scale, str):
        factor = layout.points[point.scale]
        start = 2 * factor.offset
        registers[start : start + 2] = power.to_bytes(2, "big", signed=True)
    number = Block(layout=layout, start=0, data=bytes(registers)).number(name)
    assert number is not None
    half_a_step = 0.5 * 10.0**power if not point.kind.startswith("float") else 0.0
    assert math.isclose(number, value, rel_tol=1e-6, abs_tol=half_a_step * 1.001 + 1e-6)


@given(model_id=st.sampled_from(sorted(_LAYOUTS)), data=st.binary(max_size=330))
def test_any_bytes_give_a_number_or_a_reason(model_id: int, data: bytes) -> None:
    """If it fails, what a broken device sends brings the gateway down."""
    layout = _LAYOUTS[model_id]
    block = Block(layout=layout, start=0, data=data)
    for name in layout.points:
        value = block.value(name)
        assert (value.number is None and not value.text) == bool(value.reason)
        assert value.number is None or math.isfinite(value.number)


@given(answers=st.lists(st.one_of(st.binary(max_size=6), st.none()), max_size=300))
def test_any_answers_end_a_walk(answers: list[bytes | None]) -> None:
    """If it fails, a device that answers nonsense keeps the gateway walking for ever."""
    walk = ChainWalk()
    walk.take(b"SunS")
    walk.take(b"\0\1\0\x42")
    for answer in [*answers, None, None, None]:
        if walk.wants() is None:
            break
        if answer is None:
            walk.refused("exception 2")
        else:
            walk.take(answer)
    assert walk.wants() is None
    assert len(walk.chain().places) <= 64
