"""OCCTO's plan system as a server: mutual TLS and a password, plans in a zip, verdicts by XML.

A file name is used once: the same file again has the same answer, another content under the same
name is refused. The latest plan of a group, day and kind that was taken is in force.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

import structlog
from aiohttp import web

from firmware_sim.counterparts.ledger import Entry, Ledger, digest_of
from firmware_sim.counterparts.mischief import Mischief
from firmware_sim.counterparts.occto_rules import judge_plan
from protocols.occto.package import RESULT_OK, pack, unpack
from protocols.occto.plan import Plan, read_plan
from protocols.occto.verdict import Verdict, read_verdict, write_verdict
from protocols.vocabulary.calendar import jst_moment, market_day
from protocols.vocabulary.errors import RemoteProtocolError
from protocols.vocabulary.intervals import Clock

UPLOAD: Final = "/service/RP12/OCCTO/api/fileUpload/putPlan"
DOWNLOAD: Final = "/service/RP12/OCCTO/api/fileDownload/getResult"
DENIED: Final = "1001"
MALFORMED: Final = "2001"
NAME_USED: Final = "2002"
UNKNOWN: Final = "2003"
_BODY_BYTES_MAX: Final = 4_000_000
_KIND: Final = "occto"
_NAME: Final = re.compile(r"W6_(?P<code>\d{4})_(?P<day>\d{8})_(?P<sequence>\d{2})_.*\.xml")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who may file plans.

    Attributes
    ----------
    user, password : str
        Beside the client certificate.
    """

    user: str
    password: str


class OcctoCounterpart:
    """A running plan system.

    Parameters
    ----------
    ledger : Ledger
        What was received; survives a restart.
    clock : Clock
        Market time.
    account : Account
        The one participant.
    mischief : Mischief
        What goes wrong.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, *, account: Account, mischief: Mischief
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._account = account
        self._mischief = mischief

    def application(self) -> web.Application:
        """Make the routes."""
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_post(UPLOAD, self._mischief.guard(self._upload))
        app.router.add_post(DOWNLOAD, self._download)
        return app

    async def _upload(self, request: web.Request) -> web.Response:
        if not self._admitted(request.headers):
            return _result(DENIED)
        body = await request.read()
        try:
            name, document = unpack(body)
            plan = read_plan(document)
            code = _code_of(name, plan)
        except RemoteProtocolError as error:
            _log.warning("plan.refused", cause=str(error))
            return _result(MALFORMED)
        known = self._ledger.find(_KIND, name)
        if known is not None:
            same = known.digest == digest_of(body)
            return _result(RESULT_OK, known.answer) if same else _result(NAME_USED)
        verdict = self._judged(name, plan, code=code)
        answer = pack(name, write_verdict(verdict))
        self._ledger.keep(_KIND, name, body=body, answer=answer)
        _log.info("plan.received", name=name, taken=verdict.taken)
        return _result(RESULT_OK, answer)

    async def _download(self, request: web.Request) -> web.Response:
        if not self._admitted(request.headers):
            return _result(DENIED)
        name = (await request.read()).decode("utf-8", errors="replace")
        known = self._ledger.find(_KIND, name)
        return _result(UNKNOWN) if known is None else _result(RESULT_OK, known.answer)

    def _admitted(self, headers: Mapping[str, str]) -> bool:
        user = headers.get("userid", "").encode()
        password = headers.get("password", "").encode()
        right = hmac.compare_digest(user, self._account.user.encode())
        return hmac.compare_digest(password, self._account.password.encode()) and right

    def _judged(self, name: str, plan: Plan, *, code: str) -> Verdict:
        now = self._clock.now()
        taken = [one for one in self._taken() if one.day == plan.day]
        mine = [one for one in taken if (one.group, one.kind) == (plan.group, plan.kind)]
        latest = {one.group: one for one in taken if one.group != plan.group}
        findings = judge_plan(
            plan,
            code=code,
            now=now,
            in_force=mine[-1] if mine else None,
            others=list(latest.values()),
        )
        return Verdict(
            plan_id=name,
            submitted_at=_local(now),
            taken=not findings,
            findings=findings,
        )

    def _taken(self) -> Sequence[Plan]:
        """Plans that were taken, as they came."""
        return [
            read_plan(unpack(entry.body)[1])
            for entry in self._ledger.entries(_KIND)
            if _verdict(entry).taken
        ]


def _local(now: datetime) -> str:
    """``YYYYMMDDhhmmss`` of market time."""
    day = market_day(now)
    passed = timedelta(seconds=int((now - jst_moment(day, time())).total_seconds()))
    return (datetime.combine(day, time()) + passed).strftime("%Y%m%d%H%M%S")


def _verdict(entry: Entry) -> Verdict:
    return read_verdict(unpack(entry.answer)[1])


def _code_of(name: str, plan: Plan) -> str:
    """Plan code in a file name that fits its plan."""
    match = _NAME.fullmatch(name)
    if match is None or match["day"] != plan.day.strftime("%Y%m%d"):
        raise RemoteProtocolError(f"{name!r} is no name of a plan of {plan.day}")
    return match["code"]


def _result(code: str, body: bytes = b"") -> web.Response:
    return web.Response(body=body, headers={"resultcode": code})
