"""Everything one VTN knows, from its records; and what one call may do with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from protocols.openadr.vtn.answers import KIND as ANSWER_KIND
from protocols.openadr.vtn.events import KIND as EVENT_KIND
from protocols.openadr.vtn.events import EventBook
from protocols.openadr.vtn.ledger import Ledger, kind_of
from protocols.openadr.vtn.mail import Mail
from protocols.openadr.vtn.opts import KIND as OPT_KIND
from protocols.openadr.vtn.opts import OptBook
from protocols.openadr.vtn.readings import KIND as READING_KIND
from protocols.openadr.vtn.reports import OFFER_KIND, REQUEST_KIND, ReportBook
from protocols.openadr.vtn.settings import VtnSettings
from protocols.openadr.vtn.vens import KIND as VEN_KIND
from protocols.openadr.vtn.vens import Ven, VenRegistry


class VtnState:
    """State of one VTN.

    Parameters
    ----------
    settings : VtnSettings
        What the operator decided.
    records : Mapping
        As they were kept; empty for a new VTN.
    """

    def __init__(self, settings: VtnSettings, records: Mapping[str, bytes]) -> None:
        self.settings = settings
        self.vens = VenRegistry(settings)
        self.events = EventBook(settings)
        self.reports = ReportBook(settings)
        self.opts = OptBook(settings)
        for key, record in records.items():
            self._load(kind_of(key), record)
        self.mail = Mail(settings, self.events, self.reports)
        self.mail.touch(*(ven.ven_id for ven in self.vens.everyone()))

    def _load(self, kind: str, record: bytes) -> None:
        if kind == VEN_KIND:
            self.vens.load(record)
        elif kind == EVENT_KIND:
            self.events.load(record)
        elif kind == ANSWER_KIND:
            self.events.answers.load(record)
        elif kind in {OFFER_KIND, REQUEST_KIND}:
            self.reports.load(kind, record)
        elif kind == READING_KIND:
            self.reports.readings.load(record)
        elif kind == OPT_KIND:
            self.opts.load(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something worth a line in the shell's log.

    Attributes
    ----------
    name : str
        ``noun.verbed``.
    fields : Mapping
        What else there is to say.
    """

    name: str
    fields: Mapping[str, str | int]


@dataclass(slots=True, kw_only=True)
class Call:
    """One request being answered.

    Attributes
    ----------
    now : datetime
        UTC.
    ledger : Ledger
        Collects what changes.
    service : str
        Which service was addressed.
    fingerprint : str or None
        Of the certificate the request came with.
    sender : Ven or None
        Who sent it, once that is proven.
    happenings : list
        For the log.
    """

    now: datetime
    ledger: Ledger
    service: str
    fingerprint: str | None = None
    sender: Ven | None = None
    happenings: list[Happening] = field(default_factory=list)

    @property
    def ven(self) -> Ven:
        """Who sent it."""
        assert self.sender is not None, "its handler is called when the sender is known"
        return self.sender

    def tell(self, name: str, **fields: str | int) -> None:
        """Note something for the log."""
        self.happenings.append(Happening(name=name, fields=fields))
