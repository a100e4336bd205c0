"""A running agent that strangers shoot at, from the home network and from the broker."""

import asyncio
import contextlib
import json
import math
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgpack
import pytest

from edge_agent.journal.reader import JournalReader
from edge_agent.journal.records import JournalStream
from edge_agent.journal.rows import telemetry_row_decode
from firmware_sim.truth import read_truth
from protocols.echonet_lite.frame import CONTROLLER, Eoj, Esv, Frame, Property, encode_frame
from protocols.link.messages import ObligationMessage, SignalMessage
from protocols.link.topics import TopicKind, Topics, signal_topic
from protocols.link.wire import decode, encode
from protocols.vocabulary.identifiers import SignalId, SiteId, ZoneId
from protocols.vocabulary.intervals import Interval
from protocols.vocabulary.obligation import Service
from protocols.vocabulary.offer import DispatchSignal

pytestmark = pytest.mark.slow

FIRE_S = 8.0
DATAGRAMS = 6000
LINES_MAX = 50
METER_TOLERANCE_W = 30.0
METER = Eoj.parse("028801")
BATTERY = Eoj.parse("027D01")
LIE_W = 7_000_000
VECTORS = Path(__file__).parents[2] / "vectors" / "link" / "v1"
DOWN = (TopicKind.SNAPSHOT, TopicKind.ACKNOWLEDGEMENT, TopicKind.OBLIGATION, TopicKind.COMMAND)
EPOCH, OLD_EPOCH = 7, 3


@pytest.fixture(scope="module")
def site(make: Callable[..., Any], broker: Any, until_true: Callable[..., Any]) -> Any:
    """Keep a site under fire for FIRE_S."""
    site = make(broker.mqtt)
    site.start_simulator()
    agent = site.start_agent()
    until_true(lambda: len(agent.events("cycle.done")) >= 2, 10.0, "two cycles")
    messages = list(_messages(site.site_id))
    shooting = threading.Thread(target=_shoot, args=(site,))
    shooting.start()
    begun = time.monotonic()
    asyncio.run(broker.say(messages))
    shooting.join()
    time.sleep(max(0.0, FIRE_S - (time.monotonic() - begun)))
    assert agent.running, agent.log.read_text()[-2000:]
    return site


def test_the_agent_keeps_cycling(site: Any) -> None:
    """A stranger's packets would stop the control of the house."""
    report = site.technician("doctor")
    journal = report["journals"][0]
    assert report["ok"], report["checks"]
    assert journal["chain_ok"]
    assert journal["tel_count"] >= FIRE_S
    skipped = [event for event in _journaled(site, "cycle.skipped") if _seconds(event) > 1]
    assert not skipped, skipped


def test_the_journal_holds_what_the_meter_really_showed(site: Any) -> None:
    """A liar's answer would be taken for the meter and sold as delivered."""
    truths = {truth.time_s: truth.meter_w for truth in _truths(site)}
    compared = 0
    for row in _rows(site):
        near = [truths[s] for s in range(row.time_s - 2, row.time_s + 2) if s in truths]
        measured = float(row.values[0])
        if len(near) == 4 and math.isfinite(measured):
            low, high = min(near) - METER_TOLERANCE_W, max(near) + METER_TOLERANCE_W
            assert low <= measured <= high, (row.time_s, measured, near)
            compared += 1
    assert compared >= FIRE_S


def test_the_log_is_not_flooded(site: Any) -> None:
    """The disk would fill, and the one line that matters would not be found."""
    counts = Counter(event["event"] for event in site.agent.events())
    counts.pop("cycle.done")
    assert counts["link.refused"] >= 1, "it is told"
    assert not {name: count for name, count in counts.items() if count >= LINES_MAX}
    assert counts[""] == 0, "every line is an event"


def test_what_is_not_for_this_site_is_not_done(site: Any) -> None:
    """A house would deliver what another one sold, or follow a coordinator that was replaced."""
    refused = _journaled(site, "obligation.refused")
    assert refused
    assert {event["reason"] for event in refused} == {"wrong-target"}
    assert not _journaled(site, "obligation.accepted")
    held = {row.signal_id for row in _rows(site)}
    assert 900 in held, "the signal of the new epoch was followed"
    assert 901 not in held, "the signal of the old epoch was not"


def _shoot(site: Any) -> None:
    """Send garbage and lies to the gateway for FIRE_S, from addresses that are no device's."""
    dice = random.Random(1)
    with contextlib.ExitStack() as closing:
        strangers = [
            closing.enter_context(contextlib.closing(_bound(f"{site.net}.{last}", port)))
            for last, port in ((66, 3610), (67, 40_000))
        ]
        begun = time.monotonic()
        for number in range(DATAGRAMS):
            with contextlib.suppress(OSError):
                strangers[number % 2].sendto(_datagram(dice, number), (site.gateway, 3610))
            wait_s = begun + FIRE_S * number / DATAGRAMS - time.monotonic()
            if wait_s > 0.0:
                time.sleep(wait_s)


