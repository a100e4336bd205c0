"""EiOpt of OpenADR 2.0b: when a VEN takes part and when not.

Notes
-----
oadr_20b.xsd (opt payloads), oadr_ei_20b.xsd (EiOptType).
"""

from dataclasses import dataclass, field
from datetime import datetime

from protocols.openadr.messages.elements import (
    EiResponse,
    EiTarget,
    OptType,
    Properties,
    QualifiedEventID,
)
from protocols.openadr.parts import child, instant, text, token, word


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreateOpt:
    """A VEN opts in or out: for a schedule, or for one event.

    Attributes
    ----------
    opt_reason : str
        economic, emergency, mustRun, notParticipating, outageRunStatus, overrideStatus,
        participating, x-schedule or another x- word.
    vavailability : tuple of Properties
        When; used without `qualified_event_id`.
    qualified_event_id : QualifiedEventID or None
        Which event.
    oadr_device_class : EiTarget or None
        Only endDeviceAsset of it is used.
    """

    opt_id: str = field(metadata=text("ei:optID"))
    opt_type: OptType = field(metadata=word("ei:optType", OptType))
    opt_reason: str = field(metadata=token("ei:optReason"))
    market_context: str | None = field(default=None, metadata=token("emix:marketContext"))
    ven_id: str = field(metadata=text("ei:venID"))
    vavailability: tuple[Properties, ...] = field(
        default=(),
        metadata=child(
            "xcal:vavailability/xcal:components/xcal:available[]/xcal:properties", Properties
        ),
    )
    created_date_time: datetime = field(metadata=instant("ei:createdDateTime"))
    request_id: str = field(metadata=text("pyld:requestID"))
    qualified_event_id: QualifiedEventID | None = field(
        default=None, metadata=child("ei:qualifiedEventID", QualifiedEventID)
    )
    ei_target: EiTarget = field(metadata=child("ei:eiTarget", EiTarget))
    oadr_device_class: EiTarget | None = field(
        default=None, metadata=child("oadr:oadrDeviceClass", EiTarget)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreatedOpt:
    """The VTN takes note of an opt."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    opt_id: str = field(metadata=text("ei:optID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCancelOpt:
    """A VEN takes an opt back."""

    request_id: str = field(metadata=text("pyld:requestID"))
    opt_id: str = field(metadata=text("ei:optID"))
    ven_id: str = field(metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCanceledOpt:
    """The VTN takes note of that."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    opt_id: str | None = field(default=None, metadata=text("ei:optID"))
