"""Kill -9 of our VTN under load, and what is lost by it: events, answers and readings.

Counted is what was promised: an event is promised when the operator's order was answered, an
answer or a reading when the VTN's reply came. After the restart every promised event must reach
every VEN, and every promised answer and reading must still be known.
"""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from firmware_sim.bench_der.connection import LostError
from firmware_sim.bench_der.measure import READY_S, Tell
from firmware_sim.bench_der.servers import Ground, Server, VenLine, register
from firmware_sim.demo.processes import Child, Family, ProgramError
from protocols.openadr.messages.elements import (
    EiResponse,
    EiTarget,
    Interval,
    OadrReportPayload,
    OptType,
    QualifiedEventID,
)
from protocols.openadr.messages.event import (
    EiCreatedEvent,
    EventResponse,
    OadrCreatedEvent,
    OadrDistributeEvent,
)
from protocols.openadr.messages.payload import Payload
from protocols.openadr.messages.registration import OadrPoll, OadrResponse
from protocols.openadr.messages.report import (
    OadrRegisteredReport,
    OadrRegisterReport,
    OadrReport,
    OadrReportDescription,
    OadrSamplingRate,
    OadrUpdatedReport,
    OadrUpdateReport,
)

ORDER_EVERY_S: Final = 0.25
POLL_EVERY_S: Final = 0.5
DRAIN_S: Final = 60.0
OK: Final = "200"
HTTP_CREATED: Final = 201
HTTP_CONFLICT: Final = 409
_RETRY_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartCost:
    """What a kill -9 under load cost.

    Attributes
    ----------
    vens, events, answers, readings : int
        VENs, and what was promised to the operator and to them.
    lost_deliveries, lost_answers, lost_readings : int
        Promised, and not there after all.
    kills : int
        How often the server was killed.
    away_s : float
        Longest time from a kill until the server answered again.
    """

    vens: int
    events: int
    answers: int
    readings: int
    lost_deliveries: int
    lost_answers: int
    lost_readings: int
    kills: int
    away_s: float

    @property
    def lost(self) -> int:
        """Everything that was lost."""
        return self.lost_deliveries + self.lost_answers + self.lost_readings


@dataclass(slots=True)
class _Ven:
    """A VEN that answers events and reports, and what it was promised."""

    line: VenLine
    request_id: str = ""
    received: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    reported: set[str] = field(default_factory=set)
    next_reading: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    async def offer(self) -> None:
        """Say what it reports, and learn what is wanted."""
        now = datetime.now(UTC)
        point = OadrReportDescription(
            r_id="power",
            report_type="reading",
            reading_type="Direct Read",
            report_data_source=EiTarget(resource_id=("meter",)),
            oadr_sampling_rate=OadrSamplingRate(
                oadr_min_period=timedelta(seconds=1),
                oadr_max_period=timedelta(hours=1),
                oadr_on_change=False,
            ),
        )
        report = OadrReport(
            duration=timedelta(hours=1),
            oadr_report_description=(point,),
            report_request_id="0",
            report_specifier_id="telemetry",
            report_name="METADATA_TELEMETRY_USAGE",
            created_date_time=now,
        )
        reply = await self.line.say(
            "EiReport",
            OadrRegisterReport(request_id="offer", oadr_report=(report,), ven_id=self.line.ven_id),
        )
        if not isinstance(reply, OadrRegisteredReport) or not reply.oadr_report_request:
            raise ProgramError(f"the VTN wants no report: {reply}")
        self.request_id = reply.oadr_report_request[0].report_request_id

    async def live(self, stop: asyncio.Event, phase_s: float) -> None:
        """Poll, answer and report until told to stop; failures are tried again."""
        await asyncio.sleep(phase_s)
        while not stop.is_set():
            try:
                await self._poll()
                await self._report()
            except LostError:
                await asyncio.sleep(_RETRY_S)
                continue
            await asyncio.sleep(POLL_EVERY_S)

    async def _poll(self) -> None:
        reply = await self.line.say("OadrPoll", OadrPoll(ven_id=self.line.ven_id))
        if not isinstance(reply, OadrDistributeEvent):
            return
        descriptors = [event.ei_event.event_descriptor for event in reply.oadr_event]
        self.received |= {descriptor.event_id for descriptor in descriptors}
        responses = tuple(
            EventResponse(
                response_code=OK,
                request_id=reply.request_id,
                qualified_event_id=QualifiedEventID(
                    event_id=descriptor.event_id,
                    modification_number=descriptor.modification_number,
                ),
                opt_type=OptType.OPT_IN,
            )
            for descriptor in descriptors
        )
        created = EiCreatedEvent(
            ei_response=EiResponse(response_code=OK, request_id=reply.request_id),
            event_responses=responses,
            ven_id=self.line.ven_id,
        )
        confirmed = await self.line.say("EiEvent", OadrCreatedEvent(ei_created_event=created))
        if isinstance(confirmed, OadrResponse) and _is_good(confirmed):
            self.answered |= {descriptor.event_id for descriptor in descriptors}

    async def _report(self) -> None:
        payload = OadrReportPayload(r_id="power", payload_float=1.0)
        interval = Interval(dtstart=self.next_reading, oadr_report_payload=(payload,))
        report = OadrReport(
            dtstart=self.next_reading,
            intervals=(interval,),
            report_request_id=self.request_id,
            report_specifier_id="telemetry",
            report_name="TELEMETRY_USAGE",
            created_date_time=self.next_reading,
        )
        update = OadrUpdateReport(
            request_id="update", oadr_report=(report,), ven_id=self.line.ven_id
        )
        reply = await self.line.say("EiReport", update)
        if isinstance(reply, OadrUpdatedReport) and _is_good(reply):
            self.reported.add(f"{self.next_reading:%Y-%m-%dT%H:%M:%SZ}")
            self.next_reading += timedelta(seconds=1)


