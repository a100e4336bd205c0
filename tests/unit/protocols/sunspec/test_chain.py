"""The walk along a SunSpec model chain: whole, broken, hostile."""

from collections.abc import Mapping

import pytest

from protocols.sunspec.chain import MODELS_MAX, Chain, ChainWalk

SUNS = {0: 0x5375, 1: 0x6E53}


def walked(registers: Mapping[int, int], *, bases: tuple[int, ...] = (40_000, 0, 50_000)) -> Chain:
    """Walk over registers; what is missing is refused."""
    walk = ChainWalk(bases)
    steps = 0
    while (span := walk.wants()) is not None:
        steps += 1
        assert steps < 200, "the walk does not end"
        wanted = range(span.address, span.address + span.count)
        if all(address in registers for address in wanted):
            walk.take(b"".join(registers[address].to_bytes(2, "big") for address in wanted))
        else:
            walk.refused("exception 2")
    return walk.chain()


def chain(base: int, *models: tuple[int, int], end: bool = True) -> dict[int, int]:
    """Make the registers of a chain whose models hold zeros."""
    registers = {base + offset: value for offset, value in SUNS.items()}
    address = base + 2
    for model_id, length in models:
        registers |= {address: model_id, address + 1: length}
        registers |= {address + 2 + offset: 0 for offset in range(length)}
        address += 2 + length
    if end:
        registers |= {address: 0xFFFF, address + 1: 0}
    return registers


@pytest.mark.parametrize("base", [40_000, 0, 50_000])
def test_finds_the_chain_at_each_of_the_three_places(base: int) -> None:
    """If it fails, devices of makers who chose the other base address are not found."""
    found = walked(chain(base, (1, 66), (103, 50)))
    assert found.base == base
    assert [place.model_id for place in found.places] == [1, 103]
    assert found.places[1].address == base + 70
    assert found.trouble == ""


def test_walks_over_models_it_does_not_know() -> None:
    """If it fails, one maker's own model hides everything behind it."""
    found = walked(chain(40_000, (1, 66), (64_111, 7), (103, 50)))
    assert [place.model_id for place in found.places] == [1, 64_111, 103]


def test_takes_longer_models_and_the_old_common_one() -> None:
    """If it fails, a device with a newer or an older revision of a model is refused."""
    found = walked(chain(40_000, (1, 65), (103, 54)))
    assert [place.length for place in found.places] == [65, 54]
    assert found.trouble == ""


def test_a_chain_that_just_stops_keeps_its_regular_part() -> None:
    """If it fails, inverters without an end marker cannot be used at all."""
    found = walked(chain(40_000, (1, 66), (103, 50), end=False))
    assert [place.model_id for place in found.places] == [1, 103]
    assert "no end marker" in found.trouble


def test_a_wrong_length_is_not_followed_into_the_dark() -> None:
    """If it fails, measurements are read from the middle of another model."""
    registers = chain(40_000, (1, 66), (103, 50), (123, 24))
    registers[40_000 + 2 + 68 + 1] = 47
    found = walked(registers)
    assert [place.model_id for place in found.places] == [1]
    assert "length 47 is less than the 50 it needs" in found.trouble


def test_what_follows_a_doubtful_model_is_not_believed_without_an_end() -> None:
    """If it fails, garbage that looks like a model is read as one."""
    found = walked(chain(40_000, (1, 66), (103, 53), (124, 24), end=False))
    assert [place.model_id for place in found.places] == [1]


def test_hostile_chains_end() -> None:
    """If it fails, one device with a bad chain keeps the gateway walking for ever."""
    assert walked({}).trouble == 'no "SunS" at any base address'
    assert "leads nowhere" in walked(chain(40_000, (1, 66), (103, 0))).trouble
    endless = walked(chain(0, (1, 66), *[(64_000, 1)] * (MODELS_MAX + 5)))
    assert f"more than {MODELS_MAX}" in endless.trouble
    registers = chain(40_000, (1, 66))
    registers[40_000 + 70], registers[40_000 + 71] = 103, 0xFFF0
    assert "beyond the last register" in walked(registers).trouble
    assert "not the common one" in walked(chain(40_000, (103, 50))).trouble
    assert walked(chain(40_000)).trouble == "the chain is empty"


def test_a_short_answer_ends_the_walk() -> None:
    """If it fails, half an answer is taken for a model's head."""
    walk = ChainWalk((40_000,))
    walk.take(b"SunS")
    walk.take(b"\0\1")
    assert walk.wants() is None
    assert "2 bytes came where 4 were asked" in walk.chain().trouble
