"""EiRegisterParty and OadrPoll of OpenADR 2.0b.

Notes
-----
oadr_20b.xsd (registration payloads, poll payloads).
"""

from dataclasses import dataclass, field
from datetime import timedelta

from protocols.openadr.messages.elements import EiResponse
from protocols.openadr.parts import child, flag, length, text, token


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrResponse:
    """Plain answer where no other payload answers."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrPoll:
    """A VEN asks what there is for it."""

    ven_id: str = field(metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrQueryRegistration:
    """A VEN asks what the VTN speaks."""

    request_id: str = field(metadata=text("pyld:requestID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreatePartyRegistration:
    """A VEN registers, or registers again with the identifiers it has.

    Attributes
    ----------
    registration_id, ven_id : str or None
        From an earlier registration.
    oadr_profile_name : str
        2.0b.
    oadr_transport_name : str
        simpleHttp or xmpp.
    oadr_transport_address : str or None
        Where a VEN in push mode is reached.
    oadr_report_only : bool
        True for a VEN that only reports.
    oadr_xml_signature : bool
        True if payloads are signed.
    oadr_http_pull_model : bool or None
        True for polling.
    """

    request_id: str = field(metadata=text("pyld:requestID"))
    registration_id: str | None = field(default=None, metadata=text("ei:registrationID"))
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))
    oadr_profile_name: str = field(metadata=token("oadr:oadrProfileName"))
    oadr_transport_name: str = field(metadata=token("oadr:oadrTransportName"))
    oadr_transport_address: str | None = field(
        default=None, metadata=text("oadr:oadrTransportAddress")
    )
    oadr_report_only: bool = field(metadata=flag("oadr:oadrReportOnly"))
    oadr_xml_signature: bool = field(metadata=flag("oadr:oadrXmlSignature"))
    oadr_ven_name: str | None = field(default=None, metadata=text("oadr:oadrVenName"))
    oadr_http_pull_model: bool | None = field(default=None, metadata=flag("oadr:oadrHttpPullModel"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrProfile:
    """A profile with its transports (oadr:oadrProfile)."""

    oadr_profile_name: str = field(metadata=token("oadr:oadrProfileName"))
    oadr_transport_name: tuple[str, ...] = field(
        metadata=token("oadr:oadrTransports/oadr:oadrTransport[]/oadr:oadrTransportName")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrInfo:
    """A key and its value (oadr:oadrInfo)."""

    oadr_key: str = field(metadata=text("oadr:oadrKey"))
    oadr_value: str = field(metadata=text("oadr:oadrValue"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrService:
    """What a service wants known (oadr:oadrService)."""

    oadr_service_name: str = field(metadata=token("oadr:oadrServiceName"))
    oadr_info: tuple[OadrInfo, ...] = field(metadata=child("oadr:oadrInfo[]", OadrInfo))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrExtension:
    """What an extension wants known (oadr:oadrExtension)."""

    oadr_extension_name: str = field(metadata=text("oadr:oadrExtensionName"))
    oadr_info: tuple[OadrInfo, ...] = field(default=(), metadata=child("oadr:oadrInfo[]", OadrInfo))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCreatedPartyRegistration:
    """A VTN's answer to a query or a registration.

    Attributes
    ----------
    registration_id, ven_id : str or None
        Absent in the answer to a query of a VEN that is not registered.
    oadr_requested_oadr_poll_freq : timedelta or None
        How often to poll.
    """

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    registration_id: str | None = field(default=None, metadata=text("ei:registrationID"))
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))
    vtn_id: str = field(metadata=text("ei:vtnID"))
    oadr_profiles: tuple[OadrProfile, ...] = field(
        metadata=child("oadr:oadrProfiles/oadr:oadrProfile[]", OadrProfile)
    )
    oadr_requested_oadr_poll_freq: timedelta | None = field(
        default=None, metadata=length("oadr:oadrRequestedOadrPollFreq/xcal:duration")
    )
    oadr_service_specific_info: tuple[OadrService, ...] = field(
        default=(), metadata=child("oadr:oadrServiceSpecificInfo/oadr:oadrService[]", OadrService)
    )
    oadr_extensions: tuple[OadrExtension, ...] = field(
        default=(), metadata=child("oadr:oadrExtensions/oadr:oadrExtension[]", OadrExtension)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCancelPartyRegistration:
    """Either side ends a registration."""

    request_id: str = field(metadata=text("pyld:requestID"))
    registration_id: str = field(metadata=text("ei:registrationID"))
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrCanceledPartyRegistration:
    """The other side takes note of the end."""

    ei_response: EiResponse = field(metadata=child("ei:eiResponse", EiResponse))
    registration_id: str | None = field(default=None, metadata=text("ei:registrationID"))
    ven_id: str | None = field(default=None, metadata=text("ei:venID"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OadrRequestReregistration:
    """A VTN asks a VEN to register again."""

    ven_id: str = field(metadata=text("ei:venID"))
