"""Two ends of the link over a wire that loses every third message and is cut for a while.

The sessions are pure: they are told what happened and the time, and say what to send. They see
no payloads, so a wire is two lists. Live rows go at once; what the acknowledgements do not
cover goes again, ascending, at the granted rate, until nothing is missing.

Prints::

    60 rows journaled, 1..60 received in order
    25 rows came live, the others by backfill
"""

from collections.abc import Iterator

import numpy as np

from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import Holdings
from protocols.link.messages import (
    Acknowledgement,
    Hello,
    Lane,
    Layout,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.orders import Order, SendHello, SendTelemetry
from protocols.link.site_session import SiteSession
from protocols.vocabulary.identifiers import JournalId, SignalId, SiteId, ZoneId

SITE, JOURNAL = SiteId("site-001"), JournalId("journal-1")
NS = 1_000_000_000
ROWS, CUT_S, PATIENCE_S = 60, range(20, 40), 300
NOTHING = dict.fromkeys(Stream, 0)


def lossy() -> Iterator[bool]:
    """Say of each message whether it arrives: two do, the third is lost."""
    while True:
        yield from (True, True, False)


class Wire:
    """Both sessions and what lies between them."""

    def __init__(self) -> None:
        self.edge = EdgeSession(JOURNAL, Holdings(last=NOTHING, durable=NOTHING, trimmed=NOTHING))
        self.site = SiteSession(SITE, epoch=1)
        self.arrives = lossy()
        self.journaled = 0
        self.history: list[int] = []
        self.live = 0

    def up(self, orders: list[Order], now_ns: int, *, cut: bool) -> None:
        """Carry out what the gateway's session ordered, unless the wire swallows it."""
        for order in orders:
            if cut or not next(self.arrives):
                continue
            if isinstance(order, SendHello):
                self.site.hello(self.hello(), now_ns)
                answer = self.site.snapshot(JOURNAL, None, now_ns)
                self.down(answer, now_ns)
            elif isinstance(order, SendTelemetry):
                self.take(self.rows(order), order.lane, now_ns)

    def down(self, message: Snapshot | Acknowledgement, now_ns: int) -> None:
        """Bring the coordinator's answer to the gateway, unless it is lost too."""
        if next(self.arrives):
            self.up(self.edge.receive(message, now_ns), now_ns, cut=False)

    def take(self, message: Telemetry, lane: Lane, now_ns: int) -> None:
        """Store what continues the history; what was stored is durable here."""
        accept = self.site.telemetry(message, lane, now_ns)
        if accept.history is not None:
            new = message.times_s[accept.history].tolist()
            self.history += new
            self.live += len(new) if lane is Lane.LIVE else 0
            self.site.made_durable(JOURNAL, Stream.TELEMETRY, self.history[-1])

    def hello(self) -> Hello:
        """Say what the gateway's journal holds."""
        return Hello(
            site_id=SITE,
            zone=ZoneId("tokyo"),
            journal_id=JOURNAL,
            agent_version="0",
            held={**NOTHING, Stream.TELEMETRY: self.journaled},
            durable_known=NOTHING,
            oldest=dict.fromkeys(Stream, 1),
            epochs={},
            obligations={},
            offer_version=0,
            layout=Layout(version=1, resources=()),
            signal_id=SignalId(0),
        )

    def rows(self, order: SendTelemetry) -> Telemetry:
        """Take rows out of the journal; here the time of a row is its number."""
        times_s = np.arange(order.first, order.last + 1)
        return Telemetry(
            journal_id=JOURNAL,
            first_sequence=order.first,
            layout_version=1,
            times_s=times_s,
            signal_ids=np.zeros(len(times_s), np.int64),
            values=np.zeros((len(times_s), 6), np.float32),
        )


def main() -> None:
    """Let a minute pass, with a cut, and then wait until the record is whole."""
    wire = Wire()
    wire.site.backfill_per_s = 50  # the site's part of the coordinator's budget
    wire.up(wire.edge.connected(0), 0, cut=False)
    for second in range(PATIENCE_S):
        now_ns, cut = second * NS, second in CUT_S
        if wire.journaled < ROWS:
            wire.journaled += 1
            wire.up(wire.edge.journaled(Stream.TELEMETRY, wire.journaled, now_ns), now_ns, cut=cut)
        wire.up(wire.edge.on_deadline(now_ns), now_ns, cut=cut)
        for acknowledgement in wire.site.acknowledgements(now_ns):
            if not cut:
                wire.down(acknowledgement, now_ns)
        if len(wire.history) == ROWS:
            break
    assert wire.history == list(range(1, ROWS + 1)), "no row is lost and none comes twice"
    print(f"{ROWS} rows journaled, {wire.history[0]}..{wire.history[-1]} received in order")
    print(f"{wire.live} rows came live, the others by backfill")


if __name__ == "__main__":
    main()
