"""ECHONET Lite Appendix: the two forms of a property map, and maps that lie."""

import pytest

from protocols.echonet_lite.property_map import decode_property_map, encode_property_map
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError


def epcs_of(row: dict[str, str]) -> frozenset[int]:
    return frozenset(int(epc, 16) for epc in row["epcs"].split())


def test_a_map_decodes(maps: dict[str, str]) -> None:
    """The driver would think a device lacks what it has."""
    assert decode_property_map(bytes.fromhex(maps["hex"])) == epcs_of(maps)


def test_a_map_encodes(maps: dict[str, str]) -> None:
    """Controllers of other makers would not find our device's properties."""
    assert encode_property_map(epcs_of(maps)) == bytes.fromhex(maps["hex"])


def test_fifteen_are_a_list_and_sixteen_a_bit_map() -> None:
    """The form would change at the wrong count."""
    assert len(encode_property_map(range(0x80, 0x8F))) == 16
    assert encode_property_map(range(0x80, 0x90)) == bytes((16, *([1] * 16)))


def test_all_128_epcs_fit() -> None:
    """A device with every property could not say so."""
    everything = frozenset(range(0x80, 0x100))
    assert encode_property_map(everything) == bytes((128, *([0xFF] * 16)))
    assert decode_property_map(encode_property_map(everything)) == everything


def test_an_empty_map_is_a_map() -> None:
    """A device without settable properties would look broken."""
    assert decode_property_map(b"\x00") == frozenset()


def test_a_count_that_disagrees_with_the_bits_is_refused() -> None:
    """Uecho's maps, which lose every EPC from C0 up, would be believed."""
    right = bytes.fromhex("2405155525440440021715256441020212")
    lost = bytes((16, *(row & 0x0F for row in right[1:])))
    with pytest.raises(RemoteProtocolError):
        decode_property_map(lost)


def test_each_single_flipped_bit_is_noticed() -> None:
    """One wrong bit would add or hide a property."""
    right = bytes.fromhex("1001014121400040000100214000020212")
    for bit in range(8, 8 * len(right)):
        wrong = bytearray(right)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            decode_property_map(bytes(wrong))


@pytest.mark.parametrize(
    "edt",
    ["", "01", "028080", "0180CF", "0301", "0210CF", "10", "24051555", "10" + "00" * 17, "FF" * 17],
)
def test_a_map_of_a_wrong_form_is_refused(edt: str) -> None:
    """A map cut short or padded would be half believed."""
    with pytest.raises(RemoteProtocolError):
        decode_property_map(bytes.fromhex(edt))


def test_a_map_holds_only_property_codes() -> None:
    """Our own map would be unreadable to others."""
    with pytest.raises(LocalProtocolError):
        encode_property_map({0x7F})
