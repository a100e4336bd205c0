"""What one control cycle knows, remembers and answers: three frozen records.

``decide(inputs, state) -> (decision, state)`` is a pure function of these. What seldom changes
(resources, limits, commitments, tariff, parameters) sits in a :class:`Frame` that is journaled
when it changes; the cycle's own record names it by ``frame_id``. Made by the cycle, never
changed.
"""

from dataclasses import dataclass, field
from datetime import datetime

from edge_agent.control.grant import Grant, PrimaryReport
from edge_agent.control.limits import Limit, Relaxed
from edge_agent.control.nouns import HeldShare, MeterOrder
from edge_agent.control.plan import Plan
from edge_agent.control.records import LATER
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import (
    PointId,
    ResourceId,
    SignalId,
    SiteId,
)
from protocols.vocabulary.measurement import ProcessImage, Quality
from protocols.vocabulary.mode import Mode
from protocols.vocabulary.offer import DispatchSignal
from protocols.vocabulary.resource import Resource
from protocols.vocabulary.setpoint import Setpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A resource and the points it is seen by.

    Attributes
    ----------
    resource : Resource
        The resource.
    power_point : PointId
        Its measured power, W, generator frame.
    soc_point : PointId or None
        Its state of charge, 0..1; None without storage.
    degradation_jpy_per_kwh : float
        Cost of wear per kWh through the device, >= 0.
    comfort_jpy_per_kwh : float or None
        What a kWh costs that a load had to go without, >= 0; None where consumption is not
        held down.
    least_point : PointId or None
        Power nearest to zero that a load can be held at now, W; None where it says none.
    bound_by_comfort : bool or None
        True where a room that leaves its limits may end an order at any time.
    """

    resource: Resource
    power_point: PointId
    soc_point: PointId | None = None
    degradation_jpy_per_kwh: float = 0.0
    comfort_jpy_per_kwh: float | None = field(default=None, metadata=LATER)
    least_point: PointId | None = field(default=None, metadata=LATER)
    bound_by_comfort: bool | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What a kWh costs and earns at the meter, JPY/kWh."""

    import_jpy_per_kwh: float
    export_jpy_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlParameters:
    """Numbers of the 1-Hz balance. All named, none hidden in the code.

    Attributes
    ----------
    lease_s : float
        Length of a setpoint's lease, s.
    ramp_horizon_s : float
        How far ahead of its measured power a ramped device is asked to go, in s of ramp.
    soc_horizon_s : float
        Power is bounded so that the SoC bounds are not reached within this time, s.
    residual_hold_s : float
        How long the last good residual may stand in for a lost meter, s.
    residual_fast, residual_slow : float
        Gains 0..1 on a change of the residual that our own movement cannot, or could, feign.
    integral_gain : float
        Part of a lasting error of the devices corrected per cycle, 0..1.
    integral_cap_ratio : float
        Greatest correction as a part of the flexible range, 0..1.
    margin_gain : float
        Margin to a meter limit in multiples of the residual's mean change per cycle.
    margin_cap_w : float
        Greatest such margin, W.
    write_deadband_w : float
        A setpoint that differs by less is not written anew before its lease needs it, W.
    unresponsive_cycles : int
        Cycles without movement after which a device is no longer counted on.
    """

    lease_s: float = 10.0
    ramp_horizon_s: float = 3.0
    soc_horizon_s: float = 60.0
    residual_hold_s: float = 30.0
    residual_fast: float = 1.0
    residual_slow: float = 0.15
    integral_gain: float = 0.25
    integral_cap_ratio: float = 0.1
    margin_gain: float = 2.0
    margin_cap_w: float = 300.0
    write_deadband_w: float = 2.0
    unresponsive_cycles: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What seldom changes. Journaled when it does.

    Attributes
    ----------
    site_id : SiteId
        The site.
    meter_point : PointId
        Power at the site's meter, W, generator frame (import is negative).
    bindings : tuple of Binding
        Every resource of the site except the meter, in a fixed order.
    limits : tuple of Limit
        All limits set from outside; those of the devices follow from the bindings.
    commitments : tuple of Commitment
        Open ones.
    tariff : Tariff
        For local economy.
    points : tuple of PointId
        The image's points in order, so that a journaled image need not repeat their names.
    parameters : ControlParameters
        Numbers of the balance.
    primary_members : tuple of ResourceId or None
        Devices that a step test found able to give primary reserve; None without a test.
    meter_orders : tuple of MeterOrder or None
        Powers at the meter that were ordered from outside the market; None without any.
    """

    site_id: SiteId
    meter_point: PointId
    bindings: tuple[Binding, ...]
    limits: tuple[Limit, ...]
    commitments: tuple[Commitment, ...]
    tariff: Tariff
    points: tuple[PointId, ...]
    parameters: ControlParameters = field(default_factory=ControlParameters)
    primary_members: tuple[ResourceId, ...] | None = field(default=None, metadata=LATER)
    meter_orders: tuple[MeterOrder, ...] | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSignal:
    """The last dispatch signal that was accepted, and when it came."""

    signal: DispatchSignal
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleInputs:
    """Everything a cycle's decision depends on, except what it remembers.

    Attributes
    ----------
    cycle : int
        Number of the cycle; equals ``image.cycle``.
    slot_s : int
        The Unix second the cycle belongs to.
    now : datetime
        Aware UTC, the moment of the decision.
    image : ProcessImage
        Measurements.
    frame, frame_id : Frame, str
        What seldom changes, and its digest (``plain.digest_of``).
    signal : HeldSignal or None
        Last accepted signal; it may have expired.
    mode : Mode
        From the mode table.
    forecast_uncontrolled_w : float or None
        Forecast for now of the power nobody controls, W.
    plan : Plan or None
        The plan in force; a plan that comes late is simply not in here yet.
    primary : PrimaryReport or None
        What the primary loop did since the cycle before; None while nothing is lent to it.
    """

    cycle: int
    slot_s: int
    now: datetime
    image: ProcessImage
    frame: Frame
    frame_id: str
    signal: HeldSignal | None
    mode: Mode
    forecast_uncontrolled_w: float | None = None
    plan: Plan | None = None
    primary: PrimaryReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceMemory:
    """What is remembered of one resource from the last cycle.

    Attributes
    ----------
    resource_id : ResourceId
        Which one.
    power_w : float or None
        Its last known power, W.
    idle_cycles : int
        Cycles in which it was asked to move and did not.
    setpoint : Setpoint or None
        The lease in force, None when released.
    """

    resource_id: ResourceId
    power_w: float | None = None
    idle_cycles: int = 0
    setpoint: Setpoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlState:
    """What a decision remembers from the one before. Journaled every cycle.

    Attributes
    ----------
    sequence : int
        Of the last setpoint.
    mode : Mode
        Of the last cycle.
    shares : tuple of HeldShare
        One for each obligation that has begun.
    residual_w : float or None
        Filtered uncontrolled power, W; None before the first good meter value.
    residual_at : datetime or None
        When the meter was last good, aware UTC.
    residual_members : tuple of ResourceId
        Whose measured power was subtracted from it.
    residual_change_w : float
        Mean absolute change of the residual per cycle, W.
    forecast_at_residual_w : float or None
        The forecast at ``residual_at``, W.
    correction_w : float
        The integrator, W.
    needs_w : tuple of float
        What was needed of the counted resources in the last cycles, newest last, W.
    saturated : bool
        Whether the last target could not be reached in one step.
    memories : tuple of ResourceMemory
        One for each resource.
    """

    sequence: int = 0
    mode: Mode = Mode.SAFE
    shares: tuple[HeldShare, ...] = ()
    residual_w: float | None = None
    residual_at: datetime | None = None
    residual_members: tuple[ResourceId, ...] = ()
    residual_change_w: float = 0.0
    forecast_at_residual_w: float | None = None
    correction_w: float = 0.0
    needs_w: tuple[float, ...] = ()
    saturated: bool = False
    memories: tuple[ResourceMemory, ...] = ()

    def setpoint_of(self, resource_id: ResourceId) -> Setpoint | None:
        """Return the lease in force on a resource, if any (telemetry's ``setpoint_w``)."""
        for memory in self.memories:
            if memory.resource_id == resource_id:
                return memory.setpoint
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Tell the driver to let a device go to its own default."""

    resource_id: ResourceId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRange:
    """The powers this second's limits leave to a resource, and whether it is counted on.

    Attributes
    ----------
    resource_id : ResourceId
        Which one.
    power_w_min, power_w_max : float
        W; every setpoint lies inside.
    limited_by : str
        The limits that bind, ``"low|high"``.
    counted : bool
        False when its power or SoC is unknown, or it does not answer.
    """

    resource_id: ResourceId
    power_w_min: float
    power_w_max: float
    limited_by: str
    counted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer of a cycle. There is always one, and its reason.

    Attributes
    ----------
    cycle : int
        The cycle.
    mode : Mode
        It was decided in.
    setpoints : tuple of Setpoint
        To be written now; leases still good are not repeated.
    releases : tuple of Release
        Devices to let go now.
    reason : str
        The rule that decided: ``"share.signal"``, ``"share.held"``, ``"share.profile"``,
        ``"economy.plan"``, ``"economy.tariff"``, ``"mode.safe"``, ``"mode.manual"``,
        ``"meter.lost"``.
    target_meter_w : float or None
        Power wanted at the meter, W; None when nothing is steered.
    baseline_w, share_w : float or None
        Its two parts under an obligation, W; the share is the sum owed.
    shares : tuple of HeldShare
        Share by obligation.
    residual_w : float or None
        Uncontrolled power used, W.
    residual_quality : Quality
        GOOD, or SUBSTITUTED while the meter is away, or BAD without any.
    flexible_w : float
        Sum of what the counted resources are asked for, W.
    shortfall_w : float
        Target minus what can be reached, W (+ too little generation).
    price_jpy_per_kwh : float
        Marginal price at which the resources were dispatched.
    ranges : tuple of ResourceRange
        Per resource.
    relaxed : tuple of Relaxed
        Limits that gave way.
    signal_id : SignalId
        The signal in force; telemetry echoes it.
    grant : Grant or None
        Devices lent to the primary loop; the cycle does not write to them.
    """

    cycle: int
    mode: Mode
    setpoints: tuple[Setpoint, ...]
    releases: tuple[Release, ...]
    reason: str
    target_meter_w: float | None
    baseline_w: float | None
    share_w: float | None
    shares: tuple[HeldShare, ...]
    residual_w: float | None
    residual_quality: Quality
    flexible_w: float
    shortfall_w: float
    price_jpy_per_kwh: float
    ranges: tuple[ResourceRange, ...]
    relaxed: tuple[Relaxed, ...]
    signal_id: SignalId
    grant: Grant | None = field(default=None, metadata=LATER)