def _bound(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((address, port))
    return bound


def _datagram(dice: random.Random, number: int) -> bytes:
    lie = Property(0xE7, LIE_W.to_bytes(4, "big"))
    answer = _frame(dice.randrange(1, 65_536), METER, Esv.GET_RES, one=lie)
    notice = _frame(number, METER, Esv.INF, one=lie)
    kinds = (
        lambda: dice.randbytes(dice.randrange(0, 64)),
        lambda: answer[: dice.randrange(len(answer))],
        lambda: b"\x10\x81" + dice.randbytes(60_000),
        lambda: b"\x10\x81" + dice.randbytes(30),
        lambda: answer,
        lambda: notice,
        lambda: _frame(number, BATTERY, Esv.SET_RES, one=Property(0xDA, b"")),
        lambda: _frame(number, METER, Esv.GET, one=Property(0xD6, b"")),
    )
    return kinds[number % len(kinds)]()


def _frame(tid: int, source: Eoj, esv: Esv, *, one: Property) -> bytes:
    frame = Frame(tid=tid & 0xFFFF, seoj=source, deoj=CONTROLLER, esv=esv, properties=(one,))
    return encode_frame(frame)


def _messages(site_id: str) -> Iterator[tuple[str, bytes]]:
    """Whatever a stranger at the broker could say to one site."""
    dice = random.Random(2)
    topics, zone = Topics(SiteId(site_id)), signal_topic(ZoneId("tokyo"))
    yield zone, encode(_signal(EPOCH, 900))
    for _ in range(60):
        for kind in (*DOWN, TopicKind.SIGNAL):
            topic = zone if kind is TopicKind.SIGNAL else topics.topic(kind)
            whole = _golden(kind)
            yield topic, dice.randbytes(dice.randrange(0, 200))
            yield topic, whole[: dice.randrange(len(whole))]
            yield topic, msgpack.packb([2, *msgpack.unpackb(whole)[1:]])
        yield topics.topic(TopicKind.COMMAND).replace("/cmd", "/" + "x" * 20), b"?"
        yield topics.topic(TopicKind.OBLIGATION), encode(_for_another_site())
        yield zone, encode(_signal(OLD_EPOCH, 901))
    yield topics.topic(TopicKind.OBLIGATION), bytes(200_000)


def _golden(kind: TopicKind) -> bytes:
    """Bytes of a good message of a kind."""
    name = {
        TopicKind.SNAPSHOT: "snapshot",
        TopicKind.ACKNOWLEDGEMENT: "acknowledgement",
        TopicKind.OBLIGATION: "obligation",
        TopicKind.COMMAND: "command",
        TopicKind.SIGNAL: "signal",
    }[kind]
    return bytes.fromhex("".join(json.loads((VECTORS / f"{name}.json").read_text())["hex"]))


def _for_another_site() -> ObligationMessage:
    message = decode(TopicKind.OBLIGATION, _golden(TopicKind.OBLIGATION))
    assert isinstance(message, ObligationMessage)
    obligation = replace(message.commitment.obligation, target="site-999")
    commitment = replace(message.commitment, obligation=obligation)
    return replace(message, epoch=EPOCH, validity=_now_on(), commitment=commitment)


def _signal(epoch: int, signal_id: int) -> SignalMessage:
    signal = DispatchSignal(
        zone=ZoneId("tokyo"),
        signal_id=SignalId(signal_id),
        epoch=epoch,
        interval=_now_on(),
        multipliers={Service.TERTIARY_2: 1.0},
    )
    return SignalMessage(signal=signal)


def _now_on() -> Interval:
    now = datetime.now(UTC)
    return Interval(start=now, end=now + timedelta(minutes=5))


def _rows(site: Any) -> list[Any]:
    return [
        telemetry_row_decode(entry.payload) for entry in _entries(site, JournalStream.TELEMETRY)
    ]


def _journaled(site: Any, kind: str) -> list[dict[str, Any]]:
    entries = _entries(site, JournalStream.EVENT)
    return [msgpack.unpackb(entry.payload) for entry in entries if entry.kind == kind]


def _entries(site: Any, stream: JournalStream) -> list[Any]:
    with contextlib.closing(JournalReader(site.journal)) as reader:
        return list(reader.read(stream, *reader.bounds(stream)))


def _seconds(event: dict[str, Any]) -> float:
    return float(event["seconds"])


def _truths(site: Any) -> list[Any]:
    return read_truth(site.folder / "truth.jsonl")
