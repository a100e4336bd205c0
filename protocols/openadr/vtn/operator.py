"""What the operator, or the program that owns a VTN, does with it.

Every call returns the changes that have to be durable before anybody is told.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from protocols.openadr.codes import PayloadError
from protocols.openadr.messages.event import OadrEvent
from protocols.openadr.messages.report import OadrReportRequest
from protocols.openadr.vtn.events import reaches
from protocols.openadr.vtn.ledger import Ledger
from protocols.openadr.vtn.orders import EventOrder
from protocols.openadr.vtn.present import as_of
from protocols.openadr.vtn.reports import request_for
from protocols.openadr.vtn.settings import WantedReport
from protocols.openadr.vtn.state import VtnState
from protocols.openadr.vtn.vens import IDENTIFIER_MAX, Ven
from protocols.sansio.records import Change
from protocols.vocabulary.errors import LocalProtocolError

Changes = tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVen:
    """What an operator says of a VEN before it registers, or changes later.

    Attributes
    ----------
    ven_id : str
        Its identifier.
    fingerprint : str or None
        Of its certificate; None leaves what is known.
    group_ids, resource_ids, party_ids, market_contexts : tuple of str
        What events for it may name.
    """

    ven_id: str
    fingerprint: str | None = None
    group_ids: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    party_ids: tuple[str, ...] = ()
    market_contexts: tuple[str, ...] = ()


class Operator:
    """The operator's side of one VTN.

    Parameters
    ----------
    state : VtnState
        Shared with the VTN.
    """

    def __init__(self, state: VtnState) -> None:
        self._state = state

    def order(
        self, order: EventOrder, now: datetime, drawn: bytes, *, event_id: str | None = None
    ) -> tuple[OadrEvent, Changes]:
        """Order an event; without an identifier one is made.

        Raises
        ------
        LocalProtocolError
            If the order breaks a rule or the identifier is taken.
        """
        ledger = Ledger(drawn)
        name = event_id or f"event-{ledger.identifier()}"
        event = self._state.events.add(order, name, now=now, ledger=ledger)
        self._touch(event)
        return as_of(event, now), ledger.changes()

    def modify(self, order: EventOrder, event_id: str, now: datetime) -> tuple[OadrEvent, Changes]:
        """Replace an event by its next modification.

        Raises
        ------
        LocalProtocolError
            If it cannot be modified or the order breaks a rule.
        """
        ledger = Ledger()
        event = self._state.events.modify(order, event_id, now=now, ledger=ledger)
        self._touch(event)
        return as_of(event, now), ledger.changes()

    def cancel(self, event_id: str, now: datetime) -> tuple[OadrEvent, Changes]:
        """Cancel an event.

        Raises
        ------
        LocalProtocolError
            If there is none that could be cancelled.
        """
        ledger = Ledger()
        event = self._state.events.cancel(event_id, now, ledger)
        self._touch(event)
        return as_of(event, now), ledger.changes()

    def name_ven(self, named: NamedVen) -> Changes:
        """Say who a VEN is and what reaches it.

        Raises
        ------
        LocalProtocolError
            If the certificate is another VEN's, or a name is empty or too long.
        """
        if not 1 <= len(named.ven_id) <= IDENTIFIER_MAX:
            raise LocalProtocolError(f"a venID has 1 to {IDENTIFIER_MAX} characters")
        owner = self._state.vens.find_by_fingerprint(named.fingerprint)
        if owner is not None and owner.ven_id != named.ven_id:
            raise LocalProtocolError(f"that certificate is {owner.ven_id!r}'s")
        ledger = Ledger()
        known = self._state.vens.find(named.ven_id) or Ven(ven_id=named.ven_id)
        ven = replace(
            known,
            fingerprint=named.fingerprint or known.fingerprint,
            group_ids=named.group_ids,
            resource_ids=named.resource_ids,
            party_ids=named.party_ids,
            market_contexts=named.market_contexts,
        )
        self._state.vens.put(ven, ledger)
        self._state.mail.touch(ven.ven_id)
        return ledger.changes()

    def end_registration(self, ven_id: str) -> Changes:
        """End a VEN's registration; it is told at its next poll.

        Raises
        ------
        LocalProtocolError
            If it is not registered.
        """
        return self._flagged(ven_id, leaving=True)

    def register_again(self, ven_id: str) -> Changes:
        """Ask a VEN to register again.

        Raises
        ------
        LocalProtocolError
            If it is not registered.
        """
        return self._flagged(ven_id, registering_again=True)

    def ask_report(
        self, ven_id: str, specifier_id: str, *, wanted: WantedReport, drawn: bytes
    ) -> tuple[OadrReportRequest, Changes]:
        """Ask a VEN for a report with all its data points; report-back zero asks for it once.

        Raises
        ------
        LocalProtocolError
            If the VEN does not offer it.
        """
        ledger = Ledger(drawn)
        offers = {one.report_specifier_id: one for one in self._state.reports.offers(ven_id)}
        offer = offers.get(specifier_id)
        request = None
        if offer is not None:
            request = request_for(offer, wanted, f"report-{ledger.identifier()}")
        if request is None:
            raise LocalProtocolError(f"{ven_id!r} does not offer report {specifier_id!r}")
        try:
            asked = self._state.reports.ask(ven_id, request, ledger)
        except PayloadError as error:
            raise LocalProtocolError(str(error)) from error
        self._state.mail.touch(ven_id)
        return asked.request, ledger.changes()

    def cancel_report(self, ven_id: str, request_id: str) -> Changes:
        """Want a report no more.

        Raises
        ------
        LocalProtocolError
            If it was not asked for.
        """
        ledger = Ledger()
        try:
            self._state.reports.cancel(ven_id, request_id, ledger)
        except PayloadError as error:
            raise LocalProtocolError(str(error)) from error
        self._state.mail.touch(ven_id)
        return ledger.changes()

    def _flagged(self, ven_id: str, **flags: bool) -> Changes:
        ven = self._state.vens.find(ven_id)
        if ven is None or ven.registration_id is None:
            raise LocalProtocolError(f"no VEN {ven_id!r} is registered")
        ledger = Ledger()
        self._state.vens.put(replace(ven, **flags), ledger)  # type: ignore[arg-type]  # flags of a VEN
        self._state.mail.touch(ven_id)
        return ledger.changes()

    def _touch(self, event: OadrEvent) -> None:
        vens = self._state.vens.everyone()
        self._state.mail.touch(*(ven.ven_id for ven in vens if reaches(event, ven)))
