"""Connector of OCCTO: plans by HTTPS with a client certificate, and what is said of them."""

from dataclasses import dataclass, field
from typing import Final

from cloud_coordinator.gateway.exchanges.handing_in import Counter
from cloud_coordinator.gateway.exchanges.line import (
    Patience,
    Reply,
    VenueLine,
    VenueRefusedError,
    VenueSilentError,
)
from cloud_coordinator.services.errors import RejectedError
from cloud_coordinator.services.trading import SubmissionRecord, SubmissionState, SubmissionStore
from protocols.occto.package import (
    NAME_TEMPLATE,
    RESULT_OK,
    FileName,
    file_name,
    pack,
    unpack,
)
from protocols.occto.plan import Plan, write_plan
from protocols.occto.verdict import Verdict, read_verdict
from protocols.vocabulary.errors import LocalProtocolError, RemoteProtocolError
from protocols.vocabulary.intervals import Clock

VENUE: Final = "occto"
RULE_SET: Final = "occto"
UNKNOWN_NAME: Final = "2003"
OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OcctoSettings:
    """Where plans go; the paths and codes are assumed (``docs/spec-issues.md``).

    Attributes
    ----------
    user, password : str
        Beside the client certificate.
    upload, download : str
        Paths.
    template : str
        Of file names.
    patience : Patience
        How long a plan is tried.
    """

    user: str
    password: str
    upload: str = "/service/RP12/OCCTO/api/fileUpload/putPlan"
    download: str = "/service/RP12/OCCTO/api/fileDownload/getResult"
    template: str = NAME_TEMPLATE
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlanWire:
    """How OCCTO is spoken to."""

    line: VenueLine
    settings: OcctoSettings

    async def post(self, record: SubmissionRecord) -> bytes:
        """Send; return the package of the verdict."""
        return _body(await self.line.call("POST", self.settings.upload, body=record.sent))

    async def ask(self, record: SubmissionRecord) -> bytes | None:
        """Return the verdict of what was sent before; None if it was never seen."""
        name = record.request_id.encode("ascii")
        reply = await self.line.call("POST", self.settings.download, body=name)
        if reply.headers.get("resultcode") == UNKNOWN_NAME:
            return None
        return _body(reply)

    def check(self, record: SubmissionRecord, answer: bytes) -> None:
        """Check that a verdict is about just this file."""
        _verdict(record.request_id, answer)


class OcctoConnector:
    """Files plans.

    Parameters
    ----------
    line : VenueLine
        To OCCTO, with our certificate and the headers of :func:`credentials`.
    store : SubmissionStore
        What was sent and answered.
    clock : Clock
        When.
    settings : OcctoSettings
        Where.
    """

    def __init__(
        self, line: VenueLine, store: SubmissionStore, clock: Clock, *, settings: OcctoSettings
    ) -> None:
        self._wire = _PlanWire(line=line, settings=settings)
        self._settings = settings
        self._clock = clock
        self._counter = Counter(store, clock, settings.patience)

    async def file(self, plan: Plan, name: FileName) -> Verdict:
        """File a plan; the same plan under the same name again gives the same verdict.

        Parameters
        ----------
        plan : Plan
            For the day of the name.
        name : FileName
            A revised plan needs a higher sequence.

        Raises
        ------
        RejectedError
            If it cannot be written, or OCCTO took nothing; a verdict with findings is no error.
        ConflictError
            If the name was used for another plan.
        OutcomeUnknownError
            If nobody can say; the plan stays OPEN.
        """
        if plan.day != name.day:
            raise RejectedError(f"plan: is of {plan.day}, its name of {name.day}")
        try:
            request_id = file_name(name, template=self._settings.template)
            sent = pack(request_id, write_plan(plan))
        except LocalProtocolError as error:
            raise RejectedError(f"plan: {error}") from error
        record = SubmissionRecord(
            request_id=request_id,
            venue=VENUE,
            day=plan.day,
            rule_set_id=RULE_SET,
            state=SubmissionState.OPEN,
            sent_at=self._clock.now(),
            sent=sent,
        )
        return _verdict(request_id, await self._counter.hand_in(record, self._wire))


def credentials(settings: OcctoSettings) -> dict[str, str]:
    """Headers of every request."""
    return {"userid": settings.user, "password": settings.password}


def _body(reply: Reply) -> bytes:
    code = reply.headers.get("resultcode")
    if reply.status != OK or code is None:
        raise VenueSilentError(f"HTTP {reply.status} without a result code")
    if code != RESULT_OK:
        raise VenueRefusedError(f"resultcode {code}")
    return reply.body


def _verdict(name: str, answer: bytes) -> Verdict:
    packed, document = unpack(answer)
    verdict = read_verdict(document)
    if (packed, verdict.plan_id) != (name, name):
        raise RemoteProtocolError(f"verdict: is of {verdict.plan_id!r}, not of {name!r}")
    return verdict
