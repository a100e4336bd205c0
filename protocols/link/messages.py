"""The messages of the link, as plain data; bytes are :mod:`protocols.link.wire`.

Topics are ``v1/{partition}/{site}/up|dn/...`` and ``v1/z/{zone}/sig``. The site id is in the
topic and, for what a broker could misroute, checked by the receiver. ``key_id`` and
``signature`` hold the place of the Ed25519 signature; empty until identity is enrolled.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from protocols.vocabulary.arrays import IntArray
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.envelope import Baseline, Envelope
from protocols.vocabulary.identifiers import JournalId, ObligationId, SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.offer import NO_CURVE, DispatchSignal, OfferCurve
from protocols.vocabulary.resource import Resource

Float32Block = npt.NDArray[np.float32]

Plain = None | bool | int | float | str | bytes | list["Plain"] | dict[str, "Plain"]
"""What an event's payload may hold: msgpack's own types."""


class Stream(enum.Enum):
    """Upward streams, each with its own gap-free sequence from 1 in the edge journal."""

    TELEMETRY = "tel"
    EVENT = "evt"
    OFFER = "offer"


class Lane(enum.Enum):
    """How a telemetry row travels: at once and newest first, or later at the granted rate."""

    LIVE = "live"
    BACKFILL = "backfill"


SITE_COLUMNS = ("meter_w", "baseline_w", "share_w", "flexible_w", "mode", "quality")
RESOURCE_COLUMNS = ("power_w", "setpoint_w", "soc", "quality")
"""Columns of a telemetry row: the site's, then these for each resource of the layout.

Powers in W, generator frame; soc 0..1; NaN where there is no number; mode and quality are the
enumerations' numbers. ``setpoint_w`` is NaN when no lease is in force.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which resources a telemetry row speaks of, in order. Journaled as an event."""

    version: int
    resources: tuple[Resource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """``up/hello``: what the gateway holds; repeated with back-off until a snapshot comes.

    ``held`` is the last journaled sequence per stream, ``durable_known`` the last durable
    acknowledgement the gateway knows, ``oldest`` the first sequence the journal can still send
    (what is older was trimmed). ``epochs`` is the highest epoch seen per lease ("market" or the
    partition). ``obligations`` maps the held ones to their version.
    """

    site_id: SiteId
    zone: ZoneId
    journal_id: JournalId
    agent_version: str
    held: Mapping[Stream, int]
    durable_known: Mapping[Stream, int]
    oldest: Mapping[Stream, int]
    epochs: Mapping[str, int]
    obligations: Mapping[ObligationId, int]
    offer_version: int
    layout: Layout
    signal_id: SignalId


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """``dn/ack``: contiguous sequence received and made durable, per stream, and the grant.

    ``epoch`` is the sender's, of the partition's lease: it rises whenever a coordinator starts or
    takes over, so the gateway sees a restart even if its connection to the broker stood.
    ``backfill_per_s`` is the number of samples per second the gateway may backfill.
    """

    epoch: int
    journal_id: JournalId
    received: Mapping[Stream, int]
    durable: Mapping[Stream, int]
    backfill_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """``dn/snap``: the coordinator's answer to a hello. Replaces retained messages."""

    epoch: int
    acknowledgement: Acknowledgement
    commitments: tuple[Commitment, ...]
    signal: DispatchSignal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """``up/tel`` (live) and ``up/bf`` (backfill): consecutive rows of the telemetry stream.

    Attributes
    ----------
    first_sequence : int
        Sequence of row 0; row i has ``first_sequence + i``.
    layout_version : int
        The layout the columns follow.
    times_s : IntArray
        Shape (n,), Unix time of the second each row speaks of.
    signal_ids : IntArray
        Shape (n,), the dispatch signal in force.
    values : Float32Block
        Shape (n, 6 + 4 r): SITE_COLUMNS, then RESOURCE_COLUMNS per resource.
    curve_version : int
        Version of the committed curve that the shares of these rows come from; NO_CURVE if none
        is in use, or the sender does not tell.
    """

    journal_id: JournalId
    first_sequence: int
    layout_version: int
    times_s: IntArray
    signal_ids: IntArray
    values: Float32Block
    curve_version: int = NO_CURVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``up/evt``: something that happened at the site.

    Kinds: ``layout``, ``obligation.accepted``, ``obligation.refused`` (payload:
    ``obligation_id``, ``version``, ``reason``), ``command.done``, ``command.refused`` (payload:
    ``sequence``, ``reason``), ``mode.changed``, ``alarm.raised``, ``alarm.cleared``,
    ``device.lost``, ``device.back``, ``agent.started``, ``agent.stopped``, ``cycle.skipped``,
    ``watchdog.released``, ``order.received``, ``order.started``, ``order.limited``,
    ``order.ended``, ``order.refused`` (what became of an order by IEEE 2030.5 or OpenADR),
    ``override.set``, ``override.ended``, ``override.refused``, ``safe.entered``, ``safe.left``
    (a person's hand), ``link.seal_refused`` (a message from whom we do not believe; payload:
    ``reason``, ``total``), ``commissioning.held``, ``commissioning.ended`` (an obligation of the
    installer's test, never of the coordinator's), ``telemetry.digest`` (of the rows of an
    obligation, :mod:`protocols.link.row_digest`),
    ``forecast.changed`` (``model``, ``reason``, ``quality``),
    ``primary.qualified`` (``members``, ``product``, ``rule_set_id``, ``available_w``,
    ``tested_at``: the last passed step test, told at each start of the agent),
    ``primary.logged`` (one a second while primary reserve is given; one a
    minute is whole, the others tell ``changes`` from that of the second ``since``).
    A receipt is given again each time its message arrives again.
    """

    journal_id: JournalId
    sequence: int
    recorded_at: datetime
    kind: str
    payload: Mapping[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """``up/offer``: the site's curve, what it can reach and what it would do anyway."""

    journal_id: JournalId
    sequence: int
    curve: OfferCurve
    envelope: Envelope
    baseline: Baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class ObligationMessage:
    """``dn/ob``: one commitment, re-sent until an event receipts its id and version.

    ``validity`` is when the message may be taken, not when the obligation runs.
    """

    sequence: int
    epoch: int
    validity: Interval
    commitment: Commitment
    key_id: str = ""
    signature: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """``dn/cmd``: override, stop or configuration for one site.

    Kinds: ``stop``, ``resume``, ``offer`` (please commit a curve for the interval in the
    payload: ``start_s``, ``end_s`` Unix seconds, ``service``), ``cancel`` (``obligation_id``),
    ``override`` (``resource_id``, ``power_w``, ``until_s``, ``by``, ``reason``), ``release``
    (``resource_id`` or none for all, ``by``, ``reason``).
    Re-sent until an event receipts its sequence.
    """

    sequence: int
    epoch: int
    validity: Interval
    kind: str
    payload: Mapping[str, Plain]
    key_id: str = ""
    signature: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalMessage:
    """``v1/z/{zone}/sig``: the dispatch signal with the place of its signature."""

    signal: DispatchSignal
    key_id: str = ""
    signature: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """``up/st``: last will, a hint only; liveness is missed ticks."""

    online: bool


Message = (
    Hello
    | Snapshot
    | Telemetry
    | Event
    | Offer
    | ObligationMessage
    | Command
    | Acknowledgement
    | SignalMessage
    | LinkState
)
