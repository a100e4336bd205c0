"""The port between clients of the grid's languages and the cycle.

A client keeps what its peer sent, persists it before it answers, and offers it here as orders:
one order is one mode or signal of one event (or of a default control), with every rule of its own
protocol already applied (server time, randomisation, supersession, cancellation). What an order
means at the site is decided elsewhere (:mod:`edge_agent.northbound.meaning`). The cycle reads
``orders`` when it freezes and tells ``happened`` once a second; neither may block.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from protocols.vocabulary.identifiers import ResourceId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.resource import ResourceKind

OPEN_END: Final = datetime.max.replace(tzinfo=UTC)
"""End of an order that holds until it is taken away: a default control, a PT0S event."""


class Origin(enum.Enum):
    """The language an order came in."""

    IEEE2030_5 = "ieee2030.5"
    OPENADR = "openadr"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOrder:
    """One mode or signal of one event, known and not over.

    Attributes
    ----------
    order_id : str
        Stable and idempotent, unique among all orders of its origin: mRID and mode, or eventID,
        signalID and interval.
    event_id : str
        Full mRID or eventID; orders of one event share it. A default control has its own mRID.
    origin : Origin
        The language.
    issued_by : str
        Who sent it: the program's and server's name, or the vtnID.
    mode : str
        The specification's words: ``"opModExpLimW"``, ``"LOAD_DISPATCH.setpoint"`` (signalName,
        a dot, signalType); the data file of signals has these keys.
    unit : str
        Unit of the value where the peer names one, without a scale: ``"W"``; else empty.
    value : float
        SI units: W (sign as the specification has it), a ratio for percentages (50 % is 0.5),
        0 or 1 for booleans, the plain number for levels and prices.
    interval : Interval
        When it is in force, our UTC, randomisation and server time applied; ends with
        :data:`OPEN_END` when it has no end.
    priority : int
        The specification's: primacy (lower wins), or OpenADR's priority (1 highest, 0 none).
    issued_at : datetime
        creationTime or createdDateTime; breaks ties.
    is_default : bool
        A DefaultDERControl: gives way to any event of its language that sets the same mode.
    curve : tuple of (float, float)
        Points of a curve mode in SI units (V or Hz; W, var or a ratio); else empty.
    targets : tuple of str
        Resource ids (without the site) that an event's target names; empty: the whole site.
    detail : str
        For people: description, program, units as they were sent.
    """

    order_id: str
    event_id: str
    origin: Origin
    issued_by: str
    mode: str
    value: float
    interval: Interval
    priority: int
    issued_at: datetime
    unit: str = ""
    is_default: bool = False
    curve: tuple[tuple[float, float], ...] = ()
    targets: tuple[str, ...] = ()
    detail: str = ""


class OrderState(enum.Enum):
    """What became of an order at this site.

    RECEIVED: known, not in force yet. REFUSED: not supported here, or out of range; it never
    becomes active. STARTED: in force, and carried out as far as is known. PARTIAL: in force,
    but a stronger limit, an order that ranks higher, or the devices leave less (told again as
    STARTED when it is whole again). COMPLETED: its end has passed. WITHDRAWN: the client no
    longer offers it (cancelled or superseded).
    """

    RECEIVED = "received"
    REFUSED = "refused"
    STARTED = "started"
    PARTIAL = "partial"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """A change in what became of an order.

    Told once per change, and once more for every order that is still offered after the agent was
    started again: a client that was told already ignores it.

    Attributes
    ----------
    order : GridOrder
        The order as it was offered last.
    state : OrderState
        Since now.
    at : datetime
        When, aware UTC.
    cause : str
        For people: which limit was stronger, why it is refused; empty when all is well.
    missing_w : float
        For PARTIAL: by how much it is not kept, W >= 0.
    """

    order: GridOrder
    state: OrderState
    at: datetime
    cause: str = ""
    missing_w: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """One resource in a second, generator frame.

    Attributes
    ----------
    resource_id, kind : ResourceId, ResourceKind
        Which.
    power_w : float or None
        Measured; None while it is unknown or stale.
    soc : float or None
        0..1; None without storage or while unknown.
    power_w_min, power_w_max : float
        Ratings, W.
    energy_wh_capacity : float
        Usable energy, 0 without storage.
    setpoint_w : float or None
        Lease in force, W.
    """

    resource_id: ResourceId
    kind: ResourceKind
    power_w: float | None
    soc: float | None
    power_w_min: float
    power_w_max: float
    energy_wh_capacity: float
    setpoint_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """What percentages and DERCapability/DERSettings of the site count from, W >= 0 and Wh.

    Attributes
    ----------
    max_w : float
        setMaxW: the most the site's generators and stores can give together.
    max_charge_w, max_discharge_w : float
        setMaxChargeRateW, setMaxDischargeRateW of the stores together.
    load_w : float
        The most the controllable loads can take together.
    energy_wh : float
        Usable energy of the stores.
    """

    max_w: float
    max_charge_w: float
    max_discharge_w: float
    load_w: float
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSecond:
    """What a client is told each second: for its responses, status, telemetry and reports.

    Attributes
    ----------
    at : datetime
        Moment of the measurements, aware UTC.
    meter_w : float or None
        At the site's meter, + export; None while unknown or stale: never an old value.
    resources : tuple of ResourceSample
        Every resource except the meter, in a fixed order.
    ratings : Ratings
        Of the devices that are here.
    reports : tuple of OrderReport
        Changes since the second before, of this client's orders only.
    is_overridden : bool
        Whether a person holds the site or a part of it: a technician's override, or an emergency
        stop.
    """

    at: datetime
    meter_w: float | None
    resources: tuple[ResourceSample, ...]
    ratings: Ratings
    reports: tuple[OrderReport, ...]
    is_overridden: bool = False


class RefusalKind(enum.Enum):
    """Why an order is refused; each client has its own protocol's word for it.

    UNSUPPORTED: this mode or signal is not carried out here (2030.5: 252; OpenADR: 460).
    INVALID: a value out of the mode's range (253; 454). UNABLE: supported, but the site has
    nothing to do it with, or not the named resource (252; optOut).
    """

    UNSUPPORTED = "unsupported"
    INVALID = "invalid"
    UNABLE = "unable"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefusal:
    """Why an order will not be carried out; ``cause`` is for people."""

    kind: RefusalKind
    cause: str


class Judge(Protocol):
    """Says beforehand whether an order can be carried out here; made by ``main``."""

    def refusal(self, order: GridOrder) -> OrderRefusal | None:
        """Why the order cannot be carried out here, None if it can. Pure and quick."""

    def modes(self, origin: Origin) -> tuple[str, ...]:
        """Modes of a language that are supported here, for modesSupported and the like."""


class Northbound(Protocol):
    """A client of one of the grid's languages."""

    def orders(self, now: datetime) -> Sequence[GridOrder]:
        """Orders known and not over at ``now``: active and future. Never blocks."""

    def happened(self, second: SiteSecond) -> None:
        """Take note of a second; called once a cycle. Never blocks, never raises."""

    async def run(self) -> None:
        """Speak with the peer until cancelled."""