class _Operator:
    """Orders events until told to stop; what was answered is promised."""

    def __init__(self) -> None:
        self.promised: set[str] = set()
        self._session: aiohttp.ClientSession | None = None
        self._base = ""

    async def __aenter__(self) -> "_Operator":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None, "entered"
        await self._session.close()

    def knows(self, ready: dict[str, Any]) -> None:
        """Learn where the door is."""
        assert self._session is not None, "entered"
        token = Path(str(ready["token_file"])).read_text(encoding="utf-8").strip()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._base = str(ready["admin"])

    async def order(self, stop: asyncio.Event) -> None:
        """Order one event after the other, each until it is answered."""
        assert self._session is not None, "entered"
        number = 0
        while not stop.is_set():
            event_id = f"event-{number:04d}"
            body = json.dumps(_event(event_id))
            try:
                async with self._session.post(f"{self._base}/events", data=body) as reply:
                    if reply.status in {HTTP_CREATED, HTTP_CONFLICT}:
                        self.promised.add(event_id)
                        number += 1
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(ORDER_EVERY_S)

    async def get(self, path: str) -> dict[str, Any]:
        """Look at something."""
        assert self._session is not None, "entered"
        async with self._session.get(self._base + path) as reply:
            read: dict[str, Any] = await reply.json()
            return read


async def measure_restart(
    family: Family, server: Server, ground: Ground, *, seconds: float, tell: Tell
) -> RestartCost:
    """Kill our VTN twice under load, and count what is lost.

    Parameters
    ----------
    family : Family
        Starts and kills it.
    server : Server
        Our VTN.
    ground : Ground
        Its certificates; one VEN each.
    seconds : float
        Length of each of the three stretches of load.
    tell : callable
        Progress.
    """
    child = await family.start(server.program)
    async with _Operator() as operator:
        operator.knows(await child.ready(READY_S))
        lines = await register(ground, server, lambda text: tell(f"{server.program.name}: {text}"))
        vens = [_Ven(line=line) for line in lines]
        for ven in vens:
            await ven.offer()
        stop, ordering = asyncio.Event(), asyncio.Event()
        away_s = 0.0
        async with asyncio.TaskGroup() as group:
            for number, ven in enumerate(vens):
                group.create_task(ven.live(stop, POLL_EVERY_S * number / len(vens)))
            ordered = group.create_task(operator.order(ordering))
            for kill in (1, 2):
                tell(f"{server.program.name}: load, then kill -9 number {kill}")
                await asyncio.sleep(seconds)
                away_s = max(away_s, await _killed(child, operator))
            await asyncio.sleep(seconds)
            ordering.set()
            await ordered
            await _drained(vens, operator, tell)
            stop.set()
        await _killed(child, operator)
        found = await _counted(vens, operator, away_s)
        for line in lines:
            line.connection.close()
    await child.stop()
    return found


async def _killed(child: Child, operator: _Operator) -> float:
    """Kill it, start it again, and return how long it was away, s."""
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    child.kill()
    await child.ended(READY_S)
    await child.start()
    operator.knows(await child.ready(READY_S))
    return loop.time() - begin_s


async def _drained(vens: list[_Ven], operator: _Operator, tell: Tell) -> None:
    """Give every VEN the time to be told everything."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + DRAIN_S
    while loop.time() < until_s:
        late = sum(not operator.promised <= ven.answered for ven in vens)
        if not late:
            return
        tell(f"waiting for {late} VENs to be told everything")
        await asyncio.sleep(0.5)


async def _counted(vens: list[_Ven], operator: _Operator, away_s: float) -> RestartCost:
    """Compare what was promised with what is there."""
    known: set[tuple[str, str]] = set()
    for event in (await operator.get("/events"))["events"]:
        known |= {(answer["ven_id"], event["event_id"]) for answer in event["answers"]}
    lost_readings = 0
    for ven in vens:
        found = (await operator.get(f"/vens/{ven.line.ven_id}/readings"))["readings"]
        lost_readings += len(ven.reported - {reading["dtstart"] for reading in found})
    answered = {(ven.line.ven_id, event_id) for ven in vens for event_id in ven.answered}
    return RestartCost(
        vens=len(vens),
        events=len(operator.promised),
        answers=len(answered),
        readings=sum(len(ven.reported) for ven in vens),
        lost_deliveries=sum(len(operator.promised - ven.received) for ven in vens),
        lost_answers=len(answered - known),
        lost_readings=lost_readings,
        kills=3,
        away_s=round(away_s, 2),
    )


def _event(event_id: str) -> dict[str, object]:
    start = datetime.now(UTC) + timedelta(hours=1)
    signal = {"name": "SIMPLE", "type": "level", "intervals": [{"duration": "PT1H", "value": 1}]}
    return {
        "event_id": event_id,
        "dtstart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "duration": "PT1H",
        "signals": [signal],
    }


def _is_good(reply: Payload) -> bool:
    response = getattr(reply, "ei_response", None)
    return isinstance(response, EiResponse) and response.response_code == OK
