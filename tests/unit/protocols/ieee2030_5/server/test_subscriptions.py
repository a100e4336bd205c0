"""Subscriptions: who hears of what, how often, and after which troubles."""

import pytest

from protocols.ieee2030_5.resources.der import DERControlList
from protocols.ieee2030_5.resources.messages import Condition, Notification, Subscription
from protocols.ieee2030_5.server.subscriptions import GIVE_UP_S, Delivery
from protocols.ieee2030_5.xml import decode
from tests.unit.protocols.ieee2030_5.server.town import NOW, Town

URI = "http://anne.example:8000/hook"


def _wish(path: str = "/derp/1/derc", **changed: object) -> Subscription:
    given: dict[str, object] = {
        "subscribed_resource": path,
        "encoding": 0,
        "level": "+S1",
        "limit": 10,
        "notification_uri": URI,
    }
    return Subscription(**(given | changed))  # type: ignore[arg-type]


def _town() -> Town:
    town = Town()
    town.register()
    assert town.status("POST", "/edev/1/sub", body=_wish()) == 201
    assert town.server.look(NOW) == ()
    return town


def _read(delivery: Delivery) -> Notification:
    return decode(delivery.body, Notification)


def test_a_change_is_told_once_with_what_has_changed() -> None:
    """If it fails, subscribers act late, or are flooded."""
    town = _town()
    control = town.issue(town.program(), 10, 60)
    town.keep()
    (delivery,) = town.server.look(NOW + 1)
    told = _read(delivery)
    assert delivery.uri == URI
    assert (told.status, told.subscribed_resource) == (0, "/derp/1/derc")
    assert told.subscription_uri == "/edev/1/sub/1"
    assert isinstance(told.resource, DERControlList)
    assert [c.mrid for c in told.resource.der_control] == [control.resource.mrid]
    assert town.server.look(NOW + 2) == (), "it is under way"
    assert town.server.sent(delivery, taken=True, now=NOW + 2, drawn=0.0) == ""
    assert town.server.look(NOW + 3) == ()


def test_time_alone_is_news_too() -> None:
    """If it fails, a subscriber that does not poll never sees an event begin."""
    town = _town()
    town.issue(town.program(), 10, 60)
    town.keep()
    (first,) = town.server.look(NOW + 1)
    town.server.sent(first, taken=True, now=NOW + 1, drawn=0.0)
    assert town.server.look(NOW + 9) == ()
    (second,) = town.server.look(NOW + 10)
    shown = _read(second).resource
    assert isinstance(shown, DERControlList)
    assert [c.event_status.current_status for c in shown.der_control] == [1]


def test_after_an_outage_and_a_restart_the_latest_is_told() -> None:
    """If it fails, a subscriber whose line was down stays in the past."""
    town = _town()
    town.issue(town.program(), 1000, 60)
    town.keep()
    (lost,) = town.server.look(NOW + 1)
    town.server.sent(lost, taken=False, now=NOW + 1, drawn=0.0)
    assert town.server.look(NOW + 2) == (), "not at once again"
    town.issue(town.program(), 2000, 60)
    town.restart()
    (again,) = town.server.look(NOW + 5)
    shown = _read(again).resource
    assert isinstance(shown, DERControlList)
    assert shown.all == 2
    town.server.sent(again, taken=True, now=NOW + 6, drawn=0.0)
    town.restart()
    assert town.server.look(NOW + 7) == ()


def test_pauses_grow_to_a_minute_and_then_it_is_given_up() -> None:
    """If it fails, a dead subscriber is called for ever, or a live one is dropped."""
    town = _town()
    town.issue(town.program(), 200_000, 60)
    town.keep()
    now, pauses, failed_at = NOW, [], NOW
    while len(pauses) < 8:
        for delivery in town.server.look(now):
            pauses.append(now - failed_at)
            failed_at = now
            assert town.server.sent(delivery, taken=False, now=now, drawn=0.0) == ""
        now += 1
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60]
    town.restart()
    late = NOW + GIVE_UP_S + 10
    (last,) = town.server.look(late)
    assert town.server.sent(last, taken=False, now=late, drawn=0.0) == "given up"
    assert town.status("GET", "/edev/1/sub/1") == 404


def test_the_same_wish_again_is_the_same_subscription() -> None:
    """If it fails, a client that renews is told everything twice."""
    town = _town()
    again = town.ask("POST", "/edev/1/sub", body=_wish(limit=5))
    assert (again.reply.status, dict(again.reply.headers)["Location"]) == (204, "/edev/1/sub/1")
    assert town.get("/edev/1/sub/1", Subscription).limit == 5
    assert town.status("DELETE", "/edev/1/sub/1") == 204
    assert town.status("GET", "/edev/1/sub/1") == 404
    town.issue(town.program(), 10, 60)
    town.keep()
    assert town.server.look(NOW + 1) == ()


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        (_wish("/derp/9/derc"), 404),
        (_wish("/tm"), 400),
        (_wish("/edev/1"), 400),
        (_wish("nopath"), 400),
        (_wish(encoding=1), 400),
        (_wish(level="-S1"), 400),
        (_wish(notification_uri="/hook"), 400),
        (_wish(notification_uri="file:///etc/passwd"), 400),
        (_wish(notification_uri="http://user:word@anne.example/"), 400),
        (_wish(notification_uri="http://[::1/"), 400),
        (_wish(notification_uri="http://anne.example:99999/"), 400),
        (
            _wish(
                condition=Condition(attribute_identifier=0, lower_threshold=0, upper_threshold=1)
            ),
            400,
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(wish: Subscription, status: int) -> None:
    """If it fails, a client waits for notifications that never come."""
    town = Town()
    town.register()
    assert town.status("POST", "/edev/1/sub", body=wish) == status


def test_the_end_of_a_resource_is_told() -> None:
    """If it fails, a subscriber waits for news of something that is gone."""
    town = _town()
    found = town.server.devices.find("A" + "0" * 39)
    assert found is not None
    assignment = town.server.state.assignments.get(found.assignments[0])
    assert assignment is not None
    town.server.programs.remove_assignment(assignment)
    town.keep()
    (delivery,) = town.server.look(NOW + 1)
    told = _read(delivery)
    assert (told.status, told.resource) == (4, None)
    assert town.server.sent(delivery, taken=True, now=NOW + 1, drawn=0.0) == "told"
    assert town.server.look(NOW + 2) == ()


def test_a_limit_of_none_tells_only_that_there_is_news() -> None:
    """If it fails, a client that wants no content is sent all of it."""
    town = Town()
    town.register()
    for path in ("/derp/1/derc", "/derp/1/dderc"):
        assert town.status("POST", "/edev/1/sub", body=_wish(path, limit=0)) == 201
    town.issue(town.program(), 10, 60)
    town.server.programs.set_default(town.program(), town.program().default.der_control_base)
    town.server.programs.set_default(
        town.program(), town.program().default.der_control_base, set_grad_w=5
    )
    town.keep()
    contents = [_read(delivery).resource for delivery in town.server.look(NOW + 1)]
    lists = [content for content in contents if isinstance(content, DERControlList)]
    assert contents.count(None) == 1
    assert [(found.all, found.results) for found in lists] == [(1, 0)] or not lists
