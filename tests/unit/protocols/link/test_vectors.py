"""Golden messages: the bytes of version 1, which every later program must still read."""

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from protocols.link.messages import (
    Acknowledgement,
    Command,
    Event,
    Hello,
    Layout,
    LinkState,
    Message,
    ObligationMessage,
    Offer,
    SignalMessage,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.topics import TopicKind
from protocols.link.wire import decode, encode
from protocols.vocabulary.arrays import column
from protocols.vocabulary.commitment import Commitment, Droop
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.errors import RemoteProtocolError, UnsupportedVersionError
from protocols.vocabulary.identifiers import (
    JournalId,
    ModelId,
    ObligationId,
    ResourceId,
    SignalId,
    SiteId,
    ZoneId,
)
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import HoldRule, Obligation, RelativeTo, Service
from protocols.vocabulary.offer import NO_CURVE, DispatchSignal, OfferCurve
from protocols.vocabulary.resource import Capability, Resource, ResourceKind

VECTORS = Path(__file__).parents[3] / "vectors" / "link"
START = datetime(2026, 7, 22, 1, 0, tzinfo=UTC)
HALF_HOUR = Interval(start=START, end=START + timedelta(minutes=30))
SITE = SiteId("site-001")
ZONE = ZoneId("tokyo")
JOURNAL = JournalId("5f0c2a9e7b1d4c3e8a6f901234567890")

BATTERY = Resource(
    resource_id=ResourceId("site-001/battery-1"),
    site_id=SITE,
    kind=ResourceKind.BATTERY,
    power_w_min=-3000.0,
    power_w_max=3000.0,
    ramp_w_per_s=math.inf,
    energy_wh_capacity=9800.0,
    efficiency_charge=0.95,
    efficiency_discharge=0.95,
    soc_min=0.1,
    soc_max=0.95,
    capabilities=frozenset({Capability.READS_POWER, Capability.TAKES_SETPOINT}),
)
CURVE = OfferCurve(
    site_id=SITE,
    service=Service.SECONDARY_1,
    version=3,
    multipliers=column([6.25, 18.1]),
    power_w=column([0.0, 2400.1]),
    interval=HALF_HOUR,
)
ENVELOPE = Envelope(
    target=SITE,
    interval=HALF_HOUR,
    step_s=600.0,
    power_w_min=column([-3000.0, -3000.0, -3000.0]),
    power_w_max=column([3000.0, 2500.0, 2000.0]),
    energy_wh_min=column([0.0, -500.0, -1000.0, -1500.0]),
    energy_wh_max=column([0.0, 500.0, 900.0, 1200.0]),
    ramp_w_per_s=300.0,
    limited_by="contract",
)
BASELINE = Baseline(
    target=SITE,
    interval=HALF_HOUR,
    step_s=1800.0,
    power_w=column([-412.3]),
    method="persistence-300s",
    computed_at=START - timedelta(microseconds=1),
    data_until=START - timedelta(seconds=1),
    model_id=ModelId("persistence-1"),
)
COMMITMENT = Commitment(
    obligation=Obligation(
        obligation_id=ObligationId("award-7/site-001"),
        parent_id=ObligationId("award-7"),
        target=SITE,
        service=Service.SECONDARY_1,
        interval=HALF_HOUR,
        step_s=1800.0,
        power_w=column([1800.0]),
        relative_to=RelativeTo.BASELINE,
        tolerance_w=90.0,
    ),
    curve=CURVE,
    envelope=ENVELOPE,
    baseline=BASELINE,
    hold=HoldRule.HOLD_SHARE,
    band_lower_w=column([-90.0]),
    band_upper_w=column([90.0]),
)
DROOP_COMMITMENT = dataclasses.replace(
    COMMITMENT, droop=Droop(nominal_hz=50.0, droop=0.05, dead_band_hz=0.01, delay_s=2.0)
)
SIGNAL = DispatchSignal(
    zone=ZONE,
    signal_id=SignalId(77),
    epoch=4,
    interval=Interval(start=START, end=START + timedelta(seconds=10)),
    multipliers={Service.SECONDARY_1: 12.5},
)
ACKNOWLEDGEMENT = Acknowledgement(
    epoch=4,
    journal_id=JOURNAL,
    received={Stream.TELEMETRY: 120, Stream.EVENT: 5, Stream.OFFER: 2},
    durable={Stream.TELEMETRY: 60, Stream.EVENT: 5, Stream.OFFER: 2},
    backfill_per_s=20,
)


def telemetry(rows: int, curve_version: int = NO_CURVE) -> Telemetry:
    values = np.full((rows, 10), np.nan, np.float32)
    values[:, :6] = (-412.25, -400.0, 0.0, 2400.0, 0.0, 0.0)
    values[:, 6] = np.arange(rows)
    return Telemetry(
        journal_id=JOURNAL,
        first_sequence=121,
        layout_version=1,
        times_s=np.arange(1784682120, 1784682120 + rows),
        signal_ids=np.full(rows, 77),
        values=values,
        curve_version=curve_version,
    )


SAMPLES: dict[str, tuple[TopicKind, Message]] = {
    "hello": (
        TopicKind.HELLO,
        Hello(
            site_id=SITE,
            zone=ZONE,
            journal_id=JOURNAL,
            agent_version="0.1.0",
            held={Stream.TELEMETRY: 120, Stream.EVENT: 5, Stream.OFFER: 2},
            durable_known={Stream.TELEMETRY: 60, Stream.EVENT: 5, Stream.OFFER: 2},
            oldest={Stream.TELEMETRY: 1, Stream.EVENT: 1, Stream.OFFER: 3},
            epochs={"60": 4, "market": 4},
            obligations={ObligationId("award-7/site-001"): 1},
            offer_version=3,
            layout=Layout(version=1, resources=(BATTERY,)),
            signal_id=SignalId(76),
        ),
    ),
    "snapshot": (
        TopicKind.SNAPSHOT,
        Snapshot(
            epoch=4, acknowledgement=ACKNOWLEDGEMENT, commitments=(COMMITMENT,), signal=SIGNAL
        ),
    ),
    "snapshot-empty": (
        TopicKind.SNAPSHOT,
        Snapshot(epoch=4, acknowledgement=ACKNOWLEDGEMENT, commitments=(), signal=None),
    ),
    "telemetry": (TopicKind.TELEMETRY, telemetry(1)),
    "telemetry-curve": (TopicKind.TELEMETRY, telemetry(1, curve_version=7)),
    "backfill": (TopicKind.BACKFILL, telemetry(3)),
    "event": (
        TopicKind.EVENT,
        Event(
            journal_id=JOURNAL,
            sequence=6,
            recorded_at=START + timedelta(microseconds=123456),
            kind="obligation.accepted",
            payload={"obligation_id": "award-7/site-001", "version": 1, "notes": [None, True, 1.5]},
        ),
    ),
    "offer": (
        TopicKind.OFFER,
        Offer(journal_id=JOURNAL, sequence=3, curve=CURVE, envelope=ENVELOPE, baseline=BASELINE),
    ),
    "obligation": (
        TopicKind.OBLIGATION,
        ObligationMessage(
            sequence=12,
            epoch=4,
            validity=HALF_HOUR,
            commitment=DROOP_COMMITMENT,
            key_id="k1",
            signature=bytes(range(64)),
        ),
    ),
    "command": (
        TopicKind.COMMAND,
        Command(
            sequence=13,
            epoch=4,
            validity=HALF_HOUR,
            kind="offer",
            payload={"start_s": 1784682000, "end_s": 1784683800, "service": "secondary1"},
        ),
    ),
    "acknowledgement": (TopicKind.ACKNOWLEDGEMENT, ACKNOWLEDGEMENT),
    "signal": (TopicKind.SIGNAL, SignalMessage(signal=SIGNAL)),
    "state": (TopicKind.STATE, LinkState(online=False)),
}


def readable(value: object) -> object:
    """Turn a message into what JSON can hold and a person can read, floats to the last bit."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: readable(getattr(value, item.name))
            for item in dataclasses.fields(value)
            if (item.name, getattr(value, item.name)) != ("curve_version", NO_CURVE)
        }
    if isinstance(value, Mapping):
        return {str(readable(key)): readable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return readable(value.tolist())
    if isinstance(value, frozenset):
        return sorted(str(readable(item)) for item in value)
    if isinstance(value, tuple | list):
        return [readable(item) for item in value]
    return readable_leaf(value)


def readable_leaf(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def load(path: Path) -> tuple[TopicKind, bytes, object]:
    data = json.loads(path.read_text(encoding="utf-8"))
    return TopicKind(data["topic"]), bytes.fromhex("".join(data["hex"])), data.get("message")


def files(folder: str) -> list[Path]:
    found = sorted((VECTORS / folder).glob("*.json"))
    assert found, f"no vectors in {folder}"
    return found


@pytest.mark.parametrize("path", files("v1"), ids=lambda path: path.stem)
def test_golden_bytes_are_read_as_written_down(path: Path) -> None:
    """If it fails, gateways in the field and a new coordinator misread each other."""
    kind, data, message = load(path)
    assert readable(decode(kind, data)) == message


@pytest.mark.parametrize("name", SAMPLES)
def test_a_message_is_written_as_the_golden_bytes(name: str) -> None:
    """If it fails, an old peer cannot read what a new program sends."""
    kind, message = SAMPLES[name]
    wanted_kind, data, written_down = load(VECTORS / "v1" / f"{name}.json")
    assert (kind, readable(message)) == (wanted_kind, written_down)
    assert encode(message).hex() == data.hex()


@pytest.mark.parametrize("path", files("v1-extra-fields"), ids=lambda path: path.stem)
def test_fields_of_a_later_minor_version_are_ignored(path: Path) -> None:
    """If it fails, adding a field to a message stops every gateway that was not updated."""
    kind, data, message = load(path)
    assert readable(decode(kind, data)) == message


@pytest.mark.parametrize("path", files("future"), ids=lambda path: path.stem)
def test_a_newer_version_is_refused_by_name(path: Path) -> None:
    """If it fails, an operator cannot tell an outdated program from a broken line."""
    kind, data, _ = load(path)
    with pytest.raises(UnsupportedVersionError, match="version 2, but this program knows 1"):
        decode(kind, data)


@pytest.mark.parametrize("path", files("malformed"), ids=lambda path: path.stem)
def test_a_malformed_message_is_refused_with_its_cause(path: Path) -> None:
    """If it fails, a broken or hostile peer gets past the border, or takes the program down."""
    cause = json.loads(path.read_text(encoding="utf-8"))["cause"]
    kind, data, _ = load(path)
    with pytest.raises(RemoteProtocolError) as refused:
        decode(kind, data)
    assert type(refused.value) is RemoteProtocolError
    assert cause in str(refused.value)


def test_every_topic_has_a_golden_message() -> None:
    """If it fails, a kind of message can change its bytes without anybody noticing."""
    assert {kind for kind, _ in SAMPLES.values()} == set(TopicKind)
