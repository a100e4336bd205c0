"""A VEN's registration: what it has, and what it has to say next to have one. Pure.

Notes
-----
OpenADR 2.0b profile, EiRegisterParty service.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from protocols.openadr.codes import ResponseCode
from protocols.openadr.messages.registration import (
    OadrCreatedPartyRegistration,
    OadrCreatePartyRegistration,
)
from protocols.openadr.ven.memory import Memory, string
from protocols.openadr.ven.settings import VenSettings

_KIND = "registration"
_NAME = "own"
PROFILE = "2.0b"
_TRANSPORT = "simpleHttp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is known of our place at the VTN.

    Attributes
    ----------
    ven_id, registration_id, vtn_id : str
        As the VTN said; "" before it did.
    poll : timedelta
        How often to poll.
    is_valid : bool
        True while the VTN knows us.
    is_announced : bool
        True when our reports are registered, too.
    """

    ven_id: str = ""
    registration_id: str = ""
    vtn_id: str = ""
    poll: timedelta
    is_valid: bool = False
    is_announced: bool = False


class Register:
    """Keeps the registration.

    Parameters
    ----------
    settings : VenSettings
        Of this VEN.
    memory : Memory
        Where it is kept.
    """

    def __init__(self, settings: VenSettings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._now = Registration(poll=settings.poll_default)
        for record in memory.of_kind(_KIND):
            poll = record["poll_s"]
            assert isinstance(poll, int | float), "poll_s of a record is a number"
            self._now = Registration(
                ven_id=string(record, "ven_id"),
                registration_id=string(record, "registration_id"),
                vtn_id=string(record, "vtn_id"),
                poll=timedelta(seconds=poll),
                is_valid=record["is_valid"] is True,
                is_announced=record["is_announced"] is True,
            )

    @property
    def now(self) -> Registration:
        """What is known."""
        return self._now

    def request(self, request_id: str) -> OadrCreatePartyRegistration:
        """Say who we are, with the identifiers of an earlier registration where there was one."""
        push = self._settings.push_address
        return OadrCreatePartyRegistration(
            request_id=request_id,
            registration_id=self._now.registration_id or None,
            ven_id=self._now.ven_id or None,
            oadr_profile_name=PROFILE,
            oadr_transport_name=_TRANSPORT,
            oadr_transport_address=push,
            oadr_report_only=False,
            oadr_xml_signature=self._settings.signed,
            oadr_ven_name=self._settings.ven_name,
            oadr_http_pull_model=push is None,
        )

    def queried(self, answer: OadrCreatedPartyRegistration) -> bool:
        """Take what a VTN says of itself; False if it does not speak with us."""
        profiles = {one.oadr_profile_name for one in answer.oadr_profiles}
        if answer.ei_response.response_code != ResponseCode.OK or PROFILE not in profiles:
            return False
        if not self._is_allowed(answer.vtn_id):
            return False
        self._keep(replace(self._now, vtn_id=answer.vtn_id, poll=self._poll(answer)))
        return True

    def registered(self, answer: OadrCreatedPartyRegistration) -> bool:
        """Take a registration; False if it is none."""
        if (
            answer.ei_response.response_code != ResponseCode.OK
            or not answer.registration_id
            or not answer.ven_id
            or not self._is_allowed(answer.vtn_id)
        ):
            return False
        self._keep(
            Registration(
                ven_id=answer.ven_id,
                registration_id=answer.registration_id,
                vtn_id=answer.vtn_id,
                poll=self._poll(answer),
                is_valid=True,
            )
        )
        return True

    def announced(self) -> None:
        """Take note that our reports are registered."""
        self._keep(replace(self._now, is_announced=True))

    def announce_again(self) -> None:
        """Register our reports once more."""
        self._keep(replace(self._now, is_announced=False))

    def lost(self, *, forget: bool) -> None:
        """Take note that the VTN does not know us (any more).

        Parameters
        ----------
        forget : bool
            True if our identifiers are void, too.
        """
        if forget:
            self._keep(Registration(poll=self._settings.poll_default))
        else:
            self._keep(replace(self._now, is_valid=False, is_announced=False))

    def is_vtn(self, vtn_id: str) -> bool:
        """Whether a payload comes from our VTN; the case of letters does not matter."""
        return vtn_id.strip().casefold() == self._now.vtn_id.strip().casefold()

    def _is_allowed(self, vtn_id: str) -> bool:
        wanted = self._settings.vtn_id
        return wanted is None or wanted.casefold() == vtn_id.strip().casefold()

    def _poll(self, answer: OadrCreatedPartyRegistration) -> timedelta:
        asked = answer.oadr_requested_oadr_poll_freq
        if asked is None or asked <= timedelta():
            asked = self._settings.poll_default
        return min(max(asked, self._settings.poll_min), self._settings.poll_max)

    def _keep(self, registration: Registration) -> None:
        if registration == self._now:
            return
        self._now = registration
        self._memory.put(
            _KIND,
            _NAME,
            {
                "ven_id": registration.ven_id,
                "registration_id": registration.registration_id,
                "vtn_id": registration.vtn_id,
                "poll_s": registration.poll.total_seconds(),
                "is_valid": registration.is_valid,
                "is_announced": registration.is_announced,
            },
        )
