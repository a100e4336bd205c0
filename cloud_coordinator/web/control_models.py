"""What ``POST /api/v1/control/optimize`` takes and answers."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from cloud_coordinator.services.grid_limits import NodeLimit
from cloud_coordinator.services.plans import PlanRequest
from cloud_coordinator.services.strategies.port import Objective
from cloud_coordinator.web.award_models import Body, IdText, MomentField
from cloud_coordinator.web.models import Record
from protocols.vocabulary.identifiers import SiteId, ZoneId

RESPONSE_MS_MAX: Final = 100
POWER_MW_MAX: Final = 1e6
LIMITS_MAX: Final = 200
W_PER_MW: Final = 1e6

Megawatts = Annotated[float, Field(ge=0, le=POWER_MW_MAX, allow_inf_nan=False)]


class GridConstraint(Body):
    """How much the response of a node's resources may be, against now."""

    node_id: IdText = Field(
        description="The vpp_id, a site_id, or with site_ids any name, for example a feeder's."
    )
    site_ids: Annotated[list[IdText], Field(min_length=1, max_length=5_000)] | None = Field(
        default=None,
        description="Sites below the node. Nodes lie in each other or have no site in common.",
    )
    limit_up_mw: Megawatts | None = Field(
        default=None, description="MW toward the grid that may be added; absent: no limit."
    )
    limit_down_mw: Megawatts | None = Field(
        default=None, description="MW toward the grid that may be taken away; absent: no limit."
    )


class Constraints(Body):
    """What a plan has to keep."""

    max_response_time_ms: int = Field(
        default=RESPONSE_MS_MAX,
        ge=1,
        le=RESPONSE_MS_MAX,
        description="From the request being read to the decision; refused with 504 beyond.",
    )
    reserve_capacity_mw: Megawatts = Field(
        default=0.0, description="MW that stay free, in the direction of the response."
    )
    grid_constraints: Annotated[list[GridConstraint], Field(max_length=LIMITS_MAX)] = Field(
        default_factory=list, description="Limits of nodes of the grid."
    )


class OptimizeBody(Body):
    """What is asked for."""

    vpp_id: IdText = Field(description="The zone whose sites are the VPP.")
    target_timestamp: MomentField
    optimization_objective: Literal["PROFIT_MAX", "STABILITY_FIRST", "COST_MIN"] = Field(
        description="What is wanted; docs/strategies.md says what each means."
    )
    constraints: Constraints = Field(default_factory=Constraints)


class ControlCommand(Record):
    """What one resource is to do."""

    resource_id: str
    command_type: Literal["set_power", "limit_power"] = Field(
        description="set_power: have this power; limit_power: it only takes limits."
    )
    target_value: float = Field(description="W, + toward the grid.")
    execution_time: datetime


class ExpectedPerformance(Record):
    """What is expected of all commands together."""

    total_response_mw: float = Field(
        description="Mean of what arrives, MW relative to the baselines, with what is in place."
    )
    estimated_revenue: float = Field(
        description="JPY of the half hour: awards' capacity price by the confidence, and energy, "
        "less running cost, wear and expected shortage."
    )
    confidence_score: float = Field(
        description="Probability of delivering at least what is owed, 0..1."
    )


class OptimizeResult(Record):
    """A plan. It is recorded as the event plan.computed; nothing is sent."""

    optimization_id: str
    control_commands: list[ControlCommand]
    expected_performance: ExpectedPerformance


def plan_request(body: OptimizeBody) -> PlanRequest:
    """Turn what was posted into a request of the use case."""
    constraints = body.constraints
    return PlanRequest(
        vpp_id=ZoneId(body.vpp_id),
        target_at=body.target_timestamp,
        objective=Objective(body.optimization_objective),
        reserve_w=constraints.reserve_capacity_mw * W_PER_MW,
        limits=tuple(_limit(one) for one in constraints.grid_constraints),
    )


def _limit(constraint: GridConstraint) -> NodeLimit:
    return NodeLimit(
        node_id=constraint.node_id,
        site_ids=tuple(SiteId(one) for one in constraint.site_ids or ()),
        up_w=_watts(constraint.limit_up_mw),
        down_w=_watts(constraint.limit_down_mw),
    )


def _watts(limit_mw: float | None) -> float:
    return float("inf") if limit_mw is None else limit_mw * W_PER_MW
