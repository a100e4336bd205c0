"""Straying: sites that use another curve than the one that is committed.

A site tells with each row which version of its curve its share comes from. One that tells a
wrong one would answer the broadcast multiplier with a power nobody counted on. From then on it
is counted by its meter, and its own share goes to it as a message: a new version of its
obligation whose curve is that one power. Once it follows that, the committed curve is sent
again, and once it tells that version it follows the broadcast like all others. A site that tells
no version is believed. Pure but for its own state; called by delivery every second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cloud_coordinator.allocation.curves import curve_table, shares
from cloud_coordinator.services.tracking import Mask, Rows
from protocols.vocabulary.arrays import FloatArray, column
from protocols.vocabulary.commitment import Commitment
from protocols.vocabulary.identifiers import SiteId
from protocols.vocabulary.offer import NO_CURVE, SHARE_VERSION

MOVED_PART: Final = 0.02
"""A share that moved by less of the curve's reach is not sent again."""
SHARE_EVERY_S: Final = 2.0
RESTORE_EVERY_S: Final = 10.0
"""So long a site is given to take its curve up again before it gets its share once more."""
VERSIONS_PER_EPOCH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Strayed:
    """A site began or ceased to stray.

    Attributes
    ----------
    site_id : SiteId
        Who.
    is_back : bool
        Whether it uses the committed curve again.
    version_told, version_committed : int
        Of its curve.
    count : int
        Sites of the award that stray now.
    """

    site_id: SiteId
    is_back: bool
    version_told: int
    version_committed: int
    count: int


class Straying:
    """Which sites of one award stray, and what is sent to them.

    Parameters
    ----------
    commitments : sequence of Commitment
        Row i of every array is commitment i.
    start_s : int
        Unix second at which the award begins; rows of before speak of what was before.
    epoch : int
        Of this program's run: versions rise over restarts.
    """

    def __init__(self, commitments: Sequence[Commitment], *, start_s: int, epoch: int) -> None:
        n = len(commitments)
        self._commitments = tuple(commitments)
        self._start_s = start_s
        self._table = curve_table([c.curve for c in commitments])
        self._reach_w = np.maximum(np.abs(self._table.power_w).max(axis=1, initial=0.0), 1.0)
        self._committed = np.array([c.curve.version for c in commitments], dtype=np.int64)
        self._told = np.zeros(n, dtype=np.int64)
        self._strayed = np.zeros(n, dtype=np.bool_)
        self._sent_w = np.full(n, np.nan)
        self._sent_s = np.full(n, -np.inf)
        self._restored_s = np.full(n, -np.inf)
        self._version = epoch * VERSIONS_PER_EPOCH
        self._notes: list[Strayed] = []

    @property
    def strayed(self) -> Mask:
        """Whether a site strays, shape (n,)."""
        return self._strayed.copy()

    def observe(self, rows: Rows, accepted: Mask) -> None:
        """Compare what the sites tell with what is committed."""
        known = rows.heard & accepted & (rows.second > self._start_s)
        self._told = np.where(known, rows.curve_version, NO_CURVE)
        tells = known & (self._told != NO_CURVE)
        wrong = tells & (self._told != self._committed)
        right = tells & (self._told == self._committed)
        began, ended = wrong & ~self._strayed, right & self._strayed
        self._strayed = (self._strayed | wrong) & ~right & accepted
        for row in np.flatnonzero(began | ended):
            self._notes.append(self._note(int(row), is_back=bool(ended[row])))
        self._sent_w[ended], self._sent_s[ended] = np.nan, -np.inf
        self._restored_s[ended] = -np.inf

    def messages(self, multiplier: float, now_s: float) -> list[Commitment]:
        """Return what to send to sites that stray, for the multiplier that is broadcast.

        Parameters
        ----------
        multiplier : float
            JPY/kWh.
        now_s : float
            Unix time.
        """
        if not self._strayed.any():
            return []
        share_w = shares(self._table, multiplier)
        found = []
        for row in np.flatnonzero(self._strayed):
            if now_s - self._restored_s[row] < RESTORE_EVERY_S:
                continue
            if self._told[row] == SHARE_VERSION:
                self._restored_s[row] = now_s
                found.append(self._again(self._commitments[row]))
            elif self._is_due(int(row), share_w, now_s):
                self._sent_w[row], self._sent_s[row] = share_w[row], now_s
                found.append(self._alone(self._commitments[row], float(share_w[row])))
        return found

    def take_notes(self) -> list[Strayed]:
        """Return what changed since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def _is_due(self, row: int, share_w: FloatArray, now_s: float) -> bool:
        moved_w = abs(share_w[row] - self._sent_w[row])
        moved = not moved_w <= MOVED_PART * self._reach_w[row]
        return bool(moved and now_s - self._sent_s[row] >= SHARE_EVERY_S)

    def _alone(self, commitment: Commitment, power_w: float) -> Commitment:
        """Write the same obligation with one share, whatever is broadcast."""
        curve = replace(
            commitment.curve,
            version=SHARE_VERSION,
            multipliers=column([0.0]),
            power_w=column([power_w]),
        )
        return self._again(replace(commitment, curve=curve))

    def _again(self, commitment: Commitment) -> Commitment:
        self._version += 1
        obligation = replace(commitment.obligation, version=self._version)
        return replace(commitment, obligation=obligation)

    def _note(self, row: int, *, is_back: bool) -> Strayed:
        return Strayed(
            site_id=SiteId(self._commitments[row].obligation.target),
            is_back=is_back,
            version_told=int(self._told[row]),
            version_committed=int(self._committed[row]),
            count=int(self._strayed.sum()),
        )
