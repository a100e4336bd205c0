"""Subscriptions: what may be subscribed to, when there is news, and who still has to hear it.

News is a change of what the subscriber would read, found by comparing digests; only the latest
content is owed, so an outage ends with one notification. What is owed survives a restart.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from protocols.ieee2030_5.resources.elements import Resource
from protocols.ieee2030_5.resources.messages import Notification, Subscription
from protocols.ieee2030_5.server.pages_devices import may_subscribe, subscriber
from protocols.ieee2030_5.server.refusal import (
    NO_CONDITIONS,
    RESOURCE_LIMIT,
    RefusedError,
    not_found,
)
from protocols.ieee2030_5.server.settings import PAGE_MAX, SUBSCRIPTIONS_MAX
from protocols.ieee2030_5.server.state import State, Subscriber
from protocols.ieee2030_5.server.visit import Visit
from protocols.ieee2030_5.server.writes_devices import Written
from protocols.ieee2030_5.xml import encode

RETRY_S: Final = (2.0, 60.0)
"""First and longest pause after a failed notification; it doubles in between."""
GIVE_UP_S: Final = 86_400
"""How long a subscriber may fail before its subscription ends."""
GIVE_UP_END_S: Final = 3_600
"""The same for the notification that ends a subscription."""
CHANGED: Final = 0
CANCELLED: Final = 1
DELETED: Final = 4
_LEVEL: Final = "+S1"

Render = Callable[[str, str, int], Resource]
"""What a client (LFDI) reads at a path, with a limit. RefusedError where it may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notification to send.

    Attributes
    ----------
    subscriber : int
        Number to report with.
    uri : str
        Where to.
    body : bytes
        The document.
    digest : str
        To report with.
    """

    subscriber: int
    uri: str
    body: bytes
    digest: str


def subscribe(visit: Visit, wanted: Subscription, render: Render) -> Written:
    """Make a subscription, or renew the same one.

    Raises
    ------
    RefusedError
        If it cannot be kept: 400 for a wrong address, encoding or condition, 404 for a resource
        that is not there or may not be subscribed to, 403 where there is no room.

    Notes
    -----
    IEEE 2030.5-2018, 8.6 (subscription and notification).
    """
    device = visit.caller.device(visit.numbers[0])
    if not may_subscribe(device, visit.caller.lfdi):
        raise not_found()
    if wanted.condition is not None:
        raise RefusedError(400, "no conditional subscriptions here", reason=NO_CONDITIONS)
    if wanted.encoding != 0:
        raise RefusedError(400, f"encoding {wanted.encoding}; only XML is spoken")
    if not wanted.level.startswith(_LEVEL):
        raise RefusedError(400, f"level {wanted.level!r}")
    check_address(wanted.notification_uri)
    path = path_of(wanted.subscribed_resource)
    content = render(visit.caller.lfdi, path, wanted.limit)
    if not getattr(content, "subscribable", 0):
        raise RefusedError(400, f"{path} may not be subscribed to")
    mine = visit.state.subscribers.where("device", device.number)
    same = [s for s in mine if not s.end and _same(s.resource, wanted)]
    if not same and len(mine) >= SUBSCRIPTIONS_MAX:
        raise RefusedError(403, f"{SUBSCRIPTIONS_MAX} subscriptions", reason=RESOURCE_LIMIT)
    number = same[0].number if same else visit.state.number("subscriber")
    href = f"/edev/{device.number}/sub/{number}"
    made = Subscriber(
        number=number,
        device=device.number,
        owner=visit.caller.lfdi,
        resource=replace(
            wanted, href=href, subscribed_resource=path, limit=min(wanted.limit, PAGE_MAX)
        ),
        digest=digest_of(content),
    )
    visit.state.subscribers.put(number, made)
    return Written(location=href, created=not same)


def unsubscribe(visit: Visit) -> None:
    """End a subscription as its client asks; nothing more is sent."""
    found = subscriber(visit)
    visit.state.subscribers.drop(found.number)


def check_address(uri: str) -> None:
    """Hold a notification's address to http or https with a host and nothing hidden in it.

    Raises
    ------
    RefusedError
        With 400.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise RefusedError(400, f"notificationURI: {error}") from error
    secret = parts.username is not None or parts.password is not None
    if parts.scheme not in {"http", "https"} or not parts.hostname or secret or port == 0:
        raise RefusedError(400, "notificationURI is no absolute http or https address")


