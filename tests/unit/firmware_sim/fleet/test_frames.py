"""Live telemetry written by columns is what the codec reads, byte for byte of every field."""

import numpy as np

from firmware_sim.fleet.frames import PUBLISH, TelemetryFrames, publish_packet
from protocols.link.messages import Telemetry
from protocols.link.topics import TopicKind, parse_topic
from protocols.link.wire import decode
from protocols.vocabulary.identifiers import JournalId, SiteId


def parsed(packet: bytes) -> tuple[str, bytes]:
    """Topic and payload of an MQTT PUBLISH with QoS 0."""
    assert packet[0] == PUBLISH
    length, place, shift = 0, 1, 0
    while True:
        length |= (packet[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if packet[place - 1] < 0x80:
            break
    assert place + length == len(packet)
    begin = place + 2 + int.from_bytes(packet[place : place + 2], "big")
    return packet[place + 2 : begin].decode(), packet[begin:]


def test_a_block_of_packets_is_read_back_by_the_codec() -> None:
    """If it fails, the fleet sends what a coordinator refuses, or other sites' values."""
    sites = [SiteId(f"gw-{number:05d}") for number in range(30)]
    journals = [JournalId(f"{number:032x}") for number in range(30)]
    frames = TelemetryFrames(sites, journals, resources=20)
    values = np.random.default_rng(1).normal(size=(30, 86)).astype(np.float32)
    values[3, 7] = np.nan
    signals = np.arange(30) + (1 << 40)
    for first, last in ((0, 12), (12, 30)):
        rows = slice(first, last)
        frames.write(
            rows,
            sequence=70_000 + first,
            time_s=1_800_000_000,
            signal_ids=signals[rows],
            values=values[rows],
        )
    for row in range(30):
        topic, payload = parsed(bytes(frames.packet(row)))
        address = parse_topic(topic)
        assert (address.site_id, address.kind) == (sites[row], TopicKind.TELEMETRY)
        message = decode(TopicKind.TELEMETRY, payload)
        assert isinstance(message, Telemetry)
        assert message.journal_id == journals[row]
        assert message.first_sequence == 70_000 + (0 if row < 12 else 12)
        assert message.times_s.tolist() == [1_800_000_000]
        assert message.signal_ids.tolist() == [signals[row]]
        np.testing.assert_array_equal(message.values[0], values[row])


def test_a_packet_of_any_length_says_its_length() -> None:
    """If it fails, the broker cuts the stream at the first long message."""
    for length in (0, 100, 130, 20_000):
        assert parsed(publish_packet("v1/z/a/sig", b"x" * length)) == ("v1/z/a/sig", b"x" * length)
