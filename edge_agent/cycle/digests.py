"""Digests of the seconds in which an obligation is delivered, told as events. Pure.

The events bear the gateway's seal, so the seconds that the coordinator stores can be shown to be
those that the gateway wrote. Called by the cycle after each commit.
"""

from collections.abc import Mapping, Sequence

from edge_agent.cycle.record import Happened
from edge_agent.journal.records import Draft, JournalStream
from edge_agent.journal.rows import telemetry_row_decode
from protocols.link.messages import Plain
from protocols.link.row_digest import DIGEST_KIND, ROWS_MAX, RowSeen, digest_after, origin_of
from protocols.vocabulary.identifiers import JournalId, SiteId
from protocols.vocabulary.offer import NO_CURVE


class RowDigests:
    """The chain of one site's rows; a new life of the agent begins a new chain.

    Parameters
    ----------
    site_id, journal_id : SiteId, JournalId
        Whose rows.
    """

    def __init__(self, site_id: SiteId, journal_id: JournalId) -> None:
        self._digest = self._before = origin_of(site_id, journal_id)
        self._first: RowSeen | None = None
        self._rows = 0

    def committed(
        self, drafts: Sequence[Draft], last: Mapping[JournalStream, int]
    ) -> tuple[Happened, ...]:
        """Take the row of a commit; return the digest that is complete with it, if one is.

        A run of rows begins with the first one of a committed curve and ends with the first one
        without, which is covered too, or with ``ROWS_MAX``.
        """
        told: list[Happened] = []
        for draft in drafts:
            if draft.stream is JournalStream.TELEMETRY:
                row = telemetry_row_decode(draft.payload)
                seen = RowSeen(
                    sequence=last[JournalStream.TELEMETRY],
                    time_s=row.time_s,
                    signal_id=row.signal_id,
                    layout_version=row.layout_version,
                    values=row.values,
                )
                told += self._taken(seen, is_owed=row.curve_version != NO_CURVE)
        return tuple(told)

    def _taken(self, row: RowSeen, *, is_owed: bool) -> list[Happened]:
        if self._first is None:
            if not is_owed:
                return []
            self._first, self._before, self._rows = row, self._digest, 0
        self._digest = digest_after(self._digest, row)
        self._rows += 1
        if is_owed and self._rows < ROWS_MAX:
            return []
        first, self._first = self._first, None
        payload: dict[str, Plain] = {
            "first": first.sequence,
            "last": row.sequence,
            "first_s": first.time_s,
            "last_s": row.time_s,
            "before": self._before.hex(),
            "digest": self._digest.hex(),
        }
        return [Happened(kind=DIGEST_KIND, payload=payload)]
