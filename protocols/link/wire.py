"""Link messages as bytes: msgpack arrays whose first field is the version of the message.

Version 1. A receiver ignores what follows the fields it knows, refuses a newer version by name
and everything else that is malformed as RemoteProtocolError, whatever the bytes are. Telemetry
carries its columns as raw little-endian blocks (int64 seconds, int64 signal ids, float32 rows)
that are read without a copy. Called by the two link shells and by the stores that replay.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import msgpack

from protocols.link.fields import (
    IDENTIFIER,
    MAX_SEQUENCE,
    NAME,
    fields,
    integer,
    interval,
    interval_to_plain,
    items,
    journal_id,
    mapping,
    matched,
    moment,
    moment_to_plain,
    octets,
    payload,
    refuse,
    text,
)
from protocols.link.messages import (
    Acknowledgement,
    Command,
    Event,
    Hello,
    LinkState,
    Message,
    ObligationMessage,
    Offer,
    Plain,
    SignalMessage,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.plain import (
    baseline_from_plain,
    baseline_to_plain,
    commitment_from_plain,
    commitment_to_plain,
    envelope_from_plain,
    envelope_to_plain,
    layout_from_plain,
    layout_to_plain,
    offer_from_plain,
    offer_to_plain,
    signal_from_plain,
    signal_to_plain,
)
from protocols.link.telemetry import (
    MAX_MESSAGE_BYTES,
    telemetry_from_plain,
    telemetry_to_plain,
)
from protocols.link.topics import TopicKind
from protocols.vocabulary.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    UnsupportedVersionError,
)
from protocols.vocabulary.identifiers import ObligationId, SignalId, SiteId, ZoneId

VERSION: Final = 1
MAX_COMMITMENTS: Final = 32
MAX_RATE_PER_S: Final = 1_000_000
MAX_SIGNATURE_BYTES: Final = 128
_STREAM_NAMES: Final = {stream: stream.value for stream in Stream}


def encode(message: Message) -> bytes:
    """Bytes of a message.

    Raises
    ------
    LocalProtocolError
        If the message does not fit its format or ``MAX_MESSAGE_BYTES``.
    """
    try:
        data: bytes = msgpack.packb([VERSION, *_ENCODERS[type(message)](message)])
    except (ValueError, TypeError, OverflowError) as wrong:
        text = f"{type(message).__name__} cannot be encoded: {wrong}"
        raise LocalProtocolError(text) from wrong
    if len(data) > MAX_MESSAGE_BYTES:
        text = f"{type(message).__name__} of {len(data)} bytes, at most {MAX_MESSAGE_BYTES}"
        raise LocalProtocolError(text)
    return data


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Bytes of a snapshot, without the last commitments if they do not all fit.

    Those are waiting in the downlink and follow by ``dn/ob``.

    Raises
    ------
    LocalProtocolError
        As :func:`encode`, for any other reason.
    """
    shortened = replace(snapshot, commitments=snapshot.commitments[:MAX_COMMITMENTS])
    while shortened.commitments:
        try:
            return encode(shortened)
        except LocalProtocolError:
            shortened = replace(shortened, commitments=shortened.commitments[:-1])
    return encode(shortened)


