"""Telemetry in the evidence: stored rows under digests that their gateways signed.

A row that was changed, left out or added does not give the digest; a digest that was left out
breaks the chain that runs from one to the next.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cloud_coordinator.gateway.evidence_log import row_digest_of
from cloud_coordinator.store.telemetry_rows import digested_rows
from protocols.link.messages import ObligationMessage
from protocols.link.row_digest import RowDigest, RowSeen, digest_after, origin_of
from protocols.link.topics import TopicKind, parse_topic
from protocols.link.wire import decode
from protocols.vocabulary.errors import ConfigError
from protocols.vocabulary.identifiers import SiteId

ROWS_MAX: Final = 2_000_000
Spans = Mapping[str, tuple[int, int]]
"""First and last second, the end outside, that a site owed something."""


def spans_of(messages: Iterable[tuple[str, bytes]]) -> dict[str, tuple[int, int]]:
    """Seconds of the obligations among some messages, topic and wire, by site."""
    spans: dict[str, tuple[int, int]] = {}
    for topic, wire in messages:
        address = parse_topic(topic)
        if address.kind is not TopicKind.OBLIGATION or address.site_id is None:
            continue
        message = decode(address.kind, wire)
        if isinstance(message, ObligationMessage):
            owed = message.commitment.obligation.interval
            start_s, end_s = int(owed.start.timestamp()), int(owed.end.timestamp())
            known = spans.get(address.site_id, (start_s, end_s))
            spans[address.site_id] = min(known[0], start_s), max(known[1], end_s)
    return spans


def telemetry_of(
    digests: Iterable[tuple[str, str]], spans: Spans, *, history: Path
) -> list[dict[str, object]]:
    """Make the telemetry part of a file: each digest as on the wire, and its rows.

    Parameters
    ----------
    digests : iterable of tuple
        Topic and bytes in hexadecimal, oldest first.
    spans : mapping
        What is wanted.
    history : Path
        Directory of the stored rows.

    Raises
    ------
    ConfigError
        If it would be more rows than one file should hold.
    StoreError
        If the history cannot be read.
    """
    found: dict[tuple[str, str, int], dict[str, object]] = {}
    count = 0
    for topic, data in digests:
        site, digest = _site(topic), row_digest_of(topic, bytes.fromhex(data))
        if digest is None or not _overlaps(digest, spans.get(site)):
            continue
        key = (site, digest.journal_id, digest.first)
        if key in found:
            continue
        rows = digested_rows(history, SiteId(site), digest)
        count += len(rows)
        if count > ROWS_MAX:
            raise ConfigError(f"more than {ROWS_MAX} seconds; take one site: --site")
        plain = [_plain(row) for row in rows]
        found[key] = {"topic": topic, "data": data, "rows": plain}
    return list(found.values())


def telemetry_fault(
    blocks: Sequence[Mapping[str, Any]], spans: Spans, *, seal: Callable[[bytes, str], str]
) -> str:
    """Name the first thing wrong with the telemetry; empty if nothing is.

    Parameters
    ----------
    blocks : sequence of mapping
        The telemetry part.
    spans : mapping
        Seconds that were owed.
    seal : callable
        What is wrong with a site's seal on some bytes.
    """
    chains: dict[tuple[str, str], bytes] = {}
    for number, block in enumerate(blocks, 1):
        site, wire = _site(block["topic"]), bytes.fromhex(block["data"])
        digest = row_digest_of(block["topic"], wire)
        if digest is None or not _overlaps(digest, spans.get(site)):
            return f"telemetry {number}: is no digest of seconds that {site} owed"
        where = f"telemetry {number}: {site}, seconds {digest.first_s} to {digest.last_s}"
        origin = origin_of(SiteId(site), digest.journal_id)
        key = (site, digest.journal_id)
        found = seal(wire, site) or _rows_fault(digest, [_row(one) for one in block["rows"]])
        if not found and digest.before not in {chains.get(key, digest.before), origin}:
            found = "a digest before it was left out: the chain is broken"
        if found:
            return f"{where}: {found}"
        chains[key] = digest.digest
    return ""


def covered_s(blocks: Sequence[Mapping[str, Any]], spans: Spans) -> tuple[int, int]:
    """Seconds owed that are under a digest, and seconds owed."""
    owed = {(site, second) for site, (start, end) in spans.items() for second in range(start, end)}
    shown = {(_site(block["topic"]), int(row[1])) for block in blocks for row in block["rows"]}
    return len(owed & shown), len(owed)


def _rows_fault(digest: RowDigest, rows: Sequence[RowSeen]) -> str:
    """Name what is wrong with the rows under a digest."""
    wanted = digest.last - digest.first + 1
    if [row.sequence for row in rows] != list(range(digest.first, digest.last + 1)):
        return f"{len(rows)} of {wanted} rows are there, or in another order"
    chain = digest.before
    for row in rows:
        chain = digest_after(chain, row)
    if chain != digest.digest:
        return "a second was changed: the rows do not give the digest that the gateway signed"
    if (rows[0].time_s, rows[-1].time_s) != (digest.first_s, digest.last_s):
        return "its seconds are not those of its rows"
    return ""


def _overlaps(digest: RowDigest, span: tuple[int, int] | None) -> bool:
    return span is not None and digest.last_s >= span[0] and digest.first_s < span[1]


def _site(topic: str) -> str:
    return str(parse_topic(topic).site_id)


def _plain(row: RowSeen) -> list[object]:
    values = row.values.astype("<f4").tobytes().hex()
    return [row.sequence, row.time_s, row.signal_id, row.layout_version, values]


def _row(plain: Sequence[Any]) -> RowSeen:
    sequence, time_s, signal_id, layout_version, values = plain
    return RowSeen(
        sequence=sequence,
        time_s=time_s,
        signal_id=signal_id,
        layout_version=layout_version,
        values=np.frombuffer(bytes.fromhex(values), dtype="<f4"),
    )
