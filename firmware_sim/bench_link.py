"""How fast the link's messages are encoded, decoded and judged. Pure but for its stopwatch.

Nothing is sent: this is the cost of the protocol alone, on one core, in this process.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from protocols.identity.signing import NO_END_MS, Signer, Statement, Verifier
from protocols.link.edge_session import EdgeSession
from protocols.link.edge_states import Holdings
from protocols.link.messages import (
    RESOURCE_COLUMNS,
    SITE_COLUMNS,
    Acknowledgement,
    Lane,
    Message,
    Snapshot,
    Stream,
    Telemetry,
)
from protocols.link.site_session import SiteSession
from protocols.link.topics import TopicKind
from protocols.link.wire import decode, encode
from protocols.vocabulary.identifiers import JournalId, SiteId

RESOURCES: Final = 10
BACKFILL_ROWS: Final = 200
REPEATS: Final = 5
ROUND_S: Final = 0.2
"""Length of one measured round; the best of :data:`REPEATS` counts."""
Step = Callable[[int], object]
"""What is done to the message of a number, from 0."""
_JOURNAL: Final = JournalId("b" * 32)
_START_S: Final = 1_784_682_000
_FIRST_BATCH: Final = 64
_S_IN_NS: Final = 1_000_000_000
_KEY_BYTES: Final = 32
SIGNING: Final = "sign an order"
VERIFYING: Final = "verify an order"
CYCLE_BUDGET_MS: Final = 100.0
"""What the coordinator's second may take from snapshot to hand-over."""
SITES: Final = 5_000
"""Gateways of 20 resources each: the fleet of 100,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCost:
    """Cost of one thing done to one message.

    Attributes
    ----------
    name : str
        What was done.
    message_ns : float
        Time per message, ns: mean of the best round.
    rows : int
        Telemetry rows of the message.
    message_bytes : int
        Its size on the wire.
    """

    name: str
    message_ns: float
    rows: int
    message_bytes: int

    @property
    def messages_per_s(self) -> float:
        """Messages one core does in a second."""
        return _S_IN_NS / self.message_ns

    @property
    def rows_per_s(self) -> float:
        """Rows one core does in a second."""
        return self.rows * self.messages_per_s


def telemetry_of(rows: int, resources: int = RESOURCES, first_sequence: int = 1) -> Telemetry:
    """Make a message of full rows.

    Parameters
    ----------
    rows, resources : int
        Shape of the block, both > 0.
    first_sequence : int
        Of the first row.
    """
    columns = len(SITE_COLUMNS) + len(RESOURCE_COLUMNS) * resources
    values = np.linspace(-5_000.0, 5_000.0, rows * columns, dtype=np.float32)
    return Telemetry(
        journal_id=_JOURNAL,
        first_sequence=first_sequence,
        layout_version=1,
        times_s=np.arange(_START_S, _START_S + rows, dtype=np.int64),
        signal_ids=np.full(rows, 77, dtype=np.int64),
        values=values.reshape(rows, columns),
    )


def measure_link(round_s: float = ROUND_S) -> Iterator[LinkCost]:
    """Measure everything, one result after the other.

    Parameters
    ----------
    round_s : float
        Length of a round, s.
    """
    for rows, kind, name in (
        (1, TopicKind.TELEMETRY, "live row"),
        (BACKFILL_ROWS, TopicKind.BACKFILL, f"{BACKFILL_ROWS}-row backfill"),
    ):
        message = telemetry_of(rows)
        data = encode(message)
        for verb, make in (
            ("encode", partial(encode_step, message)),
            ("decode", partial(decode_step, kind, data)),
        ):
            cost_ns = best_ns(make, round_s=round_s)
            yield LinkCost(
                name=f"{verb} {name}", message_ns=cost_ns, rows=rows, message_bytes=len(data)
            )
    live_bytes = len(encode(telemetry_of(1)))
    sessions: tuple[tuple[str, Callable[[], Step]], ...] = (
        ("EdgeSession: row journaled and acknowledged", edge_step),
        ("SiteSession: row judged and made durable", site_step),
    )
    for name, make_session in sessions:
        yield LinkCost(
            name=name,
            message_ns=best_ns(make_session, round_s=round_s),
            rows=1,
            message_bytes=live_bytes,
        )
    yield from measure_seals(round_s)


def measure_seals(round_s: float = ROUND_S) -> Iterator[LinkCost]:
    """Measure a signature and its check, each over a message of a live row's size.

    Yields
    ------
    LinkCost
        One message each; a dispatch signal or a site's order costs the same.
    """
    signer = Signer(bytes(_KEY_BYTES))
    verifier = Verifier([signer.public])
    statement = Statement(
        kind=TopicKind.COMMAND.value,
        scope="site-001",
        sequence=1,
        epoch=1,
        not_before_ms=0,
        valid_until_ms=NO_END_MS,
    )
    data = encode(telemetry_of(1))
    sealed = signer.seal(statement, data)

    def sign(_: int) -> object:
        return signer.seal(statement, data)

    def check(_: int) -> object:
        return verifier.open(statement.kind, statement.scope, sealed)

    for name, step in ((SIGNING, sign), (VERIFYING, check)):
        cost_ns = best_ns(partial(_same, step), round_s=round_s)
        yield LinkCost(name=name, message_ns=cost_ns, rows=1, message_bytes=len(sealed))


def seal_shares(costs: Sequence[LinkCost]) -> dict[str, float]:
    """Say what signatures are of the coordinator's cycle and of a gateway's.

    Parameters
    ----------
    costs : sequence of LinkCost
        With those of :func:`measure_seals`.

    Returns
    -------
    dict
        µs per signature and check, and shares of :data:`CYCLE_BUDGET_MS`, in %: of one
        broadcast, of a message to each of :data:`SITES` sites, and of one check at a gateway.
    """
    spent = {cost.name: cost.message_ns for cost in costs}
    budget_ns = CYCLE_BUDGET_MS * 1e6
    return {
        "sign_us": spent[SIGNING] / 1e3,
        "verify_us": spent[VERIFYING] / 1e3,
        "broadcast_percent": 100.0 * spent[SIGNING] / budget_ns,
        "each_site_percent": 100.0 * SITES * spent[SIGNING] / budget_ns,
        "gateway_percent": 100.0 * spent[VERIFYING] / budget_ns,
    }


def _same(step: Step) -> Step:
    return step


def encode_step(message: Message) -> Step:
    """Return what encodes the message again and again."""

    def step(_: int) -> object:
        return encode(message)

    return step


def decode_step(kind: TopicKind, data: bytes) -> Step:
    """Return what decodes the bytes again and again."""

    def step(_: int) -> object:
        return decode(kind, data)

    return step


def edge_step() -> Step:
    """Make a live gateway session and return what it does in second ``index``.

    Per call one row is journaled and ordered to be sent, and one acknowledgement is taken.
    """
    holdings = Holdings(last={}, durable={}, trimmed={})
    session = EdgeSession(_JOURNAL, holdings)
    session.connected(0)
    nothing = _acknowledgement(0)
    session.receive(
        Snapshot(epoch=1, acknowledgement=nothing, commitments=(), signal=None), now_ns=0
    )

    def step(index: int) -> object:
        sequence, now_ns = index + 1, (index + 1) * _S_IN_NS
        orders = session.journaled(Stream.TELEMETRY, sequence, now_ns)
        session.receive(_acknowledgement(sequence), now_ns)
        return orders

    return step


def site_step() -> Step:
    """Make a coordinator's session of a site and return what it does in second ``index``.

    Per call one row is judged, made durable, and what acknowledgements are due is made.
    """
    session = SiteSession(SiteId("site-001"), 1)
    row = telemetry_of(1)

    def step(index: int) -> object:
        sequence, now_ns = index + 1, (index + 1) * _S_IN_NS
        message = Telemetry(
            journal_id=_JOURNAL,
            first_sequence=sequence,
            layout_version=1,
            times_s=row.times_s,
            signal_ids=row.signal_ids,
            values=row.values,
        )
        accepted = session.telemetry(message, Lane.LIVE, now_ns)
        session.made_durable(_JOURNAL, Stream.TELEMETRY, sequence)
        session.acknowledgements(now_ns)
        return accepted

    return step


def best_ns(make: Callable[[], Step], *, round_s: float) -> float:
    """Mean time of a step in the best of several rounds, ns.

    Parameters
    ----------
    make : callable
        Makes a fresh step for a round; a step is given its number, from 0.
    round_s : float
        Least length of a round, s.
    """
    return min(_round_ns(make(), round_s) for _ in range(REPEATS))


def _round_ns(step: Step, round_s: float) -> float:
    """Take steps in batches until the time is over."""
    done, batch = 0, _FIRST_BATCH
    begin_ns = time.perf_counter_ns()
    while True:
        for index in range(done, done + batch):
            step(index)
        done += batch
        spent_ns = time.perf_counter_ns() - begin_ns
        if spent_ns >= round_s * _S_IN_NS:
            return spent_ns / done
        batch = min(2 * batch, 1 << 14)


def _acknowledgement(sequence: int) -> Acknowledgement:
    counts = {Stream.TELEMETRY: sequence, Stream.EVENT: 0, Stream.OFFER: 0}
    return Acknowledgement(
        epoch=1, journal_id=_JOURNAL, received=counts, durable=counts, backfill_per_s=0
    )
