"""A running coordinator whose broker lets anybody say anything."""

import asyncio
import random
import time
from typing import Any

import msgpack
import pytest

from protocols.link.messages import LinkState
from protocols.link.topics import TopicKind, Topics
from protocols.link.wire import encode
from protocols.vocabulary.identifiers import SiteId

SITE = SiteId("site-777")
UP = (
    TopicKind.HELLO,
    TopicKind.TELEMETRY,
    TopicKind.BACKFILL,
    TopicKind.EVENT,
    TopicKind.OFFER,
    TopicKind.STATE,
)
ROUNDS = 100
EVENTS_MAX = 10
"""One event per kind of refusal and minute, whatever is sent."""


@pytest.fixture(scope="module")
def shot_at(coordinator: Any, broker: Any, until_true: Any) -> Any:
    """Send some hundred messages of garbage."""
    dice = random.Random(3)
    newer = msgpack.packb([2, *msgpack.unpackb(encode(LinkState(online=True)))[1:]])
    said = []
    for _ in range(ROUNDS):
        for kind in UP:
            topic = Topics(SITE).topic(kind)
            said += [(topic, dice.randbytes(dice.randrange(0, 300))), (topic, newer)]
            said.append((topic, msgpack.packb([1, -5, "x", [None] * 9])))
        said.append(("v1/63/site-777/up/tel", b"wrong partition or garbage"))
        said.append(("v1/1/NOT_A_NAME/up/tel", b"?"))
    said.append((Topics(SITE).topic(TopicKind.TELEMETRY), bytes(300_000)))
    asyncio.run(broker.say(said))
    until_true(lambda: len(_refused(coordinator)) >= 3, 8.0, "the refusals are events")
    return coordinator


def test_the_coordinator_stays_healthy(shot_at: Any) -> None:
    """One broken gateway would take the fleet down."""
    assert shot_at.program.running
    looks = [shot_at.healthy() for _ in range(10) if not time.sleep(0.1)]
    assert all(looks)
    said = [event["event"] for event in shot_at.program.events()]
    assert set(said) <= {"access.opened", "operators.called"}, said
    assert said.count("operators.called") <= EVENTS_MAX, "operators would not hear the next alarm"


def test_the_operator_is_told_who_sent_it_and_not_flooded(shot_at: Any) -> None:
    """Nobody would go to the gateway that is broken, or its thousands of lines hide the rest."""
    refused = _refused(shot_at)
    kinds = {event["kind"] for event in refused}
    assert {"link.message_refused", "link.version_refused", "link.topic_refused"} <= kinds
    named = {event["kind"] for event in refused if event["site_id"] == SITE}
    assert {"link.message_refused", "link.version_refused"} <= named
    assert len(refused) <= EVENTS_MAX
    assert all(event["payload"]["reason"] for event in refused)


def test_garbage_registers_no_site(shot_at: Any) -> None:
    """A stranger's message would become a site that is asked for power."""
    assert SITE not in str(shot_at.get("/api/v1/sites"))


def _refused(coordinator: Any) -> list[dict[str, Any]]:
    events = coordinator.get("/api/v1/events")["items"]
    return [event for event in events if "refused" in event["kind"]]
