"""The VENs of a VTN: who they are, how they registered, who may speak as which.

A VEN is known by the fingerprint of its certificate: once it registered with one, nobody speaks
for it without. Where there is no TLS and no signature a VEN is known by its venID, and when it
has forgotten that, by its name: whoever can reach a plain VTN is trusted, so that is for closed
networks. A VEN that registers without its registrationID has lost everything it knew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from protocols.openadr.codes import PayloadError, ResponseCode
from protocols.openadr.messages.registration import OadrCreatePartyRegistration
from protocols.openadr.vtn.ledger import Ledger, key_of, read_record
from protocols.openadr.vtn.settings import VtnSettings

KIND = "ven"
PROFILE = "2.0b"
TRANSPORT = "simpleHttp"
IDENTIFIER_MAX = 128
"""Longest identifier or name that is taken from a VEN, characters."""
ADDRESS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ven:
    """One VEN.

    Attributes
    ----------
    ven_id : str
        Its identifier, also before it registered where the operator named it.
    registration_id : str or None
        Of the registration in force; None without one.
    ven_name : str
        Its own name, for people.
    fingerprint : str or None
        Of the certificate it is known by; None if it has none.
    transport_address : str or None
        Where it is reached in push mode; None for a VEN that polls.
    report_only : bool
        True if it takes no events.
    group_ids, resource_ids, party_ids, market_contexts : tuple of str
        What events for it may name; empty market contexts mean any.
    offers_told : bool
        True once it took note of what this VTN reports.
    leaving : bool
        True if this VTN has ended the registration and it has not taken note yet.
    registering_again : bool
        True if it was asked to register again and has not done so yet.
    """

    ven_id: str
    registration_id: str | None = None
    ven_name: str = ""
    fingerprint: str | None = None
    transport_address: str | None = None
    report_only: bool = False
    group_ids: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    party_ids: tuple[str, ...] = ()
    market_contexts: tuple[str, ...] = ()
    offers_told: bool = False
    leaving: bool = False
    registering_again: bool = False


class VenRegistry:
    """All VENs of one VTN.

    Parameters
    ----------
    settings : VtnSettings
        Of the VTN.
    """

    def __init__(self, settings: VtnSettings) -> None:
        self._settings = settings
        self._vens: dict[str, Ven] = {}
        self._by_fingerprint: dict[str, str] = {}
        self._addressed: set[str] = set()

    def load(self, record: bytes) -> None:
        """Take a record as it was kept."""
        read = read_record(record)
        known = {field.name for field in fields(Ven)}
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in read.items()
            if name in known
        }
        self._keep(Ven(**values))  # type: ignore[arg-type]  # this role wrote the record

    def find(self, ven_id: str) -> Ven | None:
        """VEN of an identifier."""
        return self._vens.get(ven_id)

    def find_by_fingerprint(self, fingerprint: str | None) -> Ven | None:
        """VEN of a certificate."""
        if fingerprint is None:
            return None
        return self._vens.get(self._by_fingerprint.get(fingerprint, ""))

    def everyone(self) -> tuple[Ven, ...]:
        """All, in the order they became known."""
        return tuple(self._vens.values())

    def addressed(self) -> frozenset[str]:
        """Return the identifiers of the VENs that are reached at an address."""
        return frozenset(self._addressed)

    def authorised(self, ven_id: str | None, fingerprint: str | None) -> Ven:
        """VEN that a payload comes from.

        Parameters
        ----------
        ven_id : str or None
            As the payload says; without it the certificate alone tells.
        fingerprint : str or None
            Of the peer's certificate.

        Raises
        ------
        PayloadError
            463 if it is not known, not registered, or its certificate is another one's.
        """
        ven = self.find_by_fingerprint(fingerprint) if ven_id is None else self.find(ven_id)
        if ven is None:
            raise PayloadError("this venID is not known here", code=ResponseCode.NOT_REGISTERED)
        if ven.fingerprint != fingerprint:
            raise PayloadError(
                "the certificate is not that of this venID", code=ResponseCode.NOT_REGISTERED
            )
        return ven

    def register(
        self, request: OadrCreatePartyRegistration, fingerprint: str | None, ledger: Ledger
    ) -> Ven:
        """Register a VEN, or register it again.

        Raises
        ------
        PayloadError
            452 if an identifier of the request is not this VEN's; 463 if it may not register;
            454 or 459 if it wants what there is not.
        """
        _check_wishes(request)
        known = self._claimed(request, fingerprint)
        if known is None:
            known = self._newcomer(request, ledger)
        again = request.registration_id is not None
        if again and request.registration_id != known.registration_id:
            raise PayloadError(
                "registrationID is not that of this VEN", code=ResponseCode.INVALID_ID
            )
        pull = request.oadr_http_pull_model is not False
        ven = replace(
            known,
            registration_id=known.registration_id if again else ledger.identifier(),
            ven_name=request.oadr_ven_name or known.ven_name,
            fingerprint=fingerprint,
            transport_address=None if pull else request.oadr_transport_address,
            report_only=request.oadr_report_only,
            offers_told=known.offers_told and again,
            leaving=False,
            registering_again=False,
        )
        self.put(ven, ledger)
        return ven

    def put(self, ven: Ven, ledger: Ledger) -> None:
        """Keep what is known of a VEN now."""
        self._keep(ven)
        ledger.put(key_of(KIND, ven.ven_id), asdict(ven))

    def _keep(self, ven: Ven) -> None:
        before = self._vens.get(ven.ven_id)
        if before is not None and before.fingerprint is not None:
            self._by_fingerprint.pop(before.fingerprint, None)
        self._vens[ven.ven_id] = ven
        if ven.transport_address is None:
            self._addressed.discard(ven.ven_id)
        else:
            self._addressed.add(ven.ven_id)
        if ven.fingerprint is not None:
            self._by_fingerprint[ven.fingerprint] = ven.ven_id

    def _claimed(self, request: OadrCreatePartyRegistration, fingerprint: str | None) -> Ven | None:
        """VEN that registers, if it is known already."""
        known = self.find_by_fingerprint(fingerprint)
        if known is not None:
            if request.ven_id not in {None, "", known.ven_id}:
                raise PayloadError(
                    "venID is not that of this certificate", code=ResponseCode.INVALID_ID
                )
            return known
        if request.ven_id:
            claimed = self._vens.get(request.ven_id)
            if claimed is not None and claimed.fingerprint is not None:
                raise PayloadError(
                    "this venID has another certificate", code=ResponseCode.NOT_REGISTERED
                )
            return claimed
        if fingerprint is None and request.oadr_ven_name:
            named = [v for v in self._vens.values() if v.ven_name == request.oadr_ven_name]
            if len(named) == 1 and named[0].fingerprint is None:
                return named[0]
        return None

    def _newcomer(self, request: OadrCreatePartyRegistration, ledger: Ledger) -> Ven:
        """Make a VEN that was never heard of."""
        if self._settings.named_only:
            raise PayloadError(
                "only VENs that the operator named may register", code=ResponseCode.NOT_REGISTERED
            )
        if request.registration_id is not None:
            raise PayloadError("registrationID is not known", code=ResponseCode.INVALID_ID)
        if len(self._vens) >= self._settings.vens_max:
            raise PayloadError("there is no room for more VENs", code=ResponseCode.NOT_ALLOWED)
        return Ven(ven_id=request.ven_id or f"ven-{ledger.identifier()}")


def is_reached(ven: Ven, targets: Mapping[str, Iterable[str]], market_context: str) -> bool:
    """Whether targets reach a VEN.

    Parameters
    ----------
    ven : Ven
        Which VEN.
    targets : Mapping
        Names wanted by kind: ven_id, group_id, resource_id, party_id; all empty reach everybody.
    market_context : str
        Programme of the event.
    """
    if ven.market_contexts and market_context not in ven.market_contexts:
        return False
    wanted = {kind: set(names) for kind, names in targets.items()}
    if not any(wanted.values()):
        return True
    own = {
        "ven_id": {ven.ven_id},
        "group_id": set(ven.group_ids),
        "resource_id": set(ven.resource_ids),
        "party_id": set(ven.party_ids),
    }
    return any(own[kind] & names for kind, names in wanted.items())


def _check_wishes(request: OadrCreatePartyRegistration) -> None:
    """Refuse what this VTN does not speak."""
    if request.oadr_profile_name != PROFILE:
        raise PayloadError(f"profile 2.0b only, not {request.oadr_profile_name[:40]!r}",
                           code=ResponseCode.COMPLIANCE)  # fmt: skip
    if request.oadr_transport_name != TRANSPORT:
        raise PayloadError("transport simpleHttp only", code=ResponseCode.COMPLIANCE)
    for name in (request.ven_id, request.oadr_ven_name):
        if name is not None and len(name) > IDENTIFIER_MAX:
            raise PayloadError(f"a name of more than {IDENTIFIER_MAX} characters")
    if request.oadr_http_pull_model is False:
        address = request.oadr_transport_address or ""
        if not address.startswith(("http://", "https://")) or len(address) > ADDRESS_MAX:
            raise PayloadError("push mode needs a transport address of http or https")
