"""What the client tells its server: responses, DER resources, readings, log events, wishes.

A response is marked as leaving before it leaves, and the shell keeps the mark first. Where its
fate is unknown (we stopped, the connection broke) the server's own list of responses is asked;
where it cannot be asked, the response is not repeated.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from protocols.ieee2030_5.client import reports
from protocols.ieee2030_5.client.events import EventEngine
from protocols.ieee2030_5.client.fetch import Fetcher, NoAnswerError, RefusedError, Steps
from protocols.ieee2030_5.client.held import Held, Progress
from protocols.ieee2030_5.client.known import Known
from protocols.ieee2030_5.client.means import Means
from protocols.ieee2030_5.client.polls import Polls
from protocols.ieee2030_5.client.settings import ClientSettings
from protocols.ieee2030_5.identity import mrid
from protocols.ieee2030_5.resources.der import DERCapability, DERSettings
from protocols.ieee2030_5.resources.devices import LogEvent
from protocols.ieee2030_5.resources.elements import Link
from protocols.ieee2030_5.resources.messages import (
    DERControlResponse,
    Response,
    ResponseList,
    Subscription,
)
from protocols.ieee2030_5.resources.metering import MirrorUsagePoint
from protocols.ieee2030_5.xml import Part
from protocols.vocabulary.errors import RemoteProtocolError

RESPONSES, RATINGS, STATUS, MIRRORS = "responses", "ratings", "status", "mirrors"
LOG_EVENTS, SUBSCRIPTIONS = "log events", "subscriptions"
ONCE = frozenset({RESPONSES, LOG_EVENTS})
"""Errands that are over when they were done well, and begin again when there is more to tell."""
RANKS = {RESPONSES: 0, RATINGS: 8, STATUS: 10, MIRRORS: 9, LOG_EVENTS: 11, SUBSCRIPTIONS: 12}
LOG_EVENTS_MAX = 32
_MIRROR, _SUBSCRIPTION = "mirror/", "subscription/"
_DER_FUNCTION_SET, _VENDOR_DEFINED = 11, 1
_LIMIT = 50
_OCTETS = 12


@dataclass(slots=True, kw_only=True)
class Telling:
    """Errands that write.

    Attributes
    ----------
    settings : ClientSettings
        Who we are.
    fetcher : Fetcher
        Makes requests.
    known : Known
        Where to write to.
    engine : EventEngine
        Whose responses they are.
    polls : Polls
        Is told which errands there are.
    chance : callable
        Draws from [0, 1), for names.
    records : Mapping
        What was kept, by key.
    modes : callable
        Modes that the site carries out.
    """

    settings: ClientSettings
    fetcher: Fetcher
    known: Known
    engine: EventEngine
    polls: Polls
    chance: Callable[[], float]
    records: Mapping[str, bytes]
    modes: Callable[[], tuple[str, ...]]
    facts: reports.SiteFacts | None = None
    means: Means = field(default_factory=Means)
    log_events: deque[LogEvent] = field(default_factory=lambda: deque(maxlen=LOG_EVENTS_MAX))
    _mirrors: dict[int, dict[str, str]] = field(default_factory=dict)
    _subscriptions: dict[str, str] = field(default_factory=dict)
    _told: dict[str, Part] = field(default_factory=dict)
    _log_event_id: int = 0

    def __post_init__(self) -> None:
        """Recall mirrors and subscriptions."""
        for key, value in self.records.items():
            if key.startswith(_MIRROR):
                self._mirrors[int(key.removeprefix(_MIRROR))] = json.loads(value)
            elif key.startswith(_SUBSCRIPTION):
                self._subscriptions[key.removeprefix(_SUBSCRIPTION)] = value.decode()

    def want(self) -> None:
        """Have done what there are links for."""
        device, capability = self.known.device, self.known.capability
        rate_s = self.settings.post_rate_s
        if device is not None and device.post_rate is not None:
            rate_s = float(device.post_rate)
        wishes = {
            RESPONSES: bool(self.engine.owed()),
            RATINGS: bool(self.known.ders) and self.facts is not None,
            STATUS: bool(self.known.ders) and self.facts is not None,
            MIRRORS: capability is not None
            and capability.mirror_usage_point_list_link is not None
            and device is not None,
            LOG_EVENTS: bool(self.log_events)
            and device is not None
            and device.log_event_list_link is not None,
            SUBSCRIPTIONS: bool(self.settings.notification_uri)
            and device is not None
            and device.subscription_list_link is not None,
        }
        for name, wished in wishes.items():
            if not wished:
                self.polls.forget(name)
            elif name not in self.polls.names():
                self.polls.want(name, rank=RANKS[name], rate_s=rate_s, now_s=self.known.now_s)

    def steps_of(self, name: str) -> Steps[None]:
        """Return the steps of an errand."""
        plain: dict[str, Callable[[], Steps[None]]] = {
            RESPONSES: self._responses,
            RATINGS: self._ratings,
            STATUS: self._status,
            MIRRORS: self._mirror_all,
            LOG_EVENTS: self._log,
            SUBSCRIPTIONS: self._subscribe,
        }
        return plain[name]()

    def note(self, code: int, details: str, at_s: float) -> None:
        """Have a log event of ours sent; the oldest gives way."""
        self._log_event_id = (self._log_event_id + 1) % 2**16
        self.log_events.append(
            LogEvent(
                created_date_time=int(self.known.clock.server_s(at_s)),
                details=details[:32],
                function_set=_DER_FUNCTION_SET,
                log_event_code=code,
                log_event_id=self._log_event_id,
                log_event_pen=self.settings.enterprise_number,
                profile_id=_VENDOR_DEFINED,
            )
        )

    def errand_of(self, subscribed: str) -> str | None:
        """Errand that reads a resource we subscribed to."""
        if subscribed not in self._subscriptions:
            return None
        return self.known.subscribable.get(subscribed, "")

    def unsubscribed(self, subscribed: str) -> None:
        """Take note that the server ended a subscription."""
        self._subscriptions.pop(subscribed, None)
        self.known.keep(_SUBSCRIPTION + subscribed, None)

    def _responses(self) -> Steps[None]:
        """Send the first response of each event that waits; go on where one fails."""
        failed: RemoteProtocolError | None = None
        for held, status in self.engine.owed():
            try:
                yield from self._response(held, status)
            except RemoteProtocolError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def _response(self, held: Held, status: int) -> Steps[None]:
        due, href = held.responses[status], held.control.reply_to or ""
        response = DERControlResponse(
            created_date_time=due.created_s,
            end_device_lfdi=self.settings.lfdi,
            status=status,
            subject=held.mrid,
        )
        if due.progress is Progress.UNCLEAR and (yield from self._arrived(href, response)):
            self.engine.mark(held.mrid, status, Progress.DONE)
            return
        self.engine.mark(held.mrid, status, Progress.SENDING)
        try:
            yield from self.fetcher.post(href, response, csipaus=self.settings.csipaus)
        except NoAnswerError as error:
            fate = Progress.UNCLEAR if error.may_have_arrived else Progress.DUE
            self.engine.mark(held.mrid, status, fate)
            raise
        except RemoteProtocolError:
            self.engine.mark(held.mrid, status, Progress.DONE)
            raise
        self.engine.mark(held.mrid, status, Progress.DONE)

    def _arrived(self, href: str, response: Response) -> Steps[bool]:
        """Whether the server has a response; it has if it does not say."""
        try:
            fetched = yield from self.fetcher.get_list(href, ResponseList)
        except NoAnswerError:
            raise
        except RemoteProtocolError:
            return True
        there = cast("tuple[Response, ...]", fetched.items)
        mine = (response.subject, response.status, response.end_device_lfdi)
        found = any((r.subject, r.status, r.end_device_lfdi) == mine for r in there)
        return found or not fetched.complete

    def _ratings(self) -> Steps[None]:
        """Put capability and settings where they are not what was told last."""
        assert self.facts is not None
        nameplate = reports.capability(self.facts.ratings, self.modes())
        chosen = reports.der_settings(
            self.facts.ratings,
            self.modes(),
            grad_percent_per_s=self.settings.gradient_percent_per_s,
            server_s=self.known.server_s,
        )
        for der in self.known.ders:
            yield from self._put_changed(der.der_capability_link, nameplate)
            yield from self._put_changed(der.der_settings_link, chosen)

    def _put_changed(self, link: Link | None, resource: DERCapability | DERSettings) -> Steps[None]:
        if link is None:
            return
        told = self._told.get(link.href)
        if isinstance(resource, DERSettings) and isinstance(told, DERSettings):
            resource = _as_of(resource, told)
        if told != resource:
            yield from self.fetcher.put(link.href, resource, csipaus=self.settings.csipaus)
            self._told[link.href] = resource

    def _status(self) -> Steps[None]:
        assert self.facts is not None
        moment_s = self.known.clock.server_s(self.facts.at_s)
        for der in self.known.ders:
            if der.der_status_link is not None:
                resource: Part = reports.status(self.facts, moment_s)
                yield from self.fetcher.put(
                    der.der_status_link.href, resource, csipaus=self.settings.csipaus
                )
            if der.der_availability_link is not None:
                resource = reports.availability(self.facts, moment_s)
                yield from self.fetcher.put(
                    der.der_availability_link.href, resource, csipaus=self.settings.csipaus
                )

    def _mirror_all(self) -> Steps[None]:
        for role in (reports.SITE_ROLE, reports.DER_ROLE):
            if role not in self._mirrors:
                yield from self._make_mirror(role)
            yield from self._post_reading(role)

    def _make_mirror(self, role: int) -> Steps[None]:
        assert self.known.capability is not None
        assert self.known.capability.mirror_usage_point_list_link is not None
        names = (self._name(), self._name())
        resource = reports.mirror(
            self.settings.lfdi, names, role, interval_s=round(self.settings.post_rate_s)
        )
        href = self.known.capability.mirror_usage_point_list_link.href
        made = yield from self.fetcher.post(href, resource, csipaus=self.settings.csipaus)
        if not made:
            raise RemoteProtocolError(f"POST {href}: no Location of the new mirror")
        self._mirrors[role] = {"href": made, "reading": names[1]}
        self.known.keep(f"{_MIRROR}{role}", json.dumps(self._mirrors[role]).encode())
        mirror = yield from self.fetcher.get(made, MirrorUsagePoint)
        if mirror.post_rate is not None:
            rate_s = float(mirror.post_rate)
            self.polls.want(MIRRORS, rank=RANKS[MIRRORS], rate_s=rate_s, now_s=self.known.now_s)

    def _post_reading(self, role: int) -> Steps[None]:
        """Send the mean since the last one that arrived; without a measurement nothing."""
        mean = self.means.mean(role)
        if mean is None:
            return
        mirror = self._mirrors[role]
        period = mean.period(self.known.clock)
        reading = reports.mirrored(mirror["reading"], role, mean.power_w, period=period)
        try:
            yield from self.fetcher.post(mirror["href"], reading, csipaus=self.settings.csipaus)
        except RefusedError:
            del self._mirrors[role]
            self.known.keep(f"{_MIRROR}{role}", None)
            raise
        self.means.restart(role, mean)

    def _log(self) -> Steps[None]:
        assert self.known.device is not None
        assert self.known.device.log_event_list_link is not None
        href = self.known.device.log_event_list_link.href
        while self.log_events:
            event = self.log_events[0]
            try:
                yield from self.fetcher.post(href, event, csipaus=self.settings.csipaus)
            except RefusedError:
                self.log_events.popleft()
                raise
            if self.log_events and self.log_events[0] is event:
                self.log_events.popleft()

    def _subscribe(self) -> Steps[None]:
        assert self.known.device is not None
        assert self.known.device.subscription_list_link is not None
        href = self.known.device.subscription_list_link.href
        for resource in sorted(set(self.known.subscribable) - set(self._subscriptions)):
            wish = Subscription(
                subscribed_resource=resource,
                encoding=0,
                level="+S1",
                limit=_LIMIT,
                notification_uri=self.settings.notification_uri,
            )
            made = yield from self.fetcher.post(href, wish, csipaus=self.settings.csipaus)
            self._subscriptions[resource] = made
            self.known.keep(_SUBSCRIPTION + resource, made.encode())

    def _name(self) -> str:
        octets = bytes(int(self.chance() * 256) for _ in range(_OCTETS))
        return mrid(octets, enterprise_number=self.settings.enterprise_number)


def _as_of(now: DERSettings, told: DERSettings) -> DERSettings:
    """Return what was told where the settings differ in their time only."""
    return told if replace(now, updated_time=told.updated_time) == told else now
