"""All payloads of OpenADR 2.0b by the name of their element.

Notes
-----
oadr_20b.xsd, oadrSignedObject.
"""

from collections.abc import Mapping

from protocols.openadr.messages.event import (
    OadrCreatedEvent,
    OadrDistributeEvent,
    OadrRequestEvent,
)
from protocols.openadr.messages.opt import (
    OadrCanceledOpt,
    OadrCancelOpt,
    OadrCreatedOpt,
    OadrCreateOpt,
)
from protocols.openadr.messages.registration import (
    OadrCanceledPartyRegistration,
    OadrCancelPartyRegistration,
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
    OadrPoll,
    OadrQueryRegistration,
    OadrRequestReregistration,
    OadrResponse,
)
from protocols.openadr.messages.report import (
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrUpdatedReport,
    OadrUpdateReport,
)

EventPayload = OadrDistributeEvent | OadrCreatedEvent | OadrRequestEvent
OptPayload = OadrCreateOpt | OadrCreatedOpt | OadrCancelOpt | OadrCanceledOpt
ReportPayload = (
    OadrRegisterReport
    | OadrRegisteredReport
    | OadrCreateReport
    | OadrCreatedReport
    | OadrUpdateReport
    | OadrUpdatedReport
    | OadrCancelReport
    | OadrCanceledReport
)
RegistrationPayload = (
    OadrQueryRegistration
    | OadrCreatePartyRegistration
    | OadrCreatedPartyRegistration
    | OadrCancelPartyRegistration
    | OadrCanceledPartyRegistration
    | OadrRequestReregistration
)
Payload = EventPayload | OptPayload | ReportPayload | RegistrationPayload | OadrPoll | OadrResponse

ROOTS: Mapping[str, type] = {
    "oadr:oadrDistributeEvent": OadrDistributeEvent,
    "oadr:oadrCreatedEvent": OadrCreatedEvent,
    "oadr:oadrRequestEvent": OadrRequestEvent,
    "oadr:oadrResponse": OadrResponse,
    "oadr:oadrCancelOpt": OadrCancelOpt,
    "oadr:oadrCanceledOpt": OadrCanceledOpt,
    "oadr:oadrCreateOpt": OadrCreateOpt,
    "oadr:oadrCreatedOpt": OadrCreatedOpt,
    "oadr:oadrCancelReport": OadrCancelReport,
    "oadr:oadrCanceledReport": OadrCanceledReport,
    "oadr:oadrCreateReport": OadrCreateReport,
    "oadr:oadrCreatedReport": OadrCreatedReport,
    "oadr:oadrRegisterReport": OadrRegisterReport,
    "oadr:oadrRegisteredReport": OadrRegisteredReport,
    "oadr:oadrUpdateReport": OadrUpdateReport,
    "oadr:oadrUpdatedReport": OadrUpdatedReport,
    "oadr:oadrCancelPartyRegistration": OadrCancelPartyRegistration,
    "oadr:oadrCanceledPartyRegistration": OadrCanceledPartyRegistration,
    "oadr:oadrCreatePartyRegistration": OadrCreatePartyRegistration,
    "oadr:oadrCreatedPartyRegistration": OadrCreatedPartyRegistration,
    "oadr:oadrRequestReregistration": OadrRequestReregistration,
    "oadr:oadrQueryRegistration": OadrQueryRegistration,
    "oadr:oadrPoll": OadrPoll,
}