def path_of(reference: str) -> str:
    """Path of a reference to one of our resources; a host in it is not looked at.

    Raises
    ------
    RefusedError
        With 400 if it is none.
    """
    try:
        path = urlsplit(reference).path
    except ValueError as error:
        raise RefusedError(400, f"subscribedResource: {error}") from error
    if not path.startswith("/"):
        raise RefusedError(400, "subscribedResource is no path")
    return path


def digest_of(content: Resource) -> str:
    """Digest that tells one content from another."""
    return hashlib.sha256(encode(content)).hexdigest()


class Newsroom:
    """Finds news and keeps track of who has heard it.

    Parameters
    ----------
    state : State
        Where subscriptions are.
    render : callable
        What a client reads.
    csip_aus : bool
        Whether the extension is spoken.
    """

    def __init__(self, state: State, render: Render, *, csip_aus: bool) -> None:
        self._state = state
        self._render = render
        self._csip_aus = csip_aus
        self._pause_s: dict[int, float] = {}
        self._not_before: dict[int, float] = {}
        self._under_way: set[int] = set()

    def look(self) -> None:
        """Compare what each subscriber would read with what it was last told."""
        for found in self._state.subscribers.all():
            if found.end:
                continue
            try:
                content = self._content(found)
            except RefusedError as refused:
                end = CANCELLED if refused.status == 403 else DELETED  # noqa: PLR2004 - forbidden
                self._state.subscribers.put(found.number, replace(found, end=end, pending=True))
                continue
            digest = digest_of(content)
            if digest != found.digest:
                self._not_before.pop(found.number, None)
                self._state.subscribers.put(
                    found.number, replace(found, digest=digest, pending=True)
                )

    def due(self, now: float) -> tuple[Delivery, ...]:
        """Notifications to send now; each is reported with :meth:`sent`."""
        found: list[Delivery] = []
        for subscription in self._state.subscribers.all():
            number = subscription.number
            if not subscription.pending or number in self._under_way:
                continue
            if self._not_before.get(number, now) > now:
                continue
            self._under_way.add(number)
            found.append(self._delivery(subscription))
        return tuple(found)

    def sent(self, delivery: Delivery, *, taken: bool, now: float, drawn: float) -> str:
        """Note what became of a notification.

        Parameters
        ----------
        delivery : Delivery
            As :meth:`due` gave it.
        taken : bool
            Whether the subscriber answered with success.
        now : float
            s since 1970.
        drawn : float
            0..1, shortens the pause so that not all come back at once.

        Returns
        -------
        str
            "" or why the subscription has ended.
        """
        number = delivery.subscriber
        self._under_way.discard(number)
        found = self._state.subscribers.get(number)
        if found is None:
            return ""
        if taken:
            self._pause_s.pop(number, None)
            self._not_before.pop(number, None)
            if found.end:
                self._state.subscribers.drop(number)
                return "told"
            pending = found.digest != delivery.digest
            self._state.subscribers.put(number, replace(found, pending=pending, failing_since=None))
            return ""
        return self._failed(found, now=now, drawn=drawn)

    def _failed(self, found: Subscriber, *, now: float, drawn: float) -> str:
        since = int(now) if found.failing_since is None else found.failing_since
        if now - since > (GIVE_UP_END_S if found.end else GIVE_UP_S):
            self._state.subscribers.drop(found.number)
            return "given up"
        pause = min(2 * self._pause_s.get(found.number, RETRY_S[0] / 2), RETRY_S[1])
        self._pause_s[found.number] = pause
        self._not_before[found.number] = now + pause * (1.0 - 0.25 * drawn)
        if found.failing_since is None:
            self._state.subscribers.put(found.number, replace(found, failing_since=since))
        return ""

    def _delivery(self, found: Subscriber) -> Delivery:
        content: Resource | None = None
        if not found.end:
            try:
                content = self._content(found)
            except RefusedError:
                content = None
        wanted = found.resource
        is_list = content is not None and hasattr(content, "results")
        notification = Notification(
            resource=content if is_list or wanted.limit else None,
            status=found.end or CHANGED,
            subscribed_resource=wanted.subscribed_resource,
            subscription_uri=wanted.href or "",
        )
        return Delivery(
            subscriber=found.number,
            uri=wanted.notification_uri,
            body=encode(notification, csipaus=self._csip_aus),
            digest="" if content is None else digest_of(content),
        )

    def _content(self, found: Subscriber) -> Resource:
        wanted = found.resource
        return self._render(found.owner, wanted.subscribed_resource, wanted.limit)


def _same(one: Subscription, other: Subscription) -> bool:
    try:
        path = path_of(other.subscribed_resource)
    except RefusedError:
        return False
    return (one.subscribed_resource, one.notification_uri) == (path, other.notification_uri)