def decode(kind: TopicKind, data: bytes) -> Message:
    """Message of the bytes that came on a topic of this kind.

    Raises
    ------
    UnsupportedVersionError
        If the sender speaks a newer version.
    RemoteProtocolError
        If the bytes are no such message, for any other reason.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        text = f"{kind.value}: {len(data)} bytes, at most {MAX_MESSAGE_BYTES}"
        raise RemoteProtocolError(text)
    try:
        values = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, TypeError, msgpack.UnpackException) as wrong:
        text = f"{kind.value}: not msgpack: {wrong}"
        raise RemoteProtocolError(text) from wrong
    if not isinstance(values, list) or not values:
        refuse(kind.value, values, "an array that begins with its version")
    version = integer(values[0], f"{kind.value} version", low=1)
    if version > VERSION:
        text = f"{kind.value}: version {version}, but this program knows {VERSION} at most"
        raise UnsupportedVersionError(text)
    return _DECODERS[kind](values[1:])


def _hello(message: Hello) -> list[object]:
    return [
        message.site_id,
        message.zone,
        message.journal_id,
        message.agent_version,
        _from_streams(message.held),
        _from_streams(message.durable_known),
        _from_streams(message.oldest),
        dict(message.epochs),
        dict(message.obligations),
        message.offer_version,
        layout_to_plain(message.layout),
        message.signal_id,
    ]


def _to_hello(values: list[object]) -> Hello:
    values = fields(values, 12, "hello")
    hello = Hello(
        site_id=SiteId(matched(values[0], NAME, "hello site id")),
        zone=ZoneId(matched(values[1], NAME, "hello zone")),
        journal_id=journal_id(values[2]),
        agent_version=text(values[3], "hello agent version"),
        held=_streams(values[4], "hello held"),
        durable_known=_streams(values[5], "hello durable"),
        oldest=_streams(values[6], "hello oldest"),
        epochs=_counts(values[7], "hello epochs"),
        obligations={
            ObligationId(matched(name, IDENTIFIER, "hello obligation")): version
            for name, version in _counts(values[8], "hello obligations").items()
        },
        offer_version=integer(values[9], "hello offer version"),
        layout=layout_from_plain(values[10]),
        signal_id=SignalId(integer(values[11], "hello signal id")),
    )
    if any(resource.site_id != hello.site_id for resource in hello.layout.resources):
        refuse("hello layout", hello.layout.version, f"resources of {hello.site_id}")
    for stream, oldest in hello.oldest.items():
        if not 1 <= oldest <= hello.held.get(stream, 0) + 1:
            refuse(f"hello oldest {stream.value}", oldest, "1..held + 1")
    return hello


def _acknowledgement(message: Acknowledgement) -> list[object]:
    return [
        message.epoch,
        message.journal_id,
        _from_streams(message.received),
        _from_streams(message.durable),
        message.backfill_per_s,
    ]


def _to_acknowledgement(plain: object) -> Acknowledgement:
    epoch, journal, received, durable, rate = fields(plain, 5, "acknowledgement")
    return Acknowledgement(
        epoch=integer(epoch, "acknowledgement epoch"),
        journal_id=journal_id(journal),
        received=_streams(received, "acknowledgement received"),
        durable=_streams(durable, "acknowledgement durable"),
        backfill_per_s=integer(rate, "acknowledgement rate", high=MAX_RATE_PER_S),
    )


def _snapshot(message: Snapshot) -> list[object]:
    if len(message.commitments) > MAX_COMMITMENTS:
        text = f"{len(message.commitments)} commitments, at most {MAX_COMMITMENTS}"
        raise LocalProtocolError(text)
    return [
        message.epoch,
        _acknowledgement(message.acknowledgement),
        [commitment_to_plain(commitment) for commitment in message.commitments],
        None if message.signal is None else signal_to_plain(message.signal),
    ]


def _to_snapshot(values: list[object]) -> Snapshot:
    epoch, acknowledgement, commitments, signal = fields(values, 4, "snapshot")
    return Snapshot(
        epoch=integer(epoch, "snapshot epoch"),
        acknowledgement=_to_acknowledgement(acknowledgement),
        commitments=tuple(
            commitment_from_plain(commitment)
            for commitment in items(commitments, "snapshot commitments", MAX_COMMITMENTS)
        ),
        signal=None if signal is None else signal_from_plain(signal),
    )


def _event(message: Event) -> list[object]:
    return [
        message.journal_id,
        message.sequence,
        moment_to_plain(message.recorded_at),
        message.kind,
        dict(message.payload),
    ]


def _to_event(values: list[object]) -> Event:
    journal, sequence, recorded_at, kind, content = fields(values, 5, "event")
    return Event(
        journal_id=journal_id(journal),
        sequence=integer(sequence, "event sequence", low=1, high=MAX_SEQUENCE),
        recorded_at=moment(recorded_at, "event recorded_at"),
        kind=matched(kind, IDENTIFIER, "event kind"),
        payload=payload(content, "event payload"),
    )


def _offer(message: Offer) -> list[object]:
    return [
        message.journal_id,
        message.sequence,
        offer_to_plain(message.curve),
        envelope_to_plain(message.envelope),
        baseline_to_plain(message.baseline),
    ]


def _to_offer(values: list[object]) -> Offer:
    journal, sequence, curve, envelope, baseline = fields(values, 5, "offer")
    return Offer(
        journal_id=journal_id(journal),
        sequence=integer(sequence, "offer sequence", low=1, high=MAX_SEQUENCE),
        curve=offer_from_plain(curve),
        envelope=envelope_from_plain(envelope),
        baseline=baseline_from_plain(baseline),
    )


def _obligation(message: ObligationMessage) -> list[object]:
    return [
        message.sequence,
        message.epoch,
        interval_to_plain(message.validity),
        commitment_to_plain(message.commitment),
        message.key_id,
        message.signature,
    ]


def _to_obligation(values: list[object]) -> ObligationMessage:
    sequence, epoch, validity, commitment, key_id, signature = fields(values, 6, "obligation")
    return ObligationMessage(
        sequence=integer(sequence, "obligation sequence"),
        epoch=integer(epoch, "obligation epoch"),
        validity=interval(validity, "obligation validity"),
        commitment=commitment_from_plain(commitment),
        key_id=text(key_id, "obligation key id"),
        signature=octets(signature, "obligation signature", MAX_SIGNATURE_BYTES),
    )


def _command(message: Command) -> list[object]:
    return [
        message.sequence,
        message.epoch,
        interval_to_plain(message.validity),
        message.kind,
        dict(message.payload),
        message.key_id,
        message.signature,
    ]


def _to_command(values: list[object]) -> Command:
    sequence, epoch, validity, kind, content, key_id, signature = fields(values, 7, "command")
    return Command(
        sequence=integer(sequence, "command sequence"),
        epoch=integer(epoch, "command epoch"),
        validity=interval(validity, "command validity"),
        kind=matched(kind, IDENTIFIER, "command kind"),
        payload=payload(content, "command payload"),
        key_id=text(key_id, "command key id"),
        signature=octets(signature, "command signature", MAX_SIGNATURE_BYTES),
    )


def _signal(message: SignalMessage) -> list[object]:
    return [signal_to_plain(message.signal), message.key_id, message.signature]


def _to_signal(values: list[object]) -> SignalMessage:
    signal, key_id, signature = fields(values, 3, "signal")
    return SignalMessage(
        signal=signal_from_plain(signal),
        key_id=text(key_id, "signal key id"),
        signature=octets(signature, "signal signature", MAX_SIGNATURE_BYTES),
    )


def _state(message: LinkState) -> list[object]:
    return [message.online]


def _to_state(values: list[object]) -> LinkState:
    (online,) = fields(values, 1, "state")
    if not isinstance(online, bool):
        refuse("state online", online, "a bool")
    return LinkState(online=online)


def _from_streams(counts: Mapping[Stream, int]) -> dict[str, Plain]:
    return {_STREAM_NAMES[stream]: count for stream, count in counts.items()}


def _streams(value: object, what: str) -> dict[Stream, int]:
    """Sequence per stream; streams that this program does not know are ignored."""
    counts = _counts(value, what)
    return {stream: counts[stream.value] for stream in Stream if stream.value in counts}


def _counts(value: object, what: str) -> dict[str, int]:
    return {
        name: integer(count, what, high=MAX_SEQUENCE)
        for name, count in mapping(value, what).items()
    }


_ENCODERS: Final[Mapping[type, Callable[..., list[object]]]] = {
    Hello: _hello,
    Snapshot: _snapshot,
    Telemetry: telemetry_to_plain,
    Event: _event,
    Offer: _offer,
    ObligationMessage: _obligation,
    Command: _command,
    Acknowledgement: _acknowledgement,
    SignalMessage: _signal,
    LinkState: _state,
}

_DECODERS: Final[Mapping[TopicKind, Callable[[list[object]], Message]]] = {
    TopicKind.HELLO: _to_hello,
    TopicKind.SNAPSHOT: _to_snapshot,
    TopicKind.TELEMETRY: telemetry_from_plain,
    TopicKind.BACKFILL: telemetry_from_plain,
    TopicKind.EVENT: _to_event,
    TopicKind.OFFER: _to_offer,
    TopicKind.OBLIGATION: _to_obligation,
    TopicKind.COMMAND: _to_command,
    TopicKind.ACKNOWLEDGEMENT: _to_acknowledgement,
    TopicKind.SIGNAL: _to_signal,
    TopicKind.STATE: _to_state,
}
